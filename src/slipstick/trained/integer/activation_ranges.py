"""Ranges of activations: histograms of values on calibration images, and the range of least squared error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import FloatArray

RangeMethod = Literal["mse", "minmax"]
_BINS = 2048  # of a histogram, as PyTorch's HistogramObserver has: a bin is an eighth of an 8-bit step
_STEPS = 255  # between the least and the largest of 8-bit codes
_SHARES = np.linspace(0.2, 1.0, 81)  # of the observed range that are tried, in steps of one hundredth


@dataclass(frozen=True, eq=False)
class ValueHistogram:
    """Histogram of one value's numbers: counts of equal bins from the least to the largest number observed."""

    low: float
    high: float
    counts: NDArray[np.int64]

    @staticmethod
    def empty(low: float, high: float) -> ValueHistogram:
        """Return the histogram without numbers between observed limits."""
        return ValueHistogram(low, high, np.zeros(_BINS, np.int64))

    def added(self, values: FloatArray) -> ValueHistogram:
        """Return the histogram with more numbers, all within its limits."""
        counts = np.histogram(values, _BINS, (self.low, self.high))[0] if self.high > self.low else 0
        return ValueHistogram(self.low, self.high, self.counts + counts)

    @property
    def centres(self) -> FloatArray:
        """Middle of each bin."""
        width = (self.high - self.low) / _BINS
        return np.asarray(self.low + width * (np.arange(_BINS) + 0.5), np.float64)


def _activation_range(histogram: ValueHistogram, method: RangeMethod = "mse") -> tuple[float, float]:
    """Return the least and largest real number that 8-bit codes shall stand for; 0 lies between them.

    Parameters
    ----------
    method : ``minmax``: all numbers observed. ``mse``: the share of it whose codes have the least squared error, of
        rounding (a step squared over 12, inside) and of clipping (outside). Shares shorten both sides alike.

    Examples
    --------
    >>> numbers = np.append(np.linspace(0.0, 1.0, 10_000), 10.0)
    >>> histogram = ValueHistogram.empty(0.0, 10.0).added(numbers)
    >>> _activation_range(histogram, "minmax")
    (0.0, 10.0)
    >>> _activation_range(histogram)[1] < 10
    True
    """
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    if method == "minmax" or not histogram.counts.any():
        return low, high
    values, counts = histogram.centres, histogram.counts
    lows, highs = low * _SHARES[:, None], high * _SHARES[:, None]
    inside = (values >= lows) & (values <= highs)
    steps = (highs - lows) / _STEPS
    # a step squared over 12: the variance of what rounding leaves, spread evenly over one step
    errors = np.where(inside, steps**2 / 12, (np.clip(values, lows, highs) - values) ** 2)
    share = float(_SHARES[int(np.argmin(errors @ counts))])
    return low * share, high * share


def activation_ranges(
    histograms: Mapping[str, ValueHistogram], method: RangeMethod = "mse"
) -> dict[str, tuple[float, float]]:
    """Return the range of every value, by name."""
    return {name: _activation_range(histogram, method) for name, histogram in histograms.items()}


def _scale_and_zero_point(low: float, high: float) -> tuple[np.float32, int]:
    """Return the scale and the int8 zero point of a range that holds 0; 0 has a code of its own.

    Examples
    --------
    >>> _scale_and_zero_point(0.0, 255.0)
    (np.float32(1.0), -128)
    """
    if not high > low:
        low, high = 0.0, 1.0  # a value that is always 0: any scale does
    scale = np.float32((high - low) / _STEPS)
    # the codes of int8
    zero = int(np.clip(np.rint(-128 - low / float(scale)), -128, 127))
    return scale, zero
