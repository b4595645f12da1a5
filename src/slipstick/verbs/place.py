"""`place`: the operators of a network onto the devices of a system whose links are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipstick.core.catalogue import systems
from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Op, Phase
from slipstick.engines.question import PlanSpec, Question, SystemSpec, WorkloadSpec, ask
from slipstick.report.answer import Answer
from slipstick.report.report import Report

if TYPE_CHECKING:
    from slipstick.core.topology import Topology
    from slipstick.placement.problem import Forwarding, Problem
    from slipstick.placement.schedule import Schedule

PLAN = "matmul=fp16,activations=fp16"  # what nobody said: the formats of mixed-precision training since Volta
TIME_LIMIT = 60.0  # seconds: what one waits for an answer


@dataclass(frozen=True)
class Instance:
    """What is solved, and what it was made of: `seconds` of operators, bytes `sent` on edges, the links."""

    problem: Problem
    seconds: Mapping[str, float]
    sent: Mapping[tuple[str, str], float]
    topology: Topology


@dataclass(frozen=True)
class Placement(Answer):
    """A placement: the Report, the instance, and the schedule that the timeline is drawn from."""

    report: Report
    instance: Instance
    schedule: Schedule

    def replayed(self) -> float:
        """Return the seconds that the fabric's flow simulator takes for the schedule."""
        from slipstick.engines.placement_replay import replay

        given = self.instance
        return replay(given.problem, self.schedule, given.seconds, given.sent, given.topology)

    def timeline(self) -> str:
        """Return the schedule as an SVG, a lane for each device and link."""
        from slipstick.placement.placement_report import timeline

        return timeline(self.instance.problem, self.schedule, self.report.title)

    def pictures(self) -> dict[str, str]:
        """Return the picture by its heading."""
        return {"Timeline": self.timeline()}


def place(
    workload: WorkloadSpec,
    system: SystemSpec,
    plan: PlanSpec = None,
    *,
    phase: str = "train",
    batch: int | None = None,
    sequence: int | None = None,
    forwarding: Forwarding = "store",
    time_limit: float = TIME_LIMIT,
    set: Mapping[str, object] | None = None,
) -> Report:
    """Return the fastest placement of a network's operators that was found, with the bound that was proved.

    Parameters
    ----------
    workload
        An operator graph or a decoder: a name, the path of a ``config.json``, a dict, a Network or a Workload.
    system
        A system with a ``topology``; ``dgx1-v100:2`` takes two nodes of it, the best connected ones.
    plan
        The formats: ``"matmul=fp16,activations=fp16"`` unless said. What it divides is not looked at.
    phase
        ``train`` places forward and backward passes, ``infer`` the forward pass.
    batch
        Samples of one step, over all devices together.
    forwarding
        ``store`` (a link begins when the one before has all) or ``cut-through``.
    time_limit
        Seconds; then the best so far, with its gap.
    set
        Dotted path from ``system.``, ``workload.`` or ``plan.`` -> new value.

    Errors
    ------
    SlipstickError for a system without a topology, and for what fits no device.

    Examples
    --------
    >>> report = place("resnet-18", "dgx1-v100:2", phase="infer", batch=64)
    >>> report.value("gap"), 1.0 <= report.value("speedup.placement") <= 2.0
    (0.0, True)
    """
    return run_placement(
        workload, system, plan, phase=phase, batch=batch, sequence=sequence, forwarding=forwarding,
        time_limit=time_limit, set=set,
    ).report  # fmt: skip


def run_placement(
    workload: WorkloadSpec,
    system: SystemSpec,
    plan: PlanSpec = None,
    *,
    phase: str = "train",
    batch: int | None = None,
    sequence: int | None = None,
    forwarding: Forwarding = "store",
    time_limit: float = TIME_LIMIT,
    set: Mapping[str, object] | None = None,
) -> Placement:
    """Return the placement that `place` reports, with its instance and schedule."""
    from slipstick.placement.cpsat import solve
    from slipstick.placement.orders import compact

    if not time_limit > 0:
        raise SlipstickError("not a time", path="time_limit", value=time_limit, allowed="seconds above 0")
    question = ask(
        workload, system, PLAN if plan is None else plan, phase=phase, batch=batch, sequence=sequence, overrides=set
    )
    given = instance(question, forwarding)
    found = compact(given.problem, solve(given.problem, time_limit=time_limit))
    return Placement(_report(question, given.problem, found), given, found)


def instance(question: Question, forwarding: Forwarding = "store") -> Instance:
    """Return the instance: chains of operators with their seconds, bytes on edges and bytes kept, and the links."""
    from slipstick.cluster.assembly import width
    from slipstick.cluster.kernels.graph_times import op_seconds
    from slipstick.fabric.topology_file import resolve_topology
    from slipstick.networks.graphs import chains, training_graph, transfers
    from slipstick.placement.problem import problem_of

    workload, system, plan = question.workload, question.system, question.plan
    if workload.phase not in (Phase.TRAIN, Phase.INFER):
        allowed = [str(Phase.TRAIN), str(Phase.INFER)]
        raise SlipstickError("is not placed", path="phase", value=str(workload.phase), allowed=allowed)
    if not system.topology:
        wired = [name for name, known in systems.items() if known.topology]
        raise SlipstickError("has no links to place over", path="system.topology", value=system.name, allowed=wired)
    forward = chains(workload.operator_graph)
    ops = training_graph(forward) if workload.phase is Phase.TRAIN else forward
    sent = {edge: size * width(plan.formats.activations) for edge, size in transfers(ops).items()}
    seconds, topology = op_seconds(ops, system, plan, workload.phase), resolve_topology(system.topology)
    problem = problem_of(
        ops,
        seconds,
        sent,
        topology,
        memory=_kept(forward, question),
        capacity=system.main_memory.capacity,
        devices=system.devices,
        forwarding=forwarding,
    )
    return Instance(problem, seconds, sent, topology)


def _kept(forward: Sequence[Op], question: Question) -> dict[str, float]:
    """Return the bytes that each forward operator keeps on its device.

    In training: weights, gradients, the optimiser's states, and all forward activations; else the weights.
    """
    from slipstick.cluster.assembly import ADAM_STATES, inference_precision, training_precision, width
    from slipstick.cluster.kernels.graph_kernels import kept_elements

    plan, system = question.plan, question.system
    if question.workload.phase is Phase.INFER:
        size = inference_precision(plan, system).weights
        return {op.name: op.weights * size for op in forward}
    precision = training_precision(plan, system)
    each = 2 * precision.weights + ADAM_STATES * width("fp32")  # weights and gradients in one format
    return {op.name: op.weights * each + kept_elements([op]) * precision.activations for op in forward}


def _report(question: Question, problem: Problem, found: Schedule) -> Report:
    from slipstick.placement.placement_report import metrics, tables

    workload, system = question.workload, question.system
    sure = "proved optimal" if found.proved else f"{found.status}, gap {100 * found.gap:.1f} %"
    return Report(
        title=f"{workload.name} placed on {len(problem.devices)} devices of {system.name}: {sure}",
        metrics=metrics(problem, found),
        breakdowns=tables(problem, found),
        bottleneck=_bottleneck(problem, found),
        inputs={
            "workload": workload,
            "system": system,
            "plan": question.plan,
            "forwarding": problem.forwarding,
        },
    )


def _bottleneck(problem: Problem, found: Schedule) -> str:
    """Name what keeps the schedule from being faster, as far as it is known."""
    if len(set(found.device.tolist())) == 1:
        return "transfers: one device alone is as fast as any division found"
    if found.makespan <= problem.critical_path:
        return "the longest chain of operators"
    return "transfers and the order of operators on the devices"
