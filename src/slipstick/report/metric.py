"""Metrics, tables and findings: the elements of a Report.

The metric tree is nested names: ``{"time": {"step": Metric, "parts": {...}}, "memory": {"peak": Metric, ...}}``.
A group called ``parts`` holds what its parent's first metric is made of, in the same unit and summing up to it;
renderers draw it as one stacked bar.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any, Literal, get_args

from slipstick.core import units
from slipstick.core.errors import SlipstickError

# counted: follows from sizes alone; given: an input of the question, such as a capacity; assumed: nobody measured it
How = Literal["estimated", "simulated", "measured", "published", "counted", "given", "assumed"]
Severity = Literal["warning", "error"]
Cell = str | float | int | bool | None
Tree = Mapping[str, "Metric | Tree"]

PARTS = "parts"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure: an SI value, its unit, its origin (how it was computed) and its source.

    `value` is finite: a figure that does not exist is left out of the tree, never NaN. `low` and `high` are the ends of
    its error band, both or neither; the source says what the band holds.

    Examples
    --------
    >>> Metric(13.75, "s", "estimated").text
    '13.75 s'
    >>> Metric(12.3e-3, "s", "estimated", low=9.1e-3, high=16e-3).text
    '12.3 ms (9.1 to 16)'
    """

    value: float
    unit: str
    how: How
    source: str = ""
    note: str = ""
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))
        if self.low is not None or self.high is not None:
            self._check_band()
        if not math.isfinite(self.value):
            raise SlipstickError(
                "a figure is no finite number", value=self.value, allowed="inputs that are not absurdly large or small"
            )
        if self.how not in get_args(How):
            raise SlipstickError("not a way to find a figure", path="how", value=self.how, allowed=get_args(How))

    def _check_band(self) -> None:
        """Raise a SlipstickError unless the band has two finite ends with the value between them."""
        low, high = self.low, self.high
        if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
            raise SlipstickError("a band has two finite ends, or none", path="low, high", value=(low, high))
        if not low <= self.value <= high:
            raise SlipstickError("lies outside its band", path="value", value=self.value, allowed=f"{low} to {high}")

    @property
    def text(self) -> str:
        """The value with the most readable prefix, its unit, and the ends of its band where it has one."""
        return f"{self.value_text} ({self.band_text})" if self.band_text else self.value_text

    @property
    def value_text(self) -> str:
        """The value with the most readable prefix, and its unit."""
        return units.format_quantity(self.value, self.unit)

    @property
    def band_text(self) -> str:
        """The ends of the error band, such as ``9.1 to 16`` in the prefix of the value; empty where there is none."""
        if self.low is None or self.high is None:
            return ""
        ends = (float(f"{end:.3g}") for end in (self.low, self.high))  # a band is no exact figure
        low, high = (units.format_quantity(end, self.unit) for end in ends)
        prefix = self.value_text.partition(" ")[2]
        if prefix and all(text.partition(" ")[2] == prefix for text in (low, high)):
            return f"{low.partition(' ')[0]} to {high.partition(' ')[0]}"
        return f"{low} to {high}"


@dataclass(frozen=True, slots=True)
class Finding:
    """Finding of a named check: `message` states the problem and its size, `path` names the field or metric."""

    check: str
    message: str
    path: str = ""
    severity: Severity = "warning"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a breakdown: its name and the SI unit of its numbers (empty for text and plain numbers)."""

    name: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A breakdown: rows of cells under named columns. A missing cell is None.

    `stacked` asks for one stacked bar a row: the first column labels it, the numeric columns share a unit.

    Examples
    --------
    >>> table = Table.of({"op": "", "time": "s"}, [("qkv", 1.2e-3), ("attention", 0.8e-3)])
    >>> table.text(0, 1)
    '1.2 ms'
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    stacked: bool = False

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise SlipstickError(f"row {number} has {len(row)} cells for {len(self.columns)} columns")

    @classmethod
    def of(cls, columns: Mapping[str, str], rows: Iterable[Sequence[Any]], *, stacked: bool = False) -> Table:
        """Build a table from ``{column name: unit}`` and rows; numpy scalars become plain numbers."""
        heads = tuple(Column(name, unit) for name, unit in columns.items())
        return cls(heads, tuple(tuple(_cell(value) for value in row) for row in rows), stacked)

    def text(self, row: int, column: int) -> str:
        """Return the text of one cell, as printed."""
        value = self.rows[row][column]
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int | float):
            return units.format_quantity(value, self.columns[column].unit)
        return value or ""


def _flatten(tree: Tree, path: str = "") -> Iterator[tuple[str, Metric]]:
    """Yield every metric of a tree with its dotted path."""
    for name, child in tree.items():
        below = f"{path}.{name}" if path else name
        if isinstance(child, Metric):
            yield below, child
        else:
            yield from _flatten(child, below)


def ratio(first: Metric | None, other: Metric | None) -> float | None:
    """Return other / first, or None where either is missing, the units differ or the first is 0 (or nearly so)."""
    if first is None or other is None or first.unit != other.unit or first.value == 0:
        return None
    quotient = other.value / first.value
    return quotient if math.isfinite(quotient) else None


_PLAIN = frozenset((bool, int, str))


def canonical(value: Any) -> Any:
    """Return `value` as plain dicts, lists, text, numbers, booleans and None: what JSON can hold.

    Errors
    ------
    SlipstickError for a number that is not finite, or an object that has no description.
    """
    if value is None or type(value) in _PLAIN:  # nearly all: a report holds thousands
        return value
    if isinstance(value, Enum):
        return canonical(value.value)
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SlipstickError(
                "a figure is no finite number", path="inputs", value=float(value),
                allowed="inputs that are not absurdly large or small",
            )  # fmt: skip
        return float(value)
    if isinstance(value, Mapping):
        return {str(canonical(key)): canonical(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(child) for child in value]
    if isinstance(value, Metric):  # an input that was measured
        return canonical(value.value)
    if isinstance(value, PurePath):
        return str(value)
    for method in ("model_dump", "tolist"):  # a Spec; a numpy array or scalar. Neither is imported here
        if (describe := getattr(value, method, None)) is not None:
            return canonical(describe())
    raise SlipstickError(f"a {type(value).__name__} cannot stand in a report", path="inputs")


def _cell(value: Any) -> Cell:
    plain = canonical(value)
    if isinstance(plain, dict | list):
        raise SlipstickError("a cell holds one value", value=plain)
    return plain  # type: ignore[no-any-return]
