"""`simulate`: a training step on the links of a system's topology, in events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipstick.core.catalogue import systems
from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError
from slipstick.core.layer import Layer
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.system import System
from slipstick.core.workload import Phase
from slipstick.engines.question import PlanSpec, SystemSpec, WorkloadSpec, ask
from slipstick.report.answer import Answer
from slipstick.report.report import Report, Table

if TYPE_CHECKING:
    from slipstick.core.topology import Topology
    from slipstick.fabric.training.iteration import Iteration
    from slipstick.fabric.training.job import Job
    from slipstick.fabric.training.strategies import Strategy

PAPERS = ("rashidi2024",)
PLAN = "tp=auto,pp=auto,zero=2,gradients=bf16"  # what nobody said: the fastest split, ZeRO-2 and 16-bit gradients
TOKEN = 4  # bytes of a token's number, as data loaders send them
SWEEP_RUNS = 8  # runs of layers told apart in a sweep


@dataclass(frozen=True)
class Simulation(Answer):
    """A simulated step: the Report, and what pictures are drawn from."""

    report: Report
    iteration: Iteration
    topology: Topology

    def pictures(self) -> dict[str, str]:
        """Return SVGs by what they show: each link's load through the step, and the timeline of one replica."""
        from slipstick.fabric.training.step_report import load_picture, timeline

        return {
            "Load of every link": load_picture(self.iteration, self.topology, self.report.title, count=8),
            "Timeline of one replica": timeline(self.iteration, self.report.title),
        }


def simulate(
    workload: WorkloadSpec,
    system: SystemSpec,
    plan: PlanSpec = None,
    *,
    batch: int | None = None,
    sequence: int | None = None,
    efficiency: float | None = None,
    set: Mapping[str, object] | None = None,
) -> Report:
    """Return how long a training step takes on a system whose links are known, with all traffic on them in events.

    Parameters
    ----------
    workload
        A name of the catalogue, the path of a ``config.json``, a dict, a Network or a Workload.
    system
        A system with a ``topology``: a name, the path of a YAML file, a dict or a System.
    plan
        ``"tp=2,pp=2,dp=5,microbatch=8"``, a dict or a Plan; tp and pp may be ``auto``: the fastest of all that divide
        the nodes. ``offload_weights=true``: weights are streamed from outside; unless said, where they do not fit.
        ``dp_overlap=false``: gradients are reduced behind the backward pass.
    batch
        Samples, over all replicas.
    efficiency
        The share of the matrix units' peak that all layers together reach, instead of what the kernel models say.
    set
        Dotted path from ``system.``, ``workload.`` or ``plan.`` -> new value.

    Errors
    ------
    SlipstickError for a system without a topology, and for plans that do not divide nodes, layers or batch.

    Examples
    --------
    >>> report = simulate("resnet-152", "wafer-fred-d", "dp=20,dp_overlap=false", batch=320)
    >>> report["time.step"].how, 0.0 < report.value("communication.exposed") < 0.2
    ('simulated', True)
    """
    return run_simulation(workload, system, plan, batch=batch, sequence=sequence, efficiency=efficiency, set=set).report


def run_simulation(
    workload: WorkloadSpec,
    system: SystemSpec,
    plan: PlanSpec = None,
    *,
    batch: int | None = None,
    sequence: int | None = None,
    efficiency: float | None = None,
    set: Mapping[str, object] | None = None,
) -> Simulation:
    """Return the step that `simulate` reports, with what pictures need."""
    question = question_of(workload, system, plan, batch=batch, sequence=sequence, overrides=set)
    topology = topology_of(question.system)
    job_of = job_for(question, efficiency)
    strategy = _strategy(question, topology, job_of)
    from slipstick.fabric.training.iteration import simulate as iterate

    found = iterate(job_of(strategy), topology)
    return Simulation(_report(question, topology, found, strategy, efficiency), found, topology)


def sweep(
    workload: WorkloadSpec,
    system: SystemSpec,
    plan: PlanSpec = None,
    *,
    batch: int | None = None,
    sequence: int | None = None,
    efficiency: float | None = None,
    set: Mapping[str, object] | None = None,
) -> Table:
    """Return every strategy that takes all nodes and divides the batch, the fastest first. Arguments as for `simulate`.

    Examples
    --------
    >>> table = sweep("turing-nlg-17b", "wafer-mesh", "microbatch=1", batch=80)
    >>> [column.name for column in table.columns][:3], len(table.rows)
    (['strategy', 'MP', 'DP'], 18)
    """
    from slipstick.fabric.training.iteration import simulate as iterate

    question = question_of(workload, system, plan, batch=batch, sequence=sequence, overrides=set)
    topology = topology_of(question.system)
    job_of = job_for(question, efficiency)
    rows = []
    for strategy, job in _possible(topology, job_of):
        found = iterate(job, topology, most=SWEEP_RUNS)
        mode = "streaming" if job.streaming else "stationary"
        sizes = (strategy.mp, strategy.dp, strategy.pp)
        rows.append((strategy.name, *sizes, mode, found.time, found.parts["compute"], found.exposed))
    columns = {"strategy": "", "MP": "", "DP": "", "PP": "", "weights": "", "step": "s", "compute": "s"}
    return Table.of({**columns, "exposed": "fraction"}, sorted(rows, key=lambda row: float(row[5])))


def topology_of(system: System) -> Topology:
    """Return the topology that a system names.

    Errors
    ------
    SlipstickError where it names none, with the systems that do.
    """
    from slipstick.fabric.topology_file import resolve_topology

    if not system.topology:
        wired = [name for name, known in systems.items() if known.topology]
        raise SlipstickError("has no topology to simulate", path="system.topology", value=system.name, allowed=wired)
    found = resolve_topology(system.topology)
    if len(found.npus) != system.devices:
        raise SlipstickError(
            f"its topology has {len(found.npus)} nodes", path="system.devices", value=system.devices,
            allowed=f"{len(found.npus)}",
        )  # fmt: skip
    return found


def question_of(
    workload: WorkloadSpec,
    system: SystemSpec,
    plan: PlanSpec = None,
    *,
    batch: int | None = None,
    sequence: int | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Question:
    """Return what is asked, every default filled in.

    Errors
    ------
    SlipstickError for another phase than training, and ways of dividing the work that are not simulated.
    """
    wanted = PLAN if plan is None else plan
    question = ask(workload, system, wanted, batch=batch, sequence=sequence, overrides=overrides)
    if question.workload.phase is not Phase.TRAIN:
        raise SlipstickError("only training is simulated", path="phase", value=str(question.workload.phase))
    _refuse_others(question.plan)
    return question


def job_for(question: Question, efficiency: float | None = None) -> Callable[[Strategy], Job]:
    """Return what gives the job of a strategy; the layers' times are worked out once a microbatch size."""
    from slipstick.cluster.training.layer_costs import layer_costs, with_efficiency
    from slipstick.fabric.training.job import Job

    workload, system, plan = question.workload, question.system, question.plan
    known: dict[int, tuple[Layer, ...]] = {}

    def layers(microbatch: int) -> tuple[Layer, ...]:
        if microbatch not in known:
            found = layer_costs(workload, system, plan, microbatch)
            if efficiency is not None:
                found = with_efficiency(found, system.device_as(Accelerator).matrix[plan.formats.matmul], efficiency)
            known[microbatch] = found
        return known[microbatch]

    def job(strategy: Strategy) -> Job:
        replica, micro = _shares(question, strategy)
        return Job(
            layers=layers(micro),
            strategy=strategy,
            microbatches=replica // micro,
            samples=replica * _sample_bytes(question),
            streaming=_streams(question, strategy, layers(micro)),
            overlap=plan.collectives.dp_overlap,
            schedule=plan.parallel.schedule,
        )

    return job


def _shares(question: Question, strategy: Strategy) -> tuple[int, int]:
    """Return the samples of a replica, and of a microbatch."""
    batch, micro = question.workload.batch, question.plan.parallel.microbatch
    replica = batch // strategy.dp
    given = "microbatch" in question.plan.parallel.model_fields_set and micro != "auto"
    size = int(micro) if given else max(1, replica // (2 * strategy.pp if strategy.pp > 1 else 1))
    if batch % strategy.dp or replica % size or not replica:
        allowed = f"a multiple of dp x microbatch = {strategy.dp} x {size}"
        raise SlipstickError("does not divide evenly", path="workload.batch", value=batch, allowed=allowed)
    return replica, size


def _sample_bytes(question: Question) -> float:
    """Return the bytes of one sample as it is loaded: numbers of tokens, or the elements of an image in 16 bits."""
    network, sequence = question.workload.network, question.workload.sequence
    sample_ops = getattr(network, "sample_ops", None)
    if sample_ops is None:
        return float(TOKEN * sequence)
    return 2.0 * float(sample_ops(Phase.TRAIN, sequence)[0].inputs)


def _streams(question: Question, strategy: Strategy, layers: tuple[Layer, ...]) -> bool:
    """Tell whether weights are streamed: as the plan says, or else where weights and optimiser do not fit."""
    from slipstick.cluster.assembly import ADAM_STATES, width

    plan, parameters = question.plan, question.workload.network.parameters
    if "weights" in plan.offload.model_fields_set:
        return plan.offload.weights
    zero, dp = plan.parallel.zero, strategy.dp
    gradients = sum(layer.gradient_bytes for layer in layers) / (dp if zero > 1 else 1)
    states = ADAM_STATES * width("fp32") * parameters / (dp if zero else 1)
    held = (sum(layer.weights for layer in layers) + gradients + states) / (strategy.mp * strategy.pp)
    return bool(held > question.system.main_memory.capacity)


def _strategy(question: Question, topology: Topology, job_of: Callable[[Strategy], Job]) -> Strategy:
    """Return the plan's strategy; where tp or pp is open, the fastest."""
    from slipstick.fabric.training.iteration import simulate as iterate
    from slipstick.fabric.training.strategies import Strategy

    parallel = question.plan.parallel
    if "auto" not in (parallel.tp, parallel.pp):
        mp, pp = int(parallel.tp), int(parallel.pp)
        dp = max(1, question.system.devices // (mp * pp)) if parallel.dp == "auto" else int(parallel.dp)
        return Strategy(mp, dp, pp)
    fixed = {"mp": parallel.tp, "pp": parallel.pp, "dp": parallel.dp}
    timed = [
        (iterate(job, topology, most=SWEEP_RUNS).time, number, strategy)
        for number, (strategy, job) in enumerate(_possible(topology, job_of))
        if all(value in ("auto", getattr(strategy, name)) for name, value in fixed.items())
    ]
    if not timed:
        raise SlipstickError("no strategy divides nodes and batch", path="plan.parallel", value=str(fixed))
    return min(timed)[2]


def _possible(topology: Topology, job_of: Callable[[Strategy], Job]) -> list[tuple[Strategy, Job]]:
    """Return the strategies that take all nodes and divide the batch and the layers, with their jobs."""
    from slipstick.fabric.training.job import check
    from slipstick.fabric.training.strategies import strategies

    found = []
    for strategy in strategies(len(topology.npus)):
        try:
            job = job_of(strategy)
            check(job, topology)
        except SlipstickError:
            continue
        found.append((strategy, job))
    return found


def _refuse_others(plan: Plan) -> None:
    """Raise for ways of dividing the work that the fabric does not simulate."""
    for name in ("cp", "ep", "interleave"):
        value = getattr(plan.parallel, name)
        if value not in (1, "auto"):
            raise SlipstickError("is not simulated", path=f"plan.parallel.{name}", value=value, allowed="tp, dp and pp")


def _report(
    question: Question, topology: Topology, found: Iteration, strategy: Strategy, efficiency: float | None
) -> Report:
    from slipstick.fabric.training.step_report import bottleneck, metrics, tables
    from slipstick.report.checks import run_checks
    from slipstick.report.report import flatten

    workload, system = question.workload, question.system
    # idle nodes and the last replicas' shares: what the strategy leaves out
    tree = metrics(found, topology, workload.batch)
    parallel = question.plan.parallel.model_copy(
        update={"tp": strategy.mp, "dp": strategy.dp, "pp": strategy.pp, "microbatch": _shares(question, strategy)[1]}
    )
    mode = "weights streamed" if found.job.streaming else "weights stationary"
    return Report(
        title=f"{workload.name} on {system.name}, {strategy.name}, {mode}",
        metrics=tree,
        breakdowns=tables(found, topology),
        bottleneck=bottleneck(found),
        warnings=run_checks({path: metric.value for path, metric in flatten(tree)}),
        inputs={
            "workload": workload,
            "system": system,
            "plan": question.plan.model_copy(update={"parallel": parallel}),
            "efficiency": efficiency,
        },
        papers=PAPERS,
    )
