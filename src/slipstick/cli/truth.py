"""The commands `validate` and `calibrate`."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.cli.options import Shown
from slipstick.cli.output import say, show

if TYPE_CHECKING:
    from slipstick.cluster.calibration import Fit
    from slipstick.report.published import Validation

_PLAIN_SHOWN = Shown()


def validate(*what: str, data: Path | None = None, rows: int = 10, shown: Shown = _PLAIN_SHOWN) -> None:
    """Put published or measured figures beside ours: errors by source, and the worst rows.

    Parameters
    ----------
    what
        Suites (slipstick list suites) or CSV files with a suite's columns. Default: every reference file.
    data
        The folder that holds the reference files. Default: the variable SLIPSTICK_DATA.
    rows
        How many of the worst rows to print; JSON and HTML always hold all.
    """
    from slipstick.core.files import write_text
    from slipstick.report.validation_text import render_validation
    from slipstick.verbs.truth import as_report

    found = dict(_validations(what, data))
    if shown.html is not None:
        write_text(shown.html, as_report(list(found.values())).html())
        say(f"wrote {shown.html}")
    if shown.json:
        print(json_module.dumps(_merged(found), indent=2, ensure_ascii=False, allow_nan=False))
        return
    for validation in found.values():
        show(render_validation(validation, rows))


def _validations(what: tuple[str, ...], data: Path | None) -> Iterator[tuple[str, Validation]]:
    """Replay file after file, each under its name, with a bar on standard error while a person waits."""
    from rich.console import Console
    from rich.progress import Progress

    from slipstick.verbs import truth

    names = [str(name) for name in what] or [str(path) for path in truth.reference_files(data).values()]
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(names))
        for name in names:
            progress.update(task, description=Path(name).name)
            yield Path(name).stem, truth.validate(name, data)
            progress.advance(task)


def _merged(found: dict[str, Validation]) -> dict[str, Any]:
    """Return ``{"rows", "summary"}``: of one file as it is, of several with all rows and a summary a file."""
    parsed = {name: json_module.loads(validation.json()) for name, validation in found.items()}
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
    from slipstick.verbs import truth

    fit = truth.calibrate(file)
    if out is not None:
        write_text(out, fit.yaml())
        say(f"wrote {out}")
    if json:
        print(json_module.dumps(_fit_as_dict(fit), indent=2, ensure_ascii=False, allow_nan=False))
        return
    show(_fit_tables(fit))
    if out is None:
        show("\n" + fit.yaml())


def _fit_as_dict(fit: Fit) -> dict[str, Any]:
    import dataclasses

    rows = [
        {"case_id": a.case_id, "published": a.published, "before": b.ours, "after": a.ours, "unit": a.unit}
        | {"error_before": b.error, "error_after": a.error}
        for b, a in zip(fit.before, fit.after, strict=True)
    ]
    summary = {name: dataclasses.asdict(found) for name, found in fit.summaries.items()}
    skipped = [{"case_id": case, "reason": reason} for case, reason in fit.skipped]
    return {"calibration": fit.calibration.model_dump(), "rows": rows, "summary": summary, "skipped": skipped}


def _fit_tables(fit: Fit) -> Any:
    from rich.console import Group

    from slipstick.report.as_text import render_breakdown
    from slipstick.report.report import Table

    columns = {"case": "", "measured": "", "before": "", "after": "", "unit": "", "error before": "", "error after": ""}
    rows = [
        (a.case_id, a.published, b.ours, a.ours, a.unit, f"{100 * b.error:+.1f} %", f"{100 * a.error:+.1f} %")
        for b, a in zip(fit.before, fit.after, strict=True)
    ]
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
        render_breakdown("measured beside ours", Table.of(columns, rows)),
        "",
        render_breakdown("residuals", Table.of(heads, errors)),
        *(f"not replayed: {case}: {reason}" for case, reason in fit.skipped),
    )
