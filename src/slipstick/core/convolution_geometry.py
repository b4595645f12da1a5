"""Geometry of a convolution: the sizes of image and kernel, rows before columns, stride, padding and dilation."""

from __future__ import annotations

from dataclasses import dataclass

from slipstick.core.errors import SlipstickError

_Pair = tuple[int, int]


@dataclass(frozen=True)
class ConvolutionGeometry:
    """Sizes of a two-dimensional convolution of one channel of one image, without weights.

    `padding` is (top, bottom) and (left, right). A convolution of a sequence has an image and a kernel of one row.

    Errors
    ------
    SlipstickError for sizes below 1, and for a kernel that exceeds the padded image.

    Examples
    --------
    >>> alexnet = ConvolutionGeometry((224, 224), (11, 11), (4, 4), ((2, 2), (2, 2)))
    >>> alexnet.output, alexnet.dense_output
    ((55, 55), (218, 218))
    """

    image: _Pair
    kernel: _Pair
    stride: _Pair = (1, 1)
    padding: tuple[_Pair, _Pair] = ((0, 0), (0, 0))
    dilation: _Pair = (1, 1)

    def __post_init__(self) -> None:
        named = {"image": self.image, "kernel": self.kernel, "stride": self.stride, "dilation": self.dilation}
        for name, sizes in named.items():
            if min(sizes) < 1:
                raise SlipstickError("out of range", path=f"convolution.{name}", value=sizes, allowed="from 1")
        if min(self.padding[0] + self.padding[1]) < 0:
            raise SlipstickError("out of range", path="convolution.padding", value=self.padding, allowed="from 0")
        if min(self.dense_output) < 1:
            message = "the kernel exceeds the padded image"
            raise SlipstickError(message, path="convolution.kernel", value=self.kernel, allowed=f"within {self.padded}")

    @property
    def span(self) -> _Pair:
        """Rows and columns that the kernel covers, its dilation included."""
        (high, wide), (below, across) = self.kernel, self.dilation
        return (high - 1) * below + 1, (wide - 1) * across + 1

    @property
    def padded(self) -> _Pair:
        """Rows and columns of the image with its zeros around it."""
        (high, wide), (ends, sides) = self.image, self.padding
        return high + sum(ends), wide + sum(sides)

    @property
    def dense_output(self) -> _Pair:
        """Rows and columns of the result at stride 1."""
        (high, wide), (rows, columns) = self.padded, self.span
        return high - rows + 1, wide - columns + 1

    @property
    def output(self) -> _Pair:
        """Rows and columns of the result."""
        (high, wide), (down, across) = self.dense_output, self.stride
        return (high - 1) // down + 1, (wide - 1) // across + 1
