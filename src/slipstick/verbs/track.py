"""`track`: a tracker of the heart rate through a series of estimates that any other software made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipstick.report.report import Report
    from slipstick.vitals.rate_series import RateSeries


def track(series: str | Path | RateSeries, *, method: str | None = None) -> Report:
    """Track a heart rate through estimates that contain misses: a value a second with an interval. No medical device.

    Parameters
    ----------
    series
        A CSV file with the columns ``time`` in seconds and ``estimate`` in beats per minute, and optionally
        ``reference``; of several methods ``estimate_NAME`` each, or a column ``method``; or what
        `slipstick.vitals.read_rates` gives. Empty cells and missing seconds are gaps.
    method
        One of the file's methods. Default: all of them, fused.

    Returns
    -------
    Report
        Rates with their interval, and errors, coverage and the constant guess where there is a reference. `detail` has
        the series and the bands `live` (from the past alone), `corrected` (some seconds later) and `smoothed` (from the
        whole series); ``report.detail.csv()`` has a row a second.

    Errors
    ------
    SlipstickError for a file that is no such CSV, all wrong cells at once.

    Examples
    --------
    >>> import numpy as np
    >>> from slipstick.vitals.rate_series import RateSeries
    >>> rates = np.array([[71.0, 72.0, 72.0, 144.0, 73.0, 73.0]])
    >>> report = track(RateSeries(np.arange(6.0), rates, ("POS",)))
    >>> round(report.value("rate.highest"))
    73
    """
    from slipstick.vitals.track_report import track_file

    return track_file(series, method)
