"""numba kernels of the number formats, each compared bit for bit with a slow reference in tests/formats."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from slipstick.formats.bits import SET_BITS

_SET_BITS = np.uint32(SET_BITS)
_SET_MASK = np.uint32((1 << SET_BITS) - 1)


@njit(cache=True)
def _nearest_sets(
    codes: NDArray[np.int16],
    keys: NDArray[np.uint32],
    near: NDArray[np.int16],
    near_mask: NDArray[np.uint8],
    sets: NDArray[np.uint8],
    masks: NDArray[np.uint8],
    magnitudes: NDArray[np.int16],
    cost: NDArray[np.float64],
) -> None:
    """Find the set of least squared error of every group [groups, M]; one row of `keys` is added a weight."""
    groups, members = codes.shape
    width = keys.shape[1]
    total = np.empty(width, np.uint32)
    for group in range(groups):
        best = ~np.uint32(0)
        if members == 4:  # the usual size: nothing is stored between the additions
            a, b = keys[abs(codes[group, 0])], keys[abs(codes[group, 1])]
            c, d = keys[abs(codes[group, 2])], keys[abs(codes[group, 3])]
            for place in range(width):
                best = min(best, np.uint32(a[place] + b[place] + c[place] + d[place] + np.uint32(place)))
        else:
            _sums(codes[group], keys, total)
            for place in range(width):
                best = min(best, total[place])
        best_set = best & _SET_MASK
        sets[group] = best_set
        cost[group] = best >> _SET_BITS
        for member in range(members):
            magnitude = abs(codes[group, member])
            masks[group, member] = near_mask[best_set, magnitude]
            magnitudes[group, member] = near[best_set, magnitude]


@njit(cache=True)
def _sums(codes: NDArray[np.int16], keys: NDArray[np.uint32], total: NDArray[np.uint32]) -> None:
    for place in range(len(total)):
        total[place] = np.uint32(place)
    for member in range(len(codes)):
        row = keys[abs(codes[member])]
        for place in range(len(total)):
            total[place] += row[place]


@njit(cache=True)
def _signed_sets(
    codes: NDArray[np.int16],
    keys: NDArray[np.uint32],
    near: NDArray[np.int16],
    second: NDArray[np.int16],
    near_mask: NDArray[np.uint8],
    second_mask: NDArray[np.uint8],
    alpha: float,
    sets: NDArray[np.uint8],
    masks: NDArray[np.uint8],
    magnitudes: NDArray[np.int16],
    cost: NDArray[np.float64],
) -> None:
    """Find set and choices of least sum e^2 + alpha (sum e)^2; bit i of a choice: weight i takes the second nearest.

    The squared errors of the nearest values bound a set's cost from below: a set is not looked into where they exceed
    what the set with the least of them reaches.
    """
    groups, members = codes.shape
    total = np.empty(keys.shape[1], np.uint32)
    first, other = np.empty(members, np.int64), np.empty(members, np.int64)
    squares, totals = np.empty(1 << members, np.int64), np.empty(1 << members, np.int64)
    for group in range(groups):
        row = codes[group]
        _sums(row, keys, total)
        start = total.min() & _SET_MASK
        _errors(row, near[start], second[start], first, other)
        bound, _ = _best_choice(first, other, alpha, squares, totals)
        best, best_set, best_choice = np.inf, 0, 0
        for place in range(near.shape[0]):
            floor = float(total[place] >> _SET_BITS)
            if floor > bound or floor >= best:
                continue
            _errors(row, near[place], second[place], first, other)
            least, choice = _best_choice(first, other, alpha, squares, totals)
            if least < best:
                best, best_set, best_choice = least, place, choice
        sets[group], cost[group] = best_set, best
        for member in range(members):
            magnitude = abs(row[member])
            if best_choice >> member & 1:
                masks[group, member] = second_mask[best_set, magnitude]
                magnitudes[group, member] = second[best_set, magnitude]
            else:
                masks[group, member] = near_mask[best_set, magnitude]
                magnitudes[group, member] = near[best_set, magnitude]


@njit(cache=True)
def _errors(
    codes: NDArray[np.int16],
    near: NDArray[np.int16],
    second: NDArray[np.int16],
    first: NDArray[np.int64],
    other: NDArray[np.int64],
) -> None:
    for member in range(len(codes)):
        magnitude = abs(codes[member])
        sign = -1 if codes[member] < 0 else 1
        first[member] = sign * (near[magnitude] - magnitude)
        other[member] = sign * (second[magnitude] - magnitude)


@njit(cache=True)
def _best_choice(
    first: NDArray[np.int64],
    other: NDArray[np.int64],
    alpha: float,
    squares: NDArray[np.int64],
    totals: NDArray[np.int64],
) -> tuple[float, int]:
    """Return the least cost over all choices, and the first choice that has it.

    `squares` and `totals` are room for the sums of every choice: those that take weight i's second nearest value
    follow from those that do not.
    """
    squares[0], totals[0] = 0, 0
    for member in range(len(first)):
        squares[0] += first[member] * first[member]
        totals[0] += first[member]
    width = 1
    for member in range(len(first)):
        more = other[member] * other[member] - first[member] * first[member]
        step = other[member] - first[member]
        for choice in range(width):
            squares[width + choice] = squares[choice] + more
            totals[width + choice] = totals[choice] + step
        width *= 2
    best, best_choice = np.inf, 0
    for choice in range(width):
        cost = squares[choice] + alpha * (totals[choice] * totals[choice])
        if cost < best:
            best, best_choice = cost, choice
    return best, best_choice


@njit(cache=True, fastmath=True)
def _nearest_vectors(
    vectors: NDArray[np.float32], pool: NDArray[np.float32], half: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return for each vector [n, d] the column of pool [d, size] with the largest x.p - half, and |x|^2 - 2 of that.

    With `half` = |p|^2 / 2 that is the squared distance. A vector's products run along the pool, for SIMD.
    """
    count, depth = vectors.shape
    size = pool.shape[1]
    nearest = np.empty(count, np.int64)
    distance = np.empty(count, np.float32)
    score = np.empty(size, np.float32)
    for row in range(count):
        for place in range(size):
            score[place] = -half[place]
        square = np.float32(0)
        for at in range(depth):
            x = vectors[row, at]
            square += x * x
            for place in range(size):
                score[place] += x * pool[at, place]
        best = score[0]
        for place in range(size):
            best = max(best, score[place])
        for place in range(size):
            if score[place] == best:
                nearest[row] = place
                break
        distance[row] = square - 2 * best
    return nearest, distance


@njit(cache=True)
def _vector_sums(
    vectors: NDArray[np.float32], indices: NDArray[np.int64], size: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the sums [size, d] of the vectors of each index, and their number."""
    sums = np.zeros((size, vectors.shape[1]))
    counts = np.zeros(size, np.int64)
    for row in range(len(vectors)):
        place = indices[row]
        counts[place] += 1
        for at in range(vectors.shape[1]):
            sums[place, at] += vectors[row, at]
    return sums, counts
