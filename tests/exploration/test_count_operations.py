"""Count of operations and bytes of array code, which benchmarks/search_rate.py prints as the floor of a search."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from count_operations import counted


def test_counts_each_operation_and_the_bytes_of_its_arrays() -> None:
    def expression() -> np.ndarray:
        numbers = np.arange(10)
        return np.asarray(numbers * 2.0 + 1.0)

    values, count = counted(expression)
    assert values.tolist() == [2.0 * number + 1.0 for number in range(10)]
    assert (count.floating, count.others, count.bytes) == (20, 0, 4 * 80)


def test_tells_whole_numbers_apart_and_leaves_numpy_as_it_was() -> None:
    makers = np.zeros, np.asarray
    _, count = counted(lambda: np.where(np.arange(8) > 3, 1, 0))
    assert (count.floating, count.others) == (0, 8)
    with pytest.raises(ZeroDivisionError):
        counted(lambda: 1 // 0)
    assert (np.zeros, np.asarray) == makers
