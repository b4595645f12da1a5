"""Plan of one question of inference: its ``auto`` fields, and data-parallel attention as replicas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from slipstick.cluster.inference.inference_pass import _InferenceSetting
from slipstick.cluster.inference.point_plans import _degree_codes, _Degrees, _objective, _point_plans
from slipstick.cluster.inference.serving import _Load
from slipstick.cluster.sweep.best_plan import EQUAL, _PlanModel
from slipstick.cluster.sweep.choose_plan import _resolved_plan
from slipstick.cluster.sweep.plan_space import _default_values, _PlanSpace
from slipstick.cluster.sweep.plans import Plans
from slipstick.core.arrays import BoolArray, FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.networks.decoder.decoder import Decoder


def _inference_plan(plan: Plan, setting: _InferenceSetting, workload: Workload, system: System) -> tuple[Plan, int]:
    """Return the plan without ``auto``, its ranks of data-parallel attention being replicas, and their number.

    Errors
    ------
    SlipstickError where the ranks do not divide tp or have no experts, SpecErrors where the plan is impossible.
    """
    _require_ranks(plan, setting.decoder)
    model, capacity = _inference_model(workload, system, plan)
    own, ranks = plan.filled("serving", {"attention_dp": 1}), 1
    if isinstance(plan.parallel.tp, int) and any(block.mlp.routed.experts for block in setting.decoder.kinds):
        own, ranks = _divided_experts(plan, setting, workload, system) or (_spanned(own), int(own.serving.attention_dp))
    return _resolved_plan(own, workload, system, capacity, model), ranks


def _divided_experts(
    plan: Plan, setting: _InferenceSetting, workload: Workload, system: System
) -> tuple[Plan, int] | None:
    """Return the plan with its experts divided as is best, and its ranks of attention; None where none is possible.

    With tp open too, there is nothing to divide beforehand: replicas whose experts span them are plans of their own.
    """
    stages = [plan.parallel.pp] if plan.parallel.pp != "auto" else _default_values(workload, system)["pp"]
    codes = np.array([_degree_codes(Plan.of(plan, pp=count)) for count in stages])
    sizes = _Load(*(np.full(len(codes), size) for size in (workload.batch, workload.sequence, workload.output)))
    resolved = _point_plans(setting, workload, system, _Degrees(*codes.T), sizes)
    if not len(resolved.index):
        return None
    time, memory = _objective(setting, workload.phase, resolved.plans, sizes.take(resolved.index))
    fits = memory <= setting.capacity
    fast = time <= np.min(time, where=fits, initial=np.inf) * (1 + EQUAL)
    best = np.lexsort((np.where(fits & fast, resolved.plans.pp, time), np.where(fits, 0.0, memory), ~(fits & fast)))[0]
    degrees = {name: getattr(resolved.plans, name)[best].item() for name in ("tp", "pp", "dp", "ep", "etp")}
    return Plan.of(plan, **degrees), resolved.ranks[best].item()


def _require_ranks(plan: Plan, decoder: Decoder) -> None:
    """Raise an error where ranks of data-parallel attention do not divide tp, or have no experts that span them."""
    ranks, tp = plan.serving.attention_dp, plan.parallel.tp
    if ranks in (1, "auto"):
        return
    if not isinstance(tp, int) or tp % int(ranks):
        raise SlipstickError("does not divide tp", path="plan.serving.attention_dp", value=ranks, allowed=f"tp={tp}")
    if not any(block.mlp.routed.experts for block in decoder.kinds):
        message = "needs experts that span the ranks"
        raise SlipstickError(message, path="plan.serving.attention_dp", value=ranks, allowed="1")


def _spanned(plan: Plan) -> Plan:
    """Return the plan with data-parallel attention as replicas, over which the experts span."""
    parallel, ranks, tp = plan.parallel, int(plan.serving.attention_dp), int(plan.parallel.tp)
    if ranks == 1:
        return plan
    dp = parallel.dp if parallel.dp == "auto" else int(parallel.dp) * ranks
    experts = {} if parallel.ep not in (1, "auto") else {"ep": tp, "etp": 1}
    return Plan.of(plan, tp=tp // ranks, dp=dp, **experts)


def _inference_model(workload: Workload, system: System, plan: Plan) -> tuple[_PlanModel, float]:
    """Return the model of a question's inference plans, and the bytes of memory that a device offers to them."""
    setting = _InferenceSetting.of(workload, system, plan)

    def evaluate(plans: Plans) -> tuple[FloatArray, FloatArray]:
        sizes = _Load(*(np.full(len(plans), size) for size in (workload.batch, workload.sequence, workload.output)))
        return _objective(setting, workload.phase, plans, sizes)

    return _InferencePlans(evaluate), setting.capacity


@dataclass(frozen=True)
class _InferencePlans:
    """Inference passes as a model of plans (see `slipstick.cluster.sweep.best_plan._PlanModel`)."""

    evaluate: Callable[[Plans], tuple[FloatArray, FloatArray]]

    def figures(self, plans: Plans) -> tuple[FloatArray, FloatArray]:
        """Return the time of a pass [s] and the memory of a device [B] of each plan, (n,) each."""
        return self.evaluate(plans)

    def time_bounds(self, space: _PlanSpace, divisions: Plans) -> FloatArray:
        """Return the time [s] of the divisions themselves: inference has no further options."""
        return self.evaluate(divisions)[0]

    def near_time_bounds(self, space: _PlanSpace, divisions: Plans, fitting: BoolArray) -> FloatArray:
        """Return the time [s] of the divisions themselves, (n, 1)."""
        return self.evaluate(divisions)[0][:, None]

    def memory_bounds(self, space: _PlanSpace, divisions: Plans) -> FloatArray:
        """Return the memory of a device [B] of the divisions themselves, (n, 1)."""
        return self.evaluate(divisions)[1][:, None]
