"""Simulated training step on a fabric: its tasks run on the links, and the parts of its time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.topology import Topology
from slipstick.fabric.flows import FabricRun, run
from slipstick.fabric.training.exposed_time import exposed
from slipstick.fabric.training.job import Job
from slipstick.fabric.training.stationary import _write_stationary
from slipstick.fabric.training.streaming import _write_streaming
from slipstick.fabric.training.task_builder import KINDS, Tasks, _TaskWriter
from slipstick.fabric.training.traffic import _StrategyTraffic

_ITERATIONS = 2  # simulated, as in the FRED paper; the last one is what is reported
RUNS = 2**7  # runs of layers at most: deeper networks are simulated in runs of merged layers


@dataclass(frozen=True, eq=False)
class Iteration:
    """Simulated training step from `begin` to `end` [s]; `parts` [s] of the slowest lane sum to `time`.

    `job` is what was simulated, `tasks` its task graph of computations and messages, `run` their times on the fabric;
    a lane is a sequence of computations, such as a pipeline stage's of one replica; `lane` is the slowest one's number.
    """

    job: Job
    tasks: Tasks
    run: FabricRun
    begin: float
    end: float
    lane: int
    parts: dict[str, float]

    @property
    def time(self) -> float:
        """Seconds of the training step."""
        return self.end - self.begin

    @property
    def exposed(self) -> float:
        """Share of the step in which the slowest lane waits for communication (exposed communication)."""
        waiting = sum(value for name, value in self.parts.items() if name not in ("compute", "bubble"))
        return waiting / self.time

    @property
    def waiting(self) -> float:
        """Seconds in which the slowest lane does not compute: exposed communication and pipeline bubble."""
        return self.time - self.parts["compute"]

    def bytes_on_links(self, topology: Topology) -> FloatArray:
        """Bytes that each link carried in this step, by kind, [kinds, links]."""
        dag, mine = self.tasks.dag, self.tasks.iteration == self.tasks.iteration.max()
        moved = dag.size[dag.task_of_link] * dag.weight * mine[dag.task_of_link]
        place = self.tasks.kind[dag.task_of_link] * topology.links + dag.links
        carried = np.bincount(place, moved, minlength=len(KINDS) * topology.links)
        return carried.astype(np.float64).reshape(len(KINDS), -1)

    @property
    def last(self) -> IntArray:
        """Numbers of the tasks of this step."""
        return np.flatnonzero(self.tasks.iteration == self.tasks.iteration.max())


def simulate(job: Job, topology: Topology, *, most: int = RUNS) -> Iteration:
    """Return one simulated training step of a job on a fabric, its layers merged into at most about `most` runs.

    Errors
    ------
    SlipstickError for a job that does not fit the fabric, or that streams where there are no I/O controllers.

    Examples
    --------
    >>> from slipstick.fabric.topology_file import resolve_topology
    >>> from slipstick.core.layer import Layer
    >>> from slipstick.fabric.strategies import Strategy
    >>> job = Job((Layer("all", 1e-4, 2e-4, 120e6, 0.0),), Strategy(dp=20), overlap=False)
    >>> mesh, fred = (simulate(job, resolve_topology(f"wafer-{name}")) for name in ("mesh", "fred-d"))
    >>> round(mesh.parts["data_parallel"] / fred.parts["data_parallel"], 1)
    3.8
    """
    job.check(topology)
    traffic, writer = _StrategyTraffic(topology, job.strategy), _TaskWriter()
    write_tasks = _write_streaming if job.streaming else _write_stationary
    write_tasks(job, traffic, writer, _ITERATIONS, most)
    tasks = writer.finish()
    simulated = run(tasks.dag, topology)
    ends = [_end(tasks, simulated, iteration) for iteration in range(_ITERATIONS)]
    begin, end = ends[-2], ends[-1]
    lane = _busiest(tasks, simulated, begin)
    return Iteration(job, tasks, simulated, begin, end, lane, exposed(tasks, simulated, lane, begin, end))


def _end(tasks: Tasks, simulated: FabricRun, iteration: int) -> float:
    """Return the end [s] of an iteration; samples for the next one may still arrive after it."""
    own = (tasks.iteration == iteration) & (tasks.kind != KINDS.index("load"))
    return float(simulated.end[own].max())


def _busiest(tasks: Tasks, simulated: FabricRun, begin: float) -> int:
    """Return the lane with the longest compute time after `begin`."""
    own = (tasks.kind == 0) & (simulated.end > begin)
    work = np.bincount(tasks.dag.lane[own], (simulated.end - simulated.begin)[own])
    return int(work.argmax())
