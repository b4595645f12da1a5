"""Window of a convolution (stride, padding, dilation, groups), and whole numbers as integer multipliers read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError

if TYPE_CHECKING:
    from slipstick.core.arrays import AnyArray

_Pair = tuple[int, int]


@dataclass(frozen=True, eq=False, slots=True)
class WholeNumbers:
    """Array of whole numbers, of any integer type, and `full`: the power of two that no magnitude exceeds.

    An element over `full` is the fraction, from -1 to 1, that hardware of fractions (streams, currents) carries.
    """

    elements: AnyArray
    full: int

    def __post_init__(self) -> None:
        if self.elements.dtype.kind not in "iu":
            raise SlipstickError(
                "not whole numbers", path="elements", value=str(self.elements.dtype), allowed="integers"
            )

    def check_magnitudes(self, path: str) -> None:
        """Raise SlipstickError for an element beyond full scale: a fraction outside -1 to 1."""
        largest = max(int(self.elements.max(initial=0)), -int(self.elements.min(initial=0)))
        if largest > self.full:
            raise SlipstickError("beyond full scale", path=path, value=largest / self.full, allowed="from -1 to 1")


@dataclass(frozen=True, slots=True)
class Window:
    """Geometry of a convolution, rows before columns: zeros are padded at (top, bottom) and (left, right).

    Examples
    --------
    >>> Window(stride=(2, 2), padding=((1, 1), (1, 1))).output((32, 31), (3, 3))
    (16, 16)
    """

    stride: _Pair = (1, 1)
    padding: tuple[_Pair, _Pair] = ((0, 0), (0, 0))
    dilation: _Pair = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        least = {"stride": (self.stride, 1), "dilation": (self.dilation, 1), "groups": ((self.groups,), 1)}
        for name, (numbers, low) in {**least, "padding": (sum(self.padding, ()), 0)}.items():
            if min(numbers) < low:
                raise SlipstickError("out of range", path=f"window.{name}", value=numbers, allowed=f"from {low}")

    def output(self, size: _Pair, kernel: _Pair) -> _Pair:
        """Return rows and columns of the result of a kernel on inputs of `size` rows and columns.

        Errors
        ------
        SlipstickError for a kernel that is larger than the padded inputs.
        """
        sides = []
        for length, taps, step, pad, gap in zip(size, kernel, self.stride, self.padding, self.dilation, strict=True):
            room = length + sum(pad) - ((taps - 1) * gap + 1)
            if room < 0:
                raise SlipstickError("the kernel exceeds the padded inputs", path="window", value=(size, kernel))
            sides.append(room // step + 1)
        return sides[0], sides[1]

    def padded(self, inputs: AnyArray) -> AnyArray:
        """Return inputs [b, c, rows, columns] with the zeros around them."""
        return np.pad(inputs, ((0, 0), (0, 0), *self.padding)) if any(sum(self.padding, ())) else inputs

    def patches(self, inputs: AnyArray, kernel: _Pair) -> AnyArray:
        """Return the inputs that each output reads: [b, c, rows, columns, kernel rows, kernel columns], a view."""
        self.output((inputs.shape[2], inputs.shape[3]), kernel)
        spans = tuple((taps - 1) * gap + 1 for taps, gap in zip(kernel, self.dilation, strict=True))
        view = np.lib.stride_tricks.sliding_window_view(self.padded(inputs), spans, axis=(2, 3))
        patches: AnyArray = view[:, :, :: self.stride[0], :: self.stride[1], :: self.dilation[0], :: self.dilation[1]]
        return patches

    def check(self, inputs: AnyArray, weights: AnyArray) -> None:
        """Raise SlipstickError unless inputs [b, c, h, w] fit weights [n, c / groups, rows, columns]."""
        shapes: Any = inputs.shape, weights.shape
        fits = inputs.ndim == weights.ndim == 4 and shapes[0][1] == shapes[1][1] * self.groups
        if not fits or shapes[1][0] % self.groups:
            allowed = f"inputs [b, c, h, w] and weights [n, c / {self.groups}, rows, columns]"
            raise SlipstickError("shapes cannot be multiplied", value=shapes, allowed=allowed)
