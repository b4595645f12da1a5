"""Comparison of several reports side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.report.as_text import _question_rows, _render_comparison, to_text
from slipstick.report.metric import Metric, ratio
from slipstick.report.report import Report


@dataclass(frozen=True)
class Comparison:
    """Two or more reports side by side: a row per metric, a column per report, ratios to the first report."""

    reports: tuple[Report, ...]

    def __post_init__(self) -> None:
        if len(self.reports) < 2:
            raise SlipstickError("a comparison needs at least two reports", value=len(self.reports))

    @property
    def rows(self) -> dict[str, tuple[Metric | None, ...]]:
        """Every dotted path of any report, with the metric of each report there, or None."""
        flats = [report.flat() for report in self.reports]
        return {path: tuple(flat.get(path) for flat in flats) for path in _merged(flats)}

    def json(self, indent: int | None = 2) -> str:
        """Return the titles, per row values, units, origins, bands and ratios to the first, and questions, as JSON."""
        rows = [
            {
                "path": path,
                "unit": [m.unit if m else None for m in row],
                "values": [m.value if m else None for m in row],
                "how": [m.how if m else None for m in row],
                "source": [m.source if m else None for m in row],
                "low": [m.low if m else None for m in row],
                "high": [m.high if m else None for m in row],
                "ratios": [ratio(row[0], m) for m in row],
            }
            for path, row in self.rows.items()
        ]
        data = {
            "reports": [report.title for report in self.reports],
            "calibration": [report.calibration for report in self.reports],
            "rows": rows,
            "question": [
                {"field": name, "values": list(texts)} for name, texts in _question_rows(self.reports).items()
            ],
        }
        return json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False)

    def table(self, width: int | None = None) -> str:
        """Return the comparison as plain text."""
        return to_text(_render_comparison(self.reports, self.rows), width)

    def __str__(self) -> str:
        """Return the comparison as plain text, as ``print`` shows it."""
        return self.table()

    def __rich__(self) -> Any:
        """Return the renderable that a rich console prints."""
        return _render_comparison(self.reports, self.rows)

    def html(self) -> str:
        """Return the comparison as one self-contained HTML file."""
        from slipstick.report.as_html import _comparison_page

        return _comparison_page(self.reports, self.rows)

    def _repr_html_(self) -> str:
        """Return the HTML that a notebook shows: the page in a frame, which confines its style."""
        from slipstick.report.as_html import framed

        return framed(self.html())


def _merged(flats: Sequence[Mapping[str, Metric]]) -> list[str]:
    """Return the paths of all reports: those that the first lacks stand behind what they follow in their own.

    Examples
    --------
    >>> _merged([{"time.step": 1, "cost": 2}, {"time.step": 1, "time.parts.bubble": 3, "cost": 2}])
    ['time.step', 'time.parts.bubble', 'cost']
    """
    paths: list[str] = []
    for flat in flats:
        place = 0
        for path in flat:
            if path not in paths:
                paths.insert(place, path)
            place = paths.index(path) + 1
    return paths
