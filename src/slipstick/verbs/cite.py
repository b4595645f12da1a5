"""`cite`: the papers on which Reports are based."""

from __future__ import annotations

from pathlib import Path

from slipstick.report.report import Report


def cite(*reports: Report | str | Path) -> Report:
    """Return the papers that reports stand on, or all that slipstick knows; `cite()` of the result is their BibTeX.

    Parameters
    ----------
    reports
        Reports, or files that ``estimate --json`` wrote. None: every paper.

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
    from slipstick.core.files import read_text
    from slipstick.engines.citations import citation_report

    return citation_report(
        [r if isinstance(r, Report) else Report.from_json(read_text(r), where=str(r)) for r in reports]
    )
