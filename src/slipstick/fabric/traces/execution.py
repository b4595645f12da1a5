"""Execution traces: one list of steps per compute node, executed together on a topology."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.fabric.collectives.by_name import collective_schedule
from slipstick.fabric.flows import FabricRun, Mode, run
from slipstick.fabric.routing import routes
from slipstick.fabric.tasks import Dag, Endpoint, lower

_Kind = Literal["compute", "collective", "send", "receive"]


@dataclass(frozen=True)
class TraceStep:
    """Step of one node in an execution trace; it starts after the steps `after` of the same node.

    ``compute`` takes `seconds`. ``collective`` names its kind and `size` [B] of what a node puts in; nodes that name
    the same `group` meet in the order of their steps. ``send`` and ``receive`` meet by `peer` and `tag`.
    """

    number: int
    name: str
    kind: _Kind
    after: tuple[int, ...] = ()
    seconds: float = 0.0
    collective: str = ""
    size: float = 0.0
    group: str = ""
    peer: int = -1
    tag: int = 0
    attributes: Mapping[str, object] = field(default_factory=dict)


Trace = tuple[TraceStep, ...]


@dataclass(frozen=True, eq=False)
class ExecutedTraces:
    """Executed traces: begin and end [s] of every step by node and step number, and the simulated run."""

    begin: tuple[dict[int, float], ...]
    end: tuple[dict[int, float], ...]
    run: FabricRun

    @property
    def time(self) -> float:
        """Seconds until the last step has ended."""
        return max((max(steps.values(), default=0.0) for steps in self.end), default=0.0)


def execute_traces(
    traces: Sequence[Trace],
    topology: Topology,
    *,
    algorithms: Mapping[str, str] | None = None,
    endpoint: Endpoint | None = None,
    mode: Mode = "flows",
) -> ExecutedTraces:
    """Return the executed traces of all nodes; a node computes one step at a time while its messages travel.

    Parameters
    ----------
    algorithms : collective -> algorithm; ``ring`` unless named.

    Errors
    ------
    SlipstickError for another number of traces than nodes, steps that wait for what is not there, collectives that not
    all of their group reach, sends without receives.

    Examples
    --------
    >>> from slipstick.fabric.builders import ring
    >>> work = TraceStep(0, "matmul", "compute", seconds=1e-3)
    >>> reduce = TraceStep(1, "gradients", "collective", (0,), collective="all_reduce", size=1e6)
    >>> executed = execute_traces([(work, reduce)] * 4, ring(4, 1e9, 0.0))
    >>> round(executed.time, 6)  # 1 ms, and 2 (3/4) of 1 MB at 1 GB/s
    0.0025
    """
    if len(traces) != topology.npus.size:
        raise SlipstickError("not one trace a node", path="traces", value=len(traces), allowed=f"{topology.npus.size}")
    whole = _Program(traces, topology, algorithms or {}, endpoint or Endpoint())
    simulated = run(whole.dag(), topology, mode)
    entry, leave = whole.entry, whole.leave
    begin = tuple(
        {n: float(simulated.begin[entry[node, n]]) for n in map(_number, trace)} for node, trace in enumerate(traces)
    )
    end = tuple(
        {n: float(simulated.end[leave[node, n]]) for n in map(_number, trace)} for node, trace in enumerate(traces)
    )
    return ExecutedTraces(begin, end, simulated)


def _number(step: TraceStep) -> int:
    return step.number


class _Program:
    """Builder of one task graph from all traces, with a begin task and an end task per step."""

    def __init__(
        self, traces: Sequence[Trace], topology: Topology, algorithms: Mapping[str, str], endpoint: Endpoint
    ) -> None:
        self.traces, self.topology, self.algorithms, self.endpoint = traces, topology, algorithms, endpoint
        self.entry: dict[tuple[int, int], int] = {}
        self.leave: dict[tuple[int, int], int] = {}
        self.parts: list[Dag] = []
        self.edges: list[tuple[int, int]] = []
        self.length = 0

    def dag(self) -> Dag:
        seconds: list[float] = []
        lanes: list[int] = []
        for node, trace in enumerate(self.traces):
            for step in trace:
                if (node, step.number) in self.entry:
                    raise SlipstickError("stands twice", path=f"traces.{node}", value=step.number)
                fixed = step.kind == "compute"
                self.entry[node, step.number] = len(seconds)
                seconds.append(step.seconds if fixed else 0.0)
                lanes.append(node if fixed else -1)
                self.leave[node, step.number] = len(seconds) - (1 if fixed else 0)
                if not fixed:
                    seconds.append(0.0)
                    lanes.append(-1)
        self._append(_fixed(seconds, lanes))
        for node, trace in enumerate(self.traces):
            for step in trace:
                self._after(node, step)
        self._collectives()
        self._pairs()
        return Dag.join(self.parts, self.edges)

    def _append(self, part: Dag) -> int:
        self.parts.append(part)
        self.length += len(part)
        return self.length - len(part)

    def _after(self, node: int, step: TraceStep) -> None:
        for before in step.after:
            if (node, before) not in self.leave:
                raise SlipstickError(
                    "waits for a step that is not there", path=f"traces.{node}.{step.name}", value=before
                )
            self.edges.append((self.leave[node, before], self.entry[node, step.number]))

    def _collectives(self) -> None:
        met: dict[tuple[str, int], dict[int, TraceStep]] = defaultdict(dict)
        for node, trace in enumerate(self.traces):
            turns: dict[str, int] = defaultdict(int)
            for step in trace:
                if step.kind == "collective":
                    met[step.group, turns[step.group]][node] = step
                    turns[step.group] += 1
        for (group, turn), steps in met.items():
            nodes = _members(group, steps, len(self.traces))
            first = steps[nodes[0]]
            if any((s.collective, s.size) != (first.collective, first.size) for s in steps.values()):
                raise SlipstickError("nodes differ in what they do", path=f"collective {group or 'of all'}", value=turn)
            self._collective(first, nodes, {node: steps[node].number for node in nodes})

    def _collective(self, step: TraceStep, nodes: list[int], numbers: Mapping[int, int]) -> None:
        place = self.topology.npus[nodes]
        schedule = collective_schedule(step.collective, self.algorithms.get(step.collective, "ring"), len(nodes))
        size = step.size * (len(nodes) if step.collective == "all_gather" else 1)
        first = self._append(lower(schedule, self.topology, size, nodes=place, endpoint=self.endpoint))
        for starts, ranks, leaving in (
            (schedule.source_starts, schedule.sources, True), (schedule.target_starts, schedule.targets, False)
        ):  # fmt: skip
            message = first + np.repeat(np.arange(len(schedule)), np.diff(starts))
            for task, rank in zip(message.tolist(), ranks.tolist(), strict=True):
                key = nodes[rank], numbers[nodes[rank]]
                self.edges.append((self.entry[key], task) if leaving else (task, self.leave[key]))
        for node in nodes:  # who only waits for what it sends ends with what it sends
            self.edges.append((self.entry[node, numbers[node]], self.leave[node, numbers[node]]))

    def _pairs(self) -> None:
        open_sends: dict[tuple[int, int, int], list[tuple[int, TraceStep]]] = defaultdict(list)
        for node, trace in enumerate(self.traces):
            for step in trace:
                if step.kind == "send":
                    open_sends[node, step.peer, step.tag].append((node, step))
        for node, trace in enumerate(self.traces):
            for step in trace:
                if step.kind == "receive":
                    waiting = open_sends[step.peer, node, step.tag]
                    if not waiting:
                        raise SlipstickError("nobody sends it", path=f"traces.{node}.{step.name}", value=step.peer)
                    self._transfer(*waiting.pop(0), node, step)
        left = [steps[0] for steps in open_sends.values() if steps]
        if left:
            node, step = left[0]
            raise SlipstickError("nobody receives it", path=f"traces.{node}.{step.name}", value=step.peer)

    def _transfer(self, sender: int, send: TraceStep, receiver: int, receive: TraceStep) -> None:
        path = routes(self.topology, [self.topology.npus[sender]], [self.topology.npus[receiver]])
        latency = float(self.topology.latency[path.links].sum())
        first = self._append(
            Dag(
                size=np.array([send.size]), seconds=np.zeros(1), lane=np.full(1, -1), priority=np.zeros(1, np.int64),
                delay=np.full(1, self.endpoint.delay), tail=np.full(1, latency), starts=path.starts, links=path.links,
                weight=np.ones(len(path.links)), edges=np.zeros((0, 2), np.int64),
            )
        )  # fmt: skip
        self.edges += [
            (self.entry[sender, send.number], first),
            (first, self.leave[sender, send.number]),
            (first, self.leave[receiver, receive.number]),
            (self.entry[receiver, receive.number], self.leave[receiver, receive.number]),
        ]


def _members(group: str, steps: Mapping[int, TraceStep], count: int) -> list[int]:
    """Return the nodes of a group: those that name it; a group without a name must be all nodes."""
    nodes = sorted(steps)
    if not group and len(nodes) < count:
        missing = sorted(set(range(count)) - set(nodes))
        raise SlipstickError("not all nodes take part", path="collective of all", value=missing[:8])
    return nodes


def _fixed(seconds: Sequence[float], lanes: Sequence[int]) -> Dag:
    count = len(seconds)
    zero = np.zeros(count)
    return Dag(
        size=zero, seconds=np.array(seconds), lane=np.array(lanes, np.int64), priority=np.zeros(count, np.int64),
        delay=zero, tail=zero, starts=np.zeros(count + 1, np.int64), links=np.zeros(0, np.int64), weight=np.zeros(0),
        edges=np.zeros((0, 2), np.int64),
    )  # fmt: skip
