"""numba kernels of approximate arithmetics: the portable path, each compared with its oracle in tests/formats."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_IMAGES = 16  # of a block: inputs stand as [channel][row][plane][column][image]


@njit(cache=True)
def _pack_inputs(
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
    out : [parts * channels, padded rows, planes, padded columns, 16], zeros.
    """
    images, channels, rows, columns = x.shape
    high, wide = rows + pad[0] + pad[1], columns + pad[2] + pad[3]
    seeds, planes = table.shape[1], table.shape[2]
    for image in range(images):
        for channel in range(channels):
            for row in range(rows):
                first = (channel * high + row + pad[0]) * wide + pad[2]
                for column in range(columns):
                    value = x[image, channel, row, column]
                    level, seed = level_of[abs(value)], (first + column) % seeds
                    part = channel + (channels if is_signed and value < 0 else 0)
                    for plane in range(planes):
                        out[part, row + pad[0], plane, column + pad[2], image] = table[level, seed, plane]


@njit(cache=True)
def _pack_weights(
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
    at, word, bound : results, [quads, taps of all parts], the same with planes and filters behind, and bounds of
        each group and pattern, [quads, groups * patterns + 1].
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
            pattern = _pattern(weights[start:end, tap % taps], tap >= taps)
            key[tap] = -1 if pattern < 0 else group[tap % taps] * patterns + pattern
            if pattern >= 0:
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
def _pattern(weights: NDArray[np.int16], flipped: bool) -> int:
    """Return the bits of the filters whose weight is negative (flipped: positive); -1 where all are zero."""
    pattern, any_weight = 0, False
    for filt in range(len(weights)):
        if weights[filt] != 0:
            any_weight = True
            if (weights[filt] < 0) != flipped:
                pattern |= 1 << filt
    return pattern if any_weight else -1


@njit(cache=True)
def _ones(word: np.uint32) -> np.int32:
    """Return the number of ones in a word. Source: Warren, Hacker's Delight, section 5-1."""
    word = word - ((word >> np.uint32(1)) & np.uint32(0x55555555))
    word = (word & np.uint32(0x33333333)) + ((word >> np.uint32(2)) & np.uint32(0x33333333))
    word = (word + (word >> np.uint32(4))) & np.uint32(0x0F0F0F0F)
    return np.int32(((word * np.uint32(0x01010101)) >> np.uint32(24)) & np.uint32(63))


@njit(cache=True)
def _layer_counts(
    run: int,
    wide: int,
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
    run : output places in a row whose inputs stand side by side, computed together.
    wide : columns of the padded inputs: words from plane to plane, over 16.
    depth : products of a cycle that count at most; 0: all of them.
    inputs : words, flat.
    base : first block of words of each output place.
    """
    images, n, outputs = results.shape
    planes, filters = word.shape[2], word.shape[3]
    patterns, width = 1 << filters, run * _IMAGES
    sums = np.zeros((2 * filters * max(depth, 1), width), np.uint32)  # rows: sign, filter, depth
    total = np.zeros((filters, width), np.int32)
    for place in range(0, outputs, run):
        for quad in range(len(of)):
            end = min(n, (of[quad] // share + 1) * share, of[quad] + filters)
            total[:] = 0
            for plane in range(planes):
                first = base[place] + plane * wide
                for group in range((bound.shape[1] - 1) // patterns):
                    sums[:] = 0
                    for pattern in range(patterns):
                        key = group * patterns + pattern
                        start, stop = bound[quad, key], bound[quad, key + 1]
                        for filt in range(end - of[quad] if start < stop else 0):
                            sign, words = pattern >> filt & 1, word[quad, :, plane, filt]
                            row = (sign * filters + filt) * depth
                            if depth:
                                _or_taps(sums[row : row + depth], inputs, first, at[quad], words, start, stop)
                            else:
                                _add_ones(total[filt], inputs, first, at[quad], words, start, stop, 1 - 2 * sign)
                    for filt in range(filters):
                        for row in range(depth):
                            more = sums[filt * depth + row]
                            _add_difference(total[filt], more, sums[(filters + filt) * depth + row])
            for filt in range(end - of[quad]):
                for step in range(run):
                    for image in range(images):
                        count = np.float32(total[filt, step * _IMAGES + image])
                        results[image, of[quad] + filt, place + step] = factor * count


@njit(cache=True)
def _or_taps(
    sums: NDArray[np.uint32], inputs: NDArray[np.uint32], first: int, at: NDArray[np.int32], word: NDArray[np.uint32],
    start: int, stop: int,
) -> None:  # fmt: skip
    """Add products of taps to the counters of each cycle, whose row i says that more than i products were 1."""
    width, tap = sums.shape[1], start
    if len(sums) == 1:  # four taps between a load and a store of the sums
        while tap + 4 <= stop:
            a, b, c, d = at[tap], at[tap + 1], at[tap + 2], at[tap + 3]
            _or_four(
                sums[0], _row(inputs, first + a, width), _row(inputs, first + b, width), _row(inputs, first + c, width),
                _row(inputs, first + d, width), word[tap], word[tap + 1], word[tap + 2], word[tap + 3],
            )  # fmt: skip
            tap += 4
    while tap < stop:
        row, weight = _row(inputs, first + at[tap], width), word[tap]
        for depth in range(len(sums) - 1, 0, -1):
            more, less = sums[depth], sums[depth - 1]
            for lane in range(width):
                more[lane] |= less[lane] & row[lane] & weight
        least = sums[0]
        for lane in range(width):
            least[lane] |= row[lane] & weight
        tap += 1


@njit(cache=True)
def _or_four(
    sums: NDArray[np.uint32], a: NDArray[np.uint32], b: NDArray[np.uint32], c: NDArray[np.uint32],
    d: NDArray[np.uint32], v: np.uint32, w: np.uint32, x: np.uint32, y: np.uint32,
) -> None:  # fmt: skip
    for lane in range(len(sums)):
        sums[lane] |= (a[lane] & v) | (b[lane] & w) | (c[lane] & x) | (d[lane] & y)


@njit(cache=True)
def _row(inputs: NDArray[np.uint32], first: int, width: int) -> NDArray[np.uint32]:
    return inputs[first * _IMAGES : first * _IMAGES + width]


@njit(cache=True)
def _add_ones(
    total: NDArray[np.int32], inputs: NDArray[np.uint32], first: int, at: NDArray[np.int32], word: NDArray[np.uint32],
    start: int, stop: int, sign: int,
) -> None:  # fmt: skip
    """Add the ones of every product of some taps."""
    for tap in range(start, stop):
        row, weight = _row(inputs, first + at[tap], len(total)), word[tap]
        for lane in range(len(total)):
            total[lane] += np.int32(sign) * _ones(row[lane] & weight)


@njit(cache=True)
def _add_difference(total: NDArray[np.int32], more: NDArray[np.uint32], less: NDArray[np.uint32]) -> None:
    for lane in range(len(total)):
        total[lane] += _ones(more[lane]) - _ones(less[lane])
