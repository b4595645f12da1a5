"""Hierarchical rings: scatter inside the inner groups, all-reduce across them, gather inside again.

The data are cut into pieces that follow each other from phase to phase, so that inner and outer links work at once.
"""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.fabric.collectives import ring
from slipstick.fabric.collectives.ring import steps
from slipstick.fabric.messages import Schedule, Writer

PIECES = 16
UNDER_WAY = 3  # pieces at a time: with more, all of them share the outer links and end together


def all_reduce(inner: int, outer: int, pieces: int = PIECES) -> Schedule:
    """Return a two-level ring over `outer` groups of `inner` consecutive ranks.

    Examples
    --------
    >>> schedule = all_reduce(4, 5)
    >>> float(schedule.sent[0] / schedule.chunks)  # 2 (3/4) inside and 2 (4/5) / 4 across
    1.9
    """
    writer = Writer()
    grid = np.arange(inner * outer).reshape(outer, inner)
    done: list[_Done] = []
    for piece in range(pieces):
        _levels(writer, grid, piece * grid.size, 1, done)
    return writer.finish("all_reduce", "hierarchical", grid.size, pieces * grid.size)


def all_reduce_2d(rows: int, columns: int, pieces: int = PIECES) -> Schedule:
    """Return the all-reduce of a mesh: one part of the data goes along rows first, the other along columns first.

    The parts are as large as keeps the links of both directions equally long at work: (r-1) c - (c-1) to
    (c-1) r - (r-1). Source: FRED (arXiv 2406.19580), section 4: two chunks in opposite order; their sizes are our own.

    Examples
    --------
    >>> schedule = all_reduce_2d(5, 4)
    >>> float(schedule.sent[0] / schedule.chunks)
    1.9
    """
    if min(rows, columns) == 1:
        return ring.all_reduce(rows * columns)
    writer = Writer()
    grid = np.arange(rows * columns).reshape(rows, columns)
    shares = (rows - 1) * columns - (columns - 1), (columns - 1) * rows - (rows - 1)
    done: tuple[list[_Done], ...] = ([], [])
    offset = 0
    for _ in range(pieces):
        for share, way, before in zip(shares, (grid, grid.T), done, strict=True):
            _levels(writer, way, offset, share, before)
            offset += grid.size * share
    return writer.finish("all_reduce", "hierarchical_2d", grid.size, offset)


_Done = tuple[IntArray, IntArray]  # of one piece, by rank: the end of its first phase, and of its last


def _levels(writer: Writer, grid: IntArray, offset: int, unit: int, done: list[_Done]) -> None:
    """Write one all-reduce of grid.size * unit chunks from `offset` on: along the last axis first, then across.

    It begins behind the first phase of the piece before, and when that of `UNDER_WAY` pieces before is done.
    """
    behind = np.full(grid.size, -1)
    if done:
        behind = writer.rendezvous(np.arange(grid.size))
        writer.order(done[-1][0], behind)
        if len(done) >= UNDER_WAY:
            writer.order(done[-UNDER_WAY][1], behind)
    outer, inner = grid.shape
    pieces = offset + np.arange(inner) * outer * unit  # a member keeps `outer` units
    inside = np.broadcast_to(pieces, grid.shape)
    across = pieces[:, None] + np.arange(outer) * unit  # [inner, outer]: of these, the unit that each keeps
    first = steps(writer, grid, inside, outer * unit, behind, reduces=True)
    arrived = steps(writer, grid.T, across, unit, first, reduces=True)
    arrived = steps(writer, grid.T, across, unit, arrived, reduces=False)
    done.append((first, steps(writer, grid, inside, outer * unit, arrived, reduces=False)))
