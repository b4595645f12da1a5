"""Format: how a tensor is represented and multiplied. The abstract noun; its members live in ``formats/``.

A Format answers four questions: encode these weights (`encode`, `decode`); compute this layer bit-true (`matmul`); what
smooth stand-in carries the gradient (`surrogate`); what does an operation cost (`cost`).

What an encoding finds for itself (scales, shifts of each filter, a pool) stands beside the codes and can be handed to
another one: an int8 network from a file keeps its scales, a network shares one pool, a schedule sets the shifts.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from slipstick.core.errors import SlipstickError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float32]
    Side = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Encoded:
    """A tensor in a format: packed codes (uint8) and what stands beside them, such as scales.

    `shape` is the tensor's; `side` holds arrays by name ("scale", "zero"). Bits are packed least significant first.
    """

    format: Format
    shape: tuple[int, ...]
    codes: NDArray[np.uint8]
    side: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def encoding(self) -> Format:
        """The encoding that the codes are in."""
        return self.format

    @property
    def values(self) -> Array:
        """The values that the codes stand for: the encoding's `decode`, in fp32, of the tensor's shape."""
        return self.format.decode(self)

    @property
    def nbytes(self) -> int:
        """Bytes that the tensor occupies, scales included."""
        return int(self.codes.nbytes + sum(array.nbytes for array in self.side.values()))


@dataclass(frozen=True, slots=True)
class Surrogate:
    """The smooth stand-in for training: forward the format's values, backward the derivative of a smooth function.

    ``straight-through``: the derivative is 1 from `low` to `high` and 0 outside; None: no bound, because the scale
    follows the tensor.
    """

    kind: Literal["straight-through"] = "straight-through"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What one multiply-accumulate costs: bits of an operand, cycles of one multiplier, joules (memory excluded)."""

    bits: float
    cycles: float
    joules: float
    source: str


class Format(ABC):
    """A number format. Concrete ones are frozen dataclasses, registered by name in ``slipstick.formats``."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The text from which `slipstick.formats.format_of` builds the same format."""

    @property
    @abstractmethod
    def bits_per_element(self) -> float:
        """Bits of an element of a large tensor: block scales included, scales of whole rows and tensors vanishing."""

    @abstractmethod
    def storage_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of a tensor of this shape, all scales and padding included."""

    @abstractmethod
    def beside(self, shape: tuple[int, ...]) -> Mapping[str, tuple[str, tuple[int, ...]]]:
        """Return type and shape of every array that stands beside the codes of a tensor of this shape, by name."""

    @abstractmethod
    def encode(self, values: ArrayLike, side: Side | None = None) -> Encoded:
        """Represent finite values in the format.

        Parameters
        ----------
        side : arrays to stand beside the codes as they are, by name ("scale", "shifts", "pool"); what is not given is
            found from the values.

        Errors
        ------
        SlipstickError if a value is not finite.
        """

    @abstractmethod
    def decode(self, encoded: Encoded) -> Array:
        """Return the values that an encoded tensor stands for, of its shape."""

    @abstractmethod
    def matmul(self, inputs: Encoded, weights: Encoded) -> Array:
        """Multiply bit-true: inputs [m, k] by weights [n, k] (one row an output) give [m, n] in fp32."""

    @property
    @abstractmethod
    def surrogate(self) -> Surrogate:
        """What carries the gradient through `round`."""

    @abstractmethod
    def cost(self) -> Cost:
        """What one multiply-accumulate in this format costs."""

    def operations(self, shape: tuple[int, ...], positions: int = 1) -> float:
        """Return the arithmetic operations of a layer with weights [filters, ...] at so many output positions.

        A multiply-accumulate counts as many as the steps of one multiplier that it takes (`cost().cycles`): one for
        integers, one addition for each shift. Bits are ``8 * storage_bytes(shape)``.
        """
        return math.prod(shape) * positions * self.cost().cycles

    @property
    def encoding(self) -> Format:
        """How numbers are stored: encode, decode, bytes, and the abilities below."""
        return self

    @property
    def stand_in(self) -> Surrogate:
        """Smooth stand-in for training: the derivative that passes through rounding, and its bounds."""
        return self.surrogate

    @property
    def vector(self) -> int:
        """Consecutive elements that one code stands for; more than 1: a zero among others need not stay zero."""
        return 1

    @property
    def whole_numbers(self) -> bool:
        """Whether values are whole numbers times a scale, so that `integers` answers."""
        return False

    @property
    def keeps_scales(self) -> bool:
        """Whether `recode` answers: codes of an integer network can be replaced while their scales stay."""
        return False

    @property
    def max_shifts(self) -> int | None:
        """Most shifts (bit positions of a magnitude) that a schedule may give a filter; None: takes no schedule."""
        return None

    @property
    def weight_shifts(self) -> int | None:
        """Shifts (bit positions of a magnitude) of every weight without a schedule; None: weights have none."""
        return None

    @property
    def group(self) -> int:
        """Consecutive weights of a filter that are stored as one record; 1: each has its own."""
        return 1

    @property
    def per_filter(self) -> Format:
        """The same encoding with a scale of each filter, as integer files have them; itself where it has no choice."""
        return self

    @property
    def shared_bytes(self) -> int:
        """Bytes that all layers of a network share (a pool's vectors), within `storage_bytes`; 0: nothing is shared."""
        return 0

    def shared_side(self, tensors: Sequence[ArrayLike]) -> Side:
        """Return what layers with these weights share beside their codes, fitted to all of them; empty: nothing.

        Parameters
        ----------
        tensors : weights of every layer in this encoding, each [filters, ..., channels].
        """
        return {}

    def takes(
        self, shape: tuple[int, ...], *, depthwise: bool = False, first: bool = False, last: bool = False
    ) -> bool:
        """Tell whether a layer with weights [filters, ..., channels] is to be stored so; False: it stays int8.

        Parameters
        ----------
        depthwise, first, last : the layer is depth-wise, the network's first or last one.
        """
        return True

    def alternatives(self, shapes: Sequence[tuple[int, ...]]) -> Sequence[Format]:
        """Return encodings of other sizes that may stand in for this one under a budget of bytes; itself: no other.

        Parameters
        ----------
        shapes : of the weights that share it, all of which each alternative takes.

        Errors
        ------
        SlipstickError if no size takes all of them.
        """
        return (self,)

    def integers(self, encoded: Encoded) -> NDArray[np.int64]:
        """Return the whole numbers that scales multiply, of the tensor's shape, zero points subtracted.

        Errors
        ------
        SlipstickError if the encoding is none of whole numbers (`whole_numbers`).
        """
        return self.centred(encoded)

    def centred(self, encoded: Encoded) -> NDArray[np.int64]:
        """Return the whole numbers that scales multiply, of the tensor's shape, zero points subtracted.

        Errors
        ------
        SlipstickError if the format is none of whole numbers.
        """
        raise SlipstickError("not of whole numbers", path="format", value=self.name)

    def recode(self, codes: ArrayLike, side: Side | None = None) -> NDArray[np.int64]:
        """Return the whole numbers that the format keeps of codes [filters, ...] of int8, their scales kept.

        Parameters
        ----------
        codes : whole numbers from -255 to 255: int8 or uint8, zero point subtracted.
        side : "shifts" of each filter, for formats that have them.

        Errors
        ------
        SlipstickError if the format keeps no whole numbers at given scales, or a code is out of range.
        """
        raise SlipstickError("keeps no whole numbers at given scales", path="format", value=self.name)

    def check(self, encoded: Encoded) -> None:
        """Raise SlipstickError unless codes and what stands beside them have the sizes that the shape asks for."""
        check_beside(encoded, self.beside(encoded.shape))
        if encoded.nbytes != self.storage_bytes(encoded.shape):
            allowed = f"{self.storage_bytes(encoded.shape)} bytes in all"
            raise SlipstickError("codes of another size", path=self.name, value=encoded.nbytes, allowed=allowed)

    def round(self, values: ArrayLike) -> Array:
        """Return the values that the format keeps of `values`: ``decode(encode(values))``."""
        return self.decode(self.encode(values))


def check_beside(encoded: Encoded, wanted: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
    """Raise SlipstickError unless exactly the `wanted` arrays stand beside the codes, of their types and shapes."""
    found = {name: (str(array.dtype), array.shape) for name, array in encoded.side.items()}
    if found != dict(wanted):
        raise SlipstickError("not what stands beside such codes", path=encoded.format.name, value=found)
