"""numba kernels of approximate arithmetics: the portable path, each compared with its oracle in tests/formats."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_IMAGES = 16  # of a block: inputs stand as [block][channel][row][column][plane][image]


@njit(cache=True)
def pack_inputs(
    x: NDArray[np.int16],
    pad: NDArray[np.int64],
    is_signed: bool,
    level_of: NDArray[np.int16],
    table: NDArray[np.uint32],
    out: NDArray[np.uint32],
) -> None:
    """Write the words of inputs [images, channels, rows, columns], padded; parts of either sign apart if signed.

    Parameters
    ----------
    table : words of each level and seed, [levels, seeds, planes]; the seed is the place in the padded image.
    out : [blocks, parts * channels, padded rows, padded columns, planes, 16], zeros.
    """
    images, channels, rows, columns = x.shape
    high, wide = rows + pad[0] + pad[1], columns + pad[2] + pad[3]
    seeds, planes = table.shape[1], table.shape[2]
    for image in range(images):
        block, lane = image // _IMAGES, image % _IMAGES
        for channel in range(channels):
            for row in range(rows):
                first = (channel * high + row + pad[0]) * wide + pad[2]
                for column in range(columns):
                    value = x[image, channel, row, column]
                    level, seed = level_of[abs(value)], (first + column) % seeds
                    part = channel + (channels if is_signed and value < 0 else 0)
                    for plane in range(planes):
                        out[block, part, row + pad[0], column + pad[2], plane, lane] = table[level, seed, plane]


@njit(cache=True)
def pack_weights(
    weights: NDArray[np.int16],
    sizes: NDArray[np.int64],
    level_of: NDArray[np.int16],
    table: NDArray[np.uint32],
    mask: NDArray[np.uint32],
    offset: NDArray[np.int32],
    group: NDArray[np.int32],
    seed_of: NDArray[np.int32],
    of: NDArray[np.int64],
    at: NDArray[np.int32],
    word: NDArray[np.uint32],
    bound: NDArray[np.int32],
) -> None:
    """Sort the taps of every 4 filters (or 1) by group and pattern of signs, and write their words.

    Parameters
    ----------
    weights : [n, taps].
    sizes : seeds between filters, parts of inputs, filters of a group, words between groups of channels.
    mask : cycles in which each tap counts, [taps, planes].
    offset : of each tap's input [parts * taps], in blocks of 16 words.
    group : of each tap, whose products saturate together.
    of : first filter of each quad.
    at, word, bound : results [quads, parts * taps], [quads, parts * taps, planes, filters], [quads, groups * patterns + 1].
    """
    n, taps = weights.shape
    seeds, planes, filters = table.shape[1], table.shape[2], word.shape[3]
    apart, parts, share, shift = sizes
    patterns = 1 << filters
    key = np.empty(parts * taps, np.int64)
    for quad in range(len(of)):
        start = of[quad]
        end = min(n, (start // share + 1) * share, start + filters)
        bound[quad] = 0
        for tap in range(parts * taps):
            pattern, any_weight = 0, False
            for filt in range(start, end):
                value = weights[filt, tap % taps]
                if value != 0:
                    any_weight = True
                    if (value < 0) != (tap >= taps):
                        pattern |= 1 << (filt - start)
            key[tap] = group[tap % taps] * patterns + pattern if any_weight else -1
            if any_weight:
                bound[quad, key[tap] + 1] += 1
        for place in range(bound.shape[1] - 1):
            bound[quad, place + 1] += bound[quad, place]
        for tap in range(parts * taps):
            if key[tap] < 0:
                continue
            to = bound[quad, key[tap]]
            bound[quad, key[tap]] += 1
            at[quad, to] = offset[tap] + start // share * shift
            for filt in range(start, end):
                value = abs(weights[filt, tap % taps])
                seed = (seed_of[tap % taps] + filt * apart) % seeds
                for plane in range(planes):
                    word[quad, to, plane, filt - start] = table[level_of[value], seed, plane] & mask[tap % taps, plane]
        for place in range(bound.shape[1] - 1, 0, -1):
            bound[quad, place] = bound[quad, place - 1]
        bound[quad, 0] = 0


@njit(cache=True)
def _ones(word: np.uint32) -> np.int32:
    """Return the number of ones in a word."""
    word = word - ((word >> np.uint32(1)) & np.uint32(0x55555555))
    word = (word & np.uint32(0x33333333)) + ((word >> np.uint32(2)) & np.uint32(0x33333333))
    word = (word + (word >> np.uint32(4))) & np.uint32(0x0F0F0F0F)
    return np.int32(((word * np.uint32(0x01010101)) >> np.uint32(24)) & np.uint32(63))


@njit(cache=True)
def layer_counts(
    depth: int,
    inputs: NDArray[np.uint32],
    base: NDArray[np.int64],
    of: NDArray[np.int64],
    share: int,
    at: NDArray[np.int32],
    word: NDArray[np.uint32],
    bound: NDArray[np.int32],
    factor: np.float32,
    results: NDArray[np.float32],
) -> None:
    """Write the counts of positive less negative products, times `factor`, to results [images, n, outputs].

    Parameters
    ----------
    depth : products of a cycle that count at most; 0: all of them.
    inputs : words, flat.
    base : first block of words of each output place, all blocks of images one after the other.
    """
    images, n, outputs = results.shape
    planes, filters = word.shape[2], word.shape[3]
    patterns = 1 << filters
    sums = np.zeros((2, filters, max(depth, 1), _IMAGES), np.uint32)
    total = np.zeros((filters, _IMAGES), np.int32)
    for place in range(len(base)):
        first = place // outputs * _IMAGES
        for quad in range(len(of)):
            end = min(n, (of[quad] // share + 1) * share, of[quad] + filters)
            total[:] = 0
            for plane in range(planes):
                for group in range((bound.shape[1] - 1) // patterns):
                    sums[:] = 0
                    for pattern in range(patterns):
                        start, stop = bound[quad, group * patterns + pattern], bound[quad, group * patterns + pattern + 1]
                        for filt in range(filters):
                            sign = pattern >> filt & 1
                            if depth == 1:
                                _or_taps(inputs, base[place] + plane, at[quad], word[quad, :, plane, filt], start, stop,
                                         sums[sign, filt, 0])  # fmt: skip
                            elif depth:
                                _or_taps_deep(inputs, base[place] + plane, at[quad], word[quad, :, plane, filt], start,
                                              stop, sums[sign, filt])  # fmt: skip
                            else:
                                _count_taps(inputs, base[place] + plane, at[quad], word[quad, :, plane, filt], start,
                                            stop, 1 - 2 * sign, total[filt])  # fmt: skip
                    for filt in range(filters):
                        for row in range(depth):
                            for lane in range(_IMAGES):
                                total[filt, lane] += _ones(sums[0, filt, row, lane]) - _ones(sums[1, filt, row, lane])
            for filt in range(end - of[quad]):
                for lane in range(min(_IMAGES, images - first)):
                    results[first + lane, of[quad] + filt, place % outputs] = factor * np.float32(total[filt, lane])


@njit(cache=True)
def _or_taps(
    inputs: NDArray[np.uint32], base: int, at: NDArray[np.int32], word: NDArray[np.uint32], start: int, stop: int,
    sums: NDArray[np.uint32],
) -> None:  # fmt: skip
    for tap in range(start, stop):
        first, weight = (base + at[tap]) * _IMAGES, word[tap]
        for lane in range(_IMAGES):
            sums[lane] |= inputs[first + lane] & weight


@njit(cache=True)
def _or_taps_deep(
    inputs: NDArray[np.uint32], base: int, at: NDArray[np.int32], word: NDArray[np.uint32], start: int, stop: int,
    sums: NDArray[np.uint32],
) -> None:  # fmt: skip
    for tap in range(start, stop):
        first, weight = (base + at[tap]) * _IMAGES, word[tap]
        for lane in range(_IMAGES):
            product = inputs[first + lane] & weight
            for row in range(len(sums) - 1, 0, -1):
                sums[row, lane] |= sums[row - 1, lane] & product
            sums[0, lane] |= product


@njit(cache=True)
def _count_taps(
    inputs: NDArray[np.uint32], base: int, at: NDArray[np.int32], word: NDArray[np.uint32], start: int, stop: int,
    sign: int, total: NDArray[np.int32],
) -> None:  # fmt: skip
    for tap in range(start, stop):
        first, weight = (base + at[tap]) * _IMAGES, word[tap]
        for lane in range(_IMAGES):
            total[lane] += sign * _ones(inputs[first + lane] & weight)
