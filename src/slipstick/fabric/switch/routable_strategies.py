"""Conflicts of parallel strategies at the switches of a two-level tree of Fred switches.

Workers are numbered tensor (the paper's MP) first, then pipeline (PP), then data (DP), and sit on consecutive NPUs:
FRED's own placement, of which the paper says that it suffices with m = 3. Every phase (MP, PP, DP) is checked by
itself, as phases do not overlap, with all of its groups running at once. Source: FRED (arXiv 2406.19580), sections 4
and 5; which uplink a flow takes (that of the first member in its lower switch) is our choice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from slipstick.fabric.strategies import Strategy
from slipstick.fabric.switch.clos_network import Fred
from slipstick.fabric.switch.flow_routing import route
from slipstick.fabric.switch.switch_flow import Flow

_UPPER = -1  # number of the upper switch, beside 0, 1, ... of the lower ones


@dataclass(frozen=True)
class Tree:
    """Two-level tree of switches: `npus` and uplinks per lower switch, `io` controllers, m middle sub-switches.

    Ports of a lower switch: NPUs, then I/O controllers, then uplinks. Ports of the upper one: uplinks, by switch.
    """

    npus: int
    io: tuple[int, ...]
    middles: int = 3

    def switch(self, place: int) -> Fred:
        """Return the FRED switch at an index of the tree: a lower switch from 0 on, or the upper switch (-1)."""
        if place == _UPPER:
            return Fred(self.npus * len(self.io), self.middles)
        return Fred(2 * self.npus + self.io[place], self.middles)

    def uplink(self, place: int, lane: int) -> int:
        """Return the port of uplink number `lane` at a lower switch."""
        return self.npus + self.io[place] + lane


def conflicting(tree: Tree, strategy: Strategy) -> dict[str, list[int]]:
    """Return the switches (-1: the upper one) at which each phase of a strategy conflicts, by conflicting phase.

    Examples
    --------
    >>> conflicting(Tree(4, (4, 4, 4, 3, 3)), Strategy(2, 5, 2))
    {}
    """
    flows = {
        "MP": _all_reduces(tree, strategy.tensor_groups),
        "DP": _all_reduces(tree, strategy.data_groups),
        "PP": _stage_casts(tree, strategy),
    }
    blocked = {phase: _blocked(tree, by_switch) for phase, by_switch in flows.items()}
    return {phase: places for phase, places in blocked.items() if places}


def _all_reduces(tree: Tree, groups: Sequence[Sequence[int]]) -> dict[int, list[Flow]]:
    """Return the flows at every switch when all groups perform an all-reduce at once.

    A group inside one lower switch is one flow there. A wider one has at each lower switch a flow that adds its members
    into an uplink and one that copies from that uplink to them, both at once, and one flow at the upper switch.
    """
    flows: dict[int, list[Flow]] = defaultdict(list)
    for group in groups:
        parts = _parts(tree, group)
        if len(parts) == 1:
            ((place, members),) = parts.items()
            flows[place].append(Flow.of(members, members))
            continue
        for place, members in parts.items():
            uplink = tree.uplink(place, members[0])
            flows[place] += [Flow.of(members, [uplink]), Flow.of([uplink], members)]
        ports = [place * tree.npus + members[0] for place, members in parts.items()]
        flows[_UPPER].append(Flow.of(ports, ports))
    return flows


def _stage_casts(tree: Tree, strategy: Strategy) -> dict[int, list[Flow]]:
    """Return the flows at every switch when the first worker of each stage multicasts to the next stage, at once.

    All replicas and all stages run together: the first worker of an inner stage receives while it sends.
    """
    s, flows = strategy, defaultdict[int, list[Flow]](list)
    for replica in range(s.dp):
        for stage in range(s.pp - 1):
            source = s.rank(0, stage, replica)
            _cast(tree, source, s.tensor_group(replica, stage + 1), flows)
    return flows


def _cast(tree: Tree, source: int, targets: Sequence[int], flows: dict[int, list[Flow]]) -> None:
    home, port = divmod(source, tree.npus)
    parts = _parts(tree, targets)
    away = {place: members for place, members in parts.items() if place != home}
    near = parts.get(home, []) + ([tree.uplink(home, port)] if away else [])
    flows[home].append(Flow.of([port], near))
    if away:
        ports = [place * tree.npus + members[0] for place, members in away.items()]
        flows[_UPPER].append(Flow.of([home * tree.npus + port], ports))
    for place, members in away.items():
        flows[place].append(Flow.of([tree.uplink(place, members[0])], members))


def _parts(tree: Tree, workers: Sequence[int]) -> dict[int, list[int]]:
    """Return the ports of a group's workers, by lower switch."""
    parts: dict[int, list[int]] = defaultdict(list)
    for worker in workers:
        parts[worker // tree.npus].append(worker % tree.npus)
    return dict(parts)


def _blocked(tree: Tree, flows: dict[int, list[Flow]]) -> list[int]:
    return [place for place, mine in sorted(flows.items()) if route(tree.switch(place), mine) is None]
