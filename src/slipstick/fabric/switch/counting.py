"""Exhaustive sets of flows, to count the sets that a switch cannot route (docs/theory/switch.md).

The law: at each of the floor(P/2) two-port micro-switches at most two of the disjoint groups meet, so their conflict
graph has at most floor(P/2) edges; a graph that needs m + 1 colours has at least m (m + 1) / 2. Hence Fred_m(P) routes
every set of in-group collectives if floor(P/2) < m (m + 1) / 2; and only if, as else m + 1 groups can meet pairwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from slipstick.core.errors import SlipstickError
from slipstick.fabric.switch.flow_routing import Masks


def flow_sets(kind: str, ports: int) -> Iterator[Masks]:
    """Yield every set of flows of a kind on `ports` ports, each flow as bits of its inputs and of its outputs.

    ``groups``: all-reduces in disjoint groups, Bell(P) sets; any other collective inside a group conflicts no more.
    ``stars``: multicasts in disjoint groups, one member of each sends to the others (pipeline stages). ``chains``:
    multicasts in which each output listens to any input or to none, (P+1)**P sets: a port may receive from one stage of
    a pipeline while it sends to the next.

    Errors
    ------
    SlipstickError for an unknown kind.

    Examples
    --------
    >>> [len(list(flow_sets("groups", ports))) for ports in (3, 4, 5)]
    [5, 15, 52]
    >>> [len(list(flow_sets("stars", ports))) for ports in (2, 3, 4)], len(list(flow_sets("chains", 3)))
    ([3, 10, 41], 64)

    Those of 6 ports that a Fred_2(6) cannot route:

    >>> from slipstick.fabric.switch.clos_network import Fred
    >>> from slipstick.fabric.switch.flow_routing import routable
    >>> sum(not routable(Fred(6, 2), masks) for masks in flow_sets("groups", 6))
    8
    """
    kinds = {"groups": _groups, "stars": _stars, "chains": _chains}
    if kind not in kinds:
        raise SlipstickError("no such kind of sets", path="kind", value=kind, allowed=list(kinds))
    return kinds[kind](ports)


def _partitions(ports: int) -> Iterator[tuple[int, ...]]:
    """Yield every partition of the ports into groups, each group a bit mask; there are Bell(ports) of them."""
    if ports == 0:
        yield ()
        return
    port = 1 << (ports - 1)
    for smaller in _partitions(ports - 1):
        yield (*smaller, port)
        for place, group in enumerate(smaller):
            yield (*smaller[:place], group | port, *smaller[place + 1 :])


def _groups(ports: int) -> Iterator[Masks]:
    for groups in _partitions(ports):
        yield tuple((group, group) for group in groups)


def _stars(ports: int) -> Iterator[Masks]:
    for groups in _partitions(ports):
        many = [group for group in groups if group & (group - 1)]
        for roots in product(*(_bits(group) for group in many)):
            yield tuple((root, group ^ root) for root, group in zip(roots, many, strict=True))


def _chains(ports: int) -> Iterator[Masks]:
    for heard in product(range(-1, ports), repeat=ports):
        outputs = [sum(1 << out for out in range(ports) if heard[out] == source) for source in range(ports)]
        yield tuple((1 << source, mask) for source, mask in enumerate(outputs) if mask)


def _bits(mask: int) -> list[int]:
    return [1 << place for place in range(mask.bit_length()) if mask >> place & 1]
