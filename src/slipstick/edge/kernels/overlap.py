"""Overlap of a kernel's output with its input: how far ahead the output must begin so that nothing is lost.

"Diagonal" memory optimisation (Blacker et al., arXiv 2010.01668): outputs are written from the first to the last, and a
window reads only a few rows, so that what lies above them can be written over.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import IntArray
from slipstick.edge.arena.arena_problem import Overlap
from slipstick.edge.layers import ConvLayer, PadLayer, PoolLayer

_Windowed = ConvLayer | PoolLayer


def window_overlap(pixels: int, *, by_row: bool = False) -> Callable[[_Windowed], Overlap]:
    """Return the overlap of kernels that read the windows of some output pixels whole before they write these.

    Parameters
    ----------
    pixels : that are computed together; 0 where an output is written while the rest of its pixel reads the window.
    by_row : whether a row of outputs begins a new group of pixels.
    """

    def overlap(layer: _Windowed) -> Overlap:
        needed = _first_needed(layer)
        (height, width, filters), count = layer.output, len(needed) - 1
        if pixels == 0:
            written = np.arange(count) * filters + filters - 1
            return Overlap(max(0, int((written - needed[:-1]).max())))
        per_row = width if by_row else count
        ends = np.concatenate([np.arange(pixels, per_row, pixels), [per_row]])
        behind = (np.arange(height if by_row else 1)[:, None] * per_row + ends).ravel()[:-1]
        return Overlap(max([0, *(behind * filters - needed[behind]).tolist()]))

    return overlap


def _row_ring_overlap(layer: ConvLayer) -> Overlap:
    """Return the overlap of kernels that copy the input rows of a row of windows before they write its outputs."""
    (_, width, channels), (height, out_width, filters) = layer.input, layer.output
    rows = np.arange(height - 1)
    needed = (rows * layer.stride[0] - layer.padding[0] + layer.kernel[0]) * width * channels
    return Overlap(max([0, *((rows + 1) * out_width * filters - needed).tolist()]))


def _pad_overlap(layer: PadLayer) -> Overlap:
    """Return the overlap of a padding, whose kernel copies code by code: what stands before the last input code."""
    inside = np.zeros(layer.output, np.bool_)
    inside[tuple(slice(before, before + size) for before, size in zip(layer.before, layer.input, strict=True))] = True
    return Overlap(int((~inside).ravel()[: np.flatnonzero(inside)[-1]].sum()))


def _first_needed(layer: _Windowed) -> IntArray:
    """Return the first byte of the input that an output pixel or a later one reads; behind the last, its end."""
    (height, width, channels), sides = layer.input, layer.output[:2]
    rows, columns = (
        np.clip(np.arange(side) * stride - padding, 0, size - 1)
        for side, stride, padding, size in zip(sides, layer.stride, layer.padding, (height, width), strict=True)
    )
    starts = ((rows[:, None] * width + columns) * channels).ravel()
    whole: NDArray[np.int64] = np.append(starts, height * width * channels)
    needed: IntArray = np.minimum.accumulate(whole[::-1])[::-1]
    return needed
