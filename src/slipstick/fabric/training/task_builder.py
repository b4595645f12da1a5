"""Builder of an iteration's task graph: computations in lanes, patterns of traffic, and their dependencies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.fabric.patterns import Pattern
from slipstick.fabric.tasks import Dag

KINDS = ("compute", "tensor_parallel", "pipeline_parallel", "data_parallel", "load", "stream")
COMPUTE, TENSOR, PIPELINE, DATA, LOAD, STREAM = range(len(KINDS))
# the FRED paper's order: tensor > pipeline > data parallel; traffic from outside waits for the wafer's own
_PRIORITY = (0, 0, 1, 2, 3, 3)


@dataclass(frozen=True, eq=False)
class Tasks:
    """Task graph of training steps: computations and messages (`dag`), with labels per task, arrays of shape [tasks].

    `kind` is an index into `KINDS`, `iteration` the number of the step, `names` the texts of timelines, `owner` the
    lane that the task is for (-1: for several).
    """

    dag: Dag
    kind: IntArray
    iteration: IntArray
    names: tuple[str, ...]
    owner: IntArray


_NOTHING = Pattern(np.zeros(0, np.int64), np.zeros(0))


class _Task(NamedTuple):
    """Task of an iteration: a computation in a lane, or traffic on behalf of the lane `owner`."""

    name: str
    kind: int
    owner: int
    size: float = 0.0
    seconds: float = 0.0
    lane: int = -1
    tail: float = 0.0
    pattern: Pattern = _NOTHING


class _TaskWriter:
    """Builder of a task graph, which collects tasks one by one and identifies them by number."""

    def __init__(self) -> None:
        self._tasks: list[_Task] = []
        self._edges: list[tuple[int, int]] = []
        self._iteration: list[int] = []
        self.iteration = 0

    def compute(self, name: str, seconds: float, lane: int, after: Iterable[int] = ()) -> int:
        """Add a computation of one lane."""
        return self._add(_Task(name, COMPUTE, lane, seconds=seconds, lane=lane), after)

    def send(
        self, name: str, kind: int, pattern: Pattern, size: float, after: Iterable[int] = (), times: int = 1,
        owner: int = -1,
    ) -> int:  # fmt: skip
        """Add traffic of `size` bytes for lane `owner`, which represents `times` equal consecutive parts."""
        return self._add(_Task(name, kind, owner, size=size, tail=times * pattern.latency, pattern=pattern), after)

    def _add(self, task: _Task, after: Iterable[int]) -> int:
        number = len(self._tasks)
        self._tasks.append(task)
        self._iteration.append(self.iteration)
        self._edges.extend((before, number) for before in after)
        return number

    def order(self, before: int, after: int) -> None:
        """Let a task wait for another."""
        self._edges.append((before, after))

    def finish(self) -> Tasks:
        """Return the task graph of the tasks collected so far."""
        tasks = self._tasks
        patterns = [task.pattern for task in tasks] or [_NOTHING]
        kind = np.array([task.kind for task in tasks], np.int64)
        dag = Dag(
            size=np.array([task.size for task in tasks]),
            seconds=np.array([task.seconds for task in tasks]),
            lane=np.array([task.lane for task in tasks], np.int64),
            priority=np.array(_PRIORITY, np.int64)[kind],
            delay=np.zeros(len(tasks)),
            tail=np.array([task.tail for task in tasks]),
            starts=np.concatenate([[0], np.cumsum([len(task.pattern.links) for task in tasks])]).astype(np.int64),
            links=np.concatenate([pattern.links for pattern in patterns]).astype(np.int64),
            weight=np.concatenate([pattern.weight for pattern in patterns]),
            edges=np.array(self._edges, np.int64).reshape(-1, 2),
        )
        names, owner = tuple(task.name for task in tasks), np.array([task.owner for task in tasks], np.int64)
        return Tasks(dag, kind, np.array(self._iteration, np.int64), names, owner)
