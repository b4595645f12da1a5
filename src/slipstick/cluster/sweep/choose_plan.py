"""Choice of a plan's ``auto`` fields: all possible values are evaluated at once, the fastest that fits memory wins."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from slipstick.cluster.sweep.plans import RECOMPUTE, Plans
from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Parallel, Plan
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.networks.decoder.decoder import Decoder

_Evaluate = Callable[[Plans], tuple[FloatArray, FloatArray]]

_SWEPT = ("tp", "pp", "cp", "ep", "microbatch", "interleave", "recompute")
_MAX_CANDIDATES = 200_000  # plans: below a second, some hundred MB


def _resolved(plan: Plan, workload: Workload, system: System, capacity: float, evaluate: _Evaluate) -> Plan:
    """Return the plan with each ``auto`` degree of parallelism replaced by the fastest value that fits in memory.

    Parameters
    ----------
    capacity : bytes of memory that a device offers.
    evaluate : plans -> (time, peak memory in bytes), (n,) each.

    Errors
    ------
    SpecErrors where no value is possible under the rules of plans.
    """
    open_fields = [name for name in _SWEPT if getattr(plan.parallel, name) == "auto"]
    if not open_fields:
        return _with_dp(plan, workload, system, {})
    rows = [dict(zip(open_fields, values, strict=True)) for values in _candidates(plan, open_fields, workload, system)]
    candidates = [filled for row in rows if (filled := _filled(plan, system, row)) is not None]
    if candidates:
        plans = Plans.of(candidates, system)
        keep = np.flatnonzero(plans.possible(workload, system))
        if len(keep):
            time, memory = evaluate(plans.take(keep))
            fits = memory <= capacity
            best = int(np.argmin(np.where(fits, time, np.inf)) if fits.any() else np.argmin(memory))
            return candidates[int(keep[best])]
    return _with_dp(plan, workload, system, {name: "full" if name == "recompute" else 1 for name in open_fields})


def _candidates(plan: Plan, names: list[str], workload: Workload, system: System) -> Iterator[tuple[Any, ...]]:
    decoder = Decoder.of(workload.network)
    heads = min(block.attention.query_heads for block in decoder.kinds)
    experts = max(block.mlp.routed.experts for block in decoder.kinds)
    choices: dict[str, list[Any]] = {
        "tp": [d for d in _divisors(heads) if system.devices % d == 0 and d <= 64],
        "pp": [d for d in range(1, decoder.layers + 1) if system.devices % d == 0 and decoder.layers % d == 0],
        "cp": [d for d in (1, 2, 4, 8, 16) if system.devices % d == 0],
        "ep": [d for d in _divisors(max(experts, 1)) if d <= system.devices],
        "microbatch": [d for d in _divisors(workload.batch) if d <= 64],
        "interleave": _interleaves(decoder.layers, plan.parallel.pp),
        "recompute": list(RECOMPUTE),
    }
    sizes = [choices[name] for name in names]
    if math.prod(len(size) for size in sizes) > _MAX_CANDIDATES:
        raise SlipstickError("too many fields of the plan are auto", path="plan.parallel", value=", ".join(names))
    return itertools.product(*sizes)


def _interleaves(layers: int, pp: object) -> list[int]:
    if not isinstance(pp, int) or pp == 1:
        return [1] if pp == 1 else _divisors(layers)[:4]
    return _divisors(max(1, layers // pp)) if layers % pp == 0 else [1]


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def _filled(plan: Plan, system: System, values: Mapping[str, Any]) -> Plan | None:
    """Return the plan with these values and the dp that the devices leave, or None where they leave none."""
    parallel = plan.parallel.model_copy(update=values)
    degree = _product(parallel)
    if parallel.dp == "auto":
        if system.devices % degree:
            return None
        parallel = parallel.model_copy(update={"dp": system.devices // degree})
    return plan.model_copy(update={"parallel": parallel})


def _with_dp(plan: Plan, workload: Workload, system: System, values: Mapping[str, Any]) -> Plan:
    """Return the plan with `values` and dp filled in; raise every rule that it breaks."""
    filled = _filled(plan, system, values)
    if filled is None:
        degree = _product(plan.parallel.model_copy(update=values))
        raise SlipstickError(
            "tp*pp*cp does not divide the devices",
            path="plan.parallel",
            value=degree,
            allowed=f"a divisor of {system.devices}",
        )
    Plans.of([filled], system).require_possible(workload, system)
    return filled


def _product(parallel: Parallel) -> int:
    return math.prod(int(getattr(parallel, name)) for name in ("tp", "pp", "cp"))
