"""Shared weight bit sparsity: the optimal set of bit positions for every group of magnitudes, by exact search.

A group of M weights keeps N of the B positions of its magnitudes' bits, the same N for all of them (SWIS), or N
consecutive ones (SWIS-C). Source: Li et al., "SWIS - Shared Weight bIt Sparsity ...", arXiv 2103.01308; the term of the
signed error and its weight are a recollection of that paper, the search is our own.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.formats.bits import SET_BITS

MAX_GROUP = 16  # weights
MAX_SIGNED_GROUP = 8  # weights; with the signed-error term 2**M choices are tried for each position set
_LANES = 8  # sets are padded to whole vectors
_PADDING_COST = 2**27  # cost of a padding set: above any other, and 16 of them fit 32 bits


@dataclass(frozen=True, eq=False)
class _Decomposition:
    """Decomposition of groups of weights: the bit positions that each group keeps, and the rounded magnitudes.

    `sets` [groups] numbers each group's position set as in `_position_sets`; `masks` [groups, M] has bit j where a
    weight uses the j-th position; `magnitudes` [groups, M] are the values that remain; `cost` [groups] is
    sum e^2 + alpha (sum e)^2 of the signed errors.
    """

    sets: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    magnitudes: NDArray[np.int16]
    cost: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Tables:
    """Tables of S position sets and every magnitude: nearest and second nearest value and their masks, [S, 2**B].

    `keys` [2**B, padded S] is the squared error of the nearest value above the set's number, for one minimum over both.
    """

    near: NDArray[np.int16]
    second: NDArray[np.int16]
    near_mask: NDArray[np.uint8]
    second_mask: NDArray[np.uint8]
    keys: NDArray[np.uint32]


def _position_sets(bits: int, shifts: int, *, consecutive: bool = False) -> list[tuple[int, ...]]:
    """Return every set of `shifts` of the positions 0 to `bits` - 1, in lexicographic order.

    Examples
    --------
    >>> len(_position_sets(8, 3)), _position_sets(4, 2, consecutive=True)
    (56, [(0, 1), (1, 2), (2, 3)])
    """
    if not 1 <= bits <= 8:
        raise SlipstickError("out of range", path="swis.bits", value=bits, allowed="1 to 8 positions")
    if not 1 <= shifts <= bits:
        raise SlipstickError("out of range", path="swis.shifts", value=shifts, allowed=f"1 to {bits}")
    if consecutive:
        return [tuple(range(low, low + shifts)) for low in range(bits - shifts + 1)]
    return list(combinations(range(bits), shifts))


@functools.lru_cache(maxsize=64)
def _tables(bits: int, shifts: int, consecutive: bool) -> _Tables:
    """Return the tables of one kind of decomposition; of two equally near values the smaller is the nearest."""
    sets = _position_sets(bits, shifts, consecutive=consecutive)
    masks = np.arange(2**shifts)
    values = np.array([[sum(1 << p for j, p in enumerate(s) if mask >> j & 1) for mask in masks] for s in sets])
    distance = np.abs(values[:, None, :] - np.arange(2**bits)[None, :, None])
    order = np.argsort(distance, axis=-1, kind="stable")  # masks ascend with values: the smaller value comes first
    best, next_best = order[..., 0], order[..., 1]
    near = np.take_along_axis(values[:, None, :], best[..., None], -1)[..., 0]
    second = np.take_along_axis(values[:, None, :], next_best[..., None], -1)[..., 0]
    squared = (near - np.arange(2**bits)) ** 2
    keys = np.full((2**bits, -(-len(sets) // _LANES) * _LANES), _PADDING_COST, np.uint32)
    keys[:, : len(sets)] = squared.T << SET_BITS
    return _Tables(
        near.astype(np.int16), second.astype(np.int16), best.astype(np.uint8), next_best.astype(np.uint8), keys
    )


def _decompose(
    codes: NDArray[np.integer], *, bits: int = 8, shifts: int = 3, consecutive: bool = False, alpha: float = 0.0
) -> _Decomposition:
    """Return the decomposition of least error for every group of signed whole numbers.

    With `alpha` 0 each weight takes the nearest value of the set; otherwise every choice of nearest and second nearest
    values of the group is tried, since errors of opposite sign cancel in a dot product. Of equal costs the first
    position set wins, then the choice with the fewest and first second-nearest values in binary counting.

    Parameters
    ----------
    codes : [groups, M], magnitudes below 2**bits; M at most 16, at most 8 with `alpha`.
    alpha : weight of the squared sum of the signed errors, from 0.

    Errors
    ------
    SlipstickError for magnitudes that do not fit, groups too large, a negative alpha.

    Examples
    --------
    >>> sets = _decompose(np.array([[100, -36, 4, 0]]), shifts=3)
    >>> sets.magnitudes.tolist(), _position_sets(8, 3)[sets.sets[0]]
    ([[100, 36, 4, 0]], (2, 5, 6))
    """
    require("numba", "sim")
    from slipstick.formats.numba_kernels import _nearest_sets, _signed_sets

    if codes.ndim != 2 or not 1 <= codes.shape[1] <= MAX_GROUP:
        raise SlipstickError("not groups of weights", path="swis.group", value=codes.shape, allowed="[groups, 1 to 16]")
    if not 0 <= alpha < np.inf:
        raise SlipstickError("out of range", path="swis.alpha", value=alpha, allowed="from 0")
    if alpha and codes.shape[1] > MAX_SIGNED_GROUP:
        raise SlipstickError("too large with alpha", path="swis.group", value=codes.shape[1], allowed="at most 8")
    table = _tables(bits, shifts, consecutive)
    if codes.size and (codes.max() >= 2**bits or codes.min() <= -(2**bits)):
        worst = max(int(codes.max()), -int(codes.min()))
        raise SlipstickError("does not fit", path="swis.bits", value=worst, allowed=f"below {2**bits}")
    groups = np.ascontiguousarray(codes, np.int16)
    sets, cost = np.empty(len(groups), np.uint8), np.empty(len(groups))
    masks, left = np.empty(groups.shape, np.uint8), np.empty(groups.shape, np.int16)
    near, near_mask = table.near, table.near_mask
    if alpha:
        second, second_mask = table.second, table.second_mask
        _signed_sets(groups, table.keys, near, second, near_mask, second_mask, float(alpha), sets, masks, left, cost)
    else:
        _nearest_sets(groups, table.keys, near, near_mask, sets, masks, left, cost)
    return _Decomposition(sets, masks, left, cost)
