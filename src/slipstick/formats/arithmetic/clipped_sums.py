"""Conversions of analog arrays that clip: their share of a layer's gradients, which does not pass.

A sum beyond a converter's range moves no code, so that the derivative of its result by its operands is 0. Gradients of
the exact product, which pass straight through all converters, are corrected: each clipped conversion takes back what
passed through it. Few sums clip where ranges are calibrated, and few cost little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from slipstick.core.arrays import AnyArray, BoolArray, CodeArray, Float32Array
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats.arithmetic.analog_layer import take_back
from slipstick.formats.arithmetic.converter import Converter


class _Arrays(Protocol):
    """What clipped conversions ask of analog arithmetic."""

    @property
    def rows(self) -> int:
        """Rows of an array."""

    def converter(self, inputs: WholeNumbers, weights: WholeNumbers) -> Converter:
        """Return the converter of one array's columns."""

    def reads(self, inputs: WholeNumbers, weights: WholeNumbers) -> list[_Read]:
        """Return the operands of each read of the arrays."""


@dataclass(frozen=True, eq=False)
class _Read:
    """Operands of one read of all arrays: `driven` inputs [b, c, h, w] by `cells` [n, c / groups, rows, columns].

    Parameters
    ----------
    sign : of the inputs that this pass reads; 0: there is one pass.
    part : what the cells add to the weights: signed digits of a slice times its factor.
    leads : whether gradients of the weights pass here: a weight of several slices moves with the highest of them.
    """

    sign: int
    driven: AnyArray
    cells: AnyArray
    part: AnyArray
    leads: bool


@dataclass(frozen=True, eq=False)
class _ClippedSums:
    """Clipped conversions of a layer's sums; `words` are those that the native kernel found, one array a read."""

    arrays: _Arrays
    inputs: WholeNumbers
    weights: WholeNumbers
    window: Window
    words: tuple[CodeArray, ...] = ()

    def remove(self, gradient: Float32Array, by_input: Float32Array, by_weight: Float32Array) -> None:
        """Take what passed through clipped conversions out of gradients by both operands, in place.

        Parameters
        ----------
        gradient : [b, n, rows, columns], by the sums of operands as fractions of full scale, as the others are.
        by_input, by_weight : contiguous.
        """
        converter = self.arrays.converter(self.inputs, self.weights)
        shares = [_fractions(numbers.elements, numbers.full) for numbers in (self.inputs, self.weights)]
        for index, read in enumerate(self.arrays.reads(self.inputs, self.weights)):
            operands = (shares[0], shares[1], _fractions(read.part, self.weights.full))
            gradients = (
                np.ascontiguousarray(gradient),
                by_input,
                by_weight if read.leads else np.zeros_like(by_weight),
            )
            if self.words:
                take_back(self.words[index], read.sign, operands, self.window, converter, self.arrays.rows, gradients)
                continue
            for group in range(self.window.groups):
                _remove_group(read, group, operands, self.window, converter, self.arrays.rows, gradients)


def _fractions(elements: AnyArray, full: int) -> Float32Array:
    return np.ascontiguousarray(elements, np.float32) / np.float32(full)


def _remove_group(
    read: _Read,
    group: int,
    operands: tuple[Float32Array, Float32Array, Float32Array],
    window: Window,
    converter: Converter,
    rows: int,
    gradients: tuple[Float32Array, Float32Array, Float32Array],
) -> None:
    """Take what passed through the clipped conversions of one group of channels out of the gradients."""
    inputs, weights, part = operands
    filters, channels, *kernel = weights.shape
    share, size = filters // window.groups, (kernel[0], kernel[1])
    own, channel = slice(group * share, (group + 1) * share), slice(group * channels, (group + 1) * channels)
    belongs = (
        np.ones(inputs[:, channel].shape, np.bool_) if not read.sign else (inputs[:, channel] < 0) == (read.sign < 0)
    )
    driven, taken = (_unfolded(x, window, size) for x in (read.driven[:, channel], inputs[:, channel] * belongs))
    matrices = [array[own].reshape(share, -1) for array in (read.cells, weights, part)]
    upstream = gradients[0][:, own].transpose(0, 2, 3, 1).reshape(-1, share)
    back, by_weight = np.zeros(driven.shape, np.float32), np.zeros(matrices[1].shape, np.float32)
    for first in range(0, driven.shape[1], rows):
        array = slice(first, first + rows)
        for column in (0,) if converter.signed else (1, -1):
            cells, whole, parts = (matrix[:, array] for matrix in matrices)
            mine = np.ones(whole.shape, np.bool_) if not column else (whole < 0) == (column < 0)
            currents = cells if not column else np.maximum(column * cells, 0)
            sums = driven[:, array].astype(np.float32) @ np.asarray(currents, np.float32).T
            lost = np.where(converter.clips(sums), upstream, np.float32(0))
            back[:, array] += lost @ (parts * mine)
            by_weight[:, array] += (lost.T @ taken[:, array]) * mine
    _subtract_folded(gradients[1][:, channel], back, belongs, window, size)
    gradients[2][own] -= by_weight.reshape(share, channels, *kernel)


def _unfolded(inputs: AnyArray, window: Window, kernel: tuple[int, int]) -> AnyArray:
    """Return the taps that each place reads, [images x places, taps]."""
    patches = window.patches(inputs, kernel).transpose(0, 2, 3, 1, 4, 5)
    return patches.reshape(-1, inputs.shape[1] * kernel[0] * kernel[1])


def _subtract_folded(
    by_input: Float32Array, back: Float32Array, belongs: BoolArray, window: Window, kernel: tuple[int, int]
) -> None:
    """Subtract what each place's taps take back from gradients by the inputs, of those that belong to the pass."""
    images, channels, high, wide = by_input.shape
    rows, columns = window.output((high, wide), kernel)
    taps = back.reshape(images, rows, columns, channels, *kernel)
    (top, bottom), (left, right) = window.padding
    total = np.zeros((images, channels, high + top + bottom, wide + left + right), np.float32)
    for y, x in np.ndindex(*kernel):
        down, across = y * window.dilation[0], x * window.dilation[1]
        total[
            :, :, down : down + (rows - 1) * window.stride[0] + 1 : window.stride[0],
            across : across + (columns - 1) * window.stride[1] + 1 : window.stride[1],
        ] += taps[..., y, x].transpose(0, 3, 1, 2)  # fmt: skip
    by_input -= total[:, :, top : top + high, left : left + wide] * belongs
