"""Chip: rates of one device and measured constants of its generation, as the kernel models need them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from slipstick.cluster.constants.matmul import _KernelConstants
from slipstick.cluster.constants.model_constants import _model
from slipstick.cluster.constants.step_constants import _StepConstants
from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError
from slipstick.core.system import System


@dataclass(frozen=True)
class Chip:
    """One device in SI floats: data-sheet rates, and the measured efficiencies with which kernels reach them.

    Attributes
    ----------
    cores : streaming multiprocessors, or whatever a tile is scheduled on.
    clock : boost clock [Hz].
    peak : dense rate of the matrix units by number format [FLOP/s].
    vector : rate of the vector units in fp32 [FLOP/s].
    dram_bandwidth, l2_bandwidth : [B/s].
    l2_capacity, shared_per_core : [B].
    constants : measured efficiencies of matrix products.
    steps : measured efficiencies and overheads of whole steps.
    """

    name: str
    cores: int
    clock: float
    peak: Mapping[str, float]
    vector: float
    dram_bandwidth: float
    l2_bandwidth: float
    l2_capacity: float
    shared_per_core: float
    constants: _KernelConstants
    steps: _StepConstants

    @classmethod
    def of(cls, system: System) -> Chip:
        """Return the chip of a system's device, with the constants of its generation (or the generic ones).

        Errors
        ------
        SlipstickError for a main memory of unknown bandwidth, and for a device that is no accelerator.
        """
        memory, compute = system.main_memory, system.device_as(Accelerator)
        if memory.bandwidth is None:
            raise SlipstickError("is missing", path=f"system.memory.{system.main_memory_name}.bandwidth")
        cache = system.memory.get("l2")
        shared = system.memory.get("shared")
        model = _model()
        widest = compute.matrix.get("bf16", max(compute.matrix.values()))
        return cls(
            name=system.name,
            cores=max(compute.cores, math.ceil(widest / compute.clock / model.core_operations)),
            clock=compute.clock,
            peak={name: peak * system.calibration.matmul for name, peak in compute.matrix.items()},
            vector=compute.vector.get("fp32", max(compute.vector.values(), default=max(compute.matrix.values()) / 16)),
            dram_bandwidth=memory.bandwidth * system.calibration.memory,
            l2_bandwidth=(cache.bandwidth if cache else None) or model.l2_over_dram * memory.bandwidth,
            l2_capacity=cache.capacity if cache else 0.0,
            shared_per_core=shared.capacity if shared else 0.0,
            constants=_KernelConstants.of_generation(system.generation),
            steps=_StepConstants.of_generation(system.generation),
        )

    @property
    def attention_peak(self) -> float:
        """Rate of the products in fused attention [FLOP/s]: 16 bits, else the next wider format, else the vectors."""
        rates = (self.peak[name] for name in ("bf16", "fp16", "tf32", "fp32") if name in self.peak)
        return next(rates, self.vector)
