"""Models of what hardware adds to a smooth sum: error as a function of the sum, or as one Gaussian a channel.

Training with an error model costs a fraction of training with the hardware's own arithmetic. Sources: the training code
of REX-SC (nanocad-lab/rex-sc, as read), which fits polynomials of degree 5 to the error's mean and deviation by the
sum (type 1) or takes one mean and deviation of a layer (type 2); equal shares of the samples in every bin, weights,
bounds and deviations that stay positive are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import FloatArray

DEGREE = 5  # of both polynomials: that of REX-SC
_BINS = 64  # of equal shares of the samples; REX-SC has 30 of a fixed width
_LEAST = 4  # samples of a bin from which a mean and a deviation are taken


@dataclass(frozen=True, eq=False)
class PolynomialError:
    """Error of type 1: at a smooth sum s, bias(t) + deviation(t) z with z normal and t = (s - middle) / half.

    Both polynomials, lowest power first, hold for -1 <= t <= 1; beyond, the error is that of the nearest end. The
    deviation is never below `floor`.

    Examples
    --------
    >>> sums = np.linspace(0, 1, 1000)
    >>> model = fitted_polynomials(sums, sums + 0.1 * sums**2)
    >>> bool(np.abs(model.mean(0.5) - 0.025) < 1e-3)
    True
    """

    bias: FloatArray
    deviation: FloatArray
    middle: float
    half: float
    floor: float

    def position(self, sums: ArrayLike) -> FloatArray:
        """Return t of smooth sums, held within -1 to 1."""
        return np.clip((np.asarray(sums, np.float64) - self.middle) / self.half, -1, 1)

    def mean(self, sums: ArrayLike) -> FloatArray:
        """Return the mean error at smooth sums, elementwise."""
        return np.asarray(np.polynomial.polynomial.polyval(self.position(sums), self.bias))

    def spread(self, sums: ArrayLike) -> FloatArray:
        """Return the standard deviation of the error at smooth sums, elementwise."""
        values = np.polynomial.polynomial.polyval(self.position(sums), self.deviation)
        return np.maximum(values, self.floor)

    def slope(self, sums: ArrayLike) -> FloatArray:
        """Return the derivative of the mean error by the sum, 0 beyond the ends."""
        position = (np.asarray(sums, np.float64) - self.middle) / self.half
        inner = np.polynomial.polynomial.polyval(position, np.polynomial.polynomial.polyder(self.bias)) / self.half
        return np.where(np.abs(position) <= 1, inner, 0.0)


@dataclass(frozen=True, eq=False)
class GaussianError:
    """Error of type 2: of each channel a mean and a standard deviation, whatever the sum."""

    means: FloatArray
    deviations: FloatArray

    def mean(self, sums: ArrayLike) -> FloatArray:
        """Return the mean error at smooth sums [samples, channels, ...], elementwise."""
        return _by_channel(self.means, np.asarray(sums))

    def spread(self, sums: ArrayLike) -> FloatArray:
        """Return the standard deviation of the error at smooth sums [samples, channels, ...], elementwise."""
        return _by_channel(self.deviations, np.asarray(sums))


ErrorModel = PolynomialError | GaussianError


def _by_channel(values: FloatArray, sums: FloatArray) -> FloatArray:
    return np.broadcast_to(values.reshape(-1, *[1] * (sums.ndim - 2)), sums.shape)


def fitted_polynomials(sums: ArrayLike, exact: ArrayLike, degree: int = DEGREE) -> PolynomialError:
    """Return the model of type 1 from smooth sums and what the hardware gave for them.

    Least squares over bins of equal shares of the samples, weighted by their numbers; with too few bins for the degree
    the bias is 0 and the deviation constant, as in the source.
    """
    smooth = np.asarray(sums, np.float64).ravel()
    error = np.asarray(exact, np.float64).ravel() - smooth
    centres, means, spreads, counts = binned_errors(smooth, error)
    low, high = (float(smooth.min()), float(smooth.max())) if smooth.size else (0.0, 1.0)
    middle, half = (low + high) / 2, max((high - low) / 2, float(np.finfo(np.float32).tiny))
    if len(centres) <= degree:
        spread = float(error.std()) if error.size else 0.0
        return PolynomialError(np.zeros(1), np.array([spread]), middle, half, spread)
    position, weights = (centres - middle) / half, np.sqrt(counts)
    bias, deviation = (
        np.asarray(np.polynomial.polynomial.polyfit(position, values, degree, w=weights), np.float64)
        for values in (means, spreads)
    )
    return PolynomialError(bias, deviation, middle, half, float(spreads.min()))


def fitted_gaussians(sums: ArrayLike, exact: ArrayLike) -> GaussianError:
    """Return the model of type 2 of sums [samples, channels, ...]: mean and deviation of each channel's error."""
    error = np.asarray(exact, np.float64) - np.asarray(sums, np.float64)
    axes = tuple(axis for axis in range(error.ndim) if axis != 1)
    return GaussianError(error.mean(axis=axes), error.std(axis=axes))


def binned_errors(sums: FloatArray, error: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return (centre, mean error, deviation, count) of bins that share the samples equally."""
    edges = np.unique(np.quantile(sums, np.linspace(0, 1, _BINS + 1))) if sums.size else np.zeros(0)
    if len(edges) < 2:
        return np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0)
    places = np.clip(np.searchsorted(edges, sums, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(places, minlength=len(edges) - 1).astype(np.float64)
    full_bins = counts >= _LEAST
    totals = [np.bincount(places, values, len(edges) - 1)[full_bins] for values in (sums, error, error**2)]
    centres, means, squares = (total / counts[full_bins] for total in totals)
    return centres, means, np.sqrt(np.maximum(squares - means**2, 0.0)), counts[full_bins]


def explained(sums: ArrayLike, exact: ArrayLike, model: ErrorModel) -> dict[str, float]:
    """Return the quality of a model on errors that it may not have seen.

    ``mean`` and ``spread``: R^2 of the predicted over the measured mean and deviation of the errors in bins of the sum;
    ``share``: part of the errors' variance that the predicted mean explains (what is left is injected as noise).
    """
    smooth = np.asarray(sums, np.float64)
    error, predicted = np.asarray(exact, np.float64) - smooth, model.mean(smooth)
    _, means, spreads, counts = binned_errors(smooth.ravel(), error.ravel())
    _, expected, within, _ = binned_errors(smooth.ravel(), predicted.ravel())
    squares = binned_errors(smooth.ravel(), np.square(model.spread(smooth)).ravel())[1]
    left = float(np.square(error - predicted).sum())
    total = float(np.square(error - error.mean()).sum()) if error.size else 0.0
    return {
        "mean": _determination(means, expected, counts),
        "spread": _determination(spreads, np.sqrt(squares + within**2), counts),
        "share": 1 - left / total if total else 1.0,
    }


def _determination(measured: FloatArray, predicted: FloatArray, weights: FloatArray) -> float:
    """Return R^2 of predictions, weighted; 1 where nothing varies and all is predicted."""
    if not weights.size:
        return 1.0
    centre = np.average(measured, weights=weights)
    total = float(np.average(np.square(measured - centre), weights=weights))
    left = float(np.average(np.square(measured - predicted), weights=weights))
    return 1 - left / total if total else float(left == 0)


def drifted(model: ErrorModel, sums: ArrayLike, exact: ArrayLike, tolerance: float = 0.25) -> bool:
    """Return whether the errors of a batch are no longer those of the model: mean or deviation has moved.

    Parameters
    ----------
    tolerance : share of the predicted deviation by which the mean may be off, and by which the deviation may be: a
        quarter is assumed, no measurement stands behind it.
    """
    smooth = np.asarray(sums, np.float64)
    rest = np.asarray(exact, np.float64) - smooth - model.mean(smooth)
    expected = float(np.sqrt(np.square(model.spread(smooth)).mean()))
    moved = max(abs(float(rest.mean())), abs(float(rest.std()) - expected))
    return bool(moved > tolerance * expected)
