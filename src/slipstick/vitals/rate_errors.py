"""Errors of heart rates against a reference: mean absolute error, correlation, coverage, and the constant guess."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.vitals.rate_band import RateBand


@dataclass(frozen=True)
class RateErrors:
    """Errors of rates against a reference, over the seconds that have both.

    Parameters
    ----------
    seconds : number of seconds with both.
    error : mean absolute error [bpm].
    correlation : Pearson's; None where one of the two does not change.
    coverage : share of the seconds whose interval holds the reference; None without intervals.
    """

    seconds: int
    error: float
    correlation: float | None
    coverage: float | None = None

    @classmethod
    def of(cls, rates: FloatArray, reference: FloatArray, band: RateBand | None = None) -> RateErrors | None:
        """Return the errors of rates [steps] in bpm; None where no second has both. `band` has one series.

        Examples
        --------
        >>> errors = RateErrors.of(np.array([70.0, 72.0, np.nan]), np.array([71.0, 72.0, 73.0]))
        >>> errors.seconds, errors.error, errors.coverage
        (2, 0.5, None)
        """
        both = ~np.isnan(rates) & ~np.isnan(reference)
        if not both.any():
            return None
        ours, theirs = rates[both], reference[both]
        changes = len(ours) > 1 and np.ptp(ours) > 0 and np.ptp(theirs) > 0
        correlation = float(np.corrcoef(ours, theirs)[0, 1]) if changes else None
        coverage = None if band is None else float(band.covers(reference)[0][both].mean())
        return cls(int(both.sum()), float(np.abs(ours - theirs).mean()), correlation, coverage)


def constant_guess(reference: FloatArray) -> float:
    """Return the mean absolute error [bpm] of the best constant rate, the reference's median: what no measuring gives.

    Examples
    --------
    >>> constant_guess(np.array([60.0, 70.0, 110.0, np.nan]))
    16.666666666666668
    """
    return float(np.nanmean(np.abs(reference - np.nanmedian(reference))))
