"""Slow reference of a stochastic layer, bit by bit in plain numpy: what every fast kernel is compared with."""

from __future__ import annotations

from itertools import product

import numpy as np

from slipstick.core.arrays import AnyArray, Float32Array, IntArray
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats.arithmetic.bit_streams import Role, _levels, _seed_numbers, _stream_table, _StreamArithmetic


def _stochastic_oracle(
    arithmetic: _StreamArithmetic, inputs: WholeNumbers, weights: WholeNumbers, window: Window
) -> Float32Array:
    """Return a layer's sums [b, n, rows, columns], one output after the other, as `Stochastic` words them."""
    window.check(inputs.elements, weights.elements)
    filters, taps = len(weights.elements), weights.elements[0].size
    x = window.padded(inputs.elements)
    of_filter = np.arange(weights.elements.size).reshape(weights.elements.shape)
    places = of_filter if arithmetic.seeds == "separate" else of_filter % taps
    a = _streams(arithmetic, WholeNumbers(x, inputs.full), "input", np.arange(x[0].size).reshape(x[0].shape))
    b = _streams(arithmetic, weights, "weight", places)
    signs = np.sign(x).astype(np.int64)
    groups, drawn = arithmetic.tap_groups(weights.elements[0].shape), _drawn_taps(arithmetic.length, taps)
    mux = arithmetic.count == "mux"
    size = window.output(inputs.elements.shape[2:], weights.elements.shape[2:])
    sums = np.zeros((len(x), filters, *size), np.float32)
    for n, row, column in product(range(filters), range(size[0]), range(size[1])):
        read = _taps(window, weights.elements[0].shape, n // (filters // window.groups), row, column)
        bits = a[(slice(None), *read)] & b[n]  # [b, c, kernel rows, kernel columns, cycles]
        sign = signs[(slice(None), *read)] * np.sign(weights.elements[n])
        for group, which in product(np.unique(groups), (1, -1)):
            mine = bits & ((sign == which) & (groups == group))[..., None]
            if mux:
                mine = mine & (drawn == np.arange(taps)[:, None]).reshape(*groups.shape, -1)
            count = mine.sum((1, 2, 3))  # products of each cycle
            count = count if arithmetic.counted is None else np.minimum(count, arithmetic.counted)
            sums[:, n, row, column] += which * count.sum(1)
    factor = np.float32(inputs.full * weights.full * (taps if mux else 1) / arithmetic.length)
    return np.asarray(sums * factor, np.float32)


def _drawn_taps(length: int, taps: int) -> IntArray:
    """Return the tap that a multiplexer lets through in each cycle, the same for all filters and places."""
    return np.random.default_rng([length, taps, 2]).integers(0, taps, length)


def _streams(arithmetic: _StreamArithmetic, numbers: WholeNumbers, operand: Role, places: IntArray) -> AnyArray:
    """Return the stream of every operand, [..., cycles]."""
    table = _stream_table(arithmetic.generator, arithmetic.length, operand, (arithmetic.unit, arithmetic.wait))
    seeds = _seed_numbers(arithmetic.generator, places, operand, table.seeds)
    return table.bits[_levels(numbers, arithmetic.length), seeds]


def _taps(window: Window, filter_shape: tuple[int, ...], group: int, row: int, column: int) -> tuple[slice, ...]:
    """Return the slices of the padded inputs that a filter of a group reads for an output."""
    channels, rows, columns = filter_shape
    top, left = row * window.stride[0], column * window.stride[1]
    return (
        slice(group * channels, (group + 1) * channels),
        slice(top, top + (rows - 1) * window.dilation[0] + 1, window.dilation[0]),
        slice(left, left + (columns - 1) * window.dilation[1] + 1, window.dilation[1]),
    )
