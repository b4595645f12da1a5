"""Golden vectors of one layer: operands in whole numbers, expected sums, and the signals inside some of its outputs.

Expected values are those of the arithmetic itself (`Arithmetic.layer_sums`, its streams, converters and tables), not of
the reference that is written beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipstick.core.window import WholeNumbers, Window

if TYPE_CHECKING:
    from slipstick.core.arrays import AnyArray, IntArray
    from slipstick.core.format import Format


@dataclass(frozen=True, eq=False)
class VectorArray:
    """Array of golden vectors: its values, what its axes count, and how a word holds a value.

    Parameters
    ----------
    axes : name of each axis.
    bits : of a word; 0: real numbers, which have no words.
    signed : whether words are two's complement.
    packed : whether the last axis is the bits of a word, the first in the lowest bit.
    """

    values: AnyArray
    axes: tuple[str, ...]
    bits: int
    signed: bool = False
    packed: bool = False


@dataclass(frozen=True, eq=False)
class GoldenLayer:
    """Layer as a test bench drives it: operands and window, arguments of the arithmetic, arrays by name.

    `value` is what one count of the sums stands for, in products of whole numbers; `input_scale` is the input that is
    full scale, `weight_steps` are those of the weights' whole numbers, [1 or filters].
    """

    name: str
    form: Format
    window: Window
    full: tuple[int, int]
    arguments: Mapping[str, Any]
    value: float
    arrays: Mapping[str, VectorArray]
    input_scale: float = 1.0
    weight_steps: tuple[float, ...] = (1.0,)


Signals = tuple[Mapping[str, Any], float, Mapping[str, VectorArray]]


@dataclass(frozen=True, eq=False)
class TracedLayer:
    """Layer whose vectors are made: arithmetic, operands, window, and traced outputs [image, filter, row, column]."""

    arithmetic: Any
    inputs: WholeNumbers
    weights: WholeNumbers
    window: Window
    outputs: IntArray

    def taps(self, padded: AnyArray, output: IntArray) -> AnyArray:
        """Return the padded inputs [channels, rows, columns] (and what follows) that an output of a filter reads."""
        image, n, row, column = (int(place) for place in output)
        filters, channels, *kernel = self.weights.elements.shape
        first = n // (filters // self.window.groups) * channels
        starts = row * self.window.stride[0], column * self.window.stride[1]
        spans = [(taps - 1) * gap + 1 for taps, gap in zip(kernel, self.window.dilation, strict=True)]
        rows, columns = (slice(start, start + span) for start, span in zip(starts, spans, strict=True))
        part = padded[image, first : first + channels, rows, columns]
        return part[:, :: self.window.dilation[0], :: self.window.dilation[1]]


def signed_array(values: AnyArray, axes: tuple[str, ...], bits: int = 1) -> VectorArray:
    """Return an array of signed words, as wide as its values need and at least `bits`."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    return VectorArray(values, axes, max(bits, high.bit_length() + 1, (-low - 1).bit_length() + 1), signed=True)
