"""Placement of operators on devices: operator times, link bandwidths and the solver, joined into a Report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipstick.core.errors import SlipstickError
from slipstick.core.question import Question
from slipstick.core.workload import Op, Phase
from slipstick.report.report import Report

if TYPE_CHECKING:
    from slipstick.core.topology import Topology
    from slipstick.placement.problem import Forwarding, Problem
    from slipstick.placement.schedule import PlacementSchedule

_TIME_LIMIT = 60.0  # seconds: what one waits for an answer


@dataclass(frozen=True)
class Instance:
    """Placement problem: `seconds` per operator, bytes `sent` per edge, and the links."""

    problem: Problem
    seconds: Mapping[str, float]
    sent: Mapping[tuple[str, str], float]
    topology: Topology


@dataclass(frozen=True)
class Placement:
    """Detail of a placement's Report: the problem, and the schedule from which the timeline is drawn."""

    instance: Instance
    schedule: PlacementSchedule

    def replayed(self) -> float:
        """Return the duration of the schedule in the fabric's flow simulator [s]."""
        from slipstick.engines.placement_replay import _replay

        made_of = self.instance
        return _replay(made_of.problem, self.schedule, made_of.seconds, made_of.sent, made_of.topology)


def place(question: Question) -> Report:
    """Return the Report of the fastest placement found, with its proved lower bound.

    Errors
    ------
    SlipstickError for a time limit that is none, and for operators that fit no device.
    """
    from slipstick.cluster.constants.generic_constants import constants_findings
    from slipstick.placement.cpsat import solve
    from slipstick.placement.orders import compact
    from slipstick.placement.placement_report import metrics, tables, timeline

    time_limit: float = question.options.get("time_limit", _TIME_LIMIT)
    if not time_limit > 0:
        raise SlipstickError("not a time", path="time_limit", value=time_limit, allowed="seconds above 0")
    solved = instance(question, question.options.get("forwarding", "store"))
    problem = solved.problem
    schedule = compact(problem, solve(problem, time_limit=time_limit))
    workload, system = question.workload, question.system
    sure = "proved optimal" if schedule.proved else f"{schedule.status}, gap {100 * schedule.gap:.1f} %"
    title = f"{workload.name} placed on {len(problem.devices)} devices of {system.name}: {sure}"
    return Report.of(
        {"workload": workload, "system": system, "plan": question.plan, "forwarding": problem.forwarding},
        metrics(problem, schedule),
        tables(problem, schedule),
        title=title,
        bottleneck=_bottleneck(problem, schedule),
        findings=constants_findings(system, links=False),
    ).with_detail(Placement(solved, schedule), lambda: {"Timeline": timeline(problem, schedule, title)})


def instance(question: Question, forwarding: Forwarding = "store") -> Instance:
    """Return the placement problem: operator chains with times, bytes on edges, bytes kept in memory, and links."""
    from slipstick.cluster.kernels.operation_times import op_seconds
    from slipstick.cluster.kernels.precision import element_bytes
    from slipstick.fabric.topology_file import resolve_topology
    from slipstick.networks.graphs import chains, training_graph, transfers
    from slipstick.placement.problem import OperatorCosts, problem_of

    workload, system, plan = question.workload, question.system, question.plan
    forward = chains(workload.operator_graph)
    ops = training_graph(forward) if workload.phase is Phase.TRAIN else forward
    sent = {edge: size * element_bytes(plan.formats.activations) for edge, size in transfers(ops).items()}
    seconds, topology = op_seconds(ops, system, plan, workload.phase), resolve_topology(system.topology)
    problem = problem_of(
        ops,
        OperatorCosts(seconds, sent, _kept(forward, question)),
        topology,
        capacity=system.main_memory.capacity,
        devices=system.devices,
        forwarding=forwarding,
    )
    return Instance(problem, seconds, sent, topology)


def _kept(forward: Sequence[Op], question: Question) -> dict[str, float]:
    """Return the bytes that each forward operator keeps in its device's memory.

    In training: weights, gradients, the optimiser's states, and all forward activations; else the weights.
    """
    from slipstick.cluster.kernels.graph_kernels import kept_elements
    from slipstick.cluster.kernels.precision import Precision, element_bytes
    from slipstick.cluster.training.training_setting import ADAM_STATES

    plan, system = question.plan, question.system
    if question.workload.phase is Phase.INFER:
        size = Precision.of(plan, system, Phase.INFER).weights
        return {op.name: op.weights * size for op in forward}
    precision = Precision.of(plan, system, Phase.TRAIN)
    of_a_weight = 2 * precision.weights + ADAM_STATES * element_bytes("fp32")  # weights and gradients in one format
    return {op.name: op.weights * of_a_weight + kept_elements([op]) * precision.activations for op in forward}


def _bottleneck(problem: Problem, schedule: PlacementSchedule) -> str:
    """Return the name of what limits the schedule, as far as it is known."""
    if len(set(schedule.device.tolist())) == 1:
        return "transfers: one device alone is as fast as any division found"
    if schedule.makespan <= problem.critical_path:
        return "the longest chain of operators"
    return "transfers and the order of operators on the devices"
