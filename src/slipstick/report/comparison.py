"""Reports beside each other: the difference of two, or many as columns."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.report.report import Metric, Report


@dataclass(frozen=True, slots=True)
class DiffRow:
    """One metric of two reports: `difference` is after - before (SI); `ratio` after / before, None when before is 0."""

    path: str
    unit: str
    before: Metric
    after: Metric

    @property
    def difference(self) -> float:
        """After minus before, in the metric's unit; kept finite."""
        return max(-sys.float_info.max, min(sys.float_info.max, self.after.value - self.before.value))

    @property
    def ratio(self) -> float | None:
        """After over before."""
        return ratio(self.before, self.after)


@dataclass(frozen=True)
class ReportDiff:
    """What changed from one report to another; metrics that only one of them has are named, not guessed."""

    names: tuple[str, str]
    rows: tuple[DiffRow, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]

    def __getitem__(self, path: str) -> DiffRow:
        rows = {row.path: row for row in self.rows}
        if path not in rows:
            raise SlipstickError("no such metric in both reports", path="diff", value=path, allowed=rows)
        return rows[path]

    def json(self, indent: int | None = 2) -> str:
        """Return names, rows (path, unit, before, after, difference, ratio) and unmatched paths as JSON."""
        rows: list[dict[str, Any]] = [
            {
                "path": row.path,
                "unit": row.unit,
                "before": row.before.value,
                "after": row.after.value,
                "difference": row.difference,
                "ratio": row.ratio,
                "how": [row.before.how, row.after.how],
            }
            for row in self.rows
        ]
        data = {"before": self.names[0], "after": self.names[1], "rows": rows}
        data |= {"only_before": list(self.only_before), "only_after": list(self.only_after)}
        return json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False)

    def table(self, width: int | None = None) -> str:
        """Return the difference as plain text."""
        from slipstick.report.as_text import render_diff, to_text

        return to_text(render_diff(self), width)

    def __rich__(self) -> Any:
        """Return what a rich console prints."""
        from slipstick.report.as_text import render_diff

        return render_diff(self)


def diff(before: Report, after: Report) -> ReportDiff:
    """Return what changed from `before` to `after`, in the order of `before`.

    Errors
    ------
    SlipstickError if a metric has another unit in each report: they cannot be subtracted.

    Examples
    --------
    >>> a = Report("a", {"time": {"step": Metric(2.0, "s", "estimated")}})
    >>> b = Report("b", {"time": {"step": Metric(1.0, "s", "measured")}})
    >>> diff(a, b)["time.step"].ratio
    0.5
    """
    left, right = before.flat(), after.flat()
    rows = []
    for path, metric in left.items():
        if path not in right:
            continue
        if right[path].unit != metric.unit:
            raise SlipstickError(f"in {metric.unit} on one side, in {right[path].unit} on the other", path=path)
        rows.append(DiffRow(path, metric.unit, metric, right[path]))
    return ReportDiff(
        (before.title, after.title),
        tuple(rows),
        tuple(path for path in left if path not in right),
        tuple(path for path in right if path not in left),
    )


@dataclass(frozen=True)
class Comparison:
    """Two or more reports side by side: a row a metric, a column a report, ratios to the first report."""

    reports: tuple[Report, ...]

    def __post_init__(self) -> None:
        if len(self.reports) < 2:
            raise SlipstickError("a comparison needs at least two reports", value=len(self.reports))

    @property
    def rows(self) -> dict[str, tuple[Metric | None, ...]]:
        """Every dotted path of any report, with each report's metric, or None where it has none."""
        flats = [report.flat() for report in self.reports]
        paths = {path: None for flat in flats for path in flat}
        return {path: tuple(flat.get(path) for flat in flats) for path in paths}

    def json(self, indent: int | None = 2) -> str:
        """Return the reports' titles and every row's values, units, origins and ratios to the first as JSON."""
        rows = [
            {
                "path": path,
                "unit": [m.unit if m else None for m in found],
                "values": [m.value if m else None for m in found],
                "how": [m.how if m else None for m in found],
                "ratios": [ratio(found[0], m) for m in found],
            }
            for path, found in self.rows.items()
        ]
        data = {"reports": [report.title for report in self.reports], "rows": rows}
        return json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False)

    def table(self, width: int | None = None) -> str:
        """Return the comparison as plain text."""
        from slipstick.report.as_text import render_comparison, to_text

        return to_text(render_comparison(self), width)

    def __rich__(self) -> Any:
        """Return what a rich console prints."""
        from slipstick.report.as_text import render_comparison

        return render_comparison(self)

    def html(self) -> str:
        """Return the comparison as one self-contained HTML file."""
        from slipstick.report.as_html import comparison_page

        return comparison_page(self)


def ratio(first: Metric | None, other: Metric | None) -> float | None:
    """Return other / first, or None where either is missing, the units differ or the first is 0 (or nearly so)."""
    if first is None or other is None or first.unit != other.unit or first.value == 0:
        return None
    found = other.value / first.value
    return found if math.isfinite(found) else None
