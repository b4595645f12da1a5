"""Report of a placement: metrics, tables, and a timeline of every device and link."""

from __future__ import annotations

from typing import Any

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.pictures.timeline import Lane, Span, timeline_svg
from slipstick.placement.problem import Problem
from slipstick.placement.schedule import PlacementSchedule
from slipstick.report.report import Metric, Table


def metrics(problem: Problem, schedule: PlacementSchedule) -> dict[str, Any]:
    """Return the metric tree of a placement; its speed-up SU^M is serial time over makespan (theory 2.3)."""
    source = f"{schedule.solver}, {len(problem.names)} operators, {problem.forwarding}"

    def metric(value: float, unit: str, note: str = "") -> Metric:
        return Metric(float(value), unit, "estimated", source, note)

    busy = _busy(problem, schedule)
    floor = max(schedule.bound, 1)
    return {
        "speedup": {
            "placement": metric(
                problem.serial / max(schedule.makespan, 1), "", "one device's time over the schedule's"
            ),
            "bound": metric(problem.serial / floor, "", "no schedule of this instance is faster"),
            "chain": metric(problem.serial / max(problem.critical_path, 1), "", "its longest chain, transfers free"),
        },
        "time": {
            "step": metric(schedule.makespan * problem.tick, "s", schedule.status),
            "one_device": metric(problem.serial * problem.tick, "s"),
            "bound": metric(schedule.bound * problem.tick, "s"),
        },
        "gap": metric(schedule.gap, "fraction", "how far the step may lie above the shortest, of the step"),
        "moved": metric(len({transfer.edge for transfer in schedule.transfers}), "", "edges between devices"),
        "idle": metric(1.0 - float(busy.mean()) / max(schedule.makespan, 1), "fraction", "mean of the devices"),
    }


def tables(problem: Problem, schedule: PlacementSchedule) -> dict[str, Table]:
    """Return the tables of a placement: operators and memory per device, and busy time per link."""
    used = np.bincount(schedule.device, problem.memory, minlength=len(problem.devices))
    count = np.bincount(schedule.device, minlength=len(problem.devices))
    busy = _busy(problem, schedule) * problem.tick
    devices = [
        (name, int(count[d]), float(busy[d]), float(used[d])) for d, name in enumerate(problem.devices)
    ]  # fmt: skip
    links = [
        (name, sum(t.link == n for t in schedule.transfers),
         sum(t.end - t.start for t in schedule.transfers if t.link == n) * problem.tick)
        for n, name in enumerate(problem.links)
    ]  # fmt: skip
    return {
        "devices": Table.of({"device": "", "operators": "", "busy": "s", "memory": "B"}, devices),
        "links": Table.of({"link": "", "transfers": "", "busy": "s"}, [row for row in links if row[1]]),
    }


def timeline(problem: Problem, schedule: PlacementSchedule, title: str) -> str:
    """Return the SVG timeline of a schedule: one lane per device, and one per link that carries data."""
    lanes = [Lane(name, _operators(problem, schedule, d)) for d, name in enumerate(problem.devices)]
    lanes += [Lane(name, _transfers(problem, schedule, n)) for n, name in enumerate(problem.links)]
    return timeline_svg([lane for lane in lanes if lane.spans], title)


def _operators(problem: Problem, schedule: PlacementSchedule, device: int) -> tuple[Span, ...]:
    spans = []
    for k in np.flatnonzero(schedule.device == device):
        begin = float(schedule.start[k]) * problem.tick
        name = problem.names[k]
        kind = "backward" if name.endswith("gradient") else "forward"
        spans.append(Span(begin, begin + float(problem.durations[k, device]) * problem.tick, name, kind))
    return tuple(spans)


def _transfers(problem: Problem, schedule: PlacementSchedule, link: int) -> tuple[Span, ...]:
    return tuple(
        Span(t.start * problem.tick, t.end * problem.tick, _edge(problem, t.edge), "transfer")
        for t in schedule.transfers
        if t.link == link
    )


def _edge(problem: Problem, edge: int) -> str:
    before, after = problem.edges[edge]
    return f"{problem.names[before]} to {problem.names[after]}"


def _busy(problem: Problem, schedule: PlacementSchedule) -> IntArray:
    """Return the ticks that each device computes."""
    spent = problem.durations[np.arange(len(problem.names)), schedule.device]
    return np.bincount(schedule.device, spent, minlength=len(problem.devices)).astype(np.int64)
