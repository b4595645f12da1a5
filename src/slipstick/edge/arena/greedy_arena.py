"""Greedy layouts of blocks: each as low as it fits among those placed before, in several orders; TFLM's order too."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from slipstick.edge.arena.liveness import ArenaBlock, _forbidden, _Overlaps, _Spans

_TURNS = 60  # orders tried from each simple one where all miss the bound: 2 to 65 mostly find the least [measured]


def _first_fit(
    blocks: Sequence[ArenaBlock], spans: Sequence[dict[int, _Spans]], order: Sequence[int], *, best: bool = False
) -> list[int]:
    """Return the offset of each block [B], placed in an order, each at the lowest gap among those alive with it.

    Parameters
    ----------
    spans : where each block may not begin beside others, as `_forbidden` returns them.
    order : places of the blocks that are laid out; others get -1.
    best : whether the smallest gap is taken that is large enough (best fit), in place of the lowest (first fit).

    Examples
    --------
    >>> blocks = [ArenaBlock("a", 8, 0, 1), ArenaBlock("b", 4, 1, 2), ArenaBlock("c", 8, 2, 3)]
    >>> _first_fit(blocks, _forbidden(blocks, {}), range(3))
    [0, 8, 0]
    """
    offsets = [-1] * len(blocks)
    for place in order:
        taken = sorted(
            (offsets[other] + low, offsets[other] + high)
            for other, pairs in spans[place].items()
            if offsets[other] >= 0
            for low, high in pairs
        )
        offsets[place] = _gap(taken, best)
    return offsets


def _gap(taken: list[tuple[int, int]], best: bool) -> int:
    """Return the lowest offset outside of open spans, or the one below which least room is left to the next span."""
    offset, where, room = 0, 0, None
    for low, high in taken:
        if offset <= low and (room is None or low - offset < room):
            where, room = offset, low - offset
            if not best:
                return where
        offset = max(offset, high)
    return offset if room is None else where


def _tflm_offsets(blocks: Sequence[ArenaBlock]) -> list[int]:
    """Return the offsets [B] of TensorFlow Lite Micro's GreedyMemoryPlanner: the largest first, each at its lowest gap.

    Source: tflite-micro, greedy_memory_planner.cc, as recollected: a stable sort by size, then first fit.
    """
    return _first_fit(blocks, _forbidden(blocks, {}), _by_size(blocks))


def _by_size(blocks: Sequence[ArenaBlock]) -> list[int]:
    return sorted(range(len(blocks)), key=lambda place: -blocks[place].size)


def _arena_size(blocks: Sequence[ArenaBlock], offsets: Sequence[int]) -> int:
    """Return the end of the highest block [B]."""
    return max((offset + block.size for block, offset in zip(blocks, offsets, strict=True)), default=0)


def _greedy_offsets(
    blocks: Sequence[ArenaBlock], overlaps: _Overlaps, bound: int, *, turns: int = _TURNS, seed: int = 0
) -> list[int]:
    """Return the offsets [B] of the smallest of several greedy layouts; the search ends once it meets the bound.

    Parameters
    ----------
    bound : least bytes that are possible.
    turns : further orders that are tried from each of the simple ones.
    """
    keys = (
        lambda block: (-block.size, -block.first),  # outputs lie below the inputs that they overlap: the later first
        lambda block: (-block.last, -block.first),
        lambda block: (-block.size, block.first),
        lambda block: (-block.size * (block.last - block.first + 1), block.first),
        lambda block: (block.first, -block.size),
        lambda block: (block.first - block.last, -block.size),
    )
    places = range(len(blocks))
    orders = [_by_size(blocks), *(sorted(places, key=lambda place, key=key: key(blocks[place])) for key in keys)]  # type: ignore[misc]
    search = _OrderSearch(blocks, _forbidden(blocks, overlaps), bound)
    for order, fit in itertools.product(orders, (False, True)):
        if not search.best or search.size > bound:
            search.layout(order, best=fit)
    for order in orders:
        if search.size <= bound or len(blocks) < 2:
            break
        search.improve(order, np.random.default_rng(seed), turns)
    return search.best


class _OrderSearch:
    """Search over orders of first fit: the best layout so far, and its size [B]."""

    def __init__(self, blocks: Sequence[ArenaBlock], spans: Sequence[dict[int, _Spans]], bound: int) -> None:
        self.blocks, self.spans, self.bound = blocks, spans, bound
        self.best: list[int] = []
        self.size = -1

    def layout(self, order: Sequence[int], *, best: bool = False) -> list[int]:
        """Return the offsets of an order [B], kept if they are the best."""
        offsets = _first_fit(self.blocks, self.spans, order, best=best)
        size = _arena_size(self.blocks, offsets)
        if not 0 <= self.size <= size:
            self.best, self.size = offsets, size
        return offsets

    def improve(self, order: Sequence[int], rng: np.random.Generator, turns: int) -> None:
        """Change an order turn by turn, and go on from it where its layout is no larger."""
        offsets = self.layout(order)
        for turn in range(turns):
            if self.size <= self.bound:
                return
            other = _moved(order, _above(self.blocks, offsets, self.bound) if turn % 2 else [], rng)
            changed = self.layout(other)
            if _arena_size(self.blocks, changed) <= _arena_size(self.blocks, offsets):
                order, offsets = other, changed


def _above(blocks: Sequence[ArenaBlock], offsets: Sequence[int], bound: int) -> list[int]:
    """Return the places of the blocks that end above the bound."""
    return [place for place, block in enumerate(blocks) if offsets[place] + block.size > bound]


def _moved(order: Sequence[int], above: Sequence[int], rng: np.random.Generator) -> list[int]:
    """Return an order with one of the blocks above the bound among the first half, or with two blocks exchanged."""
    other = list(order)
    if above:
        place = above[int(rng.integers(len(above)))]
        other.remove(place)
        other.insert(int(rng.integers(len(other) // 2 + 1)), place)
    else:
        a, b = rng.choice(len(other), 2, replace=False)
        other[a], other[b] = other[b], other[a]
    return other
