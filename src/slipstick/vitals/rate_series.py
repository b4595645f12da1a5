"""Series of heart-rate estimates from a CSV file: checked, and resampled by their time stamps to one a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.report.published import RowDict, read_csv

TIME_COLUMNS = ("time", "time_s")
REFERENCE_COLUMNS = ("reference", "hr_reference_bpm")
_ESTIMATE_COLUMNS = ("estimate", "hr_estimate_bpm")
_METHOD = "method"  # column that tells the rows of several methods apart
_LOWEST, _HIGHEST = 20.0, 300.0  # bpm: outside, a number is in another unit, such as Hz, or a mistake
_MAX_SECONDS = 7 * 86_400  # a week: a longer span is a time stamp in another unit
_SPARSE = 30.0  # s between estimates, at the median: the rate may have become any other in between
_COLUMNS = "time, estimate (or estimate_NAME of each method, or a column method), and optionally reference"
_MAX_ERRORS = 20  # of one file are shown


@dataclass(frozen=True, eq=False)
class RateSeries:
    """Heart-rate estimates of one recording, a value a second.

    Parameters
    ----------
    times : [steps], in seconds as the file counts them.
    estimates : [methods, steps] in bpm; NaN in seconds without one.
    methods : name of each method.
    reference : [steps] in bpm, NaN where it is missing; None without a reference.
    """

    times: FloatArray
    estimates: FloatArray
    methods: tuple[str, ...]
    reference: FloatArray | None = None

    @property
    def missing(self) -> int:
        """Number of seconds without an estimate of any method."""
        return int(np.isnan(self.estimates).all(0).sum())


def read_rates(path: str | Path) -> RateSeries:
    """Return the estimates of a CSV file, resampled to one a second.

    Columns are ``time`` in seconds, growing, and ``estimate`` in beats per minute; several methods have a column each,
    ``estimate_NAME``, or a row each, with their names in a column ``method``. ``reference`` is optional, and so are
    further columns, which are left unread. An empty cell is a missing value, and so are seconds without a row. Of
    several estimates within a second the median counts.

    Errors
    ------
    SlipstickError for missing columns, no rows, spans and spacings that are no seconds; SpecErrors for cells that are
    no numbers, time stamps that do not grow or stand twice, and rates out of range, each with its line.
    """
    where = str(path)
    header, rows = read_csv(path)
    time = _column(header, TIME_COLUMNS, where)
    columns = _estimate_columns(header, where)
    reference = next((name for name in REFERENCE_COLUMNS if name in header), None)
    if not rows:
        raise SlipstickError("no rows below the header", path=where, allowed="a row for each estimate")
    read = {
        name: _numbers(rows, name, where) for name in (time, *columns.values(), *([reference] if reference else []))
    }
    groups = _groups(rows, header)
    _check_times(read[time], groups, where)
    for name in read.keys() - {time}:
        _check_rates(read[name], name, where)
    return _resampled(read, time, columns, reference, groups, where)


def _column(header: Sequence[str], names: Sequence[str], where: str) -> str:
    """Return the first of `names` that the header has."""
    present = next((name for name in names if name in header), None)
    if present is None:
        message = f"has no column {names[0]}"
        raise SlipstickError(message, path=where, value=", ".join(header), allowed=_COLUMNS)
    return present


def _estimate_columns(header: Sequence[str], where: str) -> dict[str, str]:
    """Return the columns of estimates by the names of their methods; one column has no name."""
    many = {name.removeprefix("estimate_"): name for name in header if name.startswith("estimate_")}
    if many and "estimate" not in header:
        return many
    return {"": _column(header, _ESTIMATE_COLUMNS, where)} | many


def _numbers(rows: Sequence[RowDict], column: str, where: str) -> FloatArray:
    """Return a column as numbers, NaN for empty cells.

    Errors
    ------
    SpecErrors for cells that are no finite numbers.
    """
    values, errors = np.full(len(rows), np.nan), list[SlipstickError]()
    for place, row in enumerate(rows):
        text = row[column]
        if not text:
            continue
        try:
            values[place] = float(text)
        except ValueError:
            values[place] = np.nan
        if not np.isfinite(values[place]) or "_" in text:
            allowed = "a number, or an empty cell where there is none"
            errors.append(SlipstickError("not a number", path=_place(place, column), value=text, allowed=allowed))
    _raise(errors, where)
    return values


def _groups(rows: Sequence[RowDict], header: Sequence[str]) -> dict[str, FloatArray]:
    """Return the places of the rows of each method, by its name; one group where there is no column of methods."""
    names = [row[_METHOD] for row in rows] if _METHOD in header else [""] * len(rows)
    return {name: np.flatnonzero(np.array(names) == name).astype(np.float64) for name in dict.fromkeys(names)}


def _check_times(times: FloatArray, groups: dict[str, FloatArray], where: str) -> None:
    """Raise an error unless every row has a time stamp, and those of each method grow over a span of seconds."""
    empty = np.flatnonzero(np.isnan(times))
    _raise([SlipstickError("has no time stamp", path=_place(place, "time")) for place in empty], where)
    errors = []
    for places in (group.astype(int) for group in groups.values()):
        for at in np.flatnonzero(np.diff(times[places]) <= 0):
            now, last = float(times[places[at + 1]]), float(times[places[at]])
            wrong = "the time stamp stands twice" if now == last else f"is before the row above, {last:g} s"
            path = _place(places[at + 1], "time")
            errors.append(SlipstickError(wrong, path=path, value=now, allowed="rows sorted by time, each once"))
    _raise(errors, where)
    span = float(times.max() - times.min())
    if span > _MAX_SECONDS:
        allowed = f"seconds, over at most {_MAX_SECONDS:,} s"
        raise SlipstickError("the time stamps span too much", path=f"{where}: time", value=span, allowed=allowed)
    spacing = np.median(np.diff(np.unique(times))) if span else 0.0
    if spacing > _SPARSE:
        message = "the estimates are too far apart, at the median"
        allowed = f"seconds, at most {_SPARSE:g} s apart"
        raise SlipstickError(message, path=f"{where}: time", value=float(spacing), allowed=allowed)


def _check_rates(values: FloatArray, column: str, where: str) -> None:
    """Raise an error for a column without a number, and for numbers that are no heart rates."""
    if np.isnan(values).all():
        raise SlipstickError("has no number in any row", path=f"{where}: {column}", allowed="rates in bpm")
    wrong = np.flatnonzero((values < _LOWEST) | (values > _HIGHEST))
    hertz = np.nanmax(values) < _HIGHEST / 60 and np.nanmin(values) > 0  # all of them would be rates in Hz
    allowed = f"{_LOWEST:g} to {_HIGHEST:g} bpm" + (" (60 times a rate in Hz)" if hertz else "")
    _raise(
        [
            SlipstickError("not a heart rate", path=_place(place, column), value=float(values[place]), allowed=allowed)
            for place in wrong
        ],
        where,
    )


def _resampled(
    read: dict[str, FloatArray],
    time: str,
    columns: dict[str, str],
    reference: str | None,
    groups: dict[str, FloatArray],
    where: str,
) -> RateSeries:
    """Return the series with a value a second: the median of the estimates that are nearest to it."""
    first = float(read[time].min())
    seconds = np.floor(read[time] - first + 0.5).astype(int)
    count = int(seconds.max()) + 1
    names, estimates = [], []
    for group, places in groups.items():
        inside = places.astype(int)
        for name, column in columns.items():
            names.append("_".join(part for part in (group, name) if part) or "estimate")
            estimates.append(_medians(seconds[inside], read[column][inside], count))
    if len(set(names)) < len(names):
        raise SlipstickError("two methods have one name", path=where, value=", ".join(names))
    measured = None if reference is None else _medians(seconds, read[reference], count)
    return RateSeries(first + np.arange(count, dtype=np.float64), np.array(estimates), tuple(names), measured)


def _medians(seconds: np.ndarray, values: FloatArray, count: int) -> FloatArray:
    """Return the median of the values of each second, NaN where there is none."""
    medians = np.full(count, np.nan)
    known = ~np.isnan(values)
    order = np.argsort(seconds[known], kind="stable")
    at, sorted_values = seconds[known][order], values[known][order]
    present, starts = np.unique(at, return_index=True)
    medians[present] = [float(np.median(group)) for group in np.split(sorted_values, starts[1:])] if len(at) else []
    return medians


def _place(row: int | np.integer[Any], column: str) -> str:
    return f"row {row + 1}, {column}"


def _raise(errors: Sequence[SlipstickError], where: str) -> None:
    """Raise the errors of a file, if there are any, with a count of those that are too many to show."""
    if errors:
        more = [SlipstickError(f"and {len(errors) - _MAX_ERRORS} more")] if len(errors) > _MAX_ERRORS else []
        raise SpecErrors([*errors[:_MAX_ERRORS], *more], where=where)
