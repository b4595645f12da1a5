"""Report of a simulated training step: metrics, tables and pictures."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.topology import Topology
from slipstick.fabric.fabric_pictures import _load_svg, _LoadWindow
from slipstick.fabric.training.exposed_time import BUBBLE
from slipstick.fabric.training.iteration import Iteration
from slipstick.fabric.training.task_builder import COMPUTE, KINDS
from slipstick.pictures.timeline import Lane, Span, timeline_svg
from slipstick.report.report import Metric, Table

_SOURCE = "simulated: flows with max-min fair shares on every link"
_SHOWN_LINKS = 8  # the busiest ones
_SHOWN_SPANS = 4000  # of a timeline, the longest ones: the rest would be thinner than a line


def metrics(step: Iteration, topology: Topology, samples: int) -> dict[str, Any]:
    """Return the metrics of a simulated training step over `samples` samples: times, throughput, bytes on links."""

    def metric(value: float, unit: str, note: str = "") -> Metric:
        return Metric(float(value), unit, "simulated", _SOURCE, note)

    carried = step.bytes_on_links(topology)
    busy = carried.sum(axis=0) / topology.bandwidth / step.time
    worst = int(busy.argmax()) if busy.size else 0
    waiting = {name: value for name, value in step.parts.items() if value > 0.0 or name == "compute"}
    return {
        "time": {
            "step": metric(step.time, "s", "from the end of one iteration to the end of the next"),
            "parts": {name: metric(value, "s", _NOTES.get(name, "exposed")) for name, value in waiting.items()},
            "sample": metric(step.time / samples, "s"),
        },
        "throughput": {"samples": metric(samples / step.time, "sample/s")},
        "communication": {
            "exposed": metric(step.exposed, "fraction", "of the step, on the lane that computes longest"),
            "busiest_link": metric(busy[worst], "fraction", _link(topology, worst)),
        },
        "network": {
            name: metric(carried[place].sum(), "B", "over all links, each hop counted")
            for place, name in enumerate(KINDS)
            if carried[place].any()
        },
    }


_NOTES = {"compute": "", BUBBLE: "waiting for another stage's computation"}


def tables(step: Iteration, topology: Topology) -> dict[str, Table]:
    """Return the breakdowns of a step: its time by part, and the busiest links by kind of traffic."""
    carried = step.bytes_on_links(topology)
    busy = carried.sum(axis=0) / topology.bandwidth / step.time
    order = np.argsort(-busy, kind="stable")[:_SHOWN_LINKS]
    names = [name for place, name in enumerate(KINDS) if carried[place].any()]
    kinds = [place for place in range(len(KINDS)) if carried[place].any()]
    rows = [(_link(topology, int(link)), busy[link], *(carried[kind, link] for kind in kinds)) for link in order]
    columns = {"link": "", "busy": "fraction", **{name.replace("_", " "): "B" for name in names}}
    parts = [(name.replace("_", " "), value, value / step.time) for name, value in step.parts.items() if value > 0]
    return {
        "time": Table.of({"part": "", "time": "s", "share": "fraction"}, parts),
        "links": Table.of(columns, rows),
    }


def bottleneck(step: Iteration) -> str:
    """Return a sentence on the largest part of the step's time, with its share."""
    name, value = max(step.parts.items(), key=lambda part: part[1])
    return f"{name.replace('_', ' ')}: {100 * value / step.time:.0f} % of the step"


def _load_windows(step: Iteration, topology: Topology, count: int = 1) -> list[_LoadWindow]:
    """Return the load of every link in `count` equal time windows of the step."""
    dag = step.tasks.dag
    edges = np.linspace(step.begin, step.end, count + 1)
    begin, end = step.run.begin, np.maximum(step.run.end - dag.tail, step.run.begin)
    length = np.maximum(end - begin, np.finfo(float).tiny)
    windows = []
    for low, high in pairwise(edges):
        share = np.clip((np.minimum(end, high) - np.maximum(begin, low)) / length, 0.0, 1.0)
        moved: FloatArray = (dag.size * share)[dag.task_of_link] * dag.weight
        carried = np.bincount(dag.links, moved, minlength=topology.links).astype(np.float64)
        at = f"from {100 * (low - step.begin) / step.time:.0f} % of the step" if count > 1 else "mean of the step"
        windows.append(_LoadWindow(at, float(high - low), carried))
    return windows


def load_picture(step: Iteration, topology: Topology, title: str, count: int = 1) -> str:
    """Return the animated link-load map of the step, in `count` consecutive time windows."""
    return _load_svg(topology, _load_windows(step, topology, count), title)


def timeline(step: Iteration, title: str, *, replica: int = 0) -> str:
    """Return the step of one replica: for each stage a lane of its computation, and below one for each kind of traffic
    that is its own; then the traffic of all replicas together."""
    tasks, stages = step.tasks, step.job.strategy.pp
    lanes = []
    for stage, lane in enumerate(range(replica * stages, (replica + 1) * stages)):
        for kind, name in enumerate(KINDS):
            label = f"stage {stage}" if kind == COMPUTE else name.replace("_", " ")
            lanes.append(Lane(label, _spans(step, (tasks.kind == kind) & (tasks.owner == lane))))
    for kind, name in enumerate(KINDS):
        lanes.append(Lane(name.replace("_", " "), _spans(step, (tasks.kind == kind) & (tasks.owner < 0))))
    return timeline_svg([lane for lane in lanes if lane.spans], title)


def _spans(step: Iteration, selected_tasks: Any) -> tuple[Span, ...]:
    inside = selected_tasks & (step.run.end > step.begin) & (step.run.begin < step.end)
    numbers = np.flatnonzero(inside & (step.run.end > step.run.begin))
    longest = numbers[np.argsort(-(step.run.end - step.run.begin)[numbers], kind="stable")[:_SHOWN_SPANS]]
    return tuple(_span(step, int(number)) for number in np.sort(longest))


def _span(step: Iteration, number: int) -> Span:
    begin, end = max(step.run.begin[number], step.begin), min(step.run.end[number], step.end)
    name, kind = step.tasks.names[number], int(step.tasks.kind[number])
    category = {"F": "forward", "B": "backward"}[name[0]] if kind == 0 else KINDS[kind].replace("_", " ")
    return Span(float(begin) - step.begin, float(end) - step.begin, name, category)


def _link(topology: Topology, link: int) -> str:
    return f"{topology.nodes[topology.source[link]]} to {topology.nodes[topology.target[link]]}"
