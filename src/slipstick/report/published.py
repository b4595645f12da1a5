"""Validation: published figures compared with ours, and the errors between them.

A suite knows one table's columns and replays its rows; `suite_for` finds it by the header of a CSV file, so that users
validate against their own measurements with the same columns.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.files import read_text
from slipstick.report.rank_correlation import spearman

MAX_CSV_BYTES = 64 * 2**20
MAX_ERRORS = 20  # of one file are shown

RowDict = dict[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One published figure and ours, both in `unit`; `source` is the publication, `kind` the kind of figure.

    `recollected` marks a figure that somebody remembered and nobody looked up: no evidence of its own.
    """

    case_id: str
    kind: str
    published: float
    ours: float
    unit: str
    source: str = ""
    note: str = ""
    recollected: bool = False

    def __post_init__(self) -> None:
        if not math.isfinite(self.published) or not math.isfinite(self.ours):
            raise SlipstickError("a row of a validation needs finite figures", path=self.case_id, value=self.ours)

    @property
    def error(self) -> float:
        """Signed relative error of our figure against the published one, a fraction; 0 or 1 if that one is 0."""
        if self.published == 0:
            return 0.0 if self.ours == 0 else math.copysign(1.0, self.ours)
        return (self.ours - self.published) / abs(self.published)


@dataclass(frozen=True, slots=True)
class Summary:
    """Error statistics of our figures over the rows of one source (or of all), as fractions of the published figure.

    `mean_error` and `worst_error` (that of `worst_case`) are signed, ours over published less 1; `rank_correlation` is
    Spearman's, None where the rows are too few or do not belong together; `recollected` counts the rows from memory.
    """

    rows: int
    mean_absolute_error: float
    mean_error: float
    worst_error: float
    worst_case: str
    rank_correlation: float | None
    recollected: int = 0


@dataclass(frozen=True)
class Validation:
    """Published figures and ours for every row of a suite; `skipped` states which rows could not be replayed, and why.

    `total` counts the rows of the table, where it is not one figure or one reason each; `unanswered` those of them that
    one entry of `skipped` stands for.

    Examples
    --------
    >>> rows = [Row("a", "train", 10.0, 11.0, "s", "paper"), Row("b", "train", 20.0, 19.0, "s", "paper")]
    >>> round(Validation("demo", tuple(rows)).summary()["all"].mean_absolute_error, 6)
    0.075
    """

    suite: str
    rows: tuple[Row, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    total: int | None = None
    unanswered: int | None = None

    @property
    def left_out(self) -> int:
        """Number of the table's rows that could not be replayed."""
        return len(self.skipped) if self.unanswered is None else self.unanswered

    @property
    def answered(self) -> int:
        """Number of the table's rows that have figures of ours."""
        return len(self.rows) if self.total is None else self.total - self.left_out

    @property
    def headline(self) -> str:
        """Line that counts the rows: given, answered, and skipped by reason.

        Examples
        --------
        >>> Validation("demo", (), (("a", "does not fit: 90 of 80"), ("b", "does not fit: 99 of 80")), 9).headline
        'demo: 7 of 9 rows answered, 2 skipped: 2 x does not fit: 90 of 80 ...'
        """
        counted = f"{self.suite}: {self.answered:,} of {self.answered + self.left_out:,} rows answered"
        if not self.skipped:
            return counted
        kinds = [f"{len(cases):,} x {reason}" for reason, cases in self.reasons().items()]
        listed = kinds if self.unanswered is None else list(self.reasons())
        return f"{counted}, {self.left_out:,} skipped: {'; '.join(listed)}"

    def reasons(self) -> dict[str, list[str]]:
        """Return the cases that were skipped by reason; reasons that differ in what they quote count as one."""
        kinds: dict[str, list[tuple[str, str]]] = {}
        for case, reason in self.skipped:
            kinds.setdefault(_generalised(reason), []).append((case, reason))
        merged: dict[str, list[str]] = {}
        for members in kinds.values():
            several = len({reason for _, reason in members}) > 1
            text = members[0][1].partition("; got")[0] + (" ..." if several else "")
            merged[text] = [case for case, _ in members]
        return merged

    def summary(self, by: Callable[[Row], str] = lambda row: row.source) -> dict[str, Summary]:
        """Return the error summary of "all" rows, then of each group (by source by default), in row order."""
        groups: dict[str, list[Row]] = {"all": list(self.rows)} if self.rows else {}
        for row in self.rows:
            groups.setdefault(by(row) or "no source given", []).append(row)
        return {name: summarise(rows) for name, rows in groups.items()}

    @property
    def seen(self) -> Summary | None:
        """Error summary without the rows from memory, None where every row is one."""
        rows = [row for row in self.rows if not row.recollected]
        return summarise(rows) if rows else None

    def json(self, indent: int | None = 2) -> str:
        """Return ``{"rows": [...], "summary": {...}}``.

        A row has case_id, kind, published, ours, unit, error (signed, a fraction), source, note and recollected; the
        summary has suite, answered and left_out (rows of the table), all (null without rows), seen (all without the
        rows from memory), sources by name, and skipped.
        """
        errors = {name: asdict(summary) for name, summary in self.summary().items()}
        summary = {
            "suite": self.suite,
            "answered": self.answered,
            "left_out": self.left_out,
            "all": errors.pop("all", None),
            "seen": None if self.seen is None else asdict(self.seen),
            "sources": errors,
            "skipped": [{"case_id": case, "reason": reason} for case, reason in self.skipped],
        }
        data = {"rows": [_row_dict(row) for row in self.rows], "summary": summary}
        return json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False)


class Suite(ABC):
    """Table of published or measured figures that slipstick can reproduce."""

    name: str
    columns: frozenset[str]  # a header that has them all is this suite's
    about: str = ""

    @abstractmethod
    def replay(self, rows: list[RowDict]) -> Validation:
        """Return the validation of all rows: our figure computed for each, next to the published one."""

    def recognises(self, row: RowDict) -> bool:
        """Return whether a row of published figures belongs to this validation suite; by default every row does.

        Suites whose tables have the same header tell their rows apart by it.
        """
        return True


PAPER_COLUMNS = frozenset(("table", "workload", "config", "metric", "value", "unit", "source", "seen_or_memory"))


@dataclass(frozen=True, kw_only=True)
class PaperSuite(Suite):
    """Suite whose rows are computed one by one.

    Parameters
    ----------
    columns : a header that has them all is this suite's.
    about : one line: what the suite replays.
    recognise : tells rows of this suite by their table.
    case : names a row in reports.
    answer : our figure beside a row's, or the reason why there is none; called with the row and its name.
    """

    name: str
    columns: frozenset[str]
    about: str
    recognise: Callable[[RowDict], bool]
    case: Callable[[RowDict], str]
    answer: Callable[[RowDict, str], Row | str]

    def recognises(self, row: RowDict) -> bool:
        """Return whether a row belongs to this suite's table."""
        return self.recognise(row)

    def replay(self, rows: list[RowDict]) -> Validation:
        """Return the validation of all rows; rows without a figure of ours are named with the reason."""
        cases = [self.case(row) for row in rows]
        answers = [self._answered(row, case) for row, case in zip(rows, cases, strict=True)]
        answered = tuple(
            replace(answer, recollected=is_recollected(row))
            for row, answer in zip(rows, answers, strict=True)
            if isinstance(answer, Row)
        )
        skipped = tuple((case, answer) for case, answer in zip(cases, answers, strict=True) if isinstance(answer, str))
        return Validation(self.name, answered, skipped)

    def _answered(self, row: RowDict, case: str) -> Row | str:
        """Return our figure beside a row's, or the reason why there is none."""
        try:
            return self.answer(row, case)
        except SlipstickError as error:
            return str(error)


SUITES: dict[str, Suite] = {}


def register_suite(suite: Suite) -> Suite:
    """Register a suite under its name, so that `suite_for` finds it."""
    if suite.name in SUITES:
        raise SlipstickError("a suite of this name is registered already", value=suite.name)
    SUITES[suite.name] = suite
    return suite


def suite_for(header: Iterable[str], rows: Sequence[RowDict] = ()) -> Suite:
    """Return the suite whose columns match the header; of several, the one with the most columns and matching rows.

    Errors
    ------
    SlipstickError naming the nearest suite and the columns that are missing, or that no row is of a known table.
    """
    columns = frozenset(header)
    fitting = [suite for suite in SUITES.values() if suite.columns <= columns]
    known = [suite for suite in fitting if not rows or any(map(suite.recognises, rows))]
    if known:
        return max(known, key=lambda suite: (len(suite.columns), sum(map(suite.recognises, rows))))
    if fitting:
        names = ", ".join(suite.name for suite in fitting)
        raise SlipstickError(f"the columns are those of {names}, but none of the rows is", path="rows")
    if not SUITES:
        raise SlipstickError("no suite is registered", path="validate")
    nearest = min(SUITES.values(), key=lambda suite: (len(suite.columns - columns), -len(suite.columns & columns)))
    missing = ", ".join(sorted(nearest.columns - columns))
    message = f"no known table has these columns; the nearest is {nearest.name}, which also needs {missing}"
    raise SlipstickError(message, path="header", value=", ".join(sorted(columns)))


def read_csv(
    path: str | Path, *, numbers: Iterable[str] = (), limit: int = MAX_CSV_BYTES
) -> tuple[list[str], list[RowDict]]:
    """Return the header and the rows of a CSV file, every cell as text without blanks around it.

    Parameters
    ----------
    numbers : columns in which every filled cell must be a finite number.

    Errors
    ------
    SlipstickError for a file that is too large, no text, or has no header; SpecErrors for ragged rows and cells that
    are no numbers, each with its line.
    """
    where = str(path)
    text = read_text(path, limit=limit)
    if "\0" in text:
        raise SlipstickError("not a CSV file: it holds NUL characters", path=where)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[RowDict] = []
    errors: list[SlipstickError] = []
    try:
        header = _header(reader, where)
        numeric_columns = [name for name in numbers if name in header]
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            place = f"line {reader.line_num}"
            if len(cells) != len(header):
                errors.append(SlipstickError(f"{len(cells)} cells for {len(header)} columns", path=place))
                continue
            row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
            errors += [
                _not_a_number(place, name, row[name])
                for name in numeric_columns
                if row[name] and not _number(row[name])
            ]
            rows.append(row)
    except csv.Error as error:
        raise SlipstickError(f"not a CSV file: {error} (line {reader.line_num})", path=where) from None
    if errors:
        more = [SlipstickError(f"and {len(errors) - MAX_ERRORS} more")] if len(errors) > MAX_ERRORS else []
        raise SpecErrors(errors[:MAX_ERRORS] + more, where=where)
    return header, rows


def number(row: RowDict, column: str, default: float | None = None, *, case: str = "") -> float:
    """Return a cell of a CSV row as a finite float, or `default` where it is empty or the column is missing.

    Errors
    ------
    SlipstickError naming the case and the column.
    """
    text = row.get(column, "")
    if not text and default is not None:
        return default
    if not _number(text):
        raise _not_a_number(case or row.get("case_id", "row"), column, text)
    return float(text)


def is_recollected(row: RowDict) -> bool:
    """Return whether a CSV row says that its figure comes from memory (column ``seen_or_memory``).

    Examples
    --------
    >>> is_recollected({"seen_or_memory": "memory-unverified"}), is_recollected({"seen_or_memory": "seen"})
    (True, False)
    """
    return row.get("seen_or_memory", "").startswith("memory")


def summarise(rows: Sequence[Row]) -> Summary:
    """Return the mean and worst errors of one or more rows."""
    errors = [row.error for row in rows]
    worst = max(range(len(rows)), key=lambda place: abs(errors[place]))
    return Summary(
        rows=len(rows),
        mean_absolute_error=math.fsum(abs(error) for error in errors) / len(rows),
        mean_error=math.fsum(errors) / len(rows),
        worst_error=errors[worst],
        worst_case=rows[worst].case_id,
        rank_correlation=_rank_correlation(rows),
        recollected=sum(row.recollected for row in rows),
    )


def _rank_correlation(rows: Sequence[Row]) -> float | None:
    """Return Spearman's rank correlation of five or more rows of one unit and kind; None for other rows."""
    if len(rows) < 5 or len({(row.unit, row.kind) for row in rows}) > 1:
        return None
    return spearman([row.published for row in rows], [row.ours for row in rows])


def _generalised(reason: str) -> str:
    """Return a reason without the value it quotes and without numbers, so that equal reasons of rows count together."""
    return re.sub(r"\d[\d.,]*", "#", reason.partition("; got")[0])


def _row_dict(row: Row) -> dict[str, Any]:
    first = ("case_id", "kind", "published", "ours", "unit")
    last = ("source", "note", "recollected")
    fields = {name: getattr(row, name) for name in first} | {"error": row.error}
    return fields | {name: getattr(row, name) for name in last}


def _header(reader: Any, where: str) -> list[str]:
    header = [name.strip() for name in next(reader, [])]
    if not header or not all(header):
        raise SlipstickError("the first line must name every column", path=where)
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise SlipstickError("the column stands twice", path=where, value=twice[0])
    return header


def _number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def _not_a_number(place: str, column: str, text: str) -> SlipstickError:
    return SlipstickError("not a number", path=f"{place}, {column}", value=text)
