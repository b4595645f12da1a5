"""Placement schedule: device and start of every operator and transfer, and the check of every rule."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.core.errors import SlipstickError
from slipstick.placement.problem import Problem

INTERRUPTED = "the best found before Ctrl-C"  # status of a schedule whose search the user ended


@dataclass(frozen=True)
class Transfer:
    """Transfer of one edge's data over one link, from `start` to `end` (ticks)."""

    edge: int
    link: int
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class PlacementSchedule:
    """Placement of operators with start times [ticks], a lower `bound` of the makespan, and the solver's `status`.

    `device` [operators], `start` [operators], `transfers` of every edge whose ends lie apart.
    """

    device: IntArray
    start: IntArray
    transfers: tuple[Transfer, ...]
    makespan: int
    bound: int
    status: str
    solver: str

    @property
    def gap(self) -> float:
        """Optimality gap: the most that the makespan lies above the optimum, as a share of the makespan."""
        return (self.makespan - self.bound) / self.makespan if self.makespan else 0.0

    @property
    def proved(self) -> bool:
        """Whether the makespan is proved to be the shortest possible."""
        return self.makespan <= self.bound


def check(problem: Problem, schedule: PlacementSchedule) -> PlacementSchedule:
    """Return the schedule unchanged if it keeps every rule of the problem, whichever solver found it.

    Errors
    ------
    SlipstickError naming the rule: classes together, memory, one operator at a time, links, order, makespan.
    """
    end = schedule.start + problem.durations[np.arange(len(problem.names)), schedule.device]
    for group in range(int(problem.groups.max(initial=-1)) + 1):
        if len(set(schedule.device[problem.groups == group].tolist())) > 1:
            raise SlipstickError("operators that belong together lie apart", path="schedule", value=group)
    used = np.bincount(schedule.device, problem.memory, minlength=len(problem.devices))
    if (used > problem.capacity).any():
        raise SlipstickError("a device is over its memory", path="schedule", value=used.tolist())
    for device in range(len(problem.devices)):
        here = np.flatnonzero(schedule.device == device)
        _apart([(int(schedule.start[k]), int(end[k])) for k in here], problem.devices[device])
    by_link: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for transfer in schedule.transfers:
        by_link[transfer.link].append((transfer.start, transfer.end))
        if transfer.end - transfer.start < problem.sent[transfer.edge, transfer.link]:
            raise SlipstickError("a transfer is too short", path="schedule", value=transfer.edge)
    for link, spans in by_link.items():
        _apart(spans, problem.links[link])
    for edge in range(len(problem.edges)):
        _check_edge(problem, schedule, edge, end)
    if int(end.max(initial=0)) != schedule.makespan or schedule.start.min(initial=0) < 0:
        raise SlipstickError("the makespan is not the last end", path="schedule", value=schedule.makespan)
    return schedule


def _apart(spans: list[tuple[int, int]], name: str) -> None:
    for (_, end), (start, _) in pairwise(sorted(span for span in spans if span[1] > span[0])):
        if start < end:
            raise SlipstickError("two things at once", path=f"schedule.{name}", value=f"{start} before {end}")


def _check_edge(problem: Problem, schedule: PlacementSchedule, edge: int, end: IntArray) -> None:
    before, after = problem.edges[edge]
    hops = sorted((t for t in schedule.transfers if t.edge == edge), key=lambda t: t.start)
    if schedule.device[before] == schedule.device[after]:
        arrived = int(end[before])
    else:
        ways = problem.between(int(schedule.device[before]), int(schedule.device[after]))
        used = {t.link for t in hops}
        fitting = [problem.ways[n].links for n in ways if set(problem.ways[n].links) == used]
        if not fitting:
            raise SlipstickError("a transfer takes no way", path="schedule", value=edge)
        by_link = {t.link: t for t in hops}
        at = int(end[before])
        for link in fitting[0]:
            if by_link[link].start < at:
                raise SlipstickError("a transfer begins too early", path="schedule", value=edge)
            if problem.forwarding == "store":
                at = by_link[link].end + int(problem.latency[link])
        if problem.forwarding == "cut-through":
            last = max(t.end for t in hops)
            if len({(t.start, t.end) for t in hops}) > 1:
                raise SlipstickError("a cut-through transfer is not on all links at once", path="schedule", value=edge)
            at = last + int(problem.latency[list(fitting[0])].sum())
        arrived = at
    if schedule.start[after] < arrived:
        raise SlipstickError("an operator begins before its input is there", path=f"schedule.{problem.names[after]}")
