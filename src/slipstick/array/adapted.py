"""A network's weights, encoded as they are, on an array: what the formats save there against int8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipstick.array.estimate import run
from slipstick.core.format import Encoded
from slipstick.core.plan import Plan
from slipstick.core.report import Metric
from slipstick.core.system import System
from slipstick.core.workload import Workload


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
