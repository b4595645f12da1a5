"""Which strategies of tensor, pipeline and data parallelism route at every switch of a two-level tree.

Workers are numbered tensor (MP) first, then pipeline (PP), then data (DP), and sit on consecutive NPUs: FRED's own
placement, of which the paper says that it suffices with m = 3. Every phase (MP, PP, DP) is checked by itself, as phases
do not overlap, with all of its groups running at once. Source: FRED (arXiv 2406.19580), sections 4 and 5; which uplink
a flow takes (that of the first member in its lower switch) is our choice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slipstick.fabric.switch.clos_network import Fred
from slipstick.fabric.switch.flow_routing import route
from slipstick.fabric.switch.switch_flow import Flow

UPPER = -1  # the place of the upper switch among the lower ones


@dataclass(frozen=True)
class Strategy:
    """Degrees of tensor, data and pipeline parallelism."""

    mp: int
    dp: int
    pp: int

    def worker(self, tensor: int, stage: int, replica: int) -> int:
        """Return the worker's number."""
        return tensor + self.mp * (stage + self.pp * replica)


@dataclass(frozen=True)
class Tree:
    """A two-level tree: `npus` at each lower switch and as many uplinks, `io` controllers, m middles everywhere.

    Ports of a lower switch: NPUs, then I/O controllers, then uplinks. Ports of the upper one: uplinks, by switch.
    """

    npus: int
    io: tuple[int, ...]
    middles: int = 3

    def switch(self, place: int) -> Fred:
        """Return a lower switch, or the upper one."""
        if place == UPPER:
            return Fred(self.npus * len(self.io), self.middles)
        return Fred(2 * self.npus + self.io[place], self.middles)

    def uplink(self, place: int, lane: int) -> int:
        """Return the port of a lower switch that its uplink `lane` has."""
        return self.npus + self.io[place] + lane


def strategies(workers: int) -> Iterator[Strategy]:
    """Yield every factorisation mp x dp x pp of the workers.

    Examples
    --------
    >>> len(list(strategies(20))), len(list(strategies(64)))
    (18, 28)
    """
    for mp in range(1, workers + 1):
        for dp in range(1, workers + 1):
            if workers % (mp * dp) == 0:
                yield Strategy(mp, dp, workers // (mp * dp))


def conflicting(tree: Tree, strategy: Strategy) -> dict[str, list[int]]:
    """Return, for every phase that conflicts, the switches where it does (-1 is the upper one).

    Examples
    --------
    >>> conflicting(Tree(4, (4, 4, 4, 3, 3)), Strategy(2, 5, 2))
    {}
    """
    found = {}
    for phase, groups in (("MP", mp_groups(strategy)), ("DP", dp_groups(strategy))):
        found[phase] = _blocked(tree, all_reduces(tree, groups))
    found["PP"] = _blocked(tree, stage_casts(tree, strategy))
    return {phase: places for phase, places in found.items() if places}


def mp_groups(strategy: Strategy) -> list[list[int]]:
    """Return the workers of each tensor-parallel group."""
    s = strategy
    return [[s.worker(t, p, d) for t in range(s.mp)] for d in range(s.dp) for p in range(s.pp)]


def dp_groups(strategy: Strategy) -> list[list[int]]:
    """Return the workers of each data-parallel group."""
    s = strategy
    return [[s.worker(t, p, d) for d in range(s.dp)] for p in range(s.pp) for t in range(s.mp)]


def all_reduces(tree: Tree, groups: Sequence[Sequence[int]]) -> dict[int, list[Flow]]:
    """Return the flows at every switch when all groups all-reduce at once.

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
        flows[UPPER].append(Flow.of(ports, ports))
    return flows


def stage_casts(tree: Tree, strategy: Strategy) -> dict[int, list[Flow]]:
    """Return the flows at every switch when each stage's first worker multicasts to all of the next stage, at once.

    All replicas and all stages run together: the first worker of an inner stage receives while it sends.
    """
    s, flows = strategy, defaultdict[int, list[Flow]](list)
    for replica in range(s.dp):
        for stage in range(s.pp - 1):
            source = s.worker(0, stage, replica)
            heard = [s.worker(tensor, stage + 1, replica) for tensor in range(s.mp)]
            _cast(tree, source, heard, flows)
    return flows


def _cast(tree: Tree, source: int, heard: Sequence[int], flows: dict[int, list[Flow]]) -> None:
    home, port = divmod(source, tree.npus)
    parts = _parts(tree, heard)
    away = {place: members for place, members in parts.items() if place != home}
    near = parts.get(home, []) + ([tree.uplink(home, port)] if away else [])
    flows[home].append(Flow.of([port], near))
    if away:
        ports = [place * tree.npus + members[0] for place, members in away.items()]
        flows[UPPER].append(Flow.of([home * tree.npus + port], ports))
    for place, members in away.items():
        flows[place].append(Flow.of([tree.uplink(place, members[0])], members))


def _parts(tree: Tree, workers: Sequence[int]) -> dict[int, list[int]]:
    """Return the ports of the workers at each lower switch."""
    parts: dict[int, list[int]] = defaultdict(list)
    for worker in workers:
        parts[worker // tree.npus].append(worker % tree.npus)
    return dict(parts)


def _blocked(tree: Tree, flows: dict[int, list[Flow]]) -> list[int]:
    return [place for place, mine in sorted(flows.items()) if route(tree.switch(place), mine) is None]
