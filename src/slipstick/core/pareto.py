"""Pareto front of points (those that no other point dominates), and its knee."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import FloatArray


def pareto(costs: FloatArray) -> NDArray[np.int64]:
    """Return the rows of [points, objectives] that no other row dominates: no greater in any column, smaller in one.

    Of equal rows the first one stays; rows come back sorted by the first column.

    Examples
    --------
    >>> pareto(np.array([[1.0, 5.0], [2.0, 2.0], [3.0, 3.0], [4.0, 1.0], [2.0, 2.0]])).tolist()
    [0, 1, 3]
    """
    order = np.lexsort((np.arange(len(costs)), *costs.T[::-1]))
    if costs.shape[1] <= 2:
        return _sorted_front(costs, order[np.isfinite(costs[order]).all(axis=1)])
    rows: list[int] = []
    front = np.empty((0, costs.shape[1]))
    for row in order:  # every row that could beat this row comes before it
        if not np.isfinite(costs[row]).all():
            continue
        if len(front) and (front <= costs[row]).all(axis=1).any():
            continue
        rows.append(int(row))
        front = np.vstack([front, costs[row]])
    return np.array(rows, np.int64)


def _sorted_front(costs: FloatArray, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the front of one or two objectives: rows, sorted by both, whose last is below that of all before."""
    last = costs[order, -1]
    before = np.concatenate([[np.inf], np.minimum.accumulate(last)[:-1]]) if len(last) else last
    return np.asarray(order[last < before], np.int64)


def knee(costs: FloatArray) -> int:
    """Return the row nearest to the best value of all columns, each column scaled from its best (0) to its worst (1).

    Examples
    --------
    >>> knee(np.array([[1.0, 9.0], [2.0, 2.0], [9.0, 1.0]]))
    1
    """
    low, span = costs.min(axis=0), np.ptp(costs, axis=0)
    scaled = (costs - low) / np.where(span > 0, span, 1.0)
    return int(np.hypot.reduce(scaled, axis=1).argmin())
