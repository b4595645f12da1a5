"""Routing of flows through a switch: recursive colouring of conflict graphs, with backtracking over the levels.

At a level, two flows conflict if they share an input or an output micro-switch: each has one wire to a middle. A colour
is a middle. Flows of one colour must route in that middle, on ports that are the micro-switches of this level; where
they do not, another colouring is tried. A part of a routable set is routable, so a colour class that fails is cut at
once. Source: FRED (arXiv 2406.19580), section 5, which colours each level once; the retries are ours.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from slipstick.core.errors import SlipstickError
from slipstick.fabric.switch.clos_network import Fred
from slipstick.fabric.switch.switch_flow import Flow

Masks = tuple[tuple[int, int], ...]  # of each flow: its input ports and its output ports, as bits
_CACHED_SETS = 2**18  # sets of flows whose colouring is remembered


@dataclass(frozen=True)
class _Routed:
    """Routed flows: the middle sub-switch of each flow (`colours`), and the routes inside the middle sub-switches."""

    switch: Fred
    flows: tuple[Flow, ...]
    colours: tuple[int, ...]
    inner: tuple[_Routed, ...]  # one for each middle


def route(switch: Fred, flows: Sequence[Flow]) -> _Routed | None:
    """Return the routes of concurrent flows, or None if no colouring resolves their conflicts.

    Errors
    ------
    SlipstickError if the flows have no ports, a port that is not there, or a port that two use the same way.

    Examples
    --------
    The example of the paper's figure 7j, three groups of which any two meet at a micro-switch:

    >>> groups = [[0, 2], [1, 4], [3, 5]]
    >>> flows = [Flow.of(group, group) for group in groups]
    >>> route(Fred(8, 2), flows), route(Fred(8, 3), flows).colours
    (None, (0, 1, 2))
    """
    _check(switch.ports, flows)
    masks = tuple((_mask(flow.inputs), _mask(flow.outputs)) for flow in flows)
    return _built(switch, tuple(flows), masks) if _colouring(switch, tuple(sorted(masks))) is not None else None


def _must_route(switch: Fred, flows: Sequence[Flow]) -> _Routed:
    """Return the routes of concurrent flows, or raise an error if they conflict.

    Errors
    ------
    SlipstickError if they conflict, with the remedies.
    """
    routed = route(switch, flows)
    if routed is None:
        remedies = "run some later (rounds), more middles, unicasts (ring), another placement"
        raise SlipstickError("these flows conflict", path="flows", value=len(flows), allowed=remedies)
    return routed


def routable(switch: Fred, masks: Masks) -> bool:
    """Return whether a FRED switch can route concurrent flows (reductions and multicasts) without conflict.

    Faster than `route` where many sets of flows are counted. Source: FRED (arXiv 2406.19580), section 5.

    Parameters
    ----------
    masks : per flow its input ports and its output ports, each a bit mask: bit p stands for port p.
    """
    return _colouring(switch, tuple(sorted(masks))) is not None


def conflicts(flows: Sequence[Flow]) -> list[tuple[int, int]]:
    """Return the edges of the outermost conflict graph: pairs of flows that share a micro-switch.

    Examples
    --------
    >>> conflicts([Flow.of([0, 2], [0, 2]), Flow.of([1], [1]), Flow.of([4], [4])])
    [(0, 1)]
    """
    ends = [(_halved(_mask(flow.inputs)), _halved(_mask(flow.outputs))) for flow in flows]
    return [(i, j) for j in range(len(ends)) for i in range(j) if ends[i][0] & ends[j][0] or ends[i][1] & ends[j][1]]


def _halved(mask: int) -> int:
    """Return the bit mask of the micro-switches of some ports; an odd last port counts as its own micro-switch.

    Examples
    --------
    >>> bin(_halved(0b10011))
    '0b101'
    """
    micro_switches, place = 0, 0
    while mask:
        if mask & 3:
            micro_switches |= 1 << place
        mask, place = mask >> 2, place + 1
    return micro_switches


def _mask(ports: frozenset[int]) -> int:
    return sum(1 << port for port in ports)


@functools.lru_cache(maxsize=_CACHED_SETS)
def _colouring(switch: Fred, flows: Masks) -> tuple[int, ...] | None:
    """Return a colour per flow such that every colour class routes in its middle sub-switch, or None."""
    if switch.ports <= 2:
        return (0,) * len(flows)  # an RD carries whatever its ports can, a wire its one flow
    small = [(_halved(inputs), _halved(outputs)) for inputs, outputs in flows]
    order = sorted(range(len(flows)), key=lambda i: -sum(_meet(small[i], other) for other in small))
    classes: list[list[int]] = [[] for _ in range(switch.ways)]
    return _assign(switch, flows, small, order, classes)


def _assign(
    switch: Fred, flows: Masks, small: list[tuple[int, int]], order: list[int], classes: list[list[int]]
) -> tuple[int, ...] | None:
    """Colour the flows of `order` one by one, backtracking where a flow finds no middle sub-switch."""
    if not order:
        return tuple(next(way for way, members in enumerate(classes) if i in members) for i in range(len(flows)))
    flow, rest = order[0], order[1:]
    last = 1 << (switch.ports - 1)
    only_first = switch.piece and (flows[flow][0] | flows[flow][1]) & last
    empty_tried = False
    for way, members in enumerate(classes):
        if only_first and way:
            break
        if not members and not switch.piece:
            if empty_tried:
                continue  # middles are alike: an empty one is as good as another
            empty_tried = True
        if any(_meet(small[flow], small[other]) for other in members):
            continue
        members.append(flow)
        inside = tuple(sorted(small[member] for member in members))
        if _colouring(switch.inner(way), inside) is not None:
            colours = _assign(switch, flows, small, rest, classes)
            if colours is not None:
                return colours
        members.pop()
    return None


def _meet(flow: tuple[int, int], other: tuple[int, int]) -> bool:
    return bool(flow[0] & other[0] or flow[1] & other[1])


def _check(ports: int, flows: Sequence[Flow]) -> None:
    """Raise an error for flows that no switch can carry at the same time.

    Errors
    ------
    SlipstickError: no inputs or outputs, a port that is not there, a port that two flows use the same way.
    """
    for side in ("inputs", "outputs"):
        taken: dict[int, int] = {}
        for place, flow in enumerate(flows):
            path, mine = f"flows.{place}.{side}", getattr(flow, side)
            if not mine:
                raise SlipstickError("no ports", path=path, allowed="at least one")
            for port in sorted(mine):
                if not 0 <= port < ports:
                    raise SlipstickError("no such port", path=path, value=port, allowed=f"0 to {ports - 1}")
                if port in taken:
                    raise SlipstickError(f"flow {taken[port]} has this port already", path=path, value=port)
                taken[port] = place


def _built(switch: Fred, flows: tuple[Flow, ...], masks: Masks) -> _Routed:
    """Return the routes of flows known to be routable; colours are looked up by the sorted flows."""
    order = sorted(range(len(flows)), key=masks.__getitem__)
    known = _colouring(switch, tuple(masks[i] for i in order)) or ()
    colours = [0] * len(flows)
    for place, i in enumerate(order):
        colours[i] = known[place]
    inner = []
    for way in range(switch.ways):
        mine = [i for i in range(len(flows)) if colours[i] == way]
        inside = tuple(Flow.of({p // 2 for p in flows[i].inputs}, {p // 2 for p in flows[i].outputs}) for i in mine)
        halves = tuple((_halved(masks[i][0]), _halved(masks[i][1])) for i in mine)
        inner.append(_built(switch.inner(way), inside, halves))
    return _Routed(switch, flows, tuple(colours), tuple(inner))
