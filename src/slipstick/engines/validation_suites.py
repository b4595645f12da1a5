"""Validation and calibration: suites found by name or CSV header, computed again, and compared in one Report."""

from __future__ import annotations

import contextlib
import os
import pkgutil
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError
from slipstick.report.published import SUITES, Suite, Validation, read_csv, suite_for, validate_file
from slipstick.report.report import Metric, Report, Table
from slipstick.report.validation_text import rows_table, summary_table

if TYPE_CHECKING:
    from slipstick.cluster.calibration import Fit
    from slipstick.core.progress import Progress

_VARIABLE = "SLIPSTICK_DATA"
_VALIDATIONS = tuple(f"slipstick.{part}.validation" for part in ("array", "cluster", "fabric", "engines"))


def validation_report(
    suites: Iterable[str | Path], data: str | Path | None = None, progress: Progress | None = None
) -> Report:
    """Return the Report of published figures against ours, by suite or CSV file; detail: each Validation.

    Parameters
    ----------
    suites : names of suites, or paths of CSV files with a suite's columns; none: every reference file in `data`.
    progress : called with the files done, all files, and the name of the one that is replayed.

    Errors
    ------
    SlipstickError for an unknown suite, a header that fits no suite, cells that are no numbers, or missing data.
    """
    names = list(suites) or [str(path) for path in reference_files(data).values()]
    validations: dict[str, Validation] = {}
    for number, name in enumerate(names):
        if progress is not None:
            progress(number, len(names), Path(name).name)
        validations[Path(name).stem] = _validation(name, data)
    return _as_report(validations)


def _validation(name: str | Path, data: str | Path | None) -> Validation:
    suites = _load_suites()
    if _is_csv(name):
        return validate_file(name)
    if str(name) not in suites:
        allowed = [*suites, "or the path of a CSV file"]
        raise SlipstickError("no such suite", path="validate", value=str(name), allowed=allowed)
    return suites[str(name)].replay(read_csv(reference_file(str(name), data))[1])


def calibration_report(path: str | Path) -> Report:
    """Return the three calibration factors of a system fitted to measured rows, with errors; detail: the Fit.

    Errors
    ------
    SlipstickError for rows of no device, or several, and for a file that is no suite's.
    """
    from slipstick.cluster.calibration import FACTORS, calibrate_rows

    _load_suites()
    header, rows = read_csv(path)
    fit = calibrate_rows(suite_for(header, rows), rows, f"slipstick calibrate {Path(path).name}")
    factors = {name: Metric(getattr(fit.calibration, name), "", "measured", fit.calibration.source) for name in FACTORS}
    errors = {
        when: {
            "mean_absolute": Metric(summary.mean_absolute_error, "fraction", "estimated", note=f"{summary.rows} rows"),
            "worst": Metric(summary.worst_error, "fraction", "estimated", note=summary.worst_case),
        }
        for when, summary in fit.summaries.items()
    }
    return Report.of(
        {"rows": Path(path).name},
        {"calibration": factors, "error": errors},
        {"measured beside ours": _fit_table(fit)},
        title=f"calibration to {len(fit.after)} measured rows of {Path(path).name}",
    ).with_detail(fit)


def _fit_table(fit: Fit) -> Table:
    columns = {"case": "", "measured": "", "before": "", "after": "", "unit": "", "error before": "", "error after": ""}
    rows = [
        (a.case_id, a.published, b.ours, a.ours, a.unit, f"{100 * b.error:+.1f} %", f"{100 * a.error:+.1f} %")
        for b, a in zip(fit.before, fit.after, strict=True)
    ]
    return Table.of(columns, rows)


def _load_suites() -> dict[str, Suite]:
    """Return every validation suite by name, importing the ``validation`` packages that register them."""
    for package in map(import_module, _VALIDATIONS):
        for module in pkgutil.iter_modules(package.__path__):
            import_module(f"{package.__name__}.{module.name}")
    return SUITES


def reference_files(data: str | Path | None = None) -> dict[str, Path]:
    """Return the reference CSV of every suite that has one in the folder `data` or `data`/reference.

    Errors
    ------
    SlipstickError if no folder is named, or if it holds no such file.
    """
    named = data or os.environ.get(_VARIABLE)
    if not named:
        allowed = f"--data FOLDER, the variable {_VARIABLE}, or the path of a CSV file"
        raise SlipstickError("no reference data: nobody said where they are", path="validate", allowed=allowed)
    folder = Path(named)
    files = sorted([*folder.glob("*.csv"), *folder.glob("reference/*.csv")])
    suites = _load_suites()
    by_suite: dict[str, Path] = {}
    for path in files:
        if any(suite.columns <= _header(path) for suite in suites.values()):
            header, rows = read_csv(path)
            with contextlib.suppress(SlipstickError):  # the columns of a suite, but another table's rows
                by_suite.setdefault(suite_for(header, rows).name, path)
    if not by_suite:
        message = f"{len(files)} CSV files, none with the columns of a suite" if files else "no CSV file here"
        raise SlipstickError(message, path=str(folder), allowed="reference/*.csv, see slipstick list suites")
    return by_suite


def reference_file(suite: str, data: str | Path | None = None) -> Path:
    """Return the path of one suite's reference CSV."""
    by_suite = reference_files(data)
    if suite not in by_suite:
        raise SlipstickError("no reference file of this suite", path=str(data or ""), value=suite, allowed=by_suite)
    return by_suite[suite]


def _as_report(validations: dict[str, Validation]) -> Report:
    """Return validations as one Report: errors as metrics, published figures against ours as tables."""
    metrics: dict[str, Any] = {}
    tables = {}
    for validation in validations.values():
        total = validation.summary().get("all")
        if total is None:
            continue
        note = f"{total.rows} rows; worst: {total.worst_case}"
        errors = {"mean_absolute_error": total.mean_absolute_error, "mean_error": total.mean_error}
        errors["worst_error"] = total.worst_error
        metrics[validation.suite] = {key: Metric(v, "fraction", "estimated", note=note) for key, v in errors.items()}
        seen = validation.seen
        if total.recollected and seen is not None:
            note = f"{seen.rows} rows; {total.recollected} from memory left out"
            mean = Metric(seen.mean_absolute_error, "fraction", "estimated", note=note)
            metrics[validation.suite]["mean_absolute_error_seen"] = mean
        tables[f"{validation.suite}: errors by source"] = summary_table(validation)
        tables[f"{validation.suite}: published beside ours"] = rows_table(list(validation.rows))
    inputs = {"suites": [validation.suite for validation in validations.values()]}
    return Report.of(inputs, metrics, tables, title="published beside ours").with_detail(validations)


def _is_csv(name: str | Path) -> bool:
    return isinstance(name, Path) or name.lower().endswith(".csv") or os.sep in name


def _header(path: Path) -> frozenset[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        return frozenset(cell.strip() for cell in file.readline(100_000).split(","))
