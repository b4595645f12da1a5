"""Greedy layouts of blocks: each as low as it fits among those placed before, in several orders; TFLM's order too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from slipstick.edge.arena.liveness import ArenaBlock

_RESTARTS = 60  # orders with two blocks exchanged, tried where the simple orders miss the bound


def _first_fit(blocks: Sequence[ArenaBlock], *, best: bool = False) -> list[int]:
    """Return the offset of each block [B], placed one after the other at the lowest gap among those alive with it.

    Parameters
    ----------
    best : whether the smallest gap is taken that is large enough (best fit), in place of the lowest (first fit).

    Examples
    --------
    >>> _first_fit([ArenaBlock("a", 8, 0, 1), ArenaBlock("b", 4, 1, 2), ArenaBlock("c", 8, 2, 3)])
    [0, 8, 0]
    """
    offsets: list[int] = []
    for place, block in enumerate(blocks):
        taken = sorted(
            (offset, other.size)
            for offset, other in zip(offsets, blocks[:place], strict=True)
            if other.first <= block.last and block.first <= other.last
        )
        offsets.append(_gap(taken, block.size, best))
    return offsets


def _gap(taken: list[tuple[int, int]], size: int, best: bool) -> int:
    end, room = 0, None
    where = 0
    for start, length in taken:
        gap = start - end
        if gap >= size and (room is None or gap < room):
            where, room = end, gap
            if not best:
                return where
        end = max(end, start + length)
    return end if room is None else where


def _tflm_offsets(blocks: Sequence[ArenaBlock]) -> list[int]:
    """Return the offsets [B] of TensorFlow Lite Micro's GreedyMemoryPlanner: the largest first, each at its lowest gap.

    Source: tflite-micro, greedy_memory_planner.cc, as recollected: a stable sort by size, then first fit.
    """
    order = sorted(range(len(blocks)), key=lambda place: -blocks[place].size)
    return _in_order(blocks, order)


def _arena_size(blocks: Sequence[ArenaBlock], offsets: Sequence[int]) -> int:
    """Return the end of the highest block [B]."""
    return max((offset + block.size for block, offset in zip(blocks, offsets, strict=True)), default=0)


def _greedy_offsets(blocks: Sequence[ArenaBlock], bound: int, *, restarts: int = _RESTARTS, seed: int = 0) -> list[int]:
    """Return the offsets [B] of the smallest of several greedy layouts; the search ends once it meets the bound.

    Parameters
    ----------
    bound : least bytes that are possible.
    restarts : orders tried beyond the simple ones: the best so far with two blocks exchanged.
    """
    keys = (
        lambda block: (-block.size, block.first),
        lambda block: (-block.size * (block.last - block.first + 1), block.first),
        lambda block: (block.first, -block.size),
        lambda block: (block.first - block.last, -block.size),
    )
    best, best_order, size = _tflm_offsets(blocks), sorted(range(len(blocks)), key=lambda p: -blocks[p].size), 0
    size = _arena_size(blocks, best)
    for key in keys:
        order = sorted(range(len(blocks)), key=lambda place, key=key: key(blocks[place]))  # type: ignore[misc]
        for fit in (False, True):
            if size <= bound:
                return best
            offsets = _in_order(blocks, order, best=fit)
            if _arena_size(blocks, offsets) < size:
                best, best_order, size = offsets, order, _arena_size(blocks, offsets)
    return _exchanged(blocks, bound, best, best_order, np.random.default_rng(seed), restarts)


def _exchanged(
    blocks: Sequence[ArenaBlock], bound: int, best: list[int], order: list[int], rng: np.random.Generator, restarts: int
) -> list[int]:
    size = _arena_size(blocks, best)
    for _ in range(restarts if len(blocks) > 1 else 0):
        if size <= bound:
            break
        other = list(order)
        a, b = rng.choice(len(other), 2, replace=False)
        other[a], other[b] = other[b], other[a]
        offsets = _in_order(blocks, other)
        if _arena_size(blocks, offsets) <= size:
            best, order, size = offsets, other, _arena_size(blocks, offsets)
    return best


def _in_order(blocks: Sequence[ArenaBlock], order: Sequence[int], *, best: bool = False) -> list[int]:
    placed = _first_fit([blocks[place] for place in order], best=best)
    offsets = [0] * len(blocks)
    for place, offset in zip(order, placed, strict=True):
        offsets[place] = offset
    return offsets
