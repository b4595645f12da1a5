"""Plans of operator graphs: data-parallel replicas that share a batch (dividing one network is placement's part)."""

from __future__ import annotations

import math

from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload

_WHOLE = ("tp", "pp", "cp", "ep", "etp", "interleave")


def _graph_plan(plan: Plan, workload: Workload, system: System) -> Plan:
    """Return an operator graph's plan with every ``auto`` field resolved but ZeRO's stage in training.

    Training uses all devices, and the whole share of a device at once unless the plan says otherwise; inference uses as
    many devices as share the batch evenly.

    Errors
    ------
    SpecErrors for replicas and microbatches that do not divide devices and batch.
    """
    parallel = plan.parallel
    errors: list[SlipstickError] = []
    training = workload.phase is Phase.TRAIN
    most = system.devices if training else math.gcd(system.devices, workload.batch)
    dp = most if parallel.dp == "auto" else parallel.dp
    if dp > system.devices or (training and dp != system.devices):
        errors.append(_error("dp", dp, f"{system.devices}, the devices of the system"))
    elif workload.batch % dp:
        errors.append(_error("dp", dp, f"a divisor of the batch of {workload.batch}"))
    local = max(1, workload.batch // dp)
    microbatch = parallel.microbatch if training and parallel.microbatch != "auto" else local
    if local % microbatch:
        errors.append(_error("microbatch", microbatch, f"a divisor of the {local} samples of a device"))
    if errors:
        raise SpecErrors(errors)
    filled = {**dict.fromkeys(_WHOLE, 1), "recompute": "none", "sp": False, "dp": dp, "microbatch": microbatch}
    stage = parallel.zero if training and dp > 1 else 0  # `auto` is decided by the engine
    closed = plan.model_copy(update={"parallel": parallel.model_copy(update={**filled, "zero": stage})})
    return closed.off().model_copy(update={"parallel": closed.off().parallel.model_copy(update={"zero": stage})})


def _error(name: str, value: object, allowed: str) -> SlipstickError:
    return SlipstickError(
        "does not divide the batch over the devices", path=f"plan.parallel.{name}", value=value, allowed=allowed
    )
