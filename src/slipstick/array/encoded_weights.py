"""Encoded weights of a network on an array: cycles, time and energy compared with int8, and cycles per shift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from slipstick.array.estimate import _array_run
from slipstick.core.arrays import FloatArray
from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.report.report import Metric

_FEW, _MANY = 2, 6  # bits, both within any element that steps through bits: even, for those that take two a cycle


def on_array(workload: Workload, system: System, encoded: Mapping[str, Encoded]) -> dict[str, Any]:
    """Return the metrics of one inference on a system's array with `encoded` weights, and with int8 weights.

    Errors
    ------
    SlipstickError as `slipstick.array.estimate.array_run` raises it, and for weights of other layers than the
    workload's.
    """
    source = f"{system.source}; closed forms of slipstick.array"
    runs = {"": _array_run(workload, system, Plan(), encoded), "_int8": _array_run(workload, system, Plan())}
    metrics = {}
    for suffix, costed in runs.items():
        metrics[f"cycles{suffix}"] = Metric(float(costed.cycles), "cycle", "estimated", source)
        metrics[f"time{suffix}"] = Metric(costed.time, "s", "estimated", source)
        metrics[f"energy{suffix}"] = Metric(sum(costed.spent().values()), "J", "estimated", "data/array/energy.yaml")
    speedup = runs["_int8"].time / runs[""].time
    return {**metrics, "speedup": Metric(speedup, "", "estimated", "int8 over these formats, on the same array")}


def shift_cycles(workload: Workload, system: System) -> dict[str, FloatArray]:
    """Return the extra array cycles that one more shift of each filter costs, by product name, arrays [filters].

    A schedule that is to save time counts them: groups times positions over the elements that share them, so that a
    depth-wise filter, which has an array's columns to itself, costs more.

    Errors
    ------
    SlipstickError for arrays whose time does not follow the bits of weights.
    """
    few, many = (_array_run(workload, system, Plan.of(f"formats=round:{bits}")) for bits in (_FEW, _MANY))
    costs = {}
    for less, more in zip(few.layers, many.layers, strict=True):
        product, cycles = less.product, (more.cycles - less.cycles) / (_MANY - _FEW)
        filters = product.groups * product.filters
        costs[product.name] = np.full(filters, cycles / filters)
    if not any(cost.any() for cost in costs.values()):
        raise SlipstickError("its cycles do not follow shifts", path="system", value=system.name)
    return costs
