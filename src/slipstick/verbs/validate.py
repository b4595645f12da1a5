"""`validate`: published or measured figures compared with ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipstick.engines.validation_suites import validation_report
from slipstick.report.report import Report

if TYPE_CHECKING:
    from slipstick.core.progress import Progress


def validate(*suites: str | Path, data: str | Path | None = None, progress: Progress | None = None) -> Report:
    """Return published beside ours for every row of suites or CSV files: errors as metrics, rows as tables.

    Parameters
    ----------
    suites
        Names of suites (``slipstick list suites``), or paths of CSV files with a suite's columns. None: every reference
        file in the folder.
    data
        The folder that holds the reference files. Default: the variable SLIPSTICK_DATA, else the rows that ship with
        slipstick.
    progress
        Called with the files done, all files, and the name of the one that is replayed.

    Returns
    -------
    Report
        `detail` has each Validation by the name of its file: rows, summaries, and what was skipped, which is a
        row whose question cannot be answered as itself, or a suite whose extra is not installed.

    Errors
    ------
    SlipstickError for an unknown suite, a header that fits no suite, cells that are no numbers, or missing data.

    Examples
    --------
    >>> validate("swis", data="nowhere")
    Traceback (most recent call last):
    slipstick.core.errors.SlipstickError: nowhere: no CSV file here; allowed: reference/*.csv, see slipstick list suites
    """
    return validation_report(suites, data, progress)
