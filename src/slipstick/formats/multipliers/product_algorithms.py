"""Exact algorithms for sums of table products, all of the same integers; a table's structure chooses.

Sums are of inputs [m, k] by weights [n, k]. Matrix products run in floats that hold every partial sum exactly, or in
int8 where the library's are right: `torch._int_mm` saturates pairs to 16 bits without VNNI, which a self-test finds.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.formats.multipliers.layer_tables import _factors
from slipstick.formats.multipliers.multiplier import Multiplier
from slipstick.formats.multipliers.table_structure import _monomial_coefficients

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from slipstick.core.arrays import AnyArray, FloatArray, IntArray

_FLOAT32, _FLOAT64, _INT32 = 2**24, 2**53, 2**31  # whole numbers below are exact
_LEAST_BITS = 7  # of magnitudes: int8's
_EPSILON = 2.0**-52  # of float64


def _factored_sums(multiplier: Multiplier, inputs: ArrayLike, weights: ArrayLike) -> AnyArray:
    """Return the sums of a table of rank 1: one matrix product of operands that are mapped (masked) first.

    Errors
    ------
    SlipstickError if the table is of another rank, or its factors are no bytes.
    """
    a, w, full = _operands(inputs, weights)
    pair = _factors(multiplier, full)
    if pair is None:
        raise SlipstickError("the table is no product of bytes", path="multiplier", value=multiplier.name)
    return _whole_matmul(pair.inputs[a + full[0]], pair.weights[w + full[1]])


def _low_rank_sums(multiplier: Multiplier, inputs: ArrayLike, weights: ArrayLike) -> AnyArray:
    """Return the sums by as many float64 matrix products as the rank (singular values), rounded to whole numbers.

    Errors
    ------
    SlipstickError if rounding errors might reach a half, so that the integers are not certain.
    """
    a, w, _ = _operands(inputs, weights)
    (at, a_sign), (to, w_sign) = multiplier.patterns(a), multiplier.patterns(w)
    left, right = _singular_factors(multiplier)
    first = (left[at] * a_sign[..., None]).reshape(len(a), -1)
    second = (right[to] * w_sign[..., None]).reshape(len(w), -1)
    miss = np.abs(left @ right.T - multiplier.centred).max() * a.shape[1]
    rounding = first.shape[1] * _EPSILON * (np.abs(first).max(initial=0) * np.abs(second).max(initial=0))
    if miss + rounding * first.shape[1] >= 0.5:
        raise SlipstickError("rounding errors may reach a half", path="multiplier", value=multiplier.name)
    return np.rint(first @ second.T).astype(np.int64)


def _monomial_sums(multiplier: Multiplier, inputs: ArrayLike, weights: ArrayLike) -> AnyArray:
    """Return the sums by the table's multilinear form in the bits of the input (Moebius transform)."""
    a, w, _ = _operands(inputs, weights)
    (at, a_sign), (to, w_sign) = multiplier.patterns(a), multiplier.patterns(w)
    coefficients = _monomial_coefficients(multiplier.centred)
    subsets = np.flatnonzero(coefficients.any(axis=1))
    sums = np.zeros((len(a), len(w)), np.int64)
    for subset in subsets:
        holds = ((at & subset) == subset) * a_sign
        sums += _whole_matmul(holds, coefficients[subset][to] * w_sign)
    return sums


def _error_table_sums(multiplier: Multiplier, inputs: ArrayLike, weights: ArrayLike) -> AnyArray:
    """Return the sums as the exact matrix product, and a look-up of the errors alone."""
    a, w, full = _operands(inputs, weights)
    codes = [np.arange(-size, size + 1) for size in full]
    errors = multiplier.multiply(codes[0][:, None], codes[1]) - np.multiply.outer(*codes)
    return _whole_matmul(a, w) + _looked_up(errors, a + full[0], w + full[1])


def _table_sums(multiplier: Multiplier, inputs: ArrayLike, weights: ArrayLike) -> AnyArray:
    """Return the sums by a look-up of every product (numba): the portable way, of any table."""
    a, w, full = _operands(inputs, weights)
    codes = [np.arange(-size, size + 1) for size in full]
    return _looked_up(multiplier.multiply(codes[0][:, None], codes[1]), a + full[0], w + full[1])


def _whole_matmul(inputs: AnyArray, weights: AnyArray) -> IntArray:
    """Return inputs [m, k] times weights [n, k] of whole numbers, exactly: by int8, float32 or float64 products.

    Errors
    ------
    SlipstickError if a sum might leave 53 bits.
    """
    top = int(np.abs(inputs.astype(np.int64)).max(initial=0)) * int(np.abs(weights.astype(np.int64)).max(initial=0))
    largest = top * inputs.shape[1]
    if largest >= _FLOAT64:
        raise SlipstickError("the products do not fit the accumulator", path="format", allowed="53 bits")
    torch = sys.modules.get("torch")  # where it is loaded anyway
    if torch is not None and inputs.dtype == weights.dtype == np.int8 and len(inputs) > 16 and _int8_is_right():
        pair = torch.from_numpy(np.ascontiguousarray(inputs)), torch.from_numpy(np.ascontiguousarray(weights))
        return np.asarray(torch._int_mm(pair[0], pair[1].T).numpy())
    kind = np.float32 if largest < _FLOAT32 else np.float64
    return np.asarray(np.matmul(inputs.astype(kind), weights.T.astype(kind)).astype(np.int64))


@functools.cache
def _int8_is_right() -> bool:
    """Return whether torch's int8 matrix product is exact on this processor, largest operands included."""
    torch: Any = sys.modules["torch"]
    draw = np.random.default_rng(1)
    a, w = draw.integers(-128, 128, (64, 64)), draw.integers(-128, 128, (64, 64))
    a[:, ::3], w[:, ::2] = 127, -128  # the largest operands, whose pairs saturate
    try:
        product = torch._int_mm(torch.from_numpy(a.astype(np.int8)), torch.from_numpy(w.astype(np.int8)).T)
    except (AttributeError, RuntimeError):
        return False
    return bool((product.numpy() == a @ w.T).all())


@functools.lru_cache(maxsize=16)
def _singular_factors(multiplier: Multiplier) -> tuple[FloatArray, FloatArray]:
    """Return factors [2**bits, r] of a table of products, balanced: left times right transposed is the table."""
    left, values, right = np.linalg.svd(multiplier.centred.astype(np.float64))
    rank = int((values > values[0] * len(values) * _EPSILON).sum())
    root = np.sqrt(values[:rank])
    return left[:, :rank] * root, right[:rank].T * root


def _looked_up(products: IntArray, inputs: IntArray, weights: IntArray) -> IntArray:
    """Return sums [m, n] of products [inputs, weights] at codes [m, k] and [n, k]."""
    require("numba", "sim")
    from slipstick.formats.multipliers.numba_kernels import _table_sums

    taps = max(1, (_INT32 - 1) // max(1, int(np.abs(products).max())))  # whose sum is sure to fit 32 bits
    table = np.ascontiguousarray(products.T.astype(np.int32))
    columns, rows = np.ascontiguousarray(inputs.T.astype(np.uint16)), weights.astype(np.uint16)
    total = np.zeros((len(weights), len(inputs)), np.int64)
    for start in range(0, inputs.shape[1], taps):
        sums = np.zeros(total.shape, np.int32)
        _table_sums(columns[start : start + taps], np.ascontiguousarray(rows[:, start : start + taps]), table, sums)
        total += sums
    return total.T


def _operands(inputs: ArrayLike, weights: ArrayLike) -> tuple[IntArray, IntArray, tuple[int, int]]:
    """Return both as int64, and the powers of two, from 128, that hold them in two's complement."""
    a, w = np.asarray(inputs, np.int64), np.asarray(weights, np.int64)
    return a, w, (_full(a), _full(w))


def _full(whole: IntArray) -> int:
    low, high = int(whole.min(initial=0)), int(whole.max(initial=0))
    return 1 << max(_LEAST_BITS, high.bit_length(), (-low - 1).bit_length())
