"""Our figures for published prefill and decode rows of the `llm_validation` format: latencies and rates."""

from __future__ import annotations

import numpy as np

from slipstick.cluster.inference.inference_pass import _InferenceSetting, _largest_batch, _serving_memory
from slipstick.cluster.inference.serving import _continuous_batch, _Load, _Service, _static_batch
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.validation.row_cells import Row
from slipstick.cluster.validation.row_questions import _Case, _inference_case
from slipstick.cluster.validation.row_units import _inference_unit, _RowUnit
from slipstick.core.errors import SlipstickError

_GIB = 2.0**30


def _inference_figure(row: Row) -> tuple[float, str]:
    """Return the modelled figure for a CSV row of kind prefill or decode, in the row's unit, and a note on it."""
    unit, case = _inference_unit(row["unit"], row["kind"]), _inference_case(row)
    workload = case.workload
    setting, plans = _InferenceSetting.of(workload, case.system, case.plan), Plans.of([case.plan], case.system)
    plans.require_possible(workload, case.system)
    prompt, output = np.array([workload.sequence]), np.array([workload.output])
    physical = setting.capacity / setting.stack.memory_share  # without what engines leave free
    _require_fit(setting, plans, int(prompt[0]), 1, setting.capacity if case.unlimited else physical)
    if case.unlimited:
        if unit.quantity in ("first token", "request"):
            message = "not stated: with as many requests as the memory holds, it depends on how many wait"
            raise SlipstickError(message, path="global_batch", value="")
        places = _largest_batch(setting, plans, prompt + output // 2, setting.capacity)
        load = _Load(np.maximum(1, places), prompt, output)
        note = f"no batch stated: {places[0]} requests at once, as many as the memory holds"
        return _figure(unit, _continuous_batch(setting, plans, load), load, plans), note
    load = _Load(np.array([workload.batch // int(plans.dp[0])]), prompt, output)
    served = _served(case, setting, plans, load)
    return _figure(unit, served, load, plans), ""


def _served(case: _Case, setting: _InferenceSetting, plans: Plans, load: _Load) -> _Service:
    """Return the service of a stated number of requests: one alone, or together, is a static batch."""
    batch = int(load.concurrency[0])
    if case.plan.serving.continuous and batch > 1:
        return _continuous_batch(setting, plans, load)
    _require_fit(setting, plans, int(load.prompt[0]), batch, setting.capacity / setting.stack.memory_share)
    return _static_batch(setting, plans, load)


def _require_fit(setting: _InferenceSetting, plans: Plans, prompt: int, batch: int, capacity: float) -> None:
    """Raise a SlipstickError unless `capacity` bytes hold a device's weights, and the cache of a batch of prompts."""
    memory = _serving_memory(setting, plans, batch, prompt, 1)
    if memory.total[0] > capacity:
        parts = f"{memory.weights[0] / _GIB:.4g} GiB of weights and {memory.cache[0] / _GIB:.4g} GiB of cache"
        message = f"does not fit: {memory.total[0] / _GIB:.4g} GiB of {capacity / _GIB:.4g} a device ({parts})"
        raise SlipstickError(message, path="memory")


def _figure(unit: _RowUnit, served: _Service, load: _Load, plans: Plans) -> float:
    """Return the figure that a unit names, of one device or of all replicas."""
    quantity = unit.quantity
    replicas = 1.0 / (plans.tp * plans.pp) if unit.per_device else plans.dp
    request = served.first_token + (load.output - 1) * served.per_token
    figures = {
        "first token": served.first_token / unit.scale,
        "per token": served.per_token / unit.scale,
        "request": request / unit.scale,
        "output": served.throughput * replicas,
        "requests": served.throughput * replicas / load.output,
        "prompt": load.concurrency * load.prompt / served.first_token * replicas,
        "one user": 1.0 / served.per_token,
    }
    return float(figures[quantity][0])
