"""Layers of a network as the kernels of a microcontroller take them: geometry, requantisation constants, weights.

Tensors are int8 codes [height, width, channels] of one sample. Networks in uint8 are moved to int8 (code - 128) before
layers are made, zero points with them. Offsets are what a kernel adds: an input's offset is minus its zero point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int, int]  # height, width, channels of one sample
Pair = tuple[int, int]  # along height and width


@dataclass(frozen=True)
class Scaling:
    """Fixed-point scaling of a 32-bit value by multiplier * 2**(shift - 31); a positive shift is to the left."""

    multiplier: int
    shift: int


@dataclass(frozen=True, eq=False)
class Requantisation:
    """Requantisation of 32-bit sums to int8 codes: a bias, a multiplier and a shift for each filter.

    Parameters
    ----------
    bias : int32, added to the sum of products.
    multiplier : int32 in [2**30, 2**31), or 0.
    shift : int8 from -31 to 30; a positive one is to the left, before the product.
    output_offset : the output's zero point, added behind.
    least, most : codes that the fused activation function lets through.
    """

    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.int8]
    output_offset: int
    least: int
    most: int


@dataclass(frozen=True, eq=False)
class WeightStorage:
    """Storage of weights in flash where they are not bytes: the kernels of that storage are chosen for the layer.

    Parameters
    ----------
    kind : `pool`: an index for each eight channels. `int4`: weights from -8 to 7. `swis`: groups that share shift
        positions. `binary`: weights of -1 and 1, and inputs by their sign.
    pool : int8 [size, 8], of a pool: the vectors, one array for all layers of a network.
    shifts, group : of SWIS: shift positions that a group of weights shares, and its weights.
    """

    kind: Literal["pool", "int4", "swis", "binary"]
    pool: NDArray[np.int8] | None = None
    shifts: int = 0
    group: int = 4


@dataclass(frozen=True, eq=False)
class ConvLayer:
    """Convolution, depth-wise convolution or dense layer.

    Parameters
    ----------
    kind : convolutions round twice (the upper half of the product, then the shift), dense layers once.
    weights : int8; [filters, kernel height, kernel width, channels], depth-wise [kernel height, kernel width, filters],
        dense [outputs, inputs] (its rows are the height of `input` and `output`, whose width is 1).
    padding : rows above and columns to the left of the image; what lies behind follows from the sizes.
    weight_offset : minus the weights' zero point; 0 but for networks that were in uint8.
    storage : None for weights as bytes; `weights` are the same numbers in every storage.
    """

    kind: Literal["conv", "depthwise", "dense"]
    input: Size
    output: Size
    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: Pair
    input_offset: int
    weight_offset: int
    weights: NDArray[np.int8]
    requant: Requantisation
    storage: WeightStorage | None = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one sample, those with padding included."""
        height, width, _ = self.output
        return height * width * (self.weights.size)


@dataclass(frozen=True)
class AddLayer:
    """Addition of two tensors: each is shifted left by 20 bits and scaled, the sum is scaled again."""

    size: int
    offsets: Pair  # of both inputs
    scalings: tuple[Scaling, Scaling, Scaling]  # of both inputs, and of the sum
    output_offset: int
    least: int
    most: int
    kind: Literal["add"] = "add"


@dataclass(frozen=True)
class PoolLayer:
    """Average or maximum pool; padding is left out of means, whose halves are rounded away from zero.

    Parameters
    ----------
    code_offset : added to every code before a mean is rounded, and taken away behind: 128 where the network was in
        uint8, whose codes are not negative, so that halves are rounded upwards; else 0.
    """

    kind: Literal["average_pool", "max_pool"]
    input: Size
    output: Size
    kernel: Pair
    stride: Pair
    padding: Pair
    code_offset: int
    least: int
    most: int


@dataclass(frozen=True)
class MeanLayer:
    """Mean over height and width with another scale: the count of pixels is divided into the multiplier."""

    input: Size
    input_offset: int
    scaling: Scaling
    output_offset: int
    kind: Literal["mean"] = "mean"


@dataclass(frozen=True)
class PadLayer:
    """Padding with the zero point: rows, columns and channels (before, behind)."""

    input: Size
    output: Size
    before: Size
    value: int
    kind: Literal["pad"] = "pad"


@dataclass(frozen=True)
class SoftmaxLayer:
    """Softmax of each row: exponentials of scaled differences to the row's largest code; the output's scale is 1/256.

    Parameters
    ----------
    scaling : of a difference of codes to a Q5.26 number; its shift is to the left.
    furthest : largest difference that is not negligible.
    """

    rows: int
    columns: int
    scaling: Scaling
    furthest: int
    kind: Literal["softmax"] = "softmax"


@dataclass(frozen=True)
class RequantizeLayer:
    """Codes of one scale to codes of another."""

    size: int
    input_offset: int
    scaling: Scaling
    output_offset: int
    kind: Literal["requantize"] = "requantize"


@dataclass(frozen=True)
class QuantizeLayer:
    """Real numbers of 32 bits to codes: x / scale, halves away from zero, plus the zero point; NaN counts as 0."""

    size: int
    scale: float
    zero_point: int
    least: int = -128
    most: int = 127
    kind: Literal["quantize"] = "quantize"


@dataclass(frozen=True)
class DequantizeLayer:
    """Codes to real numbers of 32 bits: scale times (code - zero point)."""

    size: int
    scale: float
    zero_point: int
    kind: Literal["dequantize"] = "dequantize"


@dataclass(frozen=True)
class CopyLayer:
    """Copy of a rectangle from an image into another: `input` and `output` are the images, both of equal channels.

    Parameters
    ----------
    size : height, width and channels of the rectangle; `from_corner` and `to_corner` are its first row and column.
    """

    input: Size
    output: Size
    size: Size
    from_corner: Pair = (0, 0)
    to_corner: Pair = (0, 0)
    kind: Literal["copy"] = "copy"


Layer = (
    ConvLayer
    | AddLayer
    | PoolLayer
    | MeanLayer
    | PadLayer
    | SoftmaxLayer
    | RequantizeLayer
    | QuantizeLayer
    | DequantizeLayer
    | CopyLayer
)
