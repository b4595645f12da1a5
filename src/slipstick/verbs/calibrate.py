"""`calibrate`: the calibration factors of a system, fitted to measured rows."""

from __future__ import annotations

from pathlib import Path

from slipstick.engines.validation_suites import calibration_report
from slipstick.report.report import Report


def calibrate(file: str | Path) -> Report:
    """Return the three calibration factors of a system (matrix units, memory, network), fitted to measured rows.

    Parameters
    ----------
    file
        A CSV file with the columns of a suite whose rows name their device in a column ``gpu``; all of one device.

    Returns
    -------
    Report
        The factors, and the errors before and after. Of its `detail`, `calibration` goes to
        ``estimate(..., calibration=...)`` and `yaml()` is its file.

    Errors
    ------
    SlipstickError for rows of no device, or of several, and for a file that is no suite's.
    """
    return calibration_report(file)
