"""Prefill and decode as published, replayed: first tokens, whole requests and rates of the `llm_validation` format."""

from __future__ import annotations

import numpy as np

from slipstick.cluster.assembly import inference_setting
from slipstick.cluster.inference import decode_time, prefill
from slipstick.cluster.plans import Plans
from slipstick.cluster.serving import Load, static_batch
from slipstick.cluster.validation.rows import Row, formats, network_of, number, software
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.registry import resolve_system
from slipstick.core.spec import override
from slipstick.core.workload import Phase, Workload

MILLI = 1e-3


def inference_figure(row: Row) -> float:
    """Return our figure for a row of kind prefill or decode, in the row's unit."""
    facts = software(row.get("source", ""))
    system = override(resolve_system(row["gpu"]), facts.system, root="system")
    prompt, output, batch = number(row, "seq") or 1, number(row, "out_len") or 1, number(row, "global_batch") or 1
    tp, pp = number(row, "tp") or 1, number(row, "pp") or 1
    plan = Plan.of({**facts.plan, "tp": tp, "pp": pp, "dp": 1, **inference_formats(row.get("precision", ""))})
    system = system.scaled(tp * pp)
    workload = Workload(
        network=network_of(row, prompt), phase=Phase.DECODE, batch=batch, sequence=prompt, output=output
    )
    setting, plans = inference_setting(workload, system, plan), Plans.of([plan], system)
    unit = row["unit"]
    if unit.startswith("ms time to first token"):
        return float(prefill(setting, plans, batch, prompt).time[0]) / MILLI
    if unit.startswith("s end-to-end"):
        step = decode_time(setting, plans, batch, prompt, output)
        return float((prefill(setting, plans, batch, prompt).time + (output - 1) * step)[0])
    if unit.startswith("output tok/s"):
        load = Load(*(np.array([value]) for value in (batch, prompt, output)))
        return float(static_batch(setting, plans, load).throughput[0]) / (tp * pp)
    raise SlipstickError("not a unit of an inference row", path="unit", value=unit)


def inference_formats(precision: str) -> dict[str, str]:
    """Return the formats of a row's precision; ``fp8 (kv fp8)`` names the cache's too."""
    cache = {"kv_cache": "fp8"} if "kv fp8" in precision else {}
    return formats(precision) | cache
