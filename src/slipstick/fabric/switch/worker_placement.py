"""Placement of workers at ports so that no phase conflicts, or a certificate that no such placement exists.

Ports that a micro-switch pairs may be exchanged, and so may whole pairs that the next level pairs: only one order of
each is tried. A part of a routable set is routable, so a beginning that conflicts is cut, and kept: these beginnings
together are the certificate, which `Certificate.proves` checks without the search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slipstick.core.errors import SlipstickError
from slipstick.fabric.switch.clos_network import Fred
from slipstick.fabric.switch.flow_routing import route
from slipstick.fabric.switch.switch_flow import Flow

_Subtree = tuple[int, object]  # of a port of some level: the first port of the switch below it, and the shape
Phase = tuple[Flow, ...]  # flows between workers that run together; phases run one after the other
_MAX_TRIALS = 200_000  # beginnings looked at: about a minute


@dataclass(frozen=True)
class Certificate:
    """Certificate that no placement routes: each of `refuted` (workers at ports 0, 1, ...) conflicts, and together
    they leave no placement; `tried` counts the beginnings that the search looked at."""

    refuted: tuple[tuple[int, ...], ...]
    tried: int

    def proves(self, switch: Fred, phases: Sequence[Phase]) -> bool:
        """Return whether the certificate holds: its prefixes all conflict, and every placement begins with one of them.

        Two placements count as one if exchanging paired ports, or pairs that are paired, turns one into the other.
        """
        refuted = set(self.refuted)
        if any(_fits(switch, phases, beginning) for beginning in refuted):
            return False
        pending: list[tuple[int, ...]] = [()]
        while pending:
            beginning = pending.pop()
            if beginning in refuted:
                continue
            if len(beginning) == switch.ports:
                return False
            pending += _longer(switch, beginning)
        return True


def place(switch: Fred, phases: Sequence[Phase], *, most: int = _MAX_TRIALS) -> tuple[int, ...] | Certificate:
    """Return a placement (the worker at each port) for which every phase routes, or the certificate that none exists.

    Parameters
    ----------
    phases : flows between workers 0 to ports - 1, numbers of workers in the place of ports.
    most : beginnings to look at.

    Errors
    ------
    SlipstickError if `most` did not suffice: then nothing is known.

    Examples
    --------
    >>> groups = ([0, 2], [1, 4], [3, 5], [6, 7])
    >>> place(Fred(8, 2), [tuple(Flow.of(group, group) for group in groups)])
    (0, 1, 2, 3, 4, 6, 5, 7)
    """
    return _Search(switch, tuple(phases), most).run()


def _fits(switch: Fred, phases: Sequence[Phase], workers: Sequence[int]) -> bool:
    """Return whether every phase routes with `workers` at the first ports and the other ports empty."""
    at = {worker: port for port, worker in enumerate(workers)}
    for phase in phases:
        flows = [Flow.of(_known(flow.inputs, at), _known(flow.outputs, at)) for flow in phase]
        if route(switch, [flow for flow in flows if flow.inputs and flow.outputs]) is None:
            return False
    return True


def _exchanges(switch: Fred) -> dict[int, int]:
    """Return, for the first port of every right half, the first port of the left half it may be exchanged with.

    Examples
    --------
    >>> _exchanges(Fred(4)), _exchanges(Fred(7))
    ({1: 0, 3: 2, 2: 0}, {1: 0, 3: 2, 5: 4, 2: 0})
    """
    partners: dict[int, int] = {}
    trees: list[_Subtree] = [(port, ()) for port in range(switch.ports)]
    while len(trees) > 1:
        pairs = list(zip(trees[::2], trees[1::2], strict=False))
        partners.update({right[0]: left[0] for left, right in pairs if left[1] == right[1]})
        odd = trees[-1:] if len(trees) % 2 else []
        if len(trees) == 3 and switch.three == "benes":
            break  # its middles are no longer alike
        trees = [(left[0], (left[1], right[1])) for left, right in pairs] + odd
    return partners


def _known(workers: frozenset[int], at: dict[int, int]) -> list[int]:
    return [at[worker] for worker in workers if worker in at]


def _longer(switch: Fred, beginning: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the placement prefixes that are one worker longer, one per class of exchangeable placements."""
    before = _exchanges(switch).get(len(beginning))
    least = beginning[before] if before is not None else -1
    return [(*beginning, worker) for worker in range(switch.ports) if worker > least and worker not in beginning]


class _Search:
    """Depth-first search over the prefixes of placements."""

    def __init__(self, switch: Fred, phases: tuple[Phase, ...], most: int) -> None:
        self.switch, self.phases, self.most = switch, phases, most
        self.refuted: list[tuple[int, ...]] = []
        self.tried = 0

    def run(self) -> tuple[int, ...] | Certificate:
        return self._from(()) or Certificate(tuple(self.refuted), self.tried)

    def _from(self, beginning: tuple[int, ...]) -> tuple[int, ...] | None:
        self.tried += 1
        if self.tried > self.most:
            raise SlipstickError("undecided", path="placement", value=self.tried, allowed=f"{self.most} beginnings")
        if not _fits(self.switch, self.phases, beginning):
            self.refuted.append(beginning)
            return None
        if len(beginning) == self.switch.ports:
            return beginning
        for longer in _longer(self.switch, beginning):
            placed = self._from(longer)
            if placed is not None:
                return placed
        return None
