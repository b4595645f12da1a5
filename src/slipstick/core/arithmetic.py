"""Arithmetic: how products of encoded numbers are computed. One half of a `Format`; the other is its `Encoding`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.stand_in import StandIn
from slipstick.core.window import WholeNumbers, Window

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from slipstick.core.arrays import AnyArray, Float32Array, FloatArray, IntArray
    from slipstick.core.encoding import Encoded, Encoding

_ACCUMULATOR = 2**31


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one multiply-accumulate: cycles of one multiplier, energy [J] and area [m2], memory excluded.

    Energy and area are None where they are unknown.
    """

    cycles: float
    joules: float | None
    area: float | None
    source: str


class ClippedSums(Protocol):
    """Sums of a layer that left their range, whose results do not follow their operands."""

    def remove(self, gradient: Float32Array, by_input: Float32Array, by_weight: Float32Array) -> None:
        """Take what passed through them out of the stand-in's gradients by both operands, in place.

        Parameters
        ----------
        gradient : [b, n, rows, columns], by the sums of operands as fractions of full scale, as the others are.
        """


class Arithmetic(ABC):
    """Compute half of a number format: how matrix products of encoded weights are formed, and what they cost.

    Abstract; concrete arithmetics such as `Exact` and `BitSerial` are frozen dataclasses and final.

    When each member is called, in order: `check` once, when a `Format` joins it to an encoding; `cost`, `steps` and
    `cycles` in every estimate; `stand_in` when training attaches a format to a layer, for every backward pass, fed what
    `carried` says; `matmul`, `convolution` and (on whole numbers) `layer_sums`, in training `read_layer`, in every
    forward pass that is to be true to the hardware, bit by bit (digital) or field by field (analog, optical). Whoever
    has `sums` has a bit-true `layer_sums` and `convolution`; whoever counts positions, or is to be fast, writes
    `layer_sums` itself.

    Five lines and the abstract members below add one; another package names the last line's value in its entry points
    ``slipstick.arithmetics`` instead of registering it::

        @dataclass(frozen=True)
        class Logarithmic(Arithmetic):
            base: int = 2
            ...
        ARITHMETICS.register(FormatFamily("logarithmic", Logarithmic, {"base": whole}, examples=("logarithmic",)))

    Formats then have it by name: ``int8@logarithmic:base=4``. `slipstick.testing.arithmetic_suite` has the truths that
    every arithmetic passes.

    Attributes
    ----------
    exact_products : whether sums are those of the decoded numbers, so that training needs the encoding alone.
    """

    exact_products: ClassVar[bool] = False

    @property
    def family(self) -> str:
        """Name of the hardware that multiplies so: the arithmetic's name without its arguments."""
        return self.name.partition(":")[0]

    @property
    def cells(self) -> int:
        """Multipliers, or cells of an array, that hold one weight."""
        return 1

    @property
    def read_rows(self) -> int | None:
        """Inputs whose products one conversion reads, paid whole however few they are; None without converters."""
        return None

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

    def sums(self, inputs: WholeNumbers, weights: WholeNumbers) -> AnyArray:
        """Return sums of products of inputs [m, k] by weights [n, k], [m, n], as hardware gives them; 1 is 1 times 1.

        Errors
        ------
        SlipstickError for an arithmetic that says products of encoded matrices alone.
        """
        raise SlipstickError("has no sums of whole numbers", path="format", value=self.name)

    def layer_sums(self, inputs: WholeNumbers, weights: WholeNumbers, window: Window) -> AnyArray:
        """Return a layer's sums [b, n, rows, columns]: inputs [b, c, h, w], weights [n, c / groups, rows, columns].

        A dense layer is a window of one element. Zeros of the padding are multiplied like others. The default unfolds
        the inputs (im2col) for `sums`, which is right wherever a product does not depend on its place.

        Errors
        ------
        SlipstickError for shapes that cannot be multiplied.
        """
        window.check(inputs.elements, weights.elements)
        filters, channels, *kernel = weights.elements.shape
        patches = window.patches(inputs.elements, (kernel[0], kernel[1]))
        batch, _, rows, columns = patches.shape[:4]
        share, blocks = filters // window.groups, []
        for group in range(window.groups):
            taps = patches[:, group * channels : (group + 1) * channels].transpose(0, 2, 3, 1, 4, 5)
            matrix = taps.reshape(batch * rows * columns, channels * kernel[0] * kernel[1])
            own = weights.elements[group * share : (group + 1) * share].reshape(share, -1)
            blocks.append(self.sums(WholeNumbers(matrix, inputs.full), WholeNumbers(own, weights.full)))
        sums: AnyArray = np.concatenate(blocks, axis=1).reshape(batch, rows, columns, filters).transpose(0, 3, 1, 2)
        return sums

    def read_layer(
        self, inputs: WholeNumbers, weights: WholeNumbers, window: Window
    ) -> tuple[AnyArray, ClippedSums | None]:
        """Return `layer_sums`, and the sums that clipped, which pass no gradient; None: none can, or the stand-in says.

        Errors
        ------
        SlipstickError for shapes that cannot be multiplied.
        """
        return self.layer_sums(inputs, weights, window), None

    def convolution(self, inputs: Encoded, weights: Encoded, window: Window) -> Float32Array:
        """Return a convolution [b, rows, columns, n]: inputs [b, h, w, c], weights [n, rows, columns, c / groups].

        Channels are last, as encodings take them; sums are those of `layer_sums`, times both scales in fp32.

        Errors
        ------
        SlipstickError for shapes that cannot be multiplied, encodings that are none of whole numbers, scales that vary
        within an image or filter, and sums that leave a 32 bit accumulator.
        """
        a, b = (encoded.encoding.operand(encoded) for encoded in (inputs, weights))
        whole = [encoded.encoding.integers(encoded).transpose(0, 3, 1, 2) for encoded in (inputs, weights)]
        full = inputs.encoding.full_scale, weights.encoding.full_scale
        sums = self.layer_sums(WholeNumbers(whole[0], full[0]), WholeNumbers(whole[1], full[1]), window)
        if np.abs(sums).max(initial=0) >= _ACCUMULATOR:
            raise SlipstickError("the products do not fit the accumulator", path="format", allowed="32 bits")
        if a.scales is None or b.scales is None or a.block or b.block:
            raise SlipstickError("scales vary along the summed axis", path="format", value=weights.encoding.name)
        scales = a.scales[:, :, None, None] * b.scales.T[:, None, None, :]  # [1 or b, 1, 1, 1 or n]
        return np.asarray(sums.transpose(0, 2, 3, 1).astype(np.float32) * scales, np.float32)

    def calibrated(self, inputs: WholeNumbers, weights: WholeNumbers, window: Window) -> Arithmetic:
        """Return the arithmetic fitted to samples of a layer, as `layer_sums` takes them: itself by default."""
        return self

    def input_scale(self, values: FloatArray) -> float:
        """Return the input that is full scale, from samples of a layer's inputs: their largest by default."""
        return float(values.max(initial=0)) or 1.0

    def carried(self, numbers: WholeNumbers) -> Float32Array:
        """Return operands as the fractions of full scale that hardware carries, which the stand-in is fed."""
        return np.asarray(numbers.elements / np.float32(numbers.full), np.float32)

    def tap_groups(self, shape: tuple[int, int, int]) -> IntArray:
        """Return the group of each tap of a filter [channels, rows, columns]: stand-ins of groups are added."""
        return np.zeros(shape, np.int64)

    def error_table(self, full: tuple[int, int]) -> IntArray | None:
        """Return the errors of products of whole numbers, [2 full + 1 of inputs, 2 full + 1 of weights], from -full.

        None where an error is not that of a product of its own, as where sums saturate or are converted.
        """
        return None

    def product_error(self, encoding: Encoding) -> float:
        """Return the largest error of a sum against its stand-in, over its terms' magnitudes; roundings left out."""
        return 0.0
