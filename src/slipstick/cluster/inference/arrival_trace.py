"""Trace of arrivals: the times at which requests came, and their tokens, from a CSV file."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.files import read_text

_TIMES, _PROMPTS, _OUTPUTS = ("arrival", "time", "timestamp"), ("prompt", "input", "sequence"), ("output",)


@dataclass(frozen=True)
class _Trace:
    """Trace of arrivals: sorted times [s], and the tokens of each prompt and output; None where not given."""

    times: FloatArray
    prompt: FloatArray | None
    output: FloatArray | None

    @property
    def rate(self) -> float:
        """Mean rate of the arrivals [1/s]."""
        return float((len(self.times) - 1) / (self.times[-1] - self.times[0]))


def _read_trace(path: str | Path) -> _Trace:
    """Return the arrivals of a CSV file with a column of times [s], and if there are, columns of prompt and output.

    Errors
    ------
    SlipstickError for a file that is not there, has no such column, or fewer than two times, or no number in a cell.
    """
    lines = list(csv.reader(read_text(path).splitlines()))
    names = [name.strip().lower() for name in lines[0]] if lines else []
    rows = [row for row in lines[1:] if any(cell.strip() for cell in row)]
    columns = [
        _column(rows, names.index(name), str(path), name) if (name := _named(names, known)) else None
        for known in (_TIMES, _PROMPTS, _OUTPUTS)
    ]
    times = columns[0]
    if times is None:
        raise SlipstickError("no column of times", path=str(path), value=", ".join(names), allowed=list(_TIMES))
    order = np.argsort(times, kind="stable")
    if len(times) < 2 or times[order[0]] == times[order[-1]]:
        raise SlipstickError("too few arrivals", path=str(path), value=len(times), allowed="at least two, at two times")
    return _Trace(times[order], *(None if column is None else column[order] for column in columns[1:]))


def _named(names: list[str], known: tuple[str, ...]) -> str:
    """Return the first name that is, or begins with, a known one; empty where there is none."""
    return next((name for name in names for stem in known if re.match(rf"{stem}(_|s\b|\b)", name)), "")


def _column(rows: list[list[str]], place: int, path: str, name: str) -> FloatArray:
    values = []
    for number, row in enumerate(rows, start=2):
        try:
            values.append(float(row[place]))
        except (ValueError, IndexError):
            cell = row[place] if place < len(row) else ""
            raise SlipstickError(f"line {number} has no number in {name}", path=path, value=cell) from None
    column = np.array(values)
    if not np.isfinite(column).all() or (name not in _TIMES and (column < 0).any()):
        raise SlipstickError(f"the column {name} holds what is no size or time", path=path)
    return column
