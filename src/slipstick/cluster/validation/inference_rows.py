"""Prefill and decode as published, replayed: first tokens, whole requests and rates of the `llm_validation` format."""

from __future__ import annotations

import numpy as np

from slipstick.cluster.inference.inference_pass import InferenceSetting
from slipstick.cluster.inference.serving import Load, static_batch
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.validation.row_questions import Row, formats, network_of, number, software
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.spec import override
from slipstick.core.workload import Phase, Workload

# what units call a first token, the time between tokens, and a whole request
_FIRST = ("time to first token", "ttft", "first token")
_NEXT = ("inter-token", "itl", "tpot", "per output token", "per token")
_WHOLE = ("end-to-end", "request", "latency")
_SCALES = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def inference_figure(row: Row) -> float:
    """Return our figure for a row of kind prefill or decode, in the row's unit."""
    facts = software(row.get("source", ""))
    system = override(resolve_system(row["gpu"]), facts.system, root="system")
    prompt, output, batch = number(row, "seq") or 1, number(row, "out_len") or 1, number(row, "global_batch") or 1
    tp, pp = number(row, "tp") or 1, number(row, "pp") or 1
    plan = Plan.of({**facts.plan, "tp": tp, "pp": pp, "dp": 1, **_formats(row.get("precision", ""))})
    system = system.scaled(tp * pp)
    workload = Workload(
        network=network_of(row, prompt), phase=Phase.DECODE, batch=batch, sequence=prompt, output=output
    )
    setting, plans = InferenceSetting.of(workload, system, plan), Plans.of([plan], system)
    return _in_unit(row["unit"], setting, plans, Load(*(np.array([v]) for v in (batch, prompt, output))))


def _in_unit(unit: str, setting: InferenceSetting, plans: Plans, load: Load) -> float:
    """Return what a unit asks for: ``ms time to first token``, ``s end-to-end``, ``output tok/s/gpu``, ..."""
    words = unit.lower()
    served = static_batch(setting, plans, load)
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


def _formats(precision: str) -> dict[str, str]:
    """Return the formats of a row's precision; ``fp8 (kv fp8)`` names the cache's too."""
    cache = {"kv_cache": "fp8"} if "kv fp8" in precision else {}
    return formats(precision) | cache
