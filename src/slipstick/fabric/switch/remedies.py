"""Remedies for conflicting flows: run some later, enlarge the switch, send unicasts, or place workers elsewhere.

Source: FRED (arXiv 2406.19580), section 5; the last of them is `worker_placement`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

from slipstick.core.errors import SlipstickError
from slipstick.fabric.switch.clos_network import MAX_MIDDLES, Fred
from slipstick.fabric.switch.flow_routing import _must_route, route
from slipstick.fabric.switch.switch_flow import Flow, Series, _collective_flows


def rounds(switch: Fred, flows: Sequence[Flow]) -> list[list[Flow]]:
    """Return a schedule in rounds: each flow in the first round that can also route it, the largest flows first.

    Examples
    --------
    >>> flows = [Flow.of(group, group) for group in ([0, 2], [1, 4], [3, 5])]
    >>> [len(batch) for batch in rounds(Fred(8, 2), flows)]
    [2, 1]
    """
    batches: list[list[Flow]] = []
    for flow in sorted(flows, key=lambda flow: -len(flow.inputs | flow.outputs)):
        for batch in batches:
            if _disjoint(flow, batch) and route(switch, [*batch, flow]) is not None:
                batch.append(flow)
                break
        else:
            _must_route(switch, [flow])
            batches.append([flow])
    return batches


def fewest_middles(switch: Fred, flows: Sequence[Flow]) -> Fred:
    """Return the switch with the same ports and the fewest middle sub-switches (from 2) that routes the flows.

    Errors
    ------
    SlipstickError if none of up to 8 middles does.

    Examples
    --------
    >>> fewest_middles(Fred(8, 2), [Flow.of(group, group) for group in ([0, 2], [1, 4], [3, 5])]).middles
    3
    """
    for middles in range(2, MAX_MIDDLES + 1):
        larger = replace(switch, middles=middles)
        if route(larger, flows) is not None:
            return larger
    raise SlipstickError("no number of middles routes these flows", path="switch.middles", allowed=f"2 to {middles}")


def as_rings(groups: Sequence[Sequence[int]]) -> Series:
    """Return the concurrent all-reduces of disjoint groups as steps of unicasts, which any m >= 2 routes.

    Examples
    --------
    >>> [len(step) for step in as_rings([[0, 2, 4], [1, 3]])]
    [5, 5, 3, 3]
    """
    series = [_collective_flows("ring_all_reduce", group) for group in groups]
    return [[flow for step in steps if step for flow in step] for steps in zip_longest(*series)]


def _disjoint(flow: Flow, batch: Sequence[Flow]) -> bool:
    return not any(flow.inputs & other.inputs or flow.outputs & other.outputs for other in batch)
