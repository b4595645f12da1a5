"""Grid Bayes filter of the heart rate: a hidden Markov model over rates and states of the sensor, without sampling.

State: the rate h on a grid, and how good the sensor is (`_SensorState`). Forward: what is known from the past; a look
ahead of some seconds; and forward-backward smoothing over the whole series. All arrays have the axes [steps, series,
states, rates], a step is a second, and all series are filtered at once. Source: Rabiner, Proc. IEEE 77(2), 1989
(forward-backward, from memory, unverified); likelihoods and parameters are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import BoolArray, Float32Array, FloatArray
from slipstick.vitals.tracker_settings import TrackerSettings

_FLOOR = 1e-30  # below it a float32 has lost its digits: a likelihood of nothing


@dataclass(frozen=True, eq=False)
class RateFilter:
    """Hidden Markov model of rate and sensor: its grid, and how both change in a second.

    Parameters
    ----------
    rates : grid [bpm].
    start : probability of [states, rates] before the first step.
    drift : probability of [rate, rate a second before].
    switching : probability of [state a second before, state].

    Examples
    --------
    >>> from slipstick.vitals.tracker_settings import trackers
    >>> model = RateFilter.of(trackers.entry("estimates"))
    >>> nothing = np.ones((3, 1, len(model.switching), len(model.rates)), np.float32)
    >>> bool(np.allclose(model.forward(nothing).sum((2, 3)), 1))
    True
    """

    rates: Float32Array
    start: Float32Array
    drift: Float32Array
    switching: Float32Array

    @classmethod
    def of(cls, settings: TrackerSettings) -> RateFilter:
        """Return the model of a tracker's settings."""
        count = round((settings.highest - settings.lowest) / settings.step) + 1
        rates = np.linspace(settings.lowest, settings.highest, count)
        around = np.exp(-0.5 * ((rates - settings.start_mean) / settings.start_deviation) ** 2)
        anew = around / around.sum()
        moves, distance = settings.drift, np.abs(rates[:, None] - rates)
        slow, fast = (_normalised(np.exp(-distance / pace)) for pace in (moves.pace, moves.fast_pace))
        change = (1 - moves.fast_share) * slow + moves.fast_share * fast
        drift = (1 - moves.jumps) * change + moves.jumps * anew[:, None]
        states = np.array([state.start for state in settings.sensor])
        start = (states / states.sum())[:, None] * anew
        switching = _switching(len(states), settings.worsening, settings.mending)
        return cls(*(array.astype(np.float32) for array in (rates, start, drift, switching)))

    def forward(self, likelihood: Float32Array) -> Float32Array:
        """Return the probability of [steps, series, states, rates] by the estimates up to each step.

        Parameters
        ----------
        likelihood : of each step's estimate, [steps, series, states, rates], up to a factor; 1 where there is none.
        """
        posterior = np.empty_like(likelihood)
        predicted = np.broadcast_to(self.start, likelihood.shape[1:])
        for step, present in enumerate(likelihood):
            joint = predicted * present
            posterior[step] = joint / np.maximum(joint.sum((1, 2), keepdims=True), _FLOOR)
            predicted = np.einsum("nsg,sr->nrg", posterior[step] @ self.drift.T, self.switching)
        return posterior

    def look_ahead(self, posterior: Float32Array, likelihood: Float32Array, seconds: int) -> Float32Array:
        """Return the probability of each step by the estimates up to `seconds` later, as far as the series goes."""
        later = np.ones_like(likelihood)
        for _ in range(seconds):
            before = self._before(likelihood * later)
            later = np.concatenate([before[1:], np.ones_like(later[:1])])
        return posterior * later

    def smooth(self, posterior: Float32Array, likelihood: Float32Array) -> Float32Array:
        """Return the probability of each step by all estimates of the series: the backward pass."""
        smoothed, later = np.empty_like(posterior), np.ones_like(likelihood[0])
        for step in range(len(posterior) - 1, -1, -1):
            smoothed[step] = posterior[step] * later
            later = self._before(likelihood[step] * later)
        return smoothed

    def _before(self, later: Float32Array) -> Float32Array:
        """Return the backward message [..., states, rates] a second earlier, scaled to a largest value of 1."""
        earlier = np.einsum("...rg,sr->...sg", later, self.switching) @ self.drift
        scaled: Float32Array = earlier / np.maximum(earlier.max((-2, -1), keepdims=True), _FLOOR)
        return scaled


def estimate_likelihood(estimates: ArrayLike, settings: TrackerSettings) -> Float32Array:
    """Return the likelihood of point estimates [series, steps] in bpm: [steps, series, states, rates].

    L(h) = (1 - o) [(1 - 2e) Lap((z - h)/b) + e Lap((z - 2h)/b) + e Lap((z - h/2)/b)] + o clutter(z), where a share r of
    the clutter repeats the estimate z' of a second before: clutter = (1 - r) c(z)/n + r Lap((z - z')/w). A wrong
    estimate that stands still (motion in overlapping windows) then tells little. Estimates that are NaN are missing: 1.

    Examples
    --------
    >>> from slipstick.vitals.tracker_settings import trackers
    >>> likelihood = estimate_likelihood([[70.0, np.nan]], trackers.entry("estimates"))
    >>> RateFilter.of(trackers.entry("estimates")).rates[likelihood[0, 0, 0].argmax()], likelihood[1].min()
    (np.float32(70.0), np.float32(1.0))
    """
    found_at = np.asarray(estimates, np.float32).T
    known = np.isfinite(found_at)
    values = np.where(known, found_at, 0).astype(np.float32)
    rates = RateFilter.of(settings).rates
    likelihood = np.ones((*values.shape, len(settings.sensor), len(rates)), np.float32)
    scattered, repeated = _clutter(values, settings), _repeats(values, known, settings.clutter.repeat_width)
    for place, state in enumerate(settings.sensor):
        share = np.where(np.isfinite(repeated), state.persistence, 0)
        clutter = (1 - share) * scattered + share * np.nan_to_num(repeated)
        right = _near(values, rates, state.width, settings.harmonics)
        likelihood[:, :, place] = (1 - state.misses) * right + state.misses * clutter[:, :, None]
    likelihood[~known] = 1
    return likelihood


def _near(values: Float32Array, rates: Float32Array, width: float, harmonics: float) -> Float32Array:
    """Return the density of right estimates [steps, series, rates], those at twice and half of the rate included."""
    shares = {1.0: 1 - 2 * harmonics, 2.0: harmonics, 0.5: harmonics}
    near: Float32Array = sum(
        share * _laplace(values[:, :, None] - np.float32(factor) * rates, width) for factor, share in shares.items()
    )  # type: ignore[assignment]
    return near


def _clutter(values: Float32Array, settings: TrackerSettings) -> FloatArray:
    """Return the density of misses that repeat nothing [1/bpm], over a grid of the settings' range."""
    relative = np.interp(values, settings.clutter.rates, settings.clutter.density)
    return np.asarray(relative / (settings.highest - settings.lowest + settings.step))


def _repeats(values: Float32Array, known: BoolArray, width: float) -> Float32Array:
    """Return the density of misses that repeat the last second's estimate [1/bpm]; NaN where that is missing."""
    repeated = np.full(values.shape, np.nan, np.float32)
    both = known[1:] & known[:-1]
    moved: Float32Array = values[1:] - values[:-1]
    repeated[1:][both] = _laplace(moved[both], width)
    return repeated


def _laplace(distance: Float32Array, width: float) -> Float32Array:
    """Return the density of a Laplace distribution of scale `width` at distances from its middle."""
    return np.asarray(np.exp(-np.abs(distance) / np.float32(width)) / np.float32(2 * width), np.float32)


def _normalised(columns: FloatArray) -> FloatArray:
    """Return a matrix whose columns sum up to 1."""
    return np.asarray(columns / columns.sum(0))


def _switching(states: int, worse: float, better: float) -> FloatArray:
    """Return the probability of [state, state a second later]: at most one step towards bad or good."""
    matrix = np.zeros((states, states))
    for state in range(states):
        if state + 1 < states:
            matrix[state, state + 1] = worse
        if state:
            matrix[state, state - 1] = better
        matrix[state, state] = 1 - matrix[state].sum()
    return matrix
