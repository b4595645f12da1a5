"""Exposed communication: the idle time of a lane, attributed gap by gap to the tasks that delayed it."""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.fabric.flows import FabricRun
from slipstick.fabric.tasks import Dag
from slipstick.fabric.training.task_builder import COMPUTE, KINDS, Tasks

BUBBLE = "bubble"  # waiting for another lane's computation


def exposed(tasks: Tasks, run: FabricRun, lane: int, begin: float, end: float) -> dict[str, float]:
    """Return the time of one lane from `begin` to `end` as seconds by kind of task, which sum to it.

    A gap between two computations goes to the task that the later one waited for: its last predecessor as far back as
    that was under way, then that task's last predecessor, and so on. Other lanes' computations are bubbles.
    """
    parts = dict.fromkeys((*KINDS, BUBBLE), 0.0)
    before = _Before(tasks.dag)
    own = np.flatnonzero((tasks.dag.lane == lane) & (run.end > begin) & (run.begin < end))
    own = own[np.argsort(run.begin[own], kind="stable")]
    at = begin
    for task in own:
        _follow(int(task), at, float(run.begin[task]), tasks, run, before, parts)
        parts[KINDS[COMPUTE]] += min(run.end[task], end) - max(run.begin[task], begin, at)
        at = max(at, float(run.end[task]))
    if at < end:
        final = int(np.flatnonzero(run.end >= end)[0])
        _clip(final, at, end, tasks, run, parts)
        _follow(final, at, float(run.begin[final]), tasks, run, before, parts)
    return {name: float(value) for name, value in parts.items()}


class _Before:
    """Predecessors of all tasks of a graph."""

    def __init__(self, dag: Dag) -> None:
        order = np.argsort(dag.edges[:, 1], kind="stable")
        self._starts = np.searchsorted(dag.edges[order, 1], np.arange(len(dag) + 1))
        self._tasks = dag.edges[order, 0]

    def of(self, task: int) -> IntArray:
        return np.asarray(self._tasks[self._starts[task] : self._starts[task + 1]])


def _follow(
    task: int, low: float, high: float, tasks: Tasks, run: FabricRun, before: _Before, parts: dict[str, float]
) -> None:
    """Attribute the time from `low` to `high`, in which `task` waited, to the tasks that delayed it."""
    while high > low:
        waits = before.of(task)
        if not waits.size:
            break
        task = int(waits[run.end[waits].argmax()])
        _clip(task, low, high, tasks, run, parts)
        high = min(high, float(run.begin[task]))
    parts[BUBBLE] += max(0.0, high - low)


def _clip(task: int, low: float, high: float, tasks: Tasks, run: FabricRun, parts: dict[str, float]) -> None:
    kind = tasks.kind[task]
    name = BUBBLE if kind == COMPUTE else KINDS[kind]
    parts[name] += max(0.0, high - max(low, float(run.begin[task])))
