"""Decision of a tracker: from the posterior of the heart rate to a value and an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import BoolArray, Float32Array, FloatArray
from slipstick.vitals.tracker_settings import TrackerSettings


@dataclass(frozen=True, eq=False)
class RateBand:
    """Heart rates with an interval: `value`, `low` and `high` [bpm], each [series, steps].

    Examples
    --------
    >>> band = RateBand(np.array([[70.0]]), np.array([[68.0]]), np.array([[72.0]]))
    >>> band.covers(np.array([[73.0]])).tolist()
    [[False]]
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, posterior: Float32Array, rates: Float32Array, settings: TrackerSettings) -> RateBand:
        """Return value and interval of posteriors [steps, series, states, rates] over the grid `rates` [bpm].

        The value minimises the expected absolute error: the median, refined below the grid's step by the mean around
        it. The mode jumps between peaks and the mean lies between them. The interval is that of the posterior's
        quantiles, widened by the settings' `interval_floor`, as the reference has a window and steps of its own.
        """
        marginal = posterior.sum(2, dtype=np.float64)
        cumulative = np.cumsum(marginal, -1)
        cumulative /= np.maximum(cumulative[..., -1:], np.finfo(np.float32).tiny)
        middle = rates[(cumulative < 0.5).sum(-1).clip(0, len(rates) - 1)]
        around = marginal * (np.abs(rates - middle[..., None]) <= settings.refinement)
        value = (around * rates).sum(-1) / np.maximum(around.sum(-1), np.finfo(np.float32).tiny)
        tail = settings.interval_tail
        low, high = (_quantile(cumulative, rates, level) for level in (tail, 1 - tail))
        low, high = np.minimum(low, value) - settings.interval_floor, np.maximum(high, value) + settings.interval_floor
        return cls(*(np.asarray(array.T) for array in (value, low, high)))

    def covers(self, reference: FloatArray) -> BoolArray:
        """Return whether the interval holds the reference [series, steps] in bpm."""
        return np.asarray((self.low <= reference) & (reference <= self.high))


def _quantile(cumulative: FloatArray, rates: Float32Array, level: float) -> FloatArray:
    """Return the quantile of distributions [..., rates] on a grid, linear between its points [bpm]."""
    above = (cumulative < level).sum(-1).clip(0, len(rates) - 1)
    below = (above - 1).clip(0)
    upper = np.take_along_axis(cumulative, above[..., None], -1)[..., 0]
    lower = np.where(above > 0, np.take_along_axis(cumulative, below[..., None], -1)[..., 0], 0.0)
    part = np.clip((level - lower) / np.maximum(upper - lower, np.finfo(np.float32).tiny), 0, 1)
    step = float(rates[1] - rates[0])
    return np.asarray(rates[above] + (part - 1) * step + step / 2)
