"""Filters as rows of whole numbers: sign and magnitude with a scale per filter, shared by all integer encodings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.core.arrays import Float32Array, IntArray, NamedArrays
from slipstick.core.encoding import Encoded, Operand
from slipstick.core.errors import SlipstickError
from slipstick.formats.bits import _finite

MIN_SCALE = float(np.finfo(np.float32).tiny)  # below it fp32 loses digits of the scale
_MAX_CODE = 255  # magnitude of a code: a uint8 less its zero point


def rows_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (filters, weights per filter) of a tensor [filters, ...]; a vector or a number is one filter.

    Weights have axes [filters, kernel rows, kernel columns, channels], as in .tflite files, so that consecutive weights
    are input channels; torch's [filters, channels, rows, columns] needs `channels_last` first.

    Examples
    --------
    >>> rows_of((16, 3, 3, 8)), rows_of((7,))
    ((16, 72), (1, 7))
    """
    return (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (1, math.prod(shape))


def channels_last(weights: NDArray[Any]) -> NDArray[Any]:
    """Return torch's weights [filters, channels, ...] as [filters, ..., channels]."""
    return np.moveaxis(weights, 1, -1) if weights.ndim > 2 else weights


def _whole_codes(codes: ArrayLike) -> IntArray:
    """Return integer codes as int64.

    Errors
    ------
    SlipstickError for other arrays than of integers, or codes beyond -255 to 255.
    """
    array = np.asarray(codes)
    if array.dtype.kind not in "iu":
        raise SlipstickError("not whole numbers", path="codes", value=str(array.dtype), allowed="an integer type")
    if array.size and (array.max() > _MAX_CODE or array.min() < -_MAX_CODE):
        worst = max(int(array.max()), -int(array.min()))
        raise SlipstickError("out of range", path="codes", value=worst, allowed=f"-{_MAX_CODE} to {_MAX_CODE}")
    return array.astype(np.int64)


def _scaled_rows(values: ArrayLike, side: NamedArrays | None, top: int) -> tuple[IntArray, Float32Array]:
    """Return whole numbers [filters, k] from -top to top and the scale per filter: max|x| / top unless given.

    Rounding is to the nearest, ties to even.

    Errors
    ------
    SlipstickError for values that are not finite, or too large for a scale in fp32.
    """
    x = _finite(values)
    rows = x.reshape(rows_of(x.shape))
    if side is not None and "scale" in side:
        scale = np.asarray(side["scale"], np.float32).reshape(-1)
    else:
        span = np.abs(rows).max(axis=1, initial=0.0) / top
        if span.max(initial=0.0) > np.finfo(np.float32).max:
            raise SlipstickError("the scale does not fit fp32", path="format")
        scale = np.maximum(np.where(span > 0, span, 1.0), MIN_SCALE).astype(np.float32)
    return np.clip(np.rint(rows / scale.astype(np.float64)[:, None]), -top, top).astype(np.int64), scale


def _times_scale(whole: IntArray, encoded: Encoded) -> Float32Array:
    """Return whole numbers in the tensor's shape times the scale per filter, rounded once to fp32."""
    rows = whole.reshape(rows_of(encoded.shape)) * encoded.side["scale"].astype(np.float64)[:, None]
    return rows.reshape(encoded.shape).astype(np.float32)


def _row_operand(encoded: Encoded) -> Operand:
    """Return an encoded matrix [rows, k] of whole numbers with one scale, or one scale per row.

    Errors
    ------
    SlipstickError for scales that are neither.
    """
    scale = encoded.side["scale"]
    if len(scale) not in (1, encoded.shape[0]):
        path = encoded.encoding.name
        raise SlipstickError("scales vary along the summed axis", path=path, allowed="a scale of each row, or one")
    return Operand(encoded.encoding.integers(encoded), scale[:, None])
