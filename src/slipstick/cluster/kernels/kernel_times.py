"""Times of kernels: matrix products by the GEMM model, the rest by traffic and by fused attention's own peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.decoder_kernels import _Kernel
from slipstick.cluster.kernels.gemm import BOUNDS, _gemm
from slipstick.cluster.kernels.precision import WIDE
from slipstick.core.arrays import FloatArray, IntArray, RealArray

_COMPUTE, _DRAM, _LATENCY = BOUNDS.index("compute"), BOUNDS.index("dram"), BOUNDS.index("latency")


@dataclass(frozen=True)
class _Times:
    """Times of a list of kernels [s], as arrays of shape (kernels, plans)."""

    time: FloatArray  # s, on the device
    bound: IntArray  # index into BOUNDS
    flops: FloatArray
    traffic: FloatArray  # bytes to and from DRAM


def _time_kernels(kernels: Sequence[_Kernel], chip: Chip, width: int) -> _Times:
    """Return the time [s] of each kernel on one device, under each of `width` plans.

    Source: the hierarchical roofline of DeepFlow (Ardalani et al. 2211.03309) with the measured efficiencies of
    data/kernels (matrix products) and data/steps (the rest).
    """
    size = (len(kernels), width)
    times = _Times(np.zeros(size), np.zeros(size, dtype=np.int64), np.zeros(size), np.zeros(size))
    for name in dict.fromkeys(k.format for k in kernels if k.kind == "matmul"):
        for quantised in (False, True):
            rows = [
                i for i, k in enumerate(kernels) if k.kind == "matmul" and (k.format, k.quantised) == (name, quantised)
            ]
            if rows:
                _matmuls([kernels[i] for i in rows], rows, name, quantised, chip, times)
    for row, kernel in enumerate(kernels):
        if kernel.kind == "stream":
            _stream(kernel, row, chip, times)
        elif kernel.kind == "attention":
            _attention(kernel, row, chip, times)
    return times


def _matmuls(kernels: list[_Kernel], rows: list[int], name: str, quantised: bool, chip: Chip, times: _Times) -> None:
    width = times.time.shape[1]
    sizes = np.empty((4, len(kernels), width))
    for place, kernel in enumerate(kernels):
        sizes[0, place], sizes[1, place], sizes[2, place], sizes[3, place] = kernel.m, kernel.n, kernel.k, kernel.batch
    copied = any(kernel.stored is not None for kernel in kernels)
    first, kind = (np.arange(len(kernels)),) * 2 if copied else _different(sizes)
    m, n, k, batch = sizes[:, first]
    stored = _stored(kernels, m * k * batch) if copied else None
    result = _gemm((m, n, k), format=name, chip=chip, batch=batch, stored=stored, quantise_activations=quantised)
    result = result.take(kind)
    slowdown = chip.steps.matmul_slowdown if name in WIDE else chip.steps.narrow_slowdown
    # heat slows what computes, not what waits for bytes
    times.time[rows] = result.time + (slowdown - 1.0) * result.compute
    packed = np.array([kernel.packed for kernel in kernels])[:, None]
    if (packed < 1.0).any():
        times.time[rows] -= np.maximum(
            0.0, result.dram - np.maximum(packed * result.dram, np.maximum(result.compute, result.l2))
        )
    times.bound[rows] = result.bound
    times.flops[rows] = result.flops
    times.traffic[rows] = result.dram_bytes * packed


def _different(sizes: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the first kernel of each kind of equal sizes (a network's layers share them), and the kind of each kernel.

    Parameters
    ----------
    sizes : (sizes, kernels, plans).

    Examples
    --------
    >>> first, place = _different(np.array([[[8.0, 4.0], [2.0, 1.0], [8.0, 4.0]]]))
    >>> first.tolist(), place.tolist()
    ([0, 1], [0, 1, 0])
    """
    kinds: dict[bytes, int] = {}
    place = [kinds.setdefault(sizes[:, row].tobytes(), len(kinds)) for row in range(sizes.shape[1])]
    return np.unique(place, return_index=True)[1], np.array(place)


def _stored(kernels: list[_Kernel], whole: FloatArray) -> FloatArray:
    """Return the elements of each left operand in memory; `whole` where it is as large as the product takes it."""
    stored_elements = np.array([np.nan if kernel.stored is None else kernel.stored for kernel in kernels])[:, None]
    return np.where(np.isnan(stored_elements), whole, stored_elements)


def _stream_time(traffic: RealArray | float, chip: Chip, launches: int = 1) -> FloatArray:
    """Return the time (s) to move `traffic` bytes through elementwise kernels.

    Small tensors are still in L2 from the kernel that wrote them; the saving is bounded by the L2's bandwidth.
    """
    steps = chip.steps
    resident = np.minimum(1.0, chip.l2_capacity * steps.l2_share / np.maximum(traffic, 1.0))
    dram = traffic * (1.0 - resident * steps.l2_reuse) / (chip.dram_bandwidth * steps.stream_efficiency)
    l2 = traffic / (chip.l2_bandwidth * steps.stream_efficiency)
    return np.asarray(np.maximum(dram, l2) + launches * steps.stream_latency)


def _stream(kernel: _Kernel, row: int, chip: Chip, times: _Times) -> None:
    times.time[row] = _stream_time(kernel.traffic, chip, kernel.launches)
    latency = kernel.launches * chip.steps.stream_latency
    times.bound[row] = np.where(times.time[row] > 2 * latency, _DRAM, _LATENCY)
    times.traffic[row] = kernel.traffic


def _attention(kernel: _Kernel, row: int, chip: Chip, times: _Times) -> None:
    steps = chip.steps
    efficiency = steps.attention_backward if kernel.name.endswith(".grad") else steps.attention_forward
    compute = np.asarray(kernel.flops) / (chip.attention_peak * efficiency)
    memory = np.asarray(kernel.traffic) / (chip.dram_bandwidth * steps.attention_stream)
    times.time[row] = np.maximum(compute, memory) + kernel.launches * steps.attention_latency
    times.bound[row] = np.where(compute > memory, _COMPUTE, _DRAM)
    times.flops[row] = kernel.flops
    times.traffic[row] = kernel.traffic
