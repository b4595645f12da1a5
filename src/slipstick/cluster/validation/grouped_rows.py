"""Comparison with tables of thousands of measured rows: one array evaluation per device and kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.report.published import Row, RowDict, Suite, Validation, number

Key = tuple[str, ...]

_LARGEST = 2.0**50  # of a size: products of four stay finite


@dataclass(frozen=True)
class _MeasuredTable(Suite):
    """Validation suite of a table of measured times: its key and size columns, and the model that predicts the times.

    Attributes
    ----------
    name, kind : names of the suite and of its rows.
    columns, about : header that is recognised, and a line on what the table holds.
    key : the columns whose texts make a group.
    numbers : the columns of positive numbers that `answer` takes, in this order.
    identity, source : row -> its case_id, and where it is counted in the summary.
    answer : texts of the key, numbers of shape (rows, columns) -> our times [s], shape (rows,), and a note on them.
    """

    name: str
    columns: frozenset[str]
    kind: str
    key: Key
    numbers: Key
    identity: Callable[[RowDict], str]
    source: Callable[[RowDict], str]
    answer: Callable[[Key, FloatArray], tuple[FloatArray, str]]
    about: str = ""

    def replay(self, rows: list[RowDict]) -> Validation:
        """Return the comparison of every row, in order; rows not readable or not modelled are listed with reasons."""
        answered: dict[int, Row] = {}
        skipped: dict[int, tuple[str, str]] = {}
        groups: dict[Key, list[tuple[int, list[float]]]] = {}
        for place, row in enumerate(rows):
            try:
                sizes = self._read(row)
            except SlipstickError as error:
                skipped[place] = (self.identity(row), str(error))
                continue
            groups.setdefault(tuple(row[column] for column in self.key), []).append((place, sizes))
        for key, members in groups.items():
            places = [place for place, _ in members]
            table = np.array([values for _, values in members])
            try:
                times, note = self.answer(key, table[:, :-1])
            except SlipstickError as error:
                skipped |= {place: (self.identity(rows[place]), str(error)) for place in places}
                continue
            for place, measured, ours in zip(places, table[:, -1].tolist(), times.tolist(), strict=True):
                row = rows[place]
                case, source = self.identity(row), self.source(row)
                answered[place] = Row(case, self.kind, measured, ours * 1e6, "us", source, note)
        return Validation(
            self.name,
            tuple(answered[place] for place in sorted(answered)),
            tuple(skipped[place] for place in sorted(skipped)),
            total=len(rows),
        )

    def _read(self, row: RowDict) -> list[float]:
        values = [number(row, column, case=self.identity(row)) for column in (*self.numbers, "latency_us")]
        for column, value in zip((*self.numbers, "latency_us"), values, strict=True):
            if not 0 < value <= _LARGEST or (column != "latency_us" and not value.is_integer()):
                path = f"{self.identity(row)}, {column}"
                raise SlipstickError(
                    "not a size",
                    path=path,
                    value=value,
                    allowed=f"above 0, up to {_LARGEST:g}, and whole unless a time",
                )
        return values


def _replay_groups(
    suite: str,
    rows: list[RowDict],
    *,
    key: Callable[[RowDict], Key],
    identity: str,
    answer: Callable[[list[RowDict]], list[list[Row]]],
) -> Validation:
    """Return the comparison of rows that are modelled group by group, each with one figure or more.

    Parameters
    ----------
    key : row -> texts that the rows of a group share.
    identity : column that names a row.
    answer : rows of a group -> our figures and the measured ones, for each row.
    """
    groups: dict[Key, list[int]] = {}
    answered: dict[int, list[Row]] = {}
    skipped: dict[int, str] = {}
    for place, row in enumerate(rows):
        try:
            groups.setdefault(key(row), []).append(place)
        except SlipstickError as error:
            skipped[place] = str(error)
    for places in groups.values():
        _answer_places(rows, places, answer, answered, skipped)
    return Validation(
        suite,
        tuple(row for place in sorted(answered) for row in answered[place]),
        tuple((rows[place][identity], skipped[place]) for place in sorted(skipped)),
        total=len(rows),
    )


def _answer_places(
    rows: list[RowDict],
    places: list[int],
    answer: Callable[[list[RowDict]], list[list[Row]]],
    answered: dict[int, list[Row]],
    skipped: dict[int, str],
) -> None:
    """Answer the rows at some places as one array; where one of them cannot be answered, each is asked alone."""
    try:
        answered.update(zip(places, answer([rows[place] for place in places]), strict=True))
    except SlipstickError as error:
        if len(places) == 1:
            skipped[places[0]] = str(error)
            return
        for place in places:
            _answer_places(rows, [place], answer, answered, skipped)
