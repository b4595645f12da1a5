"""Arithmetic: how products of encoded numbers are computed. One half of a `Format`; the other is its `Encoding`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from slipstick.core.arrays import Float32Array, IntArray
    from slipstick.core.encoding import Encoded, Encoding


@dataclass(frozen=True, slots=True)
class StandIn:
    """Smooth stand-in for training: forward the format's values, backward the gradient of a smooth function.

    ``straight-through``: the derivative is 1 from `low` to `high` and 0 outside; None: no bound, because the scale
    follows the tensor. Source: Bengio et al., arXiv 1308.3432.
    """

    kind: Literal["straight-through"] = "straight-through"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one multiply-accumulate: cycles of one multiplier, energy [J] and area [m2], memory excluded.

    `area` is None where it is unknown.
    """

    cycles: float
    joules: float
    area: float | None
    source: str


class Arithmetic(ABC):
    """Compute half of a number format: how matrix products of encoded weights are formed, and what they cost.

    Abstract; concrete arithmetics such as `Exact` and `BitSerial` are frozen dataclasses and final.

    When each member is called, in order: `check` once, when a `Format` joins it to an encoding; `cost`, `steps` and
    `cycles` in every estimate; `stand_in` when training attaches a format to a layer, for every backward pass;
    `matmul` in every forward pass that is to be true to the hardware, bit by bit (digital) or field by field (analog,
    optical).

    Five lines and the abstract members below add one; another package names the last line's value in its entry points
    ``slipstick.arithmetics`` instead of registering it::

        @dataclass(frozen=True)
        class Logarithmic(Arithmetic):
            base: int = 2
            ...
        ARITHMETICS.register(FormatFamily("logarithmic", Logarithmic, {"base": whole}, examples=("logarithmic",)))

    Formats then have it by name: ``int8@logarithmic:base=4``. `slipstick.testing.arithmetic_suite` has the truths that
    every arithmetic passes.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The text behind ``@`` from which `slipstick.formats.format_of` builds the same arithmetic."""

    @abstractmethod
    def check(self, encoding: Encoding) -> None:
        """Raise SlipstickError, naming encodings that are supported, unless it multiplies weights of this encoding."""

    @abstractmethod
    def matmul(self, inputs: Encoded, weights: Encoded) -> Float32Array:
        """Return the product of inputs [m, k] by weights [n, k] (a row for each output), [m, n], as hardware gives it.

        Errors
        ------
        SlipstickError for shapes that cannot be multiplied, or sums that leave the accumulator.
        """

    @abstractmethod
    def stand_in(self, encoding: Encoding) -> StandIn:
        """Return the smooth stand-in by which gradients pass through products with weights of this encoding."""

    @abstractmethod
    def cost(self, encoding: Encoding) -> Cost:
        """Return cycles, energy [J] and area [m2] of one multiply-accumulate with a weight of this encoding."""

    @abstractmethod
    def steps(self, encoding: Encoding) -> int | None:
        """Return the bits or positions of a weight that a multiplier steps through.

        None: the multiplier makes no use of the encoding, so that weights are decoded to 8 bits before they reach it.
        """

    @abstractmethod
    def cycles(self, steps: ArrayLike) -> IntArray:
        """Return the clock cycles that one multiplier takes for a weight of `steps` bits or shifts, elementwise."""
