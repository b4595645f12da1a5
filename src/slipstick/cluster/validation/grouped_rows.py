"""Replay of tables with thousands of measured rows: one array evaluation for those of one device and kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.report.published import Row, RowDict, Validation, number

Key = tuple[str, ...]

LARGEST = 2.0**50  # of a size: products of four stay finite


@dataclass(frozen=True)
class Answers:
    """What the model says of the rows of one group: seconds, shape (rows,), and the note that they share."""

    time: FloatArray
    note: str = ""


@dataclass(frozen=True)
class Table:
    """How the rows of one measured table are read.

    Attributes
    ----------
    suite, kind : names of the suite and of its rows.
    key : the columns whose texts make a group.
    numbers : the columns of positive numbers that `answer` takes, in this order.
    identity, source : row -> its case_id, and where it is counted in the summary.
    answer : texts of the key, numbers of shape (rows, columns) -> our times.
    """

    suite: str
    kind: str
    key: Key
    numbers: Key
    identity: Callable[[RowDict], str]
    source: Callable[[RowDict], str]
    answer: Callable[[Key, FloatArray], Answers]

    def replay(self, rows: list[RowDict]) -> Validation:
        """Answer every row in its order; rows that cannot be read or answered are listed with the reason."""
        found: dict[int, Row] = {}
        skipped: dict[int, tuple[str, str]] = {}
        groups: dict[Key, list[tuple[int, list[float]]]] = {}
        for place, row in enumerate(rows):
            try:
                groups.setdefault(tuple(row[column] for column in self.key), []).append((place, self._read(row)))
            except SlipstickError as error:
                skipped[place] = (self.identity(row), str(error))
        for key, members in groups.items():
            places = [place for place, _ in members]
            table = np.array([values for _, values in members])
            try:
                answers = self.answer(key, table[:, :-1])
            except SlipstickError as error:
                skipped |= {place: (self.identity(rows[place]), str(error)) for place in places}
                continue
            for place, measured, ours in zip(places, table[:, -1].tolist(), answers.time.tolist(), strict=True):
                row = rows[place]
                case, source = self.identity(row), self.source(row)
                found[place] = Row(case, self.kind, measured, ours * 1e6, "us", source, answers.note)
        return Validation(
            self.suite,
            tuple(found[place] for place in sorted(found)),
            tuple(skipped[place] for place in sorted(skipped)),
        )

    def _read(self, row: RowDict) -> list[float]:
        values = [number(row, column, case=self.identity(row)) for column in (*self.numbers, "latency_us")]
        for column, value in zip((*self.numbers, "latency_us"), values, strict=True):
            if not 0 < value <= LARGEST:
                path = f"{self.identity(row)}, {column}"
                raise SlipstickError("not a size", path=path, value=value, allowed=f"above 0, up to {LARGEST:g}")
        return values
