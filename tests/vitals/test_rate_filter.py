"""The filter of heart rates against sums over all paths, and what every tracker must do."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from slipstick.core.spec import override
from slipstick.vitals.rate_band import RateBand
from slipstick.vitals.rate_filter import RateFilter, estimate_likelihood
from slipstick.vitals.tracker_settings import TrackerSettings, trackers

RNG = np.random.default_rng(5)
STEPS, STATES, RATES = 4, 2, 3


def random_model() -> tuple[RateFilter, np.ndarray]:
    """A small model and likelihoods of one series, all of them random."""
    columns = RNG.random((RATES, RATES))
    rows = RNG.random((STATES, STATES))
    start = RNG.random((STATES, RATES))
    model = RateFilter(
        np.array([60, 70, 80], np.float32),
        (start / start.sum()).astype(np.float32),
        (columns / columns.sum(0)).astype(np.float32),
        (rows / rows.sum(1, keepdims=True)).astype(np.float32),
    )
    return model, RNG.random((STEPS, 1, STATES, RATES)).astype(np.float32)


def sums_over_paths(model: RateFilter, likelihood: np.ndarray, step: int, until: int) -> np.ndarray:
    """Posterior of one step by the estimates up to another: the joint probability of every path, added up."""
    posterior = np.zeros((STATES, RATES))
    places = list(product(range(STATES), range(RATES)))
    for path in product(places, repeat=until + 1):
        state, rate = path[0]
        weight = float(model.start[state, rate] * likelihood[0, 0, state, rate])
        for at in range(1, until + 1):
            (last_state, last_rate), (state, rate) = path[at - 1], path[at]
            weight *= float(model.switching[last_state, state] * model.drift[rate, last_rate])
            weight *= float(likelihood[at, 0, state, rate])
        posterior[path[step]] += weight
    return posterior / posterior.sum()


def test_forward_look_ahead_and_smoothing_are_sums_over_all_paths() -> None:
    model, likelihood = random_model()
    live = model.forward(likelihood)
    corrected, smoothed = model.look_ahead(live, likelihood, 2), model.smooth(live, likelihood)
    for step in range(STEPS):
        last = STEPS - 1
        for posterior, until in ((live, step), (corrected, min(step + 2, last)), (smoothed, last)):
            ours = posterior[step, 0] / posterior[step, 0].sum()
            assert ours == pytest.approx(sums_over_paths(model, likelihood, step, until), rel=1e-4), (step, until)


@pytest.mark.parametrize("name", trackers.names())
def test_drift_and_switching_are_probabilities(name: str) -> None:
    model = RateFilter.of(trackers.entry(name))
    assert model.drift.sum(0) == pytest.approx(np.ones(len(model.rates)), rel=1e-4)
    assert model.switching.sum(1) == pytest.approx(np.ones(len(model.switching)))
    assert model.start.sum() == pytest.approx(1, rel=1e-5)
    assert min(model.drift.min(), model.start.min()) > 0, "no rate is ever ruled out"


@pytest.mark.parametrize("state", range(3))
def test_the_likelihood_is_a_density_of_estimates(state: int) -> None:
    """Without clutter's slope: with a uniform clutter over the grid's range the density of z sums up to 1."""
    flat = override(settings(), {"clutter.density": [1.0] * len(settings().clutter.rates), "harmonics": 0.0})
    fine = np.arange(36, 221, 0.25)
    likelihood = estimate_likelihood(fine[:, None], flat)[0, :, state]
    assert likelihood[:, 60].sum() * 0.25 == pytest.approx(1, abs=0.01)


def test_a_repeated_miss_tells_less_than_a_new_one() -> None:
    """Against the rate 70, an estimate of 120 that stands still is explained by persistence; one that is new is not."""
    tracker, rates = settings(), RateFilter.of(settings()).rates
    bad = len(tracker.sensor) - 1
    ratios = []
    for before in (120.0, 90.0):
        likelihood = estimate_likelihood([[before, 120.0]], tracker)[1, 0, bad]
        ratios.append(likelihood[rates == 120] / likelihood[rates == 70])
    assert ratios[0] < ratios[1] / 2


def test_quantiles_of_a_flat_posterior_are_those_of_the_grid() -> None:
    rates = np.arange(50, 150, dtype=np.float32)
    flat = override(settings(), {"interval_tail": 0.1, "interval_floor": 0.0})
    band = RateBand.of(np.ones((1, 1, 1, 100), np.float32), rates, flat)
    assert band.low[0, 0] == pytest.approx(59.5)
    assert band.high[0, 0] == pytest.approx(139.5)
    assert band.value[0, 0] == pytest.approx(99, abs=1)


def settings() -> TrackerSettings:
    return trackers.entry("estimates")
