"""Event simulation of a training step on a system's topology: layer costs by the cluster model, flows by the fabric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipstick.core.catalogue import systems
from slipstick.core.errors import SlipstickError
from slipstick.core.question import Question
from slipstick.core.system import System
from slipstick.engines.wafer_job import _job_for, _shares
from slipstick.report.report import Metric, Report, Table

if TYPE_CHECKING:
    from slipstick.core.topology import Topology
    from slipstick.fabric.strategies import Strategy
    from slipstick.fabric.training.iteration import Iteration
    from slipstick.fabric.training.job import Job

_PAPERS = ("rashidi2024",)
SWEEP_RUNS = 8  # runs of layers told apart in a sweep
_STRATEGIES = "strategies"  # the breakdown of a sweep


@dataclass(frozen=True)
class SimulatedStep:
    """Detail of a simulation's Report: the simulated step, and the topology that it ran on."""

    iteration: Iteration
    topology: Topology


def simulate_step(question: Question) -> Report:
    """Return the Report of a simulated training step; the option `sweep` gives a table of all strategies.

    Errors
    ------
    SlipstickError for plans that do not divide nodes, layers or batch.
    """
    from slipstick.fabric.training.iteration import simulate as iterate

    topology = _topology_of(question.system)
    job_of = _job_for(question, question.options.get("efficiency"))
    if question.options.get("sweep"):
        return _sweep(question, topology, job_of)
    strategy = _strategy(question, topology, job_of)
    step = SimulatedStep(iterate(job_of(strategy), topology), topology)
    return _report(question, step, strategy)


def _topology_of(system: System) -> Topology:
    """Return the Topology that a system names.

    Errors
    ------
    SlipstickError where it names none, with the systems that do, or a topology of another size.
    """
    from slipstick.fabric.topology_file import resolve_topology

    if not system.topology:
        wired = [name for name, known in systems.items() if known.topology]
        raise SlipstickError("has no topology to simulate", path="system.topology", value=system.name, allowed=wired)
    topology = resolve_topology(system.topology)
    if len(topology.npus) != system.devices:
        raise SlipstickError(
            f"its topology has {len(topology.npus)} nodes", path="system.devices", value=system.devices,
            allowed=f"{len(topology.npus)}",
        )  # fmt: skip
    return topology


def _sweep(question: Question, topology: Topology, job_of: Callable[[Strategy], Job]) -> Report:
    """Return every strategy that uses all nodes and divides the batch, fastest first."""
    from slipstick.fabric.training.iteration import simulate as iterate

    rows = []
    for strategy, job in _possible(topology, job_of):
        step = iterate(job, topology, most=SWEEP_RUNS)
        mode = "streaming" if job.streaming else "stationary"
        sizes = (strategy.tp, strategy.dp, strategy.pp)
        rows.append((strategy.name, *sizes, mode, step.time, step.parts["compute"], step.exposed))
    rows.sort(key=lambda row: float(row[5]))
    columns = {"strategy": "", "MP": "", "DP": "", "PP": "", "weights": "", "step": "s", "compute": "s"}
    fastest = {"step": Metric(rows[0][5], "s", "simulated", "", rows[0][0])} if rows else {}
    return Report.of(
        question,
        {"time": fastest} if fastest else {},
        {_STRATEGIES: Table.of({**columns, "exposed": "fraction"}, rows)},
        title=f"{question.workload.name} on {question.system.name}, {len(rows)} strategies",
        papers=_PAPERS,
    )


def _strategy(question: Question, topology: Topology, job_of: Callable[[Strategy], Job]) -> Strategy:
    """Return the plan's parallel strategy; where tp or pp is left open, the fastest one."""
    from slipstick.fabric.strategies import Strategy
    from slipstick.fabric.training.iteration import simulate as iterate

    parallel = question.plan.parallel
    if "auto" not in (parallel.tp, parallel.pp):
        tp, pp = int(parallel.tp), int(parallel.pp)
        dp = max(1, question.system.devices // (tp * pp)) if parallel.dp == "auto" else int(parallel.dp)
        return Strategy(tp, dp, pp)
    fixed = {"tp": parallel.tp, "pp": parallel.pp, "dp": parallel.dp}
    timed = [
        (iterate(job, topology, most=SWEEP_RUNS).time, number, strategy)
        for number, (strategy, job) in enumerate(_possible(topology, job_of))
        if all(value in ("auto", getattr(strategy, name)) for name, value in fixed.items())
    ]
    if not timed:
        raise SlipstickError("no strategy divides nodes and batch", path="plan.parallel", value=str(fixed))
    return min(timed)[2]


def _possible(topology: Topology, job_of: Callable[[Strategy], Job]) -> list[tuple[Strategy, Job]]:
    """Return the strategies that use all nodes and divide batch and layers, with their jobs."""
    from slipstick.fabric.strategies import strategies

    possible = []
    for strategy in strategies(len(topology.npus)):
        try:
            job = job_of(strategy)
            job.check(topology)
        except SlipstickError:
            continue
        possible.append((strategy, job))
    return possible


def _report(question: Question, step: SimulatedStep, strategy: Strategy) -> Report:
    from slipstick.cluster.constants.generic_constants import constants_findings
    from slipstick.fabric.training.step_report import bottleneck, load_picture, metrics, tables, timeline

    workload, iteration, topology = question.workload, step.iteration, step.topology
    degrees = {"tp": strategy.tp, "dp": strategy.dp, "pp": strategy.pp, "microbatch": _shares(question, strategy)[1]}
    plan = question.plan.model_copy(update={"parallel": question.plan.parallel.model_copy(update=degrees)})
    mode = "weights streamed" if iteration.job.streaming else "weights stationary"
    title = f"{workload.name} on {question.system.name}, {strategy.name}, {mode}"

    def pictures() -> dict[str, str]:
        """Draw each link's load through the step, and the timeline of one replica."""
        return {
            "Load of every link": load_picture(iteration, topology, title, count=8),
            "Timeline of one replica": timeline(iteration, title),
        }

    return Report.of(
        {**question.with_plan(plan).inputs(), "efficiency": question.options.get("efficiency")},
        metrics(iteration, topology, workload.batch),
        tables(iteration, topology),
        title=title,
        bottleneck=bottleneck(iteration),
        papers=_PAPERS,
        findings=constants_findings(question.system, links=False),
    ).with_detail(step, pictures)
