"""Encoding: how a tensor's numbers are stored. One half of a `Format`; the other half is its `Arithmetic`.

What an encoding derives from the values (scales, shifts of each filter, a pool) stands in `Encoded.side` and can be
handed to another encoding: an int8 network from a file keeps its scales, a network shares one pool, a schedule sets the
shifts.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from slipstick.core.errors import SlipstickError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from slipstick.core.arrays import ByteArray, Float32Array, IntArray, NamedArrays

    SideLayout = Mapping[str, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True, eq=False)
class Encoded:
    """A tensor in an encoding: packed codes (uint8) and the side arrays that they need, such as scales.

    `shape` is the tensor's; `side` holds arrays by name ("scale", "zero", "shifts", "pool"). Bits are packed least
    significant first.
    """

    encoding: Encoding
    shape: tuple[int, ...]
    codes: ByteArray
    side: NamedArrays = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes that the tensor occupies, side arrays included."""
        return int(self.codes.nbytes + sum(array.nbytes for array in self.side.values()))

    @property
    def values(self) -> Float32Array:
        """Decoded values of the tensor's shape, in fp32."""
        return self.encoding.decode(self)


@dataclass(frozen=True, eq=False, slots=True)
class Operand:
    """Matrix [rows, k] as a multiplier reads it: its elements, and the scale of each block of elements.

    `elements` are int64 for encodings of whole numbers, float64 for others; `scales` [1 or rows, blocks] multiply
    `block` consecutive elements of a row each, or all of a row where `block` is 0; None: there are no scales.
    """

    elements: NDArray[Any]
    scales: NDArray[Any] | None = None
    block: int = 0


class Encoding(ABC):
    """Storage half of a number format: how a tensor becomes codes, side arrays (scales, a pool) and bytes.

    Abstract; concrete encodings such as `Int` and `Swis` are frozen dataclasses and final.

    When each member is called, in order: `takes` when layers choose their formats; `shared_side` once a network (and
    `alternatives` under a budget of bytes); `storage_bytes` in every estimate; `encode` when weights are fixed, in
    training at every step or epoch; `operand` by the arithmetic in each product; `decode` for a reference forward pass;
    `side_layout` and `check` when a file is read. Callers ask for an ability (a property such as `max_shifts`), never
    for a class.

    Five lines and the abstract members below add one; another package names the last line's value in its entry points
    ``slipstick.encodings`` instead of registering it::

        @dataclass(frozen=True)
        class Ternary(Encoding):
            threshold: float = 0.7
            ...
        ENCODINGS.register(FormatFamily("ternary", Ternary, {"threshold": number}, examples=("ternary",)))

    `slipstick.testing.encoding_suite` has the truths that every encoding passes.

    Attributes
    ----------
    whole_numbers : whether values are whole numbers times a scale, so that `integers` answers.
    keeps_scales : whether `recode` answers: codes of an integer network can be replaced while their scales stay.
    stores_zero : whether a weight of zero stays zero beside others: not where a weight is a sign alone.
    chooses_positions : whether every group of `group` weights chooses bit positions of its own, which an element must
        be told.
    """

    whole_numbers: ClassVar[bool] = False
    keeps_scales: ClassVar[bool] = False
    stores_zero: ClassVar[bool] = True
    chooses_positions: ClassVar[bool] = False

    @property
    @abstractmethod
    def name(self) -> str:
        """The text from which `slipstick.formats.format_of` builds the same encoding."""

    @property
    @abstractmethod
    def bits_per_element(self) -> float:
        """Bits per element of a large tensor, scales of blocks included, scales of rows and of the tensor neglected."""

    @abstractmethod
    def storage_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of a tensor of this shape, all scales and padding included."""

    @abstractmethod
    def side_layout(self, shape: tuple[int, ...]) -> SideLayout:
        """Return the data type and shape of every side array (such as scales) of a tensor of this shape, by name."""

    @abstractmethod
    def encode(self, values: ArrayLike, side: NamedArrays | None = None) -> Encoded:
        """Return the tensor that stores finite values in this encoding.

        Parameters
        ----------
        side : side arrays to take as they are, by name ("scale", "shifts", "pool"); the others are derived from the
            values.

        Errors
        ------
        SlipstickError if a value is not finite.
        """

    @abstractmethod
    def decode(self, encoded: Encoded) -> Float32Array:
        """Return the values of an encoded tensor, in its shape."""

    @abstractmethod
    def operand(self, encoded: Encoded) -> Operand:
        """Return an encoded matrix [rows, k] as a multiplier reads it: elements and scales.

        Errors
        ------
        SlipstickError if scales vary along the rows' elements in another way than block by block.
        """

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Least and largest value that can be stored; None if a scale adapts to the tensor and nothing is clipped."""
        return None

    @property
    def multiplier_bits(self) -> int:
        """Bits of an element (of a float: its significand) in a parallel multiplier; energy grows as their square."""
        return 8

    @property
    def full_scale(self) -> int:
        """Power of two that no magnitude of the encoding's whole numbers exceeds; 128 for codes of 8 bits."""
        return 1 << (self.multiplier_bits - 1)

    @property
    def vector(self) -> int:
        """Number of consecutive elements that share one code; above 1, a single zero may become non-zero."""
        return 1

    @property
    def max_shifts(self) -> int | None:
        """Most shifts (bit positions of a magnitude) that a schedule may give a filter; None: cannot be scheduled."""
        return None

    @property
    def weight_shifts(self) -> int | None:
        """Shifts (bit positions of a magnitude) per weight without a schedule; None: weights have no shifts."""
        return None

    @property
    def serial_bits(self) -> int | None:
        """Bits per weight that a bit-serial multiplier steps through; None: all 8 bits of a decoded weight."""
        return None

    @property
    def group(self) -> int:
        """Number of consecutive weights of a filter that are stored as one record; 1: a record per weight."""
        return 1

    @property
    def per_filter(self) -> Encoding:
        """The same encoding with one scale per filter, as integer files have; itself if it has no such choice."""
        return self

    @property
    def shared_bytes(self) -> int:
        """Bytes, within `storage_bytes`, that all layers of a network share (a pool's vectors); 0: none are shared."""
        return 0

    def shared_side(self, tensors: Sequence[ArrayLike]) -> NamedArrays:
        """Return the side arrays that layers with these weights share, fitted to all of them; empty if none.

        Parameters
        ----------
        tensors : weights of every layer in this encoding, each [filters, ..., channels].
        """
        return {}

    def takes(
        self, shape: tuple[int, ...], *, depthwise: bool = False, first: bool = False, last: bool = False
    ) -> bool:
        """Return whether the encoding can store a layer's weights [filters, ..., channels]; if not, they stay int8.

        Parameters
        ----------
        depthwise, first, last : the layer is depth-wise, the network's first or last one.
        """
        return True

    def alternatives(self, shapes: Sequence[tuple[int, ...]]) -> Sequence[Encoding]:
        """Return encodings of other sizes that may replace this one under a budget of bytes, itself included.

        Parameters
        ----------
        shapes : of the weights that share it, all of which each alternative takes.

        Errors
        ------
        SlipstickError if no size takes all of them.
        """
        return (self,)

    def products(self, shape: tuple[int, ...]) -> float:
        """Return the multiply-accumulates of a layer with weights [filters, ...] at one output position."""
        return float(math.prod(shape))

    def integers(self, encoded: Encoded) -> IntArray:
        """Return the whole numbers that the scales multiply, in the tensor's shape, zero points subtracted.

        Errors
        ------
        SlipstickError if the encoding is none of whole numbers (`whole_numbers`).
        """
        raise SlipstickError("not of whole numbers", path="format", value=self.name)

    def recode(self, codes: ArrayLike, side: NamedArrays | None = None) -> IntArray:
        """Return int8 codes [filters, ...] rounded to whole numbers of this encoding, under the same scales.

        Parameters
        ----------
        codes : whole numbers from -255 to 255: int8 or uint8, zero point subtracted.
        side : "shifts" of each filter, for encodings that take a schedule.

        Errors
        ------
        SlipstickError if the encoding keeps no whole numbers at given scales (`keeps_scales`), or a code is out of
        range.
        """
        raise SlipstickError("keeps no whole numbers at given scales", path="format", value=self.name)

    def check(self, encoded: Encoded) -> None:
        """Raise SlipstickError unless codes and side arrays have the sizes that the tensor's shape requires."""
        check_side(encoded, self.side_layout(encoded.shape))
        check_bytes(encoded, self.storage_bytes(encoded.shape))

    def round(self, values: ArrayLike) -> Float32Array:
        """Return values rounded to the nearest values of the encoding: ``decode(encode(values))``."""
        return self.decode(self.encode(values))


def check_side(encoded: Encoded, layout: SideLayout) -> None:
    """Raise SlipstickError unless the side arrays have exactly the names, types and shapes of the layout."""
    arrays = {name: (str(array.dtype), array.shape) for name, array in encoded.side.items()}
    if arrays != dict(layout):
        allowed = ", ".join(f"{name} {kind}{list(shape)}" for name, (kind, shape) in layout.items()) or "none"
        path = encoded.encoding.name
        raise SlipstickError("not the side arrays of such codes", path=path, value=arrays, allowed=allowed)


def check_bytes(encoded: Encoded, nbytes: int) -> None:
    """Raise SlipstickError unless codes and side arrays have `nbytes` bytes in all."""
    if encoded.nbytes != nbytes:
        path = encoded.encoding.name
        raise SlipstickError("codes of another size", path=path, value=encoded.nbytes, allowed=f"{nbytes} bytes in all")
