"""Rank correlation of two series (Spearman), ties sharing their mean rank."""

from __future__ import annotations

import math
from collections.abc import Sequence


def spearman(first: Sequence[float], other: Sequence[float]) -> float | None:
    """Return the rank correlation (ties share their mean rank), or None where one side is constant.

    Examples
    --------
    >>> spearman([1, 2, 3, 4], [10, 20, 40, 30])
    0.8
    """
    a, b = _ranks(first), _ranks(other)
    middle = (len(a) - 1) / 2
    spread = math.sqrt(math.fsum((x - middle) ** 2 for x in a) * math.fsum((y - middle) ** 2 for y in b))
    if spread == 0:
        return None
    return math.fsum((x - middle) * (y - middle) for x, y in zip(a, b, strict=True)) / spread


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=lambda place: values[place])
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            ranks[place] = (start + end) / 2
        start = end + 1
    return ranks
