"""The commands `validate` and `calibrate`."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.cli.options import PLAIN, Shown
from slipstick.cli.output import _progress_bar, _say, _show

if TYPE_CHECKING:
    from slipstick.cluster.calibration import Fit
    from slipstick.report.published import Validation
    from slipstick.report.report import Report


def validate(*suites: str, data: Path | None = None, rows: int = 10, display: Shown = PLAIN) -> None:
    """Put published or measured figures beside ours: errors by source, and the worst rows.

    Parameters
    ----------
    suites
        Suites (slipstick list suites) or CSV files with a suite's columns. Default: every reference file.
    data
        The folder that holds the reference files. Default: the variable SLIPSTICK_DATA, else the rows that ship with
        slipstick.
    rows
        How many of the worst rows to print; JSON and HTML always hold all.
    """
    from slipstick.core.errors import SlipstickError

    if rows < 0:
        raise SlipstickError("below zero", path="rows", value=rows, allowed="a number of rows from 0")
    from slipstick.core.files import write_text
    from slipstick.report.as_text import render_breakdown
    from slipstick.report.validation_text import overview_table, render_validation
    from slipstick.verbs.validate import validate as verb

    with _progress_bar(display, "files") as progress:
        report = verb(*suites, data=data, progress=progress)
    validations: dict[str, Validation] = report.detail
    if display.html is not None:
        write_text(display.html, report.html())
        _say(f"wrote {display.html}")
    if display.json:
        print(json_module.dumps(_merged(validations), indent=2, ensure_ascii=False, allow_nan=False))
        return
    for validation in validations.values():
        _show(render_validation(validation, rows))
    if len(validations) > 1:
        _show(render_breakdown("all files", overview_table(validations)))


def _merged(validations: dict[str, Validation]) -> dict[str, Any]:
    """Return ``{"rows", "summary"}`` as JSON: of one file unchanged, of several all rows and one summary per file."""
    parsed = {name: json_module.loads(validation.json()) for name, validation in validations.items()}
    if len(parsed) == 1:
        return dict(next(iter(parsed.values())))
    rows = [{"file": name, **row} for name, part in parsed.items() for row in part["rows"]]
    return {"rows": rows, "summary": {name: part["summary"] for name, part in parsed.items()}}


def calibrate(file: Path, *, out: Path | None = None, json: bool = False) -> None:
    """Fit three efficiencies of a system (matrix units, memory, network) to your own measured rows.

    Parameters
    ----------
    file
        A CSV file with the columns of the suite llm (slipstick show llm); all rows of one device.
    out
        Write the overlay that estimate --calibration reads.
    json
        Print JSON and nothing else.
    """
    from slipstick.core.files import write_text
    from slipstick.verbs.calibrate import calibrate as verb

    report = verb(file)
    fit: Fit = report.detail
    if out is not None:
        write_text(out, fit.yaml())
        _say(f"wrote {out}")
    if json:
        print(json_module.dumps(_fit_as_dict(fit), indent=2, ensure_ascii=False, allow_nan=False))
        return
    _show(_fit_tables(report, fit))
    if out is None:
        _show("\n" + fit.yaml())


def _fit_as_dict(fit: Fit) -> dict[str, Any]:
    import dataclasses

    rows = [
        {"case_id": a.case_id, "published": a.published, "before": b.ours, "after": a.ours, "unit": a.unit}
        | {"error_before": b.error, "error_after": a.error}
        for b, a in zip(fit.before, fit.after, strict=True)
    ]
    summary = {name: dataclasses.asdict(errors) for name, errors in fit.summaries.items()}
    skipped = [{"case_id": case, "reason": reason} for case, reason in fit.skipped]
    return {"calibration": fit.calibration.model_dump(), "rows": rows, "summary": summary, "skipped": skipped}


def _fit_tables(report: Report, fit: Fit) -> Any:
    from rich.console import Group

    from slipstick.report.as_text import render_breakdown
    from slipstick.report.report import Table

    errors = [
        (
            name,
            s.rows,
            f"{100 * s.mean_absolute_error:.2f} %",
            f"{100 * s.mean_error:+.2f} %",
            f"{100 * s.worst_error:+.1f} %",
        )
        for name, s in fit.summaries.items()
    ]
    heads = {"": "", "rows": "", "mean |error|": "", "mean error": "", "worst": ""}
    return Group(
        *(render_breakdown(name, table) for name, table in report.breakdowns.items()),
        "",
        render_breakdown("residuals", Table.of(heads, errors)),
        *(f"not replayed: {case}: {reason}" for case, reason in fit.skipped),
    )
