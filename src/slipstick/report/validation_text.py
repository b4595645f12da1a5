"""Validations as text for the terminal: errors by source, then our figures next to the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from slipstick.report.as_text import render_breakdown
from slipstick.report.metric import Table
from slipstick.report.published import Row, Validation

if TYPE_CHECKING:
    from rich.console import Group


def render_validation(validation: Validation, rows: int | None) -> Group:
    """Return a renderable of the summary by source and the `rows` worst rows (None: all, in order)."""
    from rich.console import Group
    from rich.text import Text

    printed_rows: list[Row] = list(validation.rows)
    title = f"{validation.suite}: published beside ours"
    if rows is not None and rows < len(printed_rows):
        printed_rows = sorted(printed_rows, key=lambda row: -abs(row.error))[:rows]
        title = f"{validation.suite}: the {rows} worst of {len(validation.rows)} rows"
    parts = [render_breakdown(f"{validation.suite}: errors by source", summary_table(validation))] * bool(
        validation.rows
    )
    if printed_rows:
        parts.append(render_breakdown(title, rows_table(printed_rows)))
    spaced = [Text(validation.headline, "bold"), Text(), *(piece for part in parts for piece in (part, Text()))]
    reasons = {reason: cases for reason, cases in validation.reasons().items() if cases != ["every row"]}
    if reasons:
        spaced.append(Text("rows that were not replayed, such as:"))
        spaced += [Text(f"  {', '.join(cases[:_EXAMPLES])}: {reason}") for reason, cases in reasons.items()]
    return Group(*spaced)


_EXAMPLES = 3  # cases that are named for a reason


def overview_table(validations: Mapping[str, Validation]) -> Table:
    """Return the table of rows answered and skipped, and of the errors of our figures, one line per file."""
    columns = {
        "file": "",
        "suite": "",
        "answered": "",
        "skipped": "",
        "figures": "",
        "mean |error|": "",
        "mean error": "",
    }
    lines = []
    for file, validation in validations.items():
        total = validation.summary().get("all")
        errors = (None, None, None)
        if total is not None:
            mean = f"{100 * total.mean_absolute_error:.2f} %"
            errors = (total.rows, mean, f"{100 * total.mean_error:+.2f} %")  # type: ignore[assignment]
        lines.append((file, validation.suite, validation.answered, validation.left_out, *errors))
    return Table.of(columns, lines)


def summary_table(validation: Validation) -> Table:
    """Return the table of row count, mean absolute, mean and worst error and rank correlation per source.

    Where rows are from memory, a column counts them, and a line has the errors of all others.
    """
    columns = {"source": "", "rows": "", "mean |error|": "", "mean error": "", "worst": "", "case": "", "rank": ""}
    summaries = dict(validation.summary())
    recollected = any(row.recollected for row in validation.rows)
    if recollected and validation.seen is not None:
        rest = {name: own for name, own in summaries.items() if name != "all"}
        summaries = {"all": summaries["all"], "all but the rows from memory": validation.seen, **rest}
    rows = [
        (
            name,
            summary.rows,
            f"{100 * summary.mean_absolute_error:.2f} %",
            f"{100 * summary.mean_error:+.2f} %",
            f"{100 * summary.worst_error:+.1f} %",
            summary.worst_case,
            None if summary.rank_correlation is None else round(summary.rank_correlation, 3),
            *([summary.recollected] if recollected else []),
        )
        for name, summary in summaries.items()
    ]
    return Table.of({**columns, "from memory": ""} if recollected else columns, rows)


def rows_table(rows: list[Row]) -> Table:
    """Return the table of case, kind, published and our figure, unit and error per row; those from memory say so."""
    columns = {"case": "", "kind": "", "published": "", "ours": "", "unit": "", "error": ""}
    cells = [(r.case_id, r.kind, r.published, r.ours, r.unit, f"{100 * r.error:+.1f} %") for r in rows]
    if not any(row.recollected for row in rows):
        return Table.of(columns, cells)
    marks = ["from memory" if row.recollected else "" for row in rows]
    return Table.of({**columns, "published is": ""}, [(*own, mark) for own, mark in zip(cells, marks, strict=True)])
