"""Collects the tasks of an iteration: computations in lanes, patterns of traffic, and what each waits for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.fabric.patterns import Pattern
from slipstick.fabric.tasks import Dag

KINDS = ("compute", "tensor_parallel", "pipeline_parallel", "data_parallel", "load", "stream")
COMPUTE, TENSOR, PIPELINE, DATA, LOAD, STREAM = range(len(KINDS))
# the FRED paper's order: tensor > pipeline > data parallel; what comes from outside waits for the wafer's own traffic
_PRIORITY = (0, 0, 1, 2, 3, 3)


@dataclass(frozen=True, eq=False)
class Tasks:
    """A `Dag` with what each task is: its kind (an index into `KINDS`), its iteration, its name, and the lane that it
    is for (-1: for several)."""

    dag: Dag
    kind: IntArray
    iteration: IntArray
    names: tuple[str, ...]
    owner: IntArray


class TaskWriter:
    """Collects tasks one by one; each is known by its number."""

    def __init__(self) -> None:
        self._size: list[float] = []
        self._seconds: list[float] = []
        self._lane: list[int] = []
        self._owner: list[int] = []
        self._kind: list[int] = []
        self._tail: list[float] = []
        self._patterns: list[Pattern | None] = []
        self._edges: list[tuple[int, int]] = []
        self._iteration: list[int] = []
        self._names: list[str] = []
        self.iteration = 0

    def compute(self, name: str, seconds: float, lane: int, after: Iterable[int] = ()) -> int:
        """Add a computation of one lane."""
        return self._add(name, COMPUTE, 0.0, seconds, lane, 0.0, None, after, lane)

    def send(
        self,
        name: str,
        kind: int,
        pattern: Pattern,
        size: float,
        after: Iterable[int] = (),
        times: int = 1,
        owner: int = -1,
    ) -> int:
        """Add traffic of `size` bytes for lane `owner`; it stands for `times` equal parts one behind the other."""
        return self._add(name, kind, size, 0.0, -1, times * pattern.latency, pattern, after, owner)

    def _add(
        self,
        name: str,
        kind: int,
        size: float,
        seconds: float,
        lane: int,
        tail: float,
        pattern: Pattern | None,
        after: Iterable[int],
        owner: int,
    ) -> int:
        number = len(self._size)
        self._size.append(size)
        self._seconds.append(seconds)
        self._lane.append(lane)
        self._owner.append(owner)
        self._kind.append(kind)
        self._tail.append(tail)
        self._patterns.append(pattern)
        self._iteration.append(self.iteration)
        self._names.append(name)
        self._edges.extend((before, number) for before in after)
        return number

    def order(self, before: int, after: int) -> None:
        """Let a task wait for another."""
        self._edges.append((before, after))

    def finish(self) -> Tasks:
        """Return all tasks."""
        count = len(self._size)
        lengths = [0 if pattern is None else len(pattern.links) for pattern in self._patterns]
        used = [pattern for pattern in self._patterns if pattern is not None] or [_NOTHING]
        kind = np.array(self._kind, np.int64)
        dag = Dag(
            size=np.array(self._size),
            seconds=np.array(self._seconds),
            lane=np.array(self._lane, np.int64),
            priority=np.array(_PRIORITY, np.int64)[kind],
            delay=np.zeros(count),
            tail=np.array(self._tail),
            starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            links=np.concatenate([pattern.links for pattern in used]).astype(np.int64),
            weight=np.concatenate([pattern.weight for pattern in used]),
            edges=np.array(self._edges, np.int64).reshape(-1, 2),
        )
        owner = np.array(self._owner, np.int64)
        return Tasks(dag, kind, np.array(self._iteration, np.int64), tuple(self._names), owner)


_NOTHING = Pattern(np.zeros(0, np.int64), np.zeros(0))
