"""What formats of whole numbers share: filters as rows, sign and magnitude under a scale of each filter, products."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.format import Encoded
from slipstick.formats.bits import check_product, finite

MOST = 255  # of a code's magnitude: a uint8 less its zero point
_SMALLEST_SCALE = float(np.finfo(np.float32).tiny)  # below it fp32 loses digits of the scale
_EXACT = 2**53  # whole numbers below it are exact in float64, in which the products are summed
_ACCUMULATOR = 2**31


def rows_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (filters, weights of each) of a tensor [filters, ...]; a vector or a number is one filter.

    Weights with axes [filters, kernel rows, kernel columns, channels], as .tflite files hold them, put consecutive
    input channels beside each other; torch's [filters, channels, rows, columns] needs `channels_last` before.

    Examples
    --------
    >>> rows_of((16, 3, 3, 8)), rows_of((7,))
    ((16, 72), (1, 7))
    """
    return (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (1, math.prod(shape))


def channels_last(weights: NDArray[Any]) -> NDArray[Any]:
    """Return torch's weights [filters, channels, ...] as [filters, ..., channels]."""
    return np.moveaxis(weights, 1, -1) if weights.ndim > 2 else weights


def whole_codes(codes: ArrayLike) -> NDArray[np.int64]:
    """Return codes as int64.

    Errors
    ------
    SlipstickError for what is no array of integers, or beyond -255 to 255.
    """
    array = np.asarray(codes)
    if array.dtype.kind not in "iu":
        raise SlipstickError("not whole numbers", path="codes", value=str(array.dtype), allowed="an integer type")
    if array.size and (array.max() > MOST or array.min() < -MOST):
        worst = max(int(array.max()), -int(array.min()))
        raise SlipstickError("out of range", path="codes", value=worst, allowed=f"-{MOST} to {MOST}")
    return array.astype(np.int64)


def scaled_rows(
    values: ArrayLike, side: Mapping[str, NDArray[Any]] | None, top: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return whole numbers [filters, k] from -top to top and the scale of each filter: max|x| / top unless given.

    Rounding is to the nearest, ties to even.

    Errors
    ------
    SlipstickError for values that are not finite, or too large for a scale in fp32.
    """
    x = finite(values)
    rows = x.reshape(rows_of(x.shape))
    if side is not None and "scale" in side:
        scale = np.asarray(side["scale"], np.float32).reshape(-1)
    else:
        span = np.abs(rows).max(axis=1, initial=0.0) / top
        if span.max(initial=0.0) > np.finfo(np.float32).max:
            raise SlipstickError("the scale does not fit fp32", path="format")
        scale = np.maximum(np.where(span > 0, span, 1.0), _SMALLEST_SCALE).astype(np.float32)
    return np.clip(np.rint(rows / scale.astype(np.float64)[:, None]), -top, top).astype(np.int64), scale


def times_scale(whole: NDArray[np.int64], encoded: Encoded) -> NDArray[np.float32]:
    """Return whole numbers of the tensor's shape times the scale of each filter, rounded to fp32 once."""
    rows = whole.reshape(rows_of(encoded.shape)) * encoded.side["scale"].astype(np.float64)[:, None]
    return rows.reshape(encoded.shape).astype(np.float32)


def product_of_whole(inputs: Encoded, weights: Encoded) -> NDArray[np.float32]:
    """Sum products of whole numbers exactly, then multiply by both scales in fp32: [m, k] by [n, k] gives [m, n].

    Errors
    ------
    SlipstickError if a sum leaves the 32 bit accumulator, scales vary along the summed axis, or a tensor is none of
    whole numbers.
    """
    check_product(inputs, weights)
    a, b = (encoded.format.centred(encoded) for encoded in (inputs, weights))
    for encoded in (inputs, weights):
        if len(encoded.side["scale"]) not in (1, encoded.shape[0]) or getattr(encoded.format, "axis", None) == 1:
            raise SlipstickError("scales vary along the summed axis", path="format", value=encoded.format.name)
    # float64 runs on BLAS and is exact as long as every sum of magnitudes stays below 2**53
    if a.shape[1] * (int(np.abs(a).max(initial=0)) * int(np.abs(b).max(initial=0))) >= _EXACT:
        raise SlipstickError("the products do not fit the accumulator", path="format", allowed="32 bits")
    total = a.astype(np.float64) @ b.astype(np.float64).T
    if np.abs(total).max(initial=0) >= _ACCUMULATOR:
        raise SlipstickError("the products do not fit the accumulator", path="format", allowed="32 bits")
    scales = inputs.side["scale"][:, None] * weights.side["scale"][None, :]
    return np.asarray(total.astype(np.float32) * scales, dtype=np.float32)
