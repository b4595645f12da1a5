"""Our figures for published prefill and decode rows of the `llm_validation` format: latencies and rates."""

from __future__ import annotations

import numpy as np

from slipstick.cluster.inference.inference_pass import _InferenceSetting
from slipstick.cluster.inference.serving import _Load, _static_batch
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.validation.row_questions import Row, _inference_case
from slipstick.core.errors import SlipstickError

# what units call a first token, the time between tokens, and a whole request
_FIRST = ("time to first token", "ttft", "first token")
_NEXT = ("inter-token", "itl", "tpot", "per output token", "per token")
_WHOLE = ("end-to-end", "request", "latency")
_SCALES = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def _inference_figure(row: Row) -> float:
    """Return the modelled figure for a CSV row of kind prefill or decode, in the row's unit."""
    case = _inference_case(row)
    workload = case.workload
    setting, plans = _InferenceSetting.of(workload, case.system, case.plan), Plans.of([case.plan], case.system)
    load = _Load(*(np.array([v]) for v in (workload.batch, workload.sequence, workload.output)))
    return _in_unit(row["unit"], setting, plans, load)


def _in_unit(unit: str, setting: _InferenceSetting, plans: Plans, load: _Load) -> float:
    """Return the figure that a unit names: ``ms time to first token``, ``s end-to-end``, ``output tok/s/gpu``, ..."""
    words = unit.lower()
    served = _static_batch(setting, plans, load)
    if "tok/s" in words or "tokens/s" in words:
        devices = plans.tp * plans.pp if "gpu" in words else 1
        return float((served.throughput / devices)[0])
    whole = served.first_token + (load.output - 1) * served.per_token
    times = {**dict.fromkeys(_FIRST, served.first_token), **dict.fromkeys(_NEXT, served.per_token)}
    times |= dict.fromkeys(_WHOLE, whole)
    seconds = next((time for name, time in times.items() if name in words), None)
    scale = _SCALES.get(words.split()[0]) if words.split() else None
    if seconds is None or scale is None:
        allowed = ["ms or s, and one of", *_FIRST, *_NEXT, *_WHOLE, "or tok/s"]
        raise SlipstickError("not a unit of an inference row", path="unit", value=unit, allowed=allowed)
    return float(seconds[0]) / scale
