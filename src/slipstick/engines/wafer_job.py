"""Training jobs for the simulated fabric: layers costed by the cluster model under one parallel strategy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError
from slipstick.core.layer import Layer

if TYPE_CHECKING:
    from slipstick.core.plan import Plan
    from slipstick.core.question import Question
    from slipstick.fabric.strategies import Strategy
    from slipstick.fabric.training.job import Job


def _job_for(question: Question, efficiency: float | None = None) -> Callable[[Strategy], Job]:
    """Return the function from a parallel strategy to its training job; layers are costed once per microbatch size.

    Parameters
    ----------
    efficiency : share of the matrix units' peak that all layers together reach, instead of what the kernel models say.

    Errors
    ------
    SlipstickError for an efficiency that is not above 0.
    """
    if efficiency is not None and not 0 < efficiency < math.inf:
        raise SlipstickError("out of range", path="efficiency", value=efficiency, allowed="above 0")
    from slipstick.cluster.training.layer_costs import layer_costs, with_efficiency
    from slipstick.fabric.training.job import Job

    question = question.with_plan(_usual(question.plan))
    workload, system, plan = question.workload, question.system, question.plan
    known: dict[int, tuple[Layer, ...]] = {}

    def layers(microbatch: int) -> tuple[Layer, ...]:
        if microbatch not in known:
            costs = layer_costs(workload, system, plan, microbatch)
            if efficiency is not None:
                costs = with_efficiency(costs, system.device_as(Accelerator).matrix[plan.formats.matmul], efficiency)
            known[microbatch] = costs
        return known[microbatch]

    def job(strategy: Strategy) -> Job:
        replica, micro = _shares(question, strategy)
        return Job(
            layers=layers(micro),
            strategy=strategy,
            microbatches=replica // micro,
            samples=replica * workload.network.sample_bytes(workload.sequence),
            streaming=_streams(question, strategy, layers(micro)),
            overlap=bool(plan.collectives.dp_overlap),
            schedule=plan.parallel.schedule,
        )

    return job


def _usual(plan: Plan) -> Plan:
    """Return the plan with its open options as the paper has them: gradients and optimiser sharded, messages hidden."""
    return plan.filled("parallel", {"zero": 2, "schedule": "1f1b"}).filled("collectives", {"dp_overlap": True})


def _shares(question: Question, strategy: Strategy) -> tuple[int, int]:
    """Return the samples per replica, and per microbatch."""
    batch, micro = question.workload.batch, question.plan.parallel.microbatch
    replica = batch // strategy.dp
    size = int(micro) if micro != "auto" else max(1, replica // (2 * strategy.pp if strategy.pp > 1 else 1))
    if batch % strategy.dp or replica % size or not replica:
        allowed = f"a multiple of dp x microbatch = {strategy.dp} x {size}"
        raise SlipstickError("does not divide evenly", path="workload.batch", value=batch, allowed=allowed)
    return replica, size


def _streams(question: Question, strategy: Strategy, layers: tuple[Layer, ...]) -> bool:
    """Return whether weights are streamed: as the plan states, else where weights and optimiser exceed memory."""
    from slipstick.cluster.kernels.precision import element_bytes
    from slipstick.cluster.training.training_setting import ADAM_STATES

    plan, parameters = question.plan, question.workload.network.parameters
    if "weights" in plan.offload.model_fields_set:
        return plan.offload.weights
    zero, dp = int(plan.parallel.zero), strategy.dp
    gradients = sum(layer.gradient_bytes for layer in layers) / (dp if zero > 1 else 1)
    states = ADAM_STATES * element_bytes("fp32") * parameters / (dp if zero else 1)
    resident = (sum(layer.weights for layer in layers) + gradients + states) / (strategy.tp * strategy.pp)
    return bool(resident > question.system.main_memory.capacity)
