"""`cite`: the papers that answers stand on."""

from __future__ import annotations

from pathlib import Path

from slipstick.report.report import Report


def cite(*reports: Report | str | Path) -> Report:
    """Return the papers that reports stand on, or all that slipstick knows; the report's `cite` is their BibTeX.

    Parameters
    ----------
    reports
        Reports, or files that ``estimate --json`` wrote.

    Returns
    -------
    Report
        Its table ``papers`` has a row a paper: key, authors with title and year, and the address.

    Errors
    ------
    SlipstickError for a file that holds no report.

    Examples
    --------
    >>> "@article{williams2009," in cite().cite()
    True
    """
    from slipstick.engines.citations import papers_of, papers_table

    keys = papers_of(reports)
    return Report("papers", {}, {"papers": papers_table(keys)}, inputs={"reports": len(reports)}, papers=keys)
