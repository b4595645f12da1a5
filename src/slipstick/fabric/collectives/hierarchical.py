"""Hierarchical rings: scatter inside the inner groups, all-reduce across them, gather inside again."""

from __future__ import annotations

import numpy as np

from slipstick.fabric.collectives.ring import steps
from slipstick.fabric.schedule import IntArray, Schedule, Writer


def all_reduce(inner: int, outer: int) -> Schedule:
    """Return a two-level ring over `outer` groups of `inner` consecutive ranks.

    Examples
    --------
    >>> float(all_reduce(4, 5).sent[0] / 20)  # of the whole vector: 2 (3/4) inside and 2 (4/5) / 4 across
    1.9
    """
    writer = Writer()
    grid = np.arange(inner * outer).reshape(outer, inner)
    _levels(writer, grid, 0)
    return writer.finish("all_reduce", "hierarchical", inner * outer, inner * outer)


def all_reduce_2d(rows: int, columns: int) -> Schedule:
    """Return the all-reduce of a mesh: two halves of the data, one along rows first, the other along columns first.

    Source: FRED (arXiv 2406.19580), section 4: the baseline's wafer-wide collective.

    Examples
    --------
    >>> float(all_reduce_2d(5, 4).sent[0] / 40)
    1.9
    """
    writer = Writer()
    grid = np.arange(rows * columns).reshape(rows, columns)
    _levels(writer, grid, 0)
    _levels(writer, grid.T, grid.size)
    return writer.finish("all_reduce", "hierarchical_2d", grid.size, 2 * grid.size)


def _levels(writer: Writer, grid: IntArray, offset: int) -> None:
    """Write one all-reduce of grid.size chunks from `offset` on: along the last axis first, then across."""
    outer, inner = grid.shape
    pieces = offset + np.arange(inner) * outer  # a member's piece is `outer` chunks long
    inside = np.broadcast_to(pieces, grid.shape)
    across = pieces[:, None] + np.arange(outer)  # [inner, outer]: the piece of one chunk that each keeps
    none = np.full(int(grid.max()) + 1, -1)
    arrived = steps(writer, grid, inside, outer, none, reduces=True)
    arrived = steps(writer, grid.T, across, 1, arrived, reduces=True)
    arrived = steps(writer, grid.T, across, 1, arrived, reduces=False)
    steps(writer, grid, inside, outer, arrived, reduces=False)
