"""Validation and calibration: suites found by name or CSV header, computed again, and compared in one Report."""

from __future__ import annotations

import contextlib
import os
import pkgutil
from collections import Counter
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import MissingExtraError
from slipstick.report.published import SUITES, Suite, Validation, read_csv, suite_for
from slipstick.report.report import Metric, Report, Table
from slipstick.report.validation_text import rows_table, summary_table

if TYPE_CHECKING:
    from slipstick.cluster.calibration import Fit
    from slipstick.core.progress import Progress

_VARIABLE = "SLIPSTICK_DATA"
_VALIDATIONS = tuple(f"slipstick.{part}.validation" for part in ("array", "cluster", "fabric", "optics", "engines"))


def validation_report(
    suites: Iterable[str | Path], data: str | Path | None = None, progress: Progress | None = None
) -> Report:
    """Return the Report of published figures against ours, by suite or CSV file; detail: each Validation.

    Parameters
    ----------
    suites : names of suites, or paths of CSV files with a suite's columns; none: every reference file in `data`, or,
        where no folder is named, the rows that ship with the product.
    progress : called with the files done, all files, and the name of the one that is replayed.

    Errors
    ------
    SlipstickError for an unknown suite, a header that fits no suite, cells that are no numbers, or missing data.
    """
    paths = [path for name in suites for path in _files(name, data)]
    paths = paths or [path for files in reference_files(data).values() for path in files]
    validations: dict[str, Validation] = {}
    for number, path in enumerate(paths):
        if progress is not None:
            progress(number, len(paths), path.name)
        validations[path.stem] = _validation(path)
    return _as_report(validations)


def _files(name: str | Path, data: str | Path | None) -> tuple[Path, ...]:
    """Return the CSV files that a suite's name, or a path, stands for."""
    if _is_csv(name):
        return (Path(name),)
    suites = _load_suites()
    if str(name) not in suites:
        allowed = [*suites, "or the path of a CSV file"]
        raise SlipstickError("no such suite", path="validate", value=str(name), allowed=allowed)
    by_suite = reference_files(data)
    if str(name) not in by_suite:
        allowed = [*by_suite, f"--data FOLDER or the variable {_VARIABLE} for the tables that do not ship"]
        raise SlipstickError("no reference file of this suite", path=str(data or ""), value=str(name), allowed=allowed)
    return by_suite[str(name)]


def _validation(path: Path) -> Validation:
    _load_suites()
    header, rows = read_csv(path)
    suite = suite_for(header, rows)
    try:
        return suite.replay(rows)
    except MissingExtraError as error:
        return Validation(suite.name, (), (("every row", str(error)),), total=len(rows), unanswered=len(rows))


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


def reference_files(data: str | Path | None = None) -> dict[str, tuple[Path, ...]]:
    """Return the reference CSV files of every suite that has some in the folder `data` or `data`/reference.

    Without a folder, by `data` or by the variable SLIPSTICK_DATA, they are the files that ship with the product.

    Errors
    ------
    SlipstickError if the folder holds no such file.
    """
    suites = _load_suites()
    folder = Path(data or os.environ.get(_VARIABLE) or _shipped())
    files = sorted([*folder.glob("*.csv"), *folder.glob("reference/*.csv")])
    by_suite: dict[str, tuple[Path, ...]] = {}
    for path in files:
        if any(suite.columns <= _header(path) for suite in suites.values()):
            header, rows = read_csv(path)
            with contextlib.suppress(SlipstickError):  # the columns of a suite, but another table's rows
                name = suite_for(header, rows).name
                by_suite[name] = (*by_suite.get(name, ()), path)
    if not by_suite:
        message = f"{len(files)} CSV files, none with the columns of a suite" if files else "no CSV file here"
        raise SlipstickError(message, path=str(folder), allowed="reference/*.csv, see slipstick list suites")
    return by_suite


def _shipped() -> Path:
    """Return the folder of the rows that ship with the product, beside what is known of their software."""
    from slipstick.cluster.validation.row_software import reference_software

    return Path(str(reference_software.files()[0])).parent


def _as_report(validations: dict[str, Validation]) -> Report:
    """Return validations as one Report: errors as metrics, published figures against ours as tables.

    They are named by their suites; several of one suite by their files.
    """
    metrics: dict[str, Any] = {}
    tables = {}
    files_of = Counter(validation.suite for validation in validations.values())
    for file, validation in validations.items():
        name = validation.suite if files_of[validation.suite] == 1 else file
        counts = {"answered": validation.answered, "skipped": validation.left_out}
        metrics[name] = {key: Metric(count, "", "estimated", note=validation.headline) for key, count in counts.items()}
        total = validation.summary().get("all")
        if total is None:
            continue
        note = f"{total.rows} figures; worst: {total.worst_case}"
        errors = {"mean_absolute_error": total.mean_absolute_error, "mean_error": total.mean_error}
        errors["worst_error"] = total.worst_error
        metrics[name] |= {key: Metric(value, "fraction", "estimated", note=note) for key, value in errors.items()}
        seen = validation.seen
        if total.recollected and seen is not None:
            note = f"{seen.rows} figures; {total.recollected} from memory left out"
            metrics[name] |= {
                "mean_absolute_error_seen": Metric(seen.mean_absolute_error, "fraction", "estimated", note=note)
            }
        tables[f"{name}: errors by source"] = summary_table(validation)
        tables[f"{name}: published beside ours"] = rows_table(list(validation.rows))
    inputs = {"suites": [validation.suite for validation in validations.values()]}
    return Report.of(inputs, metrics, tables, title="published beside ours").with_detail(validations)


def _is_csv(name: str | Path) -> bool:
    return isinstance(name, Path) or name.lower().endswith(".csv") or os.sep in name


def _header(path: Path) -> frozenset[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        return frozenset(cell.strip() for cell in file.readline(100_000).split(","))
