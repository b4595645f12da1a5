"""What a tracker of heart rates must do, whatever its settings: outliers, jumps, gaps, several methods."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.vitals import track_rates, trackers

RNG = np.random.default_rng(3)
BANDS = ("live", "corrected", "smoothed")


def walk(steps: int, mean: float = 75.0) -> np.ndarray:
    """A heart rate that drifts."""
    return mean + np.cumsum(RNG.normal(0, 0.6, steps))


@pytest.mark.parametrize("rate", [45.0, 72.0, 110.0, 165.0])
@pytest.mark.parametrize("band", BANDS)
def test_what_does_not_change_is_left_alone(rate: float, band: str) -> None:
    tracked = track_rates(np.full((1, 30), rate)).bands[band]
    settled = tracked.value[0, 2:]  # a fast heart is not believed in its first second
    assert settled == pytest.approx(np.full(28, rate), abs=0.6)
    assert (tracked.low <= rate).all()
    assert (tracked.high >= rate).all()


@pytest.mark.parametrize("band", BANDS)
def test_single_misses_leave_no_trace(band: str) -> None:
    """A live value may follow a near miss of a steady series, which could be a jump: it is corrected 2 s later."""
    truth = walk(60)
    estimates = truth + RNG.normal(0, 0.5, 60)
    estimates[[15, 30, 31, 45]] = 150, 44, 44, 200
    error = np.abs(track_rates(estimates[None]).bands[band].value[0] - truth)
    assert error[[15, 45]].max() < 4
    assert error[[30, 31]].max() < (40 if band == "live" else 4)
    assert np.delete(error, [30, 31]).mean() < 1


def test_a_series_of_many_misses_gets_better_by_half() -> None:
    truth = walk(200)
    estimates = truth + RNG.normal(0, 1, 200)
    wrong = RNG.random(200) < 0.4
    estimates[wrong] = RNG.uniform(40, 180, wrong.sum())
    raw = np.abs(estimates - truth).mean()
    errors = [np.abs(band.value[0] - truth).mean() for band in track_rates(estimates[None]).bands.values()]
    assert errors[0] < raw / 2
    assert errors[2] <= errors[1] <= errors[0]


def test_a_steady_series_may_jump() -> None:
    truth = np.r_[np.full(40, 96.0), np.full(20, 78.0)]
    tracked = track_rates(truth[None])
    assert np.abs(tracked.live.value[0] - truth).max() < 0.5
    assert np.abs(tracked.corrected.value[0] - truth).mean() < 1.5


def test_the_interval_widens_in_a_gap_and_the_value_stays() -> None:
    estimates = np.full(90, 80.0)
    estimates[20:70] = np.nan
    live = track_rates(estimates[None]).live
    width = (live.high - live.low)[0]
    assert (np.diff(width[20:70]) > -1e-3).all()
    assert width[69] > 2 * width[19]
    assert np.abs(live.value[0, 20:70] - 80).max() < 4


def test_missing_estimates_at_the_start_are_the_prior() -> None:
    tracked = track_rates([[np.nan, np.nan, 70.0]])
    start = trackers.entry("estimates")
    assert abs(tracked.live.value[0, 0] - start.start_mean) < start.start_deviation / 4  # the grid ends at 36 bpm
    assert tracked.smoothed.value[0, 0] == pytest.approx(70, abs=3)


def test_series_do_not_know_of_each_other() -> None:
    series = 70 + 20 * RNG.random((5, 40))
    together = track_rates(series)
    for place in range(5):
        alone = track_rates(series[place : place + 1])
        for name, band in alone.bands.items():
            assert band.value[0] == pytest.approx(together.bands[name].value[place], abs=1e-3)


def test_live_values_know_nothing_of_the_future_and_corrected_ones_two_seconds() -> None:
    series = walk(40)[None] + RNG.normal(0, 1, (1, 40))
    other = series.copy()
    other[0, 30:] = 160
    first, second = track_rates(series), track_rates(other)
    assert np.array_equal(first.live.value[0, :30], second.live.value[0, :30])
    assert np.array_equal(first.corrected.value[0, :28], second.corrected.value[0, :28])
    assert not np.array_equal(first.smoothed.value[0, :30], second.smoothed.value[0, :30])


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_two_right_methods_outvote_one_that_follows_motion(order: list[int]) -> None:
    truth = walk(60, 80)
    methods = np.array([truth + RNG.normal(0, 1, 60), truth + RNG.normal(0, 1, 60), RNG.uniform(40, 60, 60)])
    for band in track_rates(methods[order][None]).bands.values():
        assert np.abs(band.value[0] - truth).mean() < 1.5


def test_a_method_without_estimates_changes_little() -> None:
    truth = walk(40)
    pair = np.array([truth, truth])[None]
    triple = np.array([truth, truth, np.full(40, np.nan)])[None]
    assert track_rates(triple).live.value == pytest.approx(track_rates(pair).live.value, abs=0.5)


@pytest.mark.parametrize(
    ("estimates", "message"),
    [
        ([70.0, 71.0], "not series of estimates"),
        (np.zeros((1, 0)), "not series of estimates"),
        ([[70.0, 0.0]], "not a rate; got 0.0"),
        ([[70.0, np.inf]], "not a rate; got inf"),
    ],
)
def test_what_is_no_series_is_refused(estimates: object, message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        track_rates(estimates)  # type: ignore[arg-type]
