"""From a System to what the kernel models need."""

from __future__ import annotations

import math

from slipstick.cluster.constants.matmul import load_kernel_constants
from slipstick.cluster.constants.step_constants import load_step_constants
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.kernel_times import Device
from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError
from slipstick.core.system import System

# operations a clock of the largest core whose kernels were measured (B200: 2250 TFLOP/s over 148 cores at 1.965 GHz):
# a device of few large cores (a TPU's hold several systolic arrays) is scheduled as if it had more of this size
CORE_OPERATIONS = 8192.0

L2_SHARE_OF_DRAM = 3.0  # where no L2 bandwidth is published: assumed, the least ratio among those that are


def device_of(system: System) -> Device:
    """Return the device of a system, with the constants of its generation (the generic ones if it has none)."""
    memory, compute = system.main_memory, system.device_as(Accelerator)
    if memory.bandwidth is None:
        raise SlipstickError("is missing", path=f"system.memory.{system.main_memory_name}.bandwidth")
    cache = system.memory.get("l2")
    shared = system.memory.get("shared")
    widest = compute.matrix.get("bf16", max(compute.matrix.values()))
    chip = Chip(
        name=system.name,
        cores=max(compute.cores, math.ceil(widest / compute.clock / CORE_OPERATIONS)),
        clock=compute.clock,
        peak={name: peak * system.calibration.matmul for name, peak in compute.matrix.items()},
        vector=compute.vector.get("fp32", max(compute.vector.values(), default=max(compute.matrix.values()) / 16)),
        dram_bandwidth=memory.bandwidth * system.calibration.memory,
        l2_bandwidth=(cache.bandwidth if cache else None) or L2_SHARE_OF_DRAM * memory.bandwidth,
        l2_capacity=cache.capacity if cache else 0.0,
        shared_per_core=shared.capacity if shared else 0.0,
        constants=load_kernel_constants(system.generation),
    )
    return Device(chip, load_step_constants(system.generation))


def rate(system: System, name: str) -> float:
    """Return the dense rate (operations/s) of the matrix units in a number format.

    Errors
    ------
    SlipstickError if the device has no such rate.
    """
    rates = system.device_as(Accelerator).matrix
    if name not in rates:
        raise SlipstickError(
            f"{system.name} has no matrix rate in this format",
            path="plan.formats.matmul",
            value=name,
            allowed=rates,
        )
    return rates[name]
