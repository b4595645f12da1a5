"""Every set of disjoint groups, and how many of them a switch cannot route.

The law: at each of the floor(P/2) two-port micro-switches at most two of the disjoint groups meet, so their conflict
graph has at most floor(P/2) edges; a graph that needs m + 1 colours has at least m (m + 1) / 2. Hence Fred_m(P) routes
every set of in-group collectives if floor(P/2) < m (m + 1) / 2; and only if, as else m + 1 groups can meet pairwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from slipstick.fabric.switch.clos_network import Fred
from slipstick.fabric.switch.flow_routing import Masks, routable


def always_routes(switch: Fred) -> bool:
    """Tell by the law whether in-group collectives of any disjoint groups route.

    Examples
    --------
    >>> always_routes(Fred(11, 3)), always_routes(Fred(12, 3)), always_routes(Fred(6, 2))
    (True, False, False)
    """
    return switch.ports // 2 < switch.middles * (switch.middles + 1) // 2


def partitions(ports: int) -> Iterator[tuple[int, ...]]:
    """Yield every partition of the ports into groups, a group as bits; Bell(ports) of them.

    Examples
    --------
    >>> [len(list(partitions(ports))) for ports in (3, 4, 5)]
    [5, 15, 52]
    """
    if ports == 0:
        yield ()
        return
    port = 1 << (ports - 1)
    for smaller in partitions(ports - 1):
        yield (*smaller, port)
        for place, group in enumerate(smaller):
            yield (*smaller[:place], group | port, *smaller[place + 1 :])


def in_group(ports: int) -> Iterator[Masks]:
    """Yield every set of all-reduces in disjoint groups. Any other collective inside a group conflicts no more."""
    for groups in partitions(ports):
        yield tuple((group, group) for group in groups)


def stars(ports: int) -> Iterator[Masks]:
    """Yield every set of multicasts in disjoint groups: one member sends to the others (pipeline stages).

    Examples
    --------
    >>> [len(list(stars(ports))) for ports in (2, 3, 4)]
    [3, 10, 41]
    """
    for groups in partitions(ports):
        many = [group for group in groups if group & (group - 1)]
        for roots in product(*(_bits(group) for group in many)):
            yield tuple((root, group ^ root) for root, group in zip(roots, many, strict=True))


def chains(ports: int) -> Iterator[Masks]:
    """Yield every set of multicasts: each output port listens to any input port, or to none; (P+1)**P of them.

    A port may receive from one stage of a pipeline while it sends to the next.

    Examples
    --------
    >>> len(list(chains(3)))
    64
    """
    for heard in product(range(-1, ports), repeat=ports):
        outputs = [sum(1 << out for out in range(ports) if heard[out] == source) for source in range(ports)]
        yield tuple((1 << source, mask) for source, mask in enumerate(outputs) if mask)


def unroutable(switch: Fred, sets: Iterator[Masks]) -> int:
    """Return how many of the sets conflict.

    Examples
    --------
    >>> unroutable(Fred(6, 2), in_group(6))
    8
    """
    return sum(not routable(switch, masks) for masks in sets)


def _bits(mask: int) -> list[int]:
    return [1 << place for place in range(mask.bit_length()) if mask >> place & 1]
