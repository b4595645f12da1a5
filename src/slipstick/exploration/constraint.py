"""Constraints on figures, such as ``memory.peak < 75 GiB and time.step <= 10 s``: parsed, never executed."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from slipstick.core import units
from slipstick.core.arrays import BoolArray, FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.exploration.figures import _figure_path

_CLAUSE = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(<=|>=|==|!=|<|>)\s*([^<>=!]+?)\s*")
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_MAX_CHARACTERS = 1000
_WHERE = "subject_to"
_PREFIXED = ("s", "B", "J", "W", "USD")  # units whose bare number may mean several: 200 may be ms


@dataclass(frozen=True)
class Constraint:
    """Conjunction of clauses, each of a figure's path, a comparison, and a value in SI units."""

    clauses: tuple[tuple[str, str, float], ...] = ()

    def holds(self, columns: Mapping[str, FloatArray]) -> BoolArray:
        """Return for every row whether all clauses hold; a figure that is NaN meets none."""
        rows = len(next(iter(columns.values())))
        satisfied = np.ones(rows, np.bool_)
        for path, comparison, value in self.clauses:
            satisfied &= _OPERATORS[comparison](columns[path], value) & ~np.isnan(columns[path])
        return satisfied


def _figure_names(text: str) -> list[str]:
    """Return the figures that a constraint's text names, as written there.

    Errors
    ------
    SlipstickError for what is no comparison.

    Examples
    --------
    >>> _figure_names("memory.peak < 75 GiB and time <= 2 s")
    ['memory.peak', 'time']
    """
    return [name for name, _, _ in _clauses(text)]


def _parse(text: str, figures: Mapping[str, str]) -> Constraint:
    """Return the constraint of a text; `figures` maps the paths of all known figures to their units.

    Errors
    ------
    SlipstickError for what is no comparison, an unknown figure (with the nearest), a value of another unit.

    Examples
    --------
    >>> _parse("memory.peak < 75 GiB and time.step <= 2 s", {"memory.peak": "B", "time.step": "s"}).clauses
    (('memory.peak', '<', 80530636800.0), ('time.step', '<=', 2.0))
    """
    clauses = []
    for name, comparison, value in _clauses(text):
        path = _figure_path(name, figures, _WHERE)
        clauses.append((path, comparison, _si_value(value, figures[path])))
    return Constraint(tuple(clauses))


def _clauses(text: str) -> Iterator[tuple[str, str, str]]:
    if len(text) > _MAX_CHARACTERS:
        allowed = f"at most {_MAX_CHARACTERS} characters"
        raise SlipstickError("too long", path=_WHERE, value=len(text), allowed=allowed)
    for part in filter(None, (piece.strip() for piece in re.split(r"\band\b|,|&&", text))):
        match = _CLAUSE.fullmatch(part)
        if match is None:
            raise SlipstickError("not a comparison", path=_WHERE, value=part, allowed="memory.peak < 75 GiB")
        yield match[1], match[2], match[3]


def _is_number(text: str) -> bool:
    """Return whether a text is a bare number other than 0, which is the same in any unit."""
    try:
        return float(text) != 0
    except ValueError:
        return False


def _si_value(text: str, unit: str) -> float:
    if unit in _PREFIXED and _is_number(text):
        example = {"s": "200 ms", "B": "64 KiB", "J": "5 mJ", "W": "2 W", "USD": "15 USD"}[unit]
        raise SlipstickError("a value without its unit", path=_WHERE, value=text, allowed=f"such as {example}")
    try:
        try:
            return units.parse(text, unit or "1")
        except KeyError:  # a unit without prefixes, such as cycle
            return units.parse(text.removesuffix(unit), "1")
    except SlipstickError as error:
        raise SlipstickError(error.message, path=_WHERE, value=error.value, allowed=error.allowed) from None
