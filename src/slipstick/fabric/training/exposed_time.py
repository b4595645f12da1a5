"""Exposed communication: what a lane waits for, gap by gap, followed back along the tasks that held it up."""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.fabric.flows import Run
from slipstick.fabric.tasks import Dag
from slipstick.fabric.training.task_builder import COMPUTE, KINDS, Tasks

BUBBLE = "bubble"  # waiting for another lane's computation


def exposed(tasks: Tasks, found: Run, lane: int, begin: float, end: float) -> dict[str, float]:
    """Return seconds by kind that make up the time of one lane from `begin` to `end`; they sum up to it.

    A gap between two computations goes to what the later one waited for: its last predecessor as far back as that was
    under way, then that one's last predecessor, and so on. Other lanes' computations are bubbles.
    """
    parts = dict.fromkeys((*KINDS, BUBBLE), 0.0)
    before = _Before(tasks.dag)
    own = np.flatnonzero((tasks.dag.lane == lane) & (found.end > begin) & (found.begin < end))
    own = own[np.argsort(found.begin[own], kind="stable")]
    at = begin
    for task in own:
        _follow(int(task), at, float(found.begin[task]), tasks, found, before, parts)
        parts[KINDS[COMPUTE]] += min(found.end[task], end) - max(found.begin[task], begin, at)
        at = max(at, float(found.end[task]))
    if at < end:
        final = int(np.flatnonzero(found.end >= end)[0])
        _clip(final, at, end, tasks, found, parts)
        _follow(final, at, float(found.begin[final]), tasks, found, before, parts)
    return {name: float(value) for name, value in parts.items()}


class _Before:
    """What each task waits for."""

    def __init__(self, dag: Dag) -> None:
        order = np.argsort(dag.edges[:, 1], kind="stable")
        self._starts = np.searchsorted(dag.edges[order, 1], np.arange(len(dag) + 1))
        self._tasks = dag.edges[order, 0]

    def of(self, task: int) -> IntArray:
        return np.asarray(self._tasks[self._starts[task] : self._starts[task + 1]])


def _follow(
    task: int, low: float, high: float, tasks: Tasks, found: Run, before: _Before, parts: dict[str, float]
) -> None:
    """Give the time from `low` to `high`, which `task` waited, to what held it up."""
    while high > low:
        waits = before.of(task)
        if not waits.size:
            break
        task = int(waits[found.end[waits].argmax()])
        _clip(task, low, high, tasks, found, parts)
        high = min(high, float(found.begin[task]))
    parts[BUBBLE] += max(0.0, high - low)


def _clip(task: int, low: float, high: float, tasks: Tasks, found: Run, parts: dict[str, float]) -> None:
    kind = tasks.kind[task]
    name = BUBBLE if kind == COMPUTE else KINDS[kind]
    parts[name] += max(0.0, high - max(low, float(found.begin[task])))
