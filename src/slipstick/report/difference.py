"""Difference of two reports, metric by metric."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError
from slipstick.core.units import format_quantity
from slipstick.report.as_text import _label, _plain_table, _safe_text, to_text
from slipstick.report.contents import Contents
from slipstick.report.metric import Metric, ratio

if TYPE_CHECKING:
    from rich.console import Group


@dataclass(frozen=True, slots=True)
class DiffRow:
    """One metric in two reports: `difference` is after - before (SI), `ratio` after / before, None if before is 0."""

    path: str
    unit: str
    before: Metric
    after: Metric

    @property
    def difference(self) -> float:
        """Value after minus value before, in the metric's unit; limited to finite numbers."""
        return max(-sys.float_info.max, min(sys.float_info.max, self.after.value - self.before.value))

    @property
    def ratio(self) -> float | None:
        """Ratio of the value after to the value before; None if the latter is 0."""
        return ratio(self.before, self.after)


@dataclass(frozen=True)
class ReportDiff:
    """Difference of two reports (`names`: their titles): a row per metric that both have, before and after.

    `only_before` and `only_after` are the paths of metrics that one of them lacks.
    """

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
        return to_text(_render(self), width)

    def __rich__(self) -> Any:
        """Return the renderable that a rich console prints."""
        return _render(self)


def diff(before: Contents, after: Contents) -> ReportDiff:
    """Return the difference of two reports, metric by metric, in the order of `before`.

    Errors
    ------
    SlipstickError if a metric has another unit in each report: they cannot be subtracted.

    Examples
    --------
    >>> from slipstick.report.report import Report
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


def _render(diff: ReportDiff) -> Group:
    """Return a renderable of before, after, difference and ratio of every common metric."""
    from rich.console import Group

    table = _plain_table()
    table.add_column("metric")
    for head in ("before", "after", "difference", "ratio"):
        table.add_column(head, justify="right")
    for row in diff.rows:
        times = "" if row.ratio is None else f"{row.ratio:.3f} x"
        change = format_quantity(row.difference, row.unit)
        table.add_row(_safe_text(_label(row.path)), row.before.text, row.after.text, change, times)
    notes = [f"before: {diff.names[0]}", f"after:  {diff.names[1]}"]
    notes += [f"only before: {', '.join(diff.only_before)}"] if diff.only_before else []
    notes += [f"only after: {', '.join(diff.only_after)}"] if diff.only_after else []
    return Group(*(_safe_text(note) for note in notes), _safe_text(""), table)
