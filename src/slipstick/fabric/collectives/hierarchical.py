"""Hierarchical rings: reduce-scatter inside the inner groups, all-reduce across them, all-gather inside again.

The data are cut into pieces that follow each other from phase to phase, so that inner and outer links work at once.
"""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.fabric.collectives import ring
from slipstick.fabric.messages import CollectiveSchedule, _ScheduleWriter

_PIECES = 16  # a count of the algorithm, our own choice: so many that the first piece's way in hardly counts
_UNDER_WAY = 3  # pieces at a time: with more, all of them share the outer links and end together


def all_reduce(inner: int, outer: int, pieces: int = _PIECES, *, both_orders: bool = False) -> CollectiveSchedule:
    """Return the messages of a two-level ring all-reduce over `outer` groups of `inner` consecutive ranks.

    With `both_orders` one part of the data goes inside the groups first, the other across them first: the all-reduce of
    a mesh of `outer` rows and `inner` columns. The parts are as large as keeps the links of both directions equally
    long at work: (r-1) c - (c-1) to (c-1) r - (r-1). Source: FRED (arXiv 2406.19580), section 4: two chunks in opposite
    order; their sizes are our own.

    Examples
    --------
    >>> schedule = all_reduce(4, 5)
    >>> float(schedule.sent[0] / schedule.chunks)  # 2 (3/4) inside and 2 (4/5) / 4 across
    1.9
    >>> schedule = all_reduce(4, 5, both_orders=True)
    >>> float(schedule.sent[0] / schedule.chunks)
    1.9
    """
    if both_orders:
        return _in_both_orders(outer, inner, pieces)
    writer = _ScheduleWriter()
    grid = np.arange(inner * outer).reshape(outer, inner)
    written: list[_PieceEnds] = []
    for piece in range(pieces):
        _levels(writer, grid, piece * grid.size, 1, written)
    return writer.finish("all_reduce", "hierarchical", grid.size, pieces * grid.size)


def _in_both_orders(rows: int, columns: int, pieces: int) -> CollectiveSchedule:
    if min(rows, columns) == 1:
        return ring.SCHEDULES["all_reduce"](rows * columns)
    writer = _ScheduleWriter()
    grid = np.arange(rows * columns).reshape(rows, columns)
    shares = (rows - 1) * columns - (columns - 1), (columns - 1) * rows - (rows - 1)
    written: tuple[list[_PieceEnds], ...] = ([], [])
    offset = 0
    for _ in range(pieces):
        for share, way, before in zip(shares, (grid, grid.T), written, strict=True):
            _levels(writer, way, offset, share, before)
            offset += grid.size * share
    return writer.finish("all_reduce", "hierarchical_2d", grid.size, offset)


_PieceEnds = tuple[IntArray, IntArray]  # of one piece, by rank: the end of its first phase, and of its last


def _levels(writer: _ScheduleWriter, grid: IntArray, offset: int, unit: int, written: list[_PieceEnds]) -> None:
    """Write the messages of an all-reduce of grid.size * unit chunks from `offset` on: first along the last axis.

    It begins behind the first phase of the piece before, and when `_UNDER_WAY` pieces before has ended.
    """
    behind = np.full(grid.size, -1)
    if written:
        behind = writer.rendezvous(np.arange(grid.size))
        writer.order(written[-1][0], behind)
        if len(written) >= _UNDER_WAY:
            writer.order(written[-_UNDER_WAY][1], behind)
    outer, inner = grid.shape
    pieces = offset + np.arange(inner) * outer * unit  # a member keeps `outer` units
    inside = np.broadcast_to(pieces, grid.shape)
    across = pieces[:, None] + np.arange(outer) * unit  # [inner, outer]: of these, the unit that each keeps
    first = ring._steps(writer, grid, inside, outer * unit, behind, reduces=True)
    arrived = ring._steps(writer, grid.T, across, unit, first, reduces=True)
    arrived = ring._steps(writer, grid.T, across, unit, arrived, reduces=False)
    written.append((first, ring._steps(writer, grid, inside, outer * unit, arrived, reduces=False)))
