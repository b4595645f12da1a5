"""From kernels to seconds: matrix products by the GEMM model, the rest by traffic and by fused attention's own peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slipstick.cluster.constants.step_constants import StepConstants
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.decoder_kernels import WIDE, Kernel
from slipstick.cluster.kernels.gemm import gemm
from slipstick.core.arrays import FloatArray

BOUNDS = ("compute", "l2", "dram", "latency")
_COMPUTE, _DRAM, _LATENCY = BOUNDS.index("compute"), BOUNDS.index("dram"), BOUNDS.index("latency")


@dataclass(frozen=True)
class Device:
    """What kernels run on: a chip and the constants of its generation's step model."""

    chip: Chip
    steps: StepConstants


@dataclass(frozen=True)
class Times:
    """Times of a list of kernels; each array has shape (kernels, u)."""

    time: FloatArray  # s, on the device
    bound: NDArray[np.int64]  # index into BOUNDS
    flops: FloatArray
    traffic: FloatArray  # bytes to and from DRAM


def time_kernels(kernels: Sequence[Kernel], device: Device, width: int) -> Times:
    """Return the time of each kernel on one device, over `width` plans.

    Source: the hierarchical roofline of DeepFlow (Ardalani et al. 2211.03309) with the measured efficiencies of
    data/kernels (matrix products) and data/steps (the rest).
    """
    size = (len(kernels), width)
    found = Times(np.zeros(size), np.zeros(size, dtype=np.int64), np.zeros(size), np.zeros(size))
    for name in dict.fromkeys(k.format for k in kernels if k.kind == "matmul"):
        for quantised in (False, True):
            rows = [
                i for i, k in enumerate(kernels) if k.kind == "matmul" and (k.format, k.quantised) == (name, quantised)
            ]
            if rows:
                _matmuls([kernels[i] for i in rows], rows, name, quantised, device, found)
    for row, kernel in enumerate(kernels):
        if kernel.kind == "stream":
            _stream(kernel, row, device, found)
        elif kernel.kind == "attention":
            _attention(kernel, row, device, found)
    return found


def _matmuls(kernels: list[Kernel], rows: list[int], name: str, quantised: bool, device: Device, found: Times) -> None:
    width = found.time.shape[1]
    sizes = np.empty((4, len(kernels), width))
    for place, kernel in enumerate(kernels):
        sizes[0, place], sizes[1, place], sizes[2, place], sizes[3, place] = kernel.m, kernel.n, kernel.k, kernel.batch
    m, n, k, batch = sizes
    stored = _stored(kernels, m * k * batch) if any(kernel.stored is not None for kernel in kernels) else None
    chip = device.chip
    result = gemm(m, n, k, format=name, chip=chip, batch=batch, stored=stored, quantise_activations=quantised)
    slowdown = device.steps.matmul_slowdown if name in WIDE else device.steps.narrow_slowdown
    # heat slows what computes, not what waits for bytes
    found.time[rows] = result.time + (slowdown - 1.0) * result.compute
    packed = np.array([kernel.packed for kernel in kernels])[:, None]
    if (packed < 1.0).any():
        found.time[rows] -= np.maximum(
            0.0, result.dram - np.maximum(packed * result.dram, np.maximum(result.compute, result.l2))
        )
    found.bound[rows] = result.bound
    found.flops[rows] = result.flops
    found.traffic[rows] = result.dram_bytes * packed


def _stored(kernels: list[Kernel], whole: FloatArray) -> FloatArray:
    """Return the elements of each left operand in memory; `whole` where it is as large as the product takes it."""
    given = np.array([np.nan if kernel.stored is None else kernel.stored for kernel in kernels])[:, None]
    return np.where(np.isnan(given), whole, given)


def stream_time(traffic: FloatArray | float, device: Device, launches: int = 1) -> FloatArray:
    """Return the time (s) to move `traffic` bytes through elementwise kernels.

    Small tensors are still in L2 from the kernel that wrote them; the saving is bounded by the L2's bandwidth.
    """
    chip, steps = device.chip, device.steps
    resident = np.minimum(1.0, chip.l2_capacity * steps.l2_share / np.maximum(traffic, 1.0))
    dram = traffic * (1.0 - resident * steps.l2_reuse) / (chip.dram_bandwidth * steps.stream_efficiency)
    l2 = traffic / (chip.l2_bandwidth * steps.stream_efficiency)
    return np.asarray(np.maximum(dram, l2) + launches * steps.stream_latency)


def _stream(kernel: Kernel, row: int, device: Device, found: Times) -> None:
    found.time[row] = stream_time(kernel.traffic, device, kernel.launches)
    latency = kernel.launches * device.steps.stream_latency
    found.bound[row] = np.where(found.time[row] > 2 * latency, _DRAM, _LATENCY)
    found.traffic[row] = kernel.traffic


def _attention(kernel: Kernel, row: int, device: Device, found: Times) -> None:
    chip, steps = device.chip, device.steps
    peak = chip.peak["bf16"] if "bf16" in chip.peak else chip.peak["fp16"]
    efficiency = steps.attention_backward if kernel.name.endswith(".grad") else steps.attention_forward
    compute = np.asarray(kernel.flops) / (peak * efficiency)
    memory = np.asarray(kernel.traffic) / (chip.dram_bandwidth * steps.attention_stream)
    found.time[row] = np.maximum(compute, memory) + kernel.launches * steps.attention_latency
    found.bound[row] = np.where(compute > memory, _COMPUTE, _DRAM)
    found.flops[row] = kernel.flops
    found.traffic[row] = kernel.traffic
