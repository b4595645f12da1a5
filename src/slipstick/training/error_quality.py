"""Quality of error models: predicted against measured mean and deviation by bins of the sum, and drift.

R^2 is that of means and deviations in bins of equal shares of the samples (`error_models`), weighted by samples. Bins'
own sampling error bounds it: errors of one image are alike, so that a bin of thousands of sums of few images is less
certain than its numbers say. The bound is therefore measured on two halves of the images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.training.error_models import Bins, ErrorSamples, LayerError


@dataclass(frozen=True)
class ErrorQuality:
    """Quality of a layer's error model, on images that it was not fitted to.

    Attributes
    ----------
    mean, spread : R^2 of predicted over measured mean and deviation of the error, by bins of the sum.
    mean_ceiling, spread_ceiling : R^2 that a perfect model would have, as bins have a sampling error of their own.
    share : part of the errors' variance that the mean predicts by the sum, the channel or the operands.
    fixed : part of the variance about that mean which is the same for every image at a place; NaN if not modelled.
    """

    mean: float
    mean_ceiling: float
    spread: float
    spread_ceiling: float
    share: float
    fixed: float


def explained(samples: ErrorSamples, model: LayerError) -> ErrorQuality:
    """Return the quality of a model on errors that it may not have seen."""
    mean, spread = model.predicted(samples)
    around = samples.errors - model.mean(samples)
    fixed = float("nan") if model.fixed is None else _share(around, around - spread * model.fixed[samples.places])
    total = samples.errors - (samples.errors.mean() if samples.errors.size else 0.0)
    share = _share(total, around)
    bins = Bins.of(samples.sums)
    half = len(samples.sums) // 2
    parts = [bins.moments(samples.errors, part) for part in (slice(0, half), slice(half, None))]
    if not bins.full.any():
        return ErrorQuality(1.0, 1.0, 1.0, 1.0, share, fixed)
    measured, within = bins.moments(samples.errors)
    expected, around = bins.moments(mean)
    inner = np.sqrt(np.square(around) + bins.moments(np.square(spread))[0])
    full, weights = bins.full, bins.counts[bins.full]
    return ErrorQuality(
        _determination(measured[full], expected[full], weights),
        _ceiling(measured[full], (parts[0][0] - parts[1][0])[full], weights),
        _determination(within[full], inner[full], weights),
        _ceiling(within[full], (parts[0][1] - parts[1][1])[full], weights),
        share,
        fixed,
    )


def _share(before: FloatArray, after: FloatArray) -> float:
    """Return the part of the squares that is gone; 1 of none."""
    total = float(np.square(before).sum())
    return 1 - float(np.square(after).sum()) / total if total else 1.0


def _variance(values: FloatArray, weights: FloatArray) -> float:
    return float(np.average(np.square(values - np.average(values, weights=weights)), weights=weights))


def _determination(measured: FloatArray, predicted: FloatArray, weights: FloatArray) -> float:
    """Return R^2 of predictions, weighted; 1 where nothing varies and all is predicted."""
    total, left = _variance(measured, weights), float(np.average(np.square(measured - predicted), weights=weights))
    return 1 - left / total if total else float(left == 0)


def _ceiling(measured: FloatArray, difference: FloatArray, weights: FloatArray) -> float:
    """Return R^2 of the truth: the mean of two halves has a quarter of their difference's variance as its error."""
    total = _variance(measured, weights)
    return 1 - float(np.average(np.square(difference), weights=weights)) / 4 / total if total else 1.0


def drifted(model: LayerError, samples: ErrorSamples, tolerance: float = 0.25) -> bool:
    """Return whether the errors of a batch are no longer those of the model: mean or deviation has moved.

    Parameters
    ----------
    tolerance : share of the predicted deviation by which the mean may be off, and by which the deviation may be: a
        quarter is assumed, no measurement stands behind it.
    """
    mean, spread = model.predicted(samples)
    rest, expected = samples.errors - mean, float(np.sqrt(np.square(spread).mean()))
    moved = max(abs(float(rest.mean())), abs(float(rest.std()) - expected))
    return bool(moved > tolerance * expected)
