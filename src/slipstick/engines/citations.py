"""Citations: the papers on which Reports are based, as one Report."""

from __future__ import annotations

from collections.abc import Sequence

from slipstick.report.papers import line, link, papers
from slipstick.report.report import Report, Table


def citation_report(reports: Sequence[Report]) -> Report:
    """Return the Report of the papers that reports cite, without duplicates; without reports, of all known."""
    keys = [key for report in reports for key in report.papers] if reports else papers.names()
    cited = tuple(dict.fromkeys(keys))
    table = Table.of({"key": "", "paper": "", "link": ""}, [(key, line(key), link(key)) for key in cited])
    titles = [report.title for report in reports]
    return Report.of({"reports": titles}, {}, {"papers": table}, title=f"{len(cited)} papers", papers=cited)
