"""Tracker of the heart rate: from series of estimates, of one method or of several, to rates with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import Float32Array, FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.vitals.rate_band import RateBand
from slipstick.vitals.rate_filter import RateFilter, estimate_likelihood
from slipstick.vitals.tracker_settings import TrackerSettings, trackers

_CELLS = 2**24  # of likelihoods that are in memory at once: 64 MB in float32


@dataclass(frozen=True, eq=False)
class TrackedRates:
    """Heart rates of series, a value a second, as they can be known at three times.

    Parameters
    ----------
    live : from the estimates up to each second.
    corrected : from the estimates up to the settings' `look_ahead` seconds later.
    smoothed : from the whole series.
    """

    live: RateBand
    corrected: RateBand
    smoothed: RateBand

    @property
    def bands(self) -> dict[str, RateBand]:
        """Bands by their names: live, corrected, smoothed."""
        return {"live": self.live, "corrected": self.corrected, "smoothed": self.smoothed}


def track_rates(estimates: ArrayLike, settings: TrackerSettings | None = None) -> TrackedRates:
    """Track heart rates through series of estimates, one a second.

    Parameters
    ----------
    estimates : [series, steps], or [series, methods, steps] of several methods that saw the same pulse, in bpm; NaN
        where there is none.
    settings : ``trackers.entry("estimates")`` unless given, for several methods ``trackers.entry("fusion")``.

    Errors
    ------
    SlipstickError for another number of axes, for no steps, and for rates that are not above 0.

    Examples
    --------
    >>> tracked = track_rates([[72, 72, 73, 45, 73, 74, 74, 74]])
    >>> bool((abs(tracked.corrected.value - 73) < 2).all())
    True
    """
    series = np.asarray(estimates, np.float64)
    if series.ndim == 2:
        series = series[:, None]
    if series.ndim != 3 or not series.size:
        allowed = "[series, steps] or [series, methods, steps], none of them 0"
        raise SlipstickError("not series of estimates", path="estimates", value=series.shape, allowed=allowed)
    if (series <= 0).any() or np.isinf(series).any():
        wrong = series[(series <= 0) | np.isinf(series)][0]
        raise SlipstickError("not a rate", path="estimates", value=float(wrong), allowed="bpm above 0, or NaN")
    tracker = settings or trackers.entry("estimates" if series.shape[1] == 1 else "fusion")
    model = RateFilter.of(tracker)
    at_once = max(1, _CELLS // (series.shape[2] * len(tracker.sensor) * len(model.rates)))
    parts = [_tracked(series[at : at + at_once], model, tracker) for at in range(0, len(series), at_once)]
    return TrackedRates(*(_joined([part[place] for part in parts]) for place in range(3)))


def _tracked(series: FloatArray, model: RateFilter, settings: TrackerSettings) -> tuple[RateBand, RateBand, RateBand]:
    """Return the live, the corrected and the smoothed band of series [series, methods, steps]."""
    likelihood = _fused_likelihood(series, settings)
    live = model.forward(likelihood)
    corrected = model.look_ahead(live, likelihood, settings.look_ahead)
    posteriors = (live, corrected, model.smooth(live, likelihood))
    first, second, third = (RateBand.of(posterior, model.rates, settings) for posterior in posteriors)
    return _trusted(first, series, settings), second, third


def _fused_likelihood(series: FloatArray, settings: TrackerSettings) -> Float32Array:
    """Return the likelihood of the estimates of all methods [series, methods, steps]: [steps, series, states, rates].

    exp(p sum of w log likelihood), p the settings' `fusion`, below 1 as methods err together, w a power of the share
    of a method's steps that are steady. The states of the sensor are common to all methods.
    """
    if series.shape[1] == 1:
        return estimate_likelihood(series[:, 0], settings)
    shares = [_steadiness(series[:, method], settings) for method in range(series.shape[1])]
    weights = [settings.fusion * share**settings.trust.weight for share in shares]
    logs: Float32Array = sum(
        weight.T[:, :, None, None].astype(np.float32) * np.log(estimate_likelihood(series[:, method], settings))
        for method, weight in enumerate(weights)
    )  # type: ignore[assignment]
    scaled: Float32Array = np.exp(logs - logs.max((2, 3), keepdims=True))
    return scaled


def _trusted(band: RateBand, series: FloatArray, settings: TrackerSettings) -> RateBand:
    """Return the live band with the estimate itself as value where methods [series, methods, steps] are steady.

    The filter takes some seconds until it believes a jump. A method whose steps have been small is believed at once:
    the median of such methods is taken if two or more (one, where there is one) and half of them agree, and if it is
    not too far from the filter's value. The interval then holds both.
    """
    trust, methods = settings.trust, series.shape[1]
    steadiness = np.stack([_steadiness(series[:, method], settings) for method in range(methods)], 1)
    steady = (steadiness >= trust.threshold) & ~np.isnan(series)
    votes = steady.sum(1)
    filtered = np.where(votes == 0, band.value, np.nan)[:, None]
    median = np.nanmedian(np.concatenate([np.where(steady, series, np.nan), filtered], 1), 1)
    agreeing = (steady & (np.abs(series - median[:, None]) <= trust.agreement)).sum(1)
    enough = np.maximum(min(2, methods), votes / 2)
    taken = (agreeing >= enough) & (np.abs(median - band.value) <= trust.distance)
    value, floor = np.where(taken, median, band.value), settings.interval_floor
    low, high = np.minimum(band.low, value - floor), np.maximum(band.high, value + floor)
    return RateBand(value, np.where(taken, low, band.low), np.where(taken, high, band.high))


def _steadiness(estimates: FloatArray, settings: TrackerSettings) -> FloatArray:
    """Return the running share of steady steps of series [series, steps]; seconds without an estimate change nothing.

    Examples
    --------
    >>> _steadiness(np.array([[70.0, 71.0, 120.0]]), trackers.entry("estimates")).round(3).tolist()
    [[0.908, 0.915, 0.842]]
    """
    trust = settings.trust
    share, last = np.full(len(estimates), trust.start), np.full(len(estimates), np.nan)
    shares = np.empty(estimates.shape)
    for step, present in enumerate(estimates.T):
        moved = np.abs(present - np.where(np.isnan(last), present, last))
        share = np.where(np.isnan(present), share, trust.memory * share + (1 - trust.memory) * (moved < trust.steady))
        shares[:, step], last = share, np.where(np.isnan(present), last, present)
    return shares


def _joined(bands: list[RateBand]) -> RateBand:
    """Return bands of several groups of series as one."""
    return RateBand(*(np.concatenate([getattr(band, name) for band in bands]) for name in ("value", "low", "high")))
