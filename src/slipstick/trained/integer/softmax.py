"""Integer softmax, as TensorFlow Lite's reference kernel computes it.

Sources: `reference/softmax.h` and `internal/common.h` of TensorFlow Lite; `fixedpoint/fixedpoint.h` of gemmlowp: an
exponential as a Taylor polynomial around -1/8 times powers of e, a reciprocal by three steps of Newton's. Numbers are
of 32 bits; "Q5" has five bits before the binary point, so that its unit is 2**26.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from slipstick.core.arrays import AnyArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.trained.integer.fixed_point import BITS, fixed_multipliers
from slipstick.trained.integer.integer_network import IntegerOperator, IntegerTensor

_INPUT, _SUM = 5, 12  # bits before the binary point of the scaled differences, and of their exponentials' sum
_ONE = (1 << BITS) - 1  # the nearest to 1 in Q0


def _softmax(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> Any:
    """Return the integer softmax over the last axis, as a function of integer codes.

    Errors
    ------
    SlipstickError for scales that the kernel cannot represent, and rows that are too long for its sum.
    """
    x, least = tensors[0], int(np.iinfo(y.dtype).min)
    if x.shape[-1] >= 1 << _SUM:
        raise SlipstickError("rows too long for a softmax in integers", path=y.name, value=x.shape[-1])
    table, rescaled = _table(x.scale * op.options.beta, y.name)

    def compute(codes: AnyArray) -> AnyArray:
        below = codes.max(axis=-1, keepdims=True).astype(np.int64) - codes
        powers = table[below]
        total = rescaled[below].sum(axis=-1, keepdims=True)
        reciprocal, over = _reciprocal(total)
        shares = _divided(_product(reciprocal, powers), over + BITS - 8)
        codes_out = np.clip(shares + least, least, np.iinfo(y.dtype).max)
        return np.where(powers < 0, least, codes_out).astype(y.dtype)

    return compute


def softmax_scaling(step: float, name: str) -> tuple[int, int, int]:
    """Return multiplier and left shift from a difference of codes to a Q5 number, and the largest that counts.

    Errors
    ------
    SlipstickError for an input scale that the kernel cannot represent.
    """
    factor = min(step * (1 << (BITS - _INPUT)), (1 << BITS) - 1.0)
    if not factor > 1:
        raise SlipstickError("an input scale too small for a softmax", path=name, value=step)
    multiplier, left = (int(part) for part in fixed_multipliers(factor))
    return multiplier, left, math.floor(((1 << _INPUT) - 1) * (1 << (BITS - _INPUT)) / (1 << left))


def _table(step: float, name: str) -> tuple[IntArray, IntArray]:
    """Return exp(-step * k) for k from 0 to 255 as fixed-point numbers: in Q0 (-1: negligible), and in Q12 (or 0)."""
    multiplier, left, furthest = softmax_scaling(step, name)
    away = np.arange(256)
    powers = exponential(_product(-np.minimum(away, furthest) << left, np.int64(multiplier)))
    near = away <= furthest
    return np.where(near, powers, -1), np.where(near, _divided(powers, _SUM), 0)


def _product(a: Any, b: Any) -> IntArray:
    """Return the upper half of the doubled product, so that a product of two Q0 numbers is in Q0."""
    half: IntArray = (a * b + (1 << (BITS - 1))) >> BITS
    return half


def _divided(values: IntArray, power: Any) -> IntArray:
    """Return values / 2**power, halves rounded away from zero."""
    mask = (np.int64(1) << power) - 1
    result: IntArray = (values >> power) + ((values & mask) > (mask >> 1) + (values < 0))
    return result


def exponential(values: IntArray) -> IntArray:
    """Return exp(x) in Q0 of non-positive fixed-point values x in Q5.

    Examples
    --------
    >>> float(exponential(np.array([-(3 << 26)]))[0] / 2**31)  # doctest: +ELLIPSIS
    0.04978...
    """
    unit = BITS - _INPUT
    quarter = 1 << (unit - 2)
    rest = (values & (quarter - 1)) - quarter
    result = _polynomial(rest << _INPUT)
    steps = rest - values
    for exponent in range(-2, _INPUT):
        factor = np.int64(round(math.exp(-(2.0**exponent)) * 2**BITS))
        result = np.where(steps & (1 << (unit + exponent)), _product(result, factor), result)
    return np.where(values == 0, _ONE, result)


def _polynomial(values: IntArray) -> IntArray:
    """Return exp(x) in Q0 of values x in Q0 from -1/4 to 0, by a Taylor series of four terms around -1/8."""
    centre, third = np.int64(round(math.exp(-1 / 8) * 2**BITS)), np.int64(round(2**BITS / 3))
    x = values + (1 << (BITS - 3))
    square = _product(x, x)
    cube, fourth = _product(square, x), _divided(_product(square, square), 2)
    return centre + _product(centre, x + _divided(_product(fourth + cube, third) + square, 1))


def _reciprocal(total: IntArray) -> tuple[IntArray, IntArray]:
    """Return 1 / total (total in Q12, positive) as a Q0 number and the bits to shift it right.

    Source: gemmlowp's `one_over_one_plus_x_for_x_in_0_1`, which works in Q2 (its unit is 2**29).
    """
    length = np.frexp(total.astype(np.float64))[1].astype(np.int64)  # exact: totals have 31 bits
    scaled = (total << (BITS + 1 - length)) - (1 << BITS)
    half = (scaled + _ONE + 1) >> 1  # (1 + x) / 2, a half upwards
    x = np.int64(round(48 / 17 * 2**29)) + _product(half, np.int64(round(-32 / 17 * 2**29)))  # in Q2
    for _ in range(3):
        x = x + (_product(x, (1 << 29) - _product(half, x)) << 2)
    return np.minimum(x << 1, _ONE), _SUM - (BITS + 1 - length)
