"""Arithmetic of an analogue crossbar: exact sums of the cells of a tile, each read by a converter of a few bits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slipstick import Arithmetic, Cost, Encoded, Encoding, FormatFamily, SlipstickError, StandIn
from slipstick.core.arrays import Float32Array, FloatArray, IntArray
from slipstick.formats.arithmetic.products import integer_product
from slipstick.formats.registry import whole


@dataclass(frozen=True)
class CrossbarArithmetic(Arithmetic):
    """Sums of `lines` products, each converted to `bits` bits whose range is that of the largest sum of the matrix."""

    bits: int = 8
    lines: int = 256

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 16 or self.lines < 1:
            message = "no converter, or no lines"
            raise SlipstickError(message, path="format", value=self.name, allowed="2 to 16 bits, lines from 1")

    @property
    def name(self) -> str:
        """The text from which `format_of` builds it."""
        return f"crossbar:bits={self.bits},lines={self.lines}"

    def check(self, encoding: Encoding) -> None:
        """Take weights that are whole numbers times a scale: conductances have steps."""
        if not encoding.whole_numbers:
            allowed = "whole numbers such as int8"
            raise SlipstickError("a crossbar holds whole numbers", path="format", value=encoding.name, allowed=allowed)

    def matmul(self, inputs: Encoded, weights: Encoded) -> Float32Array:
        """Multiply inputs [m, k] by weights [n, k], tile by tile."""
        return integer_product(inputs, weights, self._converted)

    def _converted(self, inputs: IntArray, weights: IntArray) -> FloatArray:
        total = np.zeros((len(inputs), len(weights)))
        for first in range(0, inputs.shape[1], self.lines):
            tile = slice(first, first + self.lines)
            sums = inputs[:, tile].astype(np.float64) @ weights[:, tile].astype(np.float64).T
            step = np.abs(sums).max(initial=0) / (2 ** (self.bits - 1) - 1)
            total += np.rint(sums / step) * step if step else sums
        return total

    def stand_in(self, encoding: Encoding) -> StandIn:
        """Return the straight-through estimator."""
        return StandIn()

    def cost(self, encoding: Encoding) -> Cost:
        """Return the cost of one product: a share of a read, at the energy of the example's device."""
        return Cost(cycles=1.0, joules=10e-15, area=None, source="made up for an example")

    def steps(self, encoding: Encoding) -> int | None:
        """Return None: all bits of a weight multiply at once."""
        return None

    def cycles(self, steps: ArrayLike) -> IntArray:
        """Return one read, whatever the weight."""
        return np.ones_like(np.asarray(steps, np.int64))


FAMILY = FormatFamily(
    "crossbar", CrossbarArithmetic, {"bits": whole, "lines": whole}, ("crossbar", "crossbar:bits=10,lines=64")
)
