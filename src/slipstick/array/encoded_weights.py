"""A network's weights, encoded as they are, on an array: what they save there, and what a schedule has to count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.array.estimate import run
from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.report.report import Metric

_FEW, _MANY = 2, 6  # bits, both within any element that steps through bits: even, for those that take two a cycle


def on_array(workload: Workload, system: System, encoded: Mapping[str, Encoded]) -> dict[str, Any]:
    """Return metrics of one inference on a system's array with `encoded` weights, and with int8 weights beside.

    Errors
    ------
    SlipstickError as `slipstick.array.estimate.run` raises it, and for weights that are not those of the workload.
    """
    source = f"{system.source}; closed forms of slipstick.array"
    runs = {"": run(workload, system, Plan(), encoded), "_int8": run(workload, system, Plan())}
    found = {}
    for suffix, one in runs.items():
        found[f"cycles{suffix}"] = Metric(float(one.cycles), "cycle", "estimated", source)
        found[f"time{suffix}"] = Metric(one.time, "s", "estimated", source)
        found[f"energy{suffix}"] = Metric(sum(one.spent().values()), "J", "estimated", "data/array/energy.yaml")
    speedup = runs["_int8"].time / runs[""].time
    return {**found, "speedup": Metric(speedup, "", "estimated", "int8 over these formats, on the same array")}


def shift_cycles(workload: Workload, system: System) -> dict[str, NDArray[np.float64]]:
    """Return for every product by name what one more shift of each filter costs in cycles of the array, [filters].

    It is what a schedule that is to save time counts: groups times positions over the elements that share them, so that
    a depth-wise filter, which has an array's columns to itself, costs more.

    Errors
    ------
    SlipstickError for arrays whose time does not follow the bits of weights.
    """
    few, many = (run(workload, system, Plan.of(f"formats=round:{bits}")) for bits in (_FEW, _MANY))
    found = {}
    for less, more in zip(few.layers, many.layers, strict=True):
        product, cycles = less.product, (more.cycles - less.cycles) / (_MANY - _FEW)
        filters = product.groups * product.filters
        found[product.name] = np.full(filters, cycles / filters)
    if not any(cost.any() for cost in found.values()):
        raise SlipstickError("its cycles do not follow shifts", path="system", value=system.name)
    return found
