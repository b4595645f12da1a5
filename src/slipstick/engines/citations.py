"""The papers of reports, as keys and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slipstick.core.files import read_text
from slipstick.report.papers import line, link, papers
from slipstick.report.report import Report, Table


def papers_of(reports: Sequence[Report | str | Path]) -> tuple[str, ...]:
    """Return the keys of the papers that reports (or their JSON files) stand on, each once; of all papers for none.

    Errors
    ------
    SlipstickError for a file that holds no report.
    """
    opened = [item if isinstance(item, Report) else Report.from_json(read_text(item)) for item in reports]
    return tuple(dict.fromkeys(key for report in opened for key in report.papers) if reports else papers.names())


def papers_table(keys: Sequence[str]) -> Table:
    """Return a row a paper: key, authors with title and year, and the address."""
    return Table.of({"paper": "", "authors, title and year": "", "address": ""}, [(k, line(k), link(k)) for k in keys])
