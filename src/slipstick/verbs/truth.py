"""`validate` and `calibrate`: published or measured figures beside ours."""

from __future__ import annotations

import contextlib
import os
import pkgutil
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from slipstick.core.errors import SlipstickError
from slipstick.report.published import SUITES, Suite, Validation, read_csv, suite_for, validate_file
from slipstick.report.report import Metric, Report

if TYPE_CHECKING:
    from slipstick.cluster.calibration import Fit

VARIABLE = "SLIPSTICK_DATA"
_VALIDATIONS = tuple(f"slipstick.{part}.validation" for part in ("array", "cluster", "fabric", "engines"))


def validate(what: str | Path, data: str | Path | None = None) -> Validation:
    """Return published beside ours for every row of a CSV file, or of the reference file of a suite.

    Parameters
    ----------
    what
        The path of a CSV file with a known suite's columns, or the name of a suite (``slipstick list suites``).
    data
        The folder that holds the reference files; the environment variable SLIPSTICK_DATA unless given.

    Errors
    ------
    SlipstickError for an unknown suite, a header that fits no suite, cells that are no numbers, or missing data.
    """
    suites = load_suites()
    if _is_csv(what):
        return validate_file(what)
    if str(what) not in suites:
        allowed = [*suites, "or the path of a CSV file"]
        raise SlipstickError("no such suite", path="validate", value=str(what), allowed=allowed)
    return suites[str(what)].replay(read_csv(reference_file(str(what), data))[1])


def calibrate(path: str | Path) -> Fit:
    """Fit the three calibration factors of a system to measured rows.

    Parameters
    ----------
    path
        A CSV file with the columns of a suite whose rows name their device in a column ``gpu``.

    Returns
    -------
    Fit
        `calibration` goes to ``estimate(..., calibration=...)``, `yaml()` is its file, `summaries` the errors
        before and after.
    """
    from slipstick.cluster.calibration import calibrate_rows

    load_suites()
    header, rows = read_csv(path)
    return calibrate_rows(suite_for(header, rows), rows, f"slipstick calibrate {Path(path).name}")


def load_suites() -> dict[str, Suite]:
    """Return every suite by name; importing the modules of the packages ``validation`` registers them."""
    for package in map(import_module, _VALIDATIONS):
        for module in pkgutil.iter_modules(package.__path__):
            import_module(f"{package.__name__}.{module.name}")
    return SUITES


def reference_files(data: str | Path | None = None) -> dict[str, Path]:
    """Return the reference CSV of every suite that has one in the folder `data`, or in its folder ``reference``.

    Errors
    ------
    SlipstickError if no folder is named, or if it holds no such file.
    """
    named = data or os.environ.get(VARIABLE)
    if not named:
        allowed = f"--data FOLDER, the variable {VARIABLE}, or the path of a CSV file"
        raise SlipstickError("no reference data: nobody said where they are", path="validate", allowed=allowed)
    folder = Path(named)
    files = sorted([*folder.glob("*.csv"), *folder.glob("reference/*.csv")])
    suites = load_suites()
    found: dict[str, Path] = {}
    for path in files:
        if any(suite.columns <= _header(path) for suite in suites.values()):
            header, rows = read_csv(path)
            with contextlib.suppress(SlipstickError):  # the columns of a suite, but another table's rows
                found.setdefault(suite_for(header, rows).name, path)
    if not found:
        message = f"{len(files)} CSV files, none with the columns of a suite" if files else "no CSV file here"
        raise SlipstickError(message, path=str(folder), allowed="reference/*.csv, see slipstick list suites")
    return found


def reference_file(suite: str, data: str | Path | None = None) -> Path:
    """Return the reference CSV of one suite."""
    found = reference_files(data)
    if suite not in found:
        raise SlipstickError("no reference file of this suite", path=str(data or ""), value=suite, allowed=found)
    return found[suite]


def as_report(validations: list[Validation]) -> Report:
    """Return validations as one Report: errors as metrics, published beside ours as tables."""
    from slipstick.report.validation_text import rows_table, summary_table

    metrics, tables = {}, {}
    for validation in validations:
        total = validation.summary().get("all")
        if total is None:
            continue
        note = f"{total.rows} rows; worst: {total.worst_case}"
        errors = {"mean_absolute_error": total.mean_absolute_error, "mean_error": total.mean_error}
        errors["worst_error"] = total.worst_error
        metrics[validation.suite] = {key: Metric(v, "fraction", "estimated", note=note) for key, v in errors.items()}
        tables[f"{validation.suite}: errors by source"] = summary_table(validation)
        tables[f"{validation.suite}: published beside ours"] = rows_table(list(validation.rows))
    inputs = {"suites": [validation.suite for validation in validations]}
    return Report("published beside ours", metrics, tables, inputs=inputs)


def _is_csv(what: str | Path) -> bool:
    return isinstance(what, Path) or what.lower().endswith(".csv") or os.sep in what


def _header(path: Path) -> frozenset[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        return frozenset(cell.strip() for cell in file.readline(100_000).split(","))
