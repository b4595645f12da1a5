"""The slow, obviously right sums of a layer of table products: what every fast kernel is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from slipstick.core.arrays import IntArray
    from slipstick.core.window import WholeNumbers, Window
    from slipstick.formats.multipliers.multiplier import Multiplier


def table_layer_oracle(
    multiplier: Multiplier, inputs: WholeNumbers, weights: WholeNumbers, window: Window
) -> IntArray:
    """Return a layer's sums [b, n, rows, columns], an output at a time, every product read from the table."""
    x, w = window.padded(inputs.elements), weights.elements
    batch, filters, (_, channels, height, width) = len(x), len(w), w.shape
    rows, columns = window.output((inputs.elements.shape[2], inputs.elements.shape[3]), (height, width))
    share = filters // window.groups
    sums = np.zeros((batch, filters, rows, columns), np.int64)
    for image, n, row, column in np.ndindex(*sums.shape):
        first = n // share * channels
        for c, i, j in np.ndindex(channels, height, width):
            y, z = row * window.stride[0] + i * window.dilation[0], column * window.stride[1] + j * window.dilation[1]
            sums[image, n, row, column] += multiplier.multiply(x[image, first + c, y, z], w[n, c, i, j])
    return sums
