"""Matrix products that arithmetics share: the check of shapes, whole numbers summed exactly, floats summed in fp32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from slipstick.core.arithmetic import Arithmetic
from slipstick.core.arrays import AnyArray, Float32Array, IntArray
from slipstick.core.encoding import Encoded, Encoding, Operand
from slipstick.core.errors import SlipstickError
from slipstick.core.window import WholeNumbers

_EXACT = 2**53  # whole numbers below it are exact in float64, in which the products are summed
_ACCUMULATOR = 2**31
_WHOLE = 256  # full scale of 8 bit codes less their zero point


def _check_product(inputs: Encoded, weights: Encoded) -> None:
    """Raise SlipstickError unless inputs [m, k] and weights [n, k] can be multiplied."""
    shapes = inputs.shape, weights.shape
    if len(shapes[0]) != 2 or len(shapes[1]) != 2 or shapes[0][1] != shapes[1][1]:
        raise SlipstickError("shapes cannot be multiplied", value=shapes, allowed="inputs [m, k] and weights [n, k]")


def whole_product(arithmetic: Arithmetic, inputs: Encoded, weights: Encoded) -> Float32Array:
    """Return the product [m, n] of whole numbers [m, k] and [n, k] by the arithmetic's `sums`, times both scales.

    Errors
    ------
    SlipstickError for encodings that are none of whole numbers, and as `integer_product` raises it.
    """
    for encoded in (inputs, weights):
        if not encoded.encoding.whole_numbers:
            raise SlipstickError("not of whole numbers", path="format", value=encoded.encoding.name)
    full = inputs.encoding.full_scale, weights.encoding.full_scale
    return integer_product(
        inputs, weights, lambda a, b: arithmetic.sums(WholeNumbers(a, full[0]), WholeNumbers(b, full[1]))
    )


def check_whole(encoding: Encoding) -> None:
    """Raise SlipstickError unless an encoding is of whole numbers of at most 8 bits."""
    if not encoding.whole_numbers or encoding.full_scale > _WHOLE:
        allowed = f"whole numbers of magnitudes up to {_WHOLE}: int2 to int8, swis, truncate, round, pool"
        raise SlipstickError("not of such whole numbers", path="format", value=encoding.name, allowed=allowed)


def _check_integers(arithmetic: Any, path: str) -> None:
    """Raise SlipstickError for an argument of a frozen dataclass that is declared as int and is none, such as 32.0."""
    for argument in fields(arithmetic):
        value = getattr(arithmetic, argument.name)
        if argument.type in ("int", int) and not isinstance(value, int | np.integer):
            message = "no whole number"
            raise SlipstickError(message, path=f"{path}.{argument.name}", value=value, allowed="a whole number")


def integer_product(inputs: Encoded, weights: Encoded, dot: Callable[[IntArray, IntArray], AnyArray]) -> Float32Array:
    """Return the product [m, n] of whole numbers [m, k] and [n, k] by `dot`, times both scales in fp32.

    Parameters
    ----------
    dot : sums of products [m, n], whole numbers in float64.

    Errors
    ------
    SlipstickError if a sum leaves the 32 bit accumulator, or scales vary along the summed axis.
    """
    _check_product(inputs, weights)
    a, b = (encoded.encoding.operand(encoded) for encoded in (inputs, weights))
    a_scales, b_scales = (_row_scales(operand, encoded) for operand, encoded in ((a, inputs), (b, weights)))
    # float64 runs on BLAS and is exact as long as every sum of magnitudes stays below 2**53
    largest = int(np.abs(a.elements).max(initial=0)) * int(np.abs(b.elements).max(initial=0))
    if a.elements.shape[1] * largest >= _EXACT:
        raise SlipstickError("the products do not fit the accumulator", path="format", allowed="32 bits")
    total = dot(a.elements, b.elements)
    if np.abs(total).max(initial=0) >= _ACCUMULATOR:
        raise SlipstickError("the products do not fit the accumulator", path="format", allowed="32 bits")
    return np.asarray(total.astype(np.float32) * (a_scales * b_scales.T), dtype=np.float32)


def _float_product(inputs: Operand, weights: Operand) -> Float32Array:
    """Return the product [m, n] of floats [m, k] and [n, k], summed in fp32 in the order of k, rounded per step.

    Blocks that share a scale are summed exactly first. Real tensor cores align several products before they add and may
    differ in the last bits of fp32; no vendor publishes how.
    """
    a, b = inputs.elements, weights.elements
    total = np.zeros((a.shape[0], b.shape[0]), np.float32)
    if inputs.scales is None or weights.scales is None:
        for column_a, column_b in zip(a.T.astype(np.float32), b.T.astype(np.float32), strict=True):
            total += column_a[:, None] * column_b[None, :]
        return total
    for block in range(inputs.scales.shape[1]):  # at most 41 bits a block: exact in float64
        columns = slice(block * inputs.block, (block + 1) * inputs.block)
        exact = a[:, columns] @ b[:, columns].T
        scales = inputs.scales[:, block, None] * weights.scales[None, :, block]
        total += (exact * scales).astype(np.float32)
    return total


def _row_scales(operand: Operand, encoded: Encoded) -> Float32Array:
    """Return the scales [1 or rows, 1] of an operand with one scale per tensor or per row."""
    if operand.scales is None or operand.scales.shape[1] != 1:
        path = encoded.encoding.name
        raise SlipstickError("scales vary along the summed axis", path=path, allowed="a scale of each row, or one")
    return operand.scales
