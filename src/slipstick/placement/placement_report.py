"""A placement as metrics, tables and a timeline of every device and link."""

from __future__ import annotations

from typing import Any

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.pictures.timeline import Lane, Span, timeline_svg
from slipstick.placement.problem import Problem
from slipstick.placement.schedule import Schedule
from slipstick.report.report import Metric, Table


def metrics(problem: Problem, found: Schedule) -> dict[str, Any]:
    """Return the metric tree: SU^M is the time of all operators one after the other over the makespan (theory 2.3)."""
    source = f"{found.solver}, {len(problem.names)} operators, {problem.forwarding}"

    def metric(value: float, unit: str, note: str = "") -> Metric:
        return Metric(float(value), unit, "estimated", source, note)

    busy = _busy(problem, found)
    floor = max(found.bound, 1)
    return {
        "speedup": {
            "placement": metric(problem.serial / max(found.makespan, 1), "", "one device's time over the schedule's"),
            "bound": metric(problem.serial / floor, "", "no schedule of this instance is faster"),
            "chain": metric(problem.serial / max(problem.critical_path, 1), "", "its longest chain, transfers free"),
        },
        "time": {
            "step": metric(found.makespan * problem.tick, "s", found.status),
            "one_device": metric(problem.serial * problem.tick, "s"),
            "bound": metric(found.bound * problem.tick, "s"),
        },
        "gap": metric(found.gap, "fraction", "how far the step may lie above the shortest, of the step"),
        "moved": metric(len({transfer.edge for transfer in found.transfers}), "", "edges between devices"),
        "idle": metric(1.0 - float(busy.mean()) / max(found.makespan, 1), "fraction", "mean of the devices"),
    }


def tables(problem: Problem, found: Schedule) -> dict[str, Table]:
    """Return the breakdowns: devices with what they hold, and links with how long they carry something."""
    kept = np.bincount(found.device, problem.memory, minlength=len(problem.devices))
    count = np.bincount(found.device, minlength=len(problem.devices))
    busy = _busy(problem, found) * problem.tick
    devices = [
        (name, int(count[d]), float(busy[d]), float(kept[d])) for d, name in enumerate(problem.devices)
    ]  # fmt: skip
    links = [
        (name, sum(t.link == n for t in found.transfers),
         sum(t.end - t.start for t in found.transfers if t.link == n) * problem.tick)
        for n, name in enumerate(problem.links)
    ]  # fmt: skip
    return {
        "devices": Table.of({"device": "", "operators": "", "busy": "s", "memory": "B"}, devices),
        "links": Table.of({"link": "", "transfers": "", "busy": "s"}, [row for row in links if row[1]]),
    }


def timeline(problem: Problem, found: Schedule, title: str) -> str:
    """Return the schedule as an SVG: a lane for each device, and one for each link that carries something."""
    lanes = [Lane(name, _operators(problem, found, d)) for d, name in enumerate(problem.devices)]
    lanes += [Lane(name, _transfers(problem, found, n)) for n, name in enumerate(problem.links)]
    return timeline_svg([lane for lane in lanes if lane.spans], title)


def _operators(problem: Problem, found: Schedule, device: int) -> tuple[Span, ...]:
    spans = []
    for k in np.flatnonzero(found.device == device):
        begin = float(found.start[k]) * problem.tick
        name = problem.names[k]
        kind = "backward" if name.endswith("gradient") else "forward"
        spans.append(Span(begin, begin + float(problem.durations[k, device]) * problem.tick, name, kind))
    return tuple(spans)


def _transfers(problem: Problem, found: Schedule, link: int) -> tuple[Span, ...]:
    return tuple(
        Span(t.start * problem.tick, t.end * problem.tick, _edge(problem, t.edge), "transfer")
        for t in found.transfers
        if t.link == link
    )


def _edge(problem: Problem, edge: int) -> str:
    before, after = problem.edges[edge]
    return f"{problem.names[before]} to {problem.names[after]}"


def _busy(problem: Problem, found: Schedule) -> IntArray:
    """Return the ticks that each device computes."""
    spent = problem.durations[np.arange(len(problem.names)), found.device]
    return np.bincount(found.device, spent, minlength=len(problem.devices)).astype(np.int64)
