"""Exact arithmetic: one multiplier per product; whole numbers summed exactly, floats rounded to fp32 per step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arithmetic import Arithmetic, Cost
from slipstick.core.arrays import Float32Array, FloatArray, IntArray
from slipstick.core.encoding import Encoded, Encoding
from slipstick.core.errors import SlipstickError
from slipstick.core.format import EXACT
from slipstick.core.stand_in import StandIn
from slipstick.core.window import WholeNumbers
from slipstick.formats.arithmetic.operation_costs import _multiplier_area, _operation_energy
from slipstick.formats.arithmetic.products import _check_product, _float_product, integer_product

_SIGNIFICANDS = {"fp16": 11, "fp32": 24}  # bits, with the hidden one; rows of data/formats/operations.yaml


@dataclass(frozen=True)
class Exact(Arithmetic):
    """Exact matrix products, as a parallel multiplier per product gives: the default arithmetic of every encoding.

    Integers are summed in 32-bit accumulators, floats in fp32.

    Examples
    --------
    >>> from slipstick.formats import format_of
    >>> form = format_of("int8")
    >>> x = form.encoding.encode([[1.0, 2.0], [3.0, 127.0]])
    >>> form.matmul(x, x).tolist()
    [[5.0, 257.0], [257.0, 16138.0]]
    """

    exact_products = True

    @property
    def name(self) -> str:
        """``exact``, which the text of a format leaves out."""
        return EXACT

    def check(self, encoding: Encoding) -> None:
        """Accept weights of every encoding."""

    def matmul(self, inputs: Encoded, weights: Encoded) -> Float32Array:
        """Return inputs [m, k] times weights [n, k]: whole numbers exactly, floats in fp32 in the order of k.

        Errors
        ------
        SlipstickError if a sum of whole numbers leaves the 32 bit accumulator, scales vary along the summed axis, or
        floats are of two encodings.
        """
        if inputs.encoding.whole_numbers and weights.encoding.whole_numbers:
            return integer_product(inputs, weights, _dot)
        _check_product(inputs, weights)
        if inputs.encoding != weights.encoding:
            names = [inputs.encoding.name, weights.encoding.name]
            raise SlipstickError("floats of two encodings", path="format", value=names, allowed="the same one twice")
        return _float_product(*(encoded.encoding.operand(encoded) for encoded in (inputs, weights)))

    def sums(self, inputs: WholeNumbers, weights: WholeNumbers) -> FloatArray:
        """Return the sums [m, n] of whole numbers [m, k] by [n, k], exact in float64 below 2**53."""
        return _dot(inputs.elements, weights.elements)

    def stand_in(self, encoding: Encoding) -> StandIn:
        """Return the straight-through estimator, clipped to the bounds of the encoding if it has any."""
        return StandIn() if encoding.bounds is None else StandIn(low=encoding.bounds[0], high=encoding.bounds[1])

    def cost(self, encoding: Encoding) -> Cost:
        """Return the cost of one cycle, one multiplication and one addition (whole numbers in 32 bit, floats in fp32).

        Multipliers of other widths are scaled from 8 bits, or from fp16, by the square of the width: an array
        multiplier has one cell for each pair of bits. No area of floats is known.
        """
        bits = encoding.multiplier_bits
        if encoding.whole_numbers:
            multiply, source = _operation_energy("int8_multiply")
            note = source if bits == 8 else f"{source}; scaled by the square of the bits: assumed"
            area = _multiplier_area("parallel") if bits == 8 else None
            return Cost(1.0, multiply * (bits / 8) ** 2 + _operation_energy("int32_add")[0], area, note)
        add, source = _operation_energy("fp32_add")
        kind = "fp32" if bits == _SIGNIFICANDS["fp32"] else "fp16"
        multiply, share = _operation_energy(f"{kind}_multiply")[0], (bits / _SIGNIFICANDS[kind]) ** 2
        note = source if share == 1 else f"{source}; scaled by the square of the significand's width: assumed"
        return Cost(1.0, multiply * share + add, None, note)

    def steps(self, encoding: Encoding) -> int | None:
        """Return 8 for weights that fill an 8 bit multiplier, None for other weights."""
        return 8 if encoding.serial_bits == 8 else None

    def cycles(self, steps: ArrayLike) -> IntArray:
        """Return one cycle per weight, whatever its steps."""
        return np.ones_like(np.asarray(steps, np.int64))


def _dot(inputs: IntArray, weights: IntArray) -> FloatArray:
    return np.asarray(inputs.astype(np.float64) @ weights.astype(np.float64).T)
