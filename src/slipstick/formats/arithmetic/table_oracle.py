"""The slow, obviously right sums of a layer of table products: what every fast kernel is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from slipstick.core.arrays import IntArray
    from slipstick.core.window import WholeNumbers, Window
    from slipstick.formats.multipliers.multiplier import Multiplier


def _table_layer_oracle(
    multiplier: Multiplier, inputs: WholeNumbers, weights: WholeNumbers, window: Window
) -> IntArray:
    """Return a layer's sums [b, n, rows, columns], one output at a time, every product read from the table."""
    x, w = window.padded(inputs.elements), weights.elements
    filters, channels, height, width = w.shape
    rows, columns = window.output((inputs.elements.shape[2], inputs.elements.shape[3]), (height, width))
    share = filters // window.groups
    (down, right), (row_gap, column_gap) = window.stride, window.dilation
    sums = np.zeros((len(x), filters, rows, columns), np.int64)
    for image, n, row, column in np.ndindex(*sums.shape):
        first, top, left = n // share * channels, row * down, column * right
        taps = x[image, first : first + channels, top:, left:]
        taps = taps[:, : height * row_gap : row_gap, : width * column_gap : column_gap]
        sums[image, n, row, column] = multiplier.multiply(taps, w[n]).sum()
    return sums
