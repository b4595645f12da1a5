"""Choice of a plan's ``auto`` fields: the fastest plan of the whole space that fits in memory."""

from __future__ import annotations

import math
from collections.abc import Callable

from slipstick.cluster.sweep.best_plan import _best_plan, _PlanModel, _smallest_plan
from slipstick.cluster.sweep.plan_space import _PlanSpace
from slipstick.cluster.sweep.plans import AUTO_TIER, COLUMNS, Plans, _column_value
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Collectives, Parallel, Plan
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.report.metric import Finding

_DEGREES = ("tp", "pp", "cp")  # dp is what they leave
_MAX_DOUBLINGS = 12
ModelOf = Callable[[Workload, System, Plan], tuple[_PlanModel, float]]  # with the bytes of memory that a device offers


def _resolved_plan(plan: Plan, workload: Workload, system: System, capacity: float, model: _PlanModel) -> Plan:
    """Return the plan with each ``auto`` field replaced by the value of the fastest plan that fits in memory.

    Where no plan fits, it is the one that needs least memory.

    Parameters
    ----------
    capacity : bytes of memory that a device offers.

    Errors
    ------
    SpecErrors where no value is possible under the rules of plans.
    """
    space = _PlanSpace.of(plan, workload, system)
    if space.is_open:
        best = _best_plan(space, model, capacity)
        plans = best.plans if best else None
    else:
        plans = space.divisions()
    if not plans:
        raise _impossible(plan, workload, system)
    return _filled(plan, plans)


def _devices_that_fit(plan: Plan, workload: Workload, system: System, model_of: ModelOf) -> int | None:
    """Return the least of the doubled numbers of devices on which some plan fits in memory; None if none does.

    Parameters
    ----------
    model_of : workload, system of any number of devices, plan -> model of its plans, and bytes of memory of a device.
    """
    for doublings in range(1, _MAX_DOUBLINGS + 1):
        larger = system.scaled(system.devices << doublings)
        model, capacity = model_of(workload, larger, plan)
        smallest = _smallest_plan(_PlanSpace.of(plan, workload, larger), model)
        if smallest is not None and smallest.memory <= capacity:
            return larger.devices
    return None


def _devices_finding(devices: int | None, offload: str = "") -> Finding:
    """Return the finding of a question of which no plan fits in memory, with the devices and the plan that would do.

    Parameters
    ----------
    offload : fields of a plan that would fit on the given devices; empty for none.
    """
    cure = f"{devices:,} devices of this kind would do" if devices else "more devices of this kind do not help"
    cure += f", or tensors in the host's memory: {offload}" if offload else ""
    return Finding("plan_fits", f"no plan fits in memory; {cure}", "memory.peak")


def _filled(plan: Plan, plans: Plans) -> Plan:
    """Return the plan with its ``auto`` fields as the first of some plans in columns has them."""
    parallel, collectives = (
        {name: _column_value(name, getattr(plans, name)[0]) for name in group if name in COLUMNS}
        for group in (Parallel.model_fields, Collectives.model_fields)
    )
    tiers = {name for name in collectives if name.endswith("_tier") and collectives[name] == AUTO_TIER}
    return plan.filled("parallel", parallel).filled(
        "collectives", {name: value for name, value in collectives.items() if name not in tiers}
    )


def _impossible(plan: Plan, workload: Workload, system: System) -> SlipstickError:
    """Return the error that names every rule which the given fields break, the open ones being as plain as can be."""
    plain = plan.off()
    degree = math.prod(int(getattr(plain.parallel, name)) for name in _DEGREES)
    if plan.parallel.dp == "auto":
        if system.devices % degree:
            message, allowed = "tp*pp*cp does not divide the devices", f"a divisor of {system.devices}"
            return SlipstickError(message, path="plan.parallel", value=degree, allowed=allowed)
        plain = plain.filled("parallel", {"dp": system.devices // degree})
    try:
        Plans.of([plain], system).require_possible(workload, system)
    except SlipstickError as error:
        return error
    stated = ",".join(f"{key}={value}" for key, value in plan.given().items())
    message = "no values of the other fields divide devices, batch, sequence and layers"
    return SlipstickError(message, path="plan", value=stated, allowed="fewer given fields, or other sizes")
