"""Kernel calls of which only the sizes are known: which of our kernels computes them, its bytes, scratch and overlap.

What `estimate` says of flash and arena before there are weights. Images are taken for square, weights for small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from slipstick.edge.arena.arena_problem import Overlap
from slipstick.edge.firmware.kernel_call import KernelCall
from slipstick.edge.firmware.kernel_choice import _kernel_use
from slipstick.edge.kernels.firmware_kernels import kernels_for
from slipstick.edge.latency.layer_work import LayerWork
from slipstick.edge.layers import AddLayer, ConvLayer, Layer, PoolLayer, Requantisation, Scaling, SoftmaxLayer

_STEP_BYTES = 28  # of a call in the firmware's table of steps, as in edge/firmware/c_source.py
_FEW = 64  # filters that stand for all, besides what is left of fours: a last group is filled up to four
_CODES = (-128, 127)  # least and largest of int8
_HALF = Scaling(
    1 << 30, -1
)  # of a fixed-point scaling in the usual range: a multiplier of 2**30 and a shift to the right
_RIGHT = -8  # shift of the filters, to the right as in most layers
_FURTHEST = 255  # codes that are no further apart


@dataclass(frozen=True)
class _OutlinedKernel:
    """Kernel that computes a call: bytes of its constants and of its structs in flash, scratch [B], and its overlap."""

    symbol: str
    constants: float
    structs: int
    scratch: int
    overlap: Overlap | None


@lru_cache(maxsize=4096)  # calls of some networks on every core: a search asks for the same again
def _outlined_kernels(work: LayerWork, features: frozenset[str]) -> tuple[_OutlinedKernel, ...]:
    """Return our kernels that compute a call on a core with these features, the fastest first."""
    layer = _layer_of(work)
    few = _few_filters(layer) if isinstance(layer, ConvLayer) else layer
    kernels = []
    for kernel in kernels_for(few, features):
        use = _kernel_use(KernelCall(few, (0,), 1, 0, work.name), kernel, kernel, features)
        times = work.filters / few.output[2] if isinstance(few, ConvLayer) else 1.0
        kernels.append(
            _OutlinedKernel(
                kernel.symbol, use.array_bytes * times, use.struct_bytes + _STEP_BYTES, kernel.scratch_bytes(layer),
                kernel.overlap(layer),
            )
        )  # fmt: skip
    return tuple(kernels)


def _layer_of(work: LayerWork) -> Layer:
    """Return a layer of a call's sizes, without weights."""
    if work.filters:
        return _weighted(work)
    if work.kind == "add":
        return AddLayer(round(work.elements), (0, 0), (_HALF, _HALF, _HALF), 0, *_CODES)
    if work.kind == "pool":
        side = max(1, math.isqrt(round(work.inputs)))
        return PoolLayer("average_pool", (side, side, 1), (1, 1, 1), (side, side), (1, 1), (0, 0), 0, *_CODES)
    return SoftmaxLayer(1, max(1, round(work.elements)), _HALF, _FURTHEST)


def _weighted(work: LayerWork) -> ConvLayer:
    depthwise, dense = work.kind == "depthwise", work.kind == "dense"
    channels = work.filters if depthwise else work.reduction // work.taps
    pixels = (max(1, round(work.inputs / channels)), max(1, round(work.pixels)))
    kernel = (math.isqrt(work.taps),) * 2 if math.isqrt(work.taps) ** 2 == work.taps else (1, work.taps)
    line = kernel[0] == 1 and pixels[0] - pixels[1] == work.taps - 1 > 0  # along one axis, inside the image
    kernel = (work.taps, 1) if line else kernel
    before, behind = ((pixel, 1) if dense or line else _sides(pixel) for pixel in pixels)
    step = max(1, round(math.sqrt(pixels[0] / pixels[1])))
    around = 0 if line or pixels[1] < pixels[0] / step**2 else 1
    return ConvLayer(
        kind="conv" if work.kind == "pointwise" else work.kind,  # type: ignore[arg-type]
        input=(*before, channels), output=(*behind, work.filters), kernel=kernel, stride=(step, step), dilation=(1, 1),
        padding=((kernel[0] - 1) // 2 * around, (kernel[1] - 1) // 2 * around), input_offset=0, weight_offset=0,
        weights=np.zeros(0, np.int8), requant=_requantisation(work.filters),
    )  # fmt: skip


def _sides(pixels: int) -> tuple[int, int]:
    """Return height and width of an image that is as square as its pixels allow, no wider than high."""
    width = next(side for side in range(math.isqrt(pixels), 0, -1) if pixels % side == 0)
    return pixels // width, width


def _few_filters(layer: ConvLayer) -> ConvLayer:
    """Return a layer with weights of a few filters, all 0, which the same kernels take."""
    filters = min(layer.output[2], _FEW + layer.output[2] % 4)  # kernels take them in fours
    channels = filters if layer.kind == "depthwise" else layer.input[2]
    shape = {"depthwise": (*layer.kernel, filters), "dense": (filters, channels)}
    weights = np.zeros(shape.get(layer.kind, (filters, *layer.kernel, channels)), np.int8)
    sides = (*layer.input[:2], channels), (*layer.output[:2], filters)
    return replace(layer, input=sides[0], output=sides[1], weights=weights, requant=_requantisation(filters))


def _requantisation(filters: int) -> Requantisation:
    shift, multiplier = np.full(filters, _RIGHT, np.int8), np.full(filters, _HALF.multiplier, np.int32)
    return Requantisation(np.zeros(filters, np.int32), multiplier, shift, 0, *_CODES)
