"""What a verb that finds more than a Report gives back: the Report, its pictures, and ways to show both.

On its way out: Report carries `detail` and `pictures` itself, and every verb is to return one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from slipstick.report.report import Report


class Answer:
    """Holds a `report` beside what else was found; `pictures` are shown with it."""

    report: Report

    def pictures(self) -> dict[str, str]:
        """Return SVGs by their headings."""
        return {}

    def json(self) -> str:
        """Return the report as JSON."""
        return self.report.json()

    def html(self) -> str:
        """Return the report with its pictures as one self-contained page."""
        return replace(self.report, drawings=self.pictures).html()

    def __rich__(self) -> Any:
        """Return what a rich console prints."""
        return self.report.__rich__()
