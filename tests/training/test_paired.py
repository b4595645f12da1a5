"""Paired comparisons against what they are by definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.training.paired_comparison import Paired, paired


def test_the_change_is_that_of_the_means() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.random(500) < 0.8, rng.random(500) < 0.7
    found = paired(before, after)
    assert found.change == pytest.approx(after.mean() - before.mean())
    low, high = found.interval
    assert low < found.change < high


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (3, 1), (5, 5), (0, 6), (9, 2)])
def test_mcnemar_counts_every_way_the_changes_could_have_fallen(lost: int, won: int) -> None:
    ways = [sum(signs) for signs in itertools.product((0, 1), repeat=lost + won)]
    as_uneven = sum(
        abs(2 * n - len_) >= abs(won - lost) for n, len_ in zip(ways, itertools.repeat(lost + won), strict=False)
    )
    assert Paired(100, lost, won).p_value == pytest.approx(min(1.0, as_uneven / len(ways)))


def test_many_changes_are_as_likely_by_both_ways_of_counting() -> None:
    few, many = Paired(10_000, 460, 530), Paired(10_000, 470, 540)
    assert few.p_value == pytest.approx(few._normal(), rel=0.1)
    assert many.p_value == pytest.approx(few.p_value, rel=0.3)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        draws = rng.random(600)
        before, after = draws < 0.9, (draws > 0.03) & (draws < 0.91)  # of every 100 images 3 are lost and 1 is won
        low, high = paired(before, after).interval
        covered += low <= -0.02 <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_other_images_are_refused() -> None:
    with pytest.raises(SlipstickError, match="not the same images"):
        paired(np.ones(3, bool), np.ones(4, bool))
