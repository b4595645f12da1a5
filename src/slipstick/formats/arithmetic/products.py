"""Matrix products that arithmetics share: the check of shapes, whole numbers summed exactly, floats summed in fp32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from slipstick.core.arrays import Float32Array, FloatArray, IntArray
from slipstick.core.encoding import Encoded, Operand
from slipstick.core.errors import SlipstickError

_EXACT = 2**53  # whole numbers below it are exact in float64, in which the products are summed
_ACCUMULATOR = 2**31


def _check_product(inputs: Encoded, weights: Encoded) -> None:
    """Raise SlipstickError unless inputs [m, k] and weights [n, k] can be multiplied."""
    shapes = inputs.shape, weights.shape
    if len(shapes[0]) != 2 or len(shapes[1]) != 2 or shapes[0][1] != shapes[1][1]:
        raise SlipstickError("shapes cannot be multiplied", value=shapes, allowed="inputs [m, k] and weights [n, k]")


def integer_product(inputs: Encoded, weights: Encoded, dot: Callable[[IntArray, IntArray], FloatArray]) -> Float32Array:
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
