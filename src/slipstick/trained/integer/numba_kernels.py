"""numba kernels of the integer networks. tests/trained compares them with the slow definitions bit for bit.

Everything stays in 32 bits but one product, so that a vector unit does eight or sixteen filters at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from slipstick.trained.integer.fixed_point import BITS


@njit(inline="always")
def _rescaled(value: Any, left: Any, multiplier: Any, right: Any) -> Any:
    """Return a value scaled as `fixed_point.rescale` does with double rounding."""
    product = np.int64(np.int32(value << left)) * np.int64(multiplier)
    high = np.int32((product + np.int64(1 << (BITS - 1))) >> np.int64(BITS))
    mask = np.int32((np.int32(1) << right) - np.int32(1))
    limit = np.int32((mask >> np.int32(1)) + np.int32(high < 0))
    return np.int32(np.int32(high >> right) + np.int32(np.int32(high & mask) > limit))


@njit(cache=True)
def _requantise(
    sums: NDArray[Any], bias: NDArray[np.int32], scaling: NDArray[np.int32], zero: int, low: int, high: int, out: Any
) -> None:
    """Requantise sums [rows, filters] to integer codes; `scaling` [3, filters]: left shift, multiplier, right shift."""
    rows, filters = sums.shape
    left, multiplier, right = scaling[0], scaling[1], scaling[2]
    least, most, origin = np.int32(low), np.int32(high), np.int32(zero)
    for row in range(rows):
        for f in range(filters):
            value = np.int32(np.int32(sums[row, f]) + bias[f])
            code = np.int32(_rescaled(value, left[f], multiplier[f], right[f]) + origin)
            out[row, f] = min(max(code, least), most)


@njit(cache=True)
def _depthwise(
    x: NDArray[Any],
    weights: NDArray[np.int32],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    x_zero: int,
    bias: NDArray[np.int32],
    scaling: NDArray[np.int32],
    zero: int,
    low: int,
    high: int,
    out: NDArray[Any],
) -> None:
    """Convolve padded integer codes [n, h, w, channels] with a filter [kh, kw] per channel, and requantise."""
    images, height, width, channels = out.shape
    left, multiplier, right = scaling[0], scaling[1], scaling[2]
    least, most, origin, shift = np.int32(low), np.int32(high), np.int32(zero), np.int32(x_zero)
    sums = np.empty(channels, np.int32)
    for image in range(images):
        for i in range(height):
            for j in range(width):
                sums[:] = bias
                for ki in range(weights.shape[0]):
                    for kj in range(weights.shape[1]):
                        row = x[image, i * stride[0] + ki * dilation[0], j * stride[1] + kj * dilation[1]]
                        column = weights[ki, kj]
                        for c in range(channels):
                            sums[c] += np.int32(np.int32(np.int32(row[c]) - shift) * column[c])
                for c in range(channels):
                    code = np.int32(_rescaled(sums[c], left[c], multiplier[c], right[c]) + origin)
                    out[image, i, j, c] = min(max(code, least), most)
