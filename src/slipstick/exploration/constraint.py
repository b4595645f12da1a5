"""Conditions on figures, such as ``memory.peak < 75 GiB and time.step <= 10 s``: parsed, never executed."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core import units
from slipstick.core.errors import SlipstickError

_CLAUSE = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(<=|>=|==|!=|<|>)\s*([^<>=!]+?)\s*")
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
LONGEST = 1000  # characters


@dataclass(frozen=True)
class Constraint:
    """Clauses that must all hold: a figure's path, a comparison, and a value in SI units."""

    clauses: tuple[tuple[str, str, float], ...] = ()

    def holds(self, columns: Mapping[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
        """Return, for every row, whether all clauses hold; a figure that is not a number holds nothing."""
        rows = len(next(iter(columns.values())))
        found = np.ones(rows, np.bool_)
        for path, comparison, value in self.clauses:
            found &= _OPERATORS[comparison](columns[path], value) & ~np.isnan(columns[path])
        return found


def parse(text: str, figures: Mapping[str, str]) -> Constraint:
    """Return the constraint that a text states; `figures` maps the paths that there are to their units.

    Errors
    ------
    SlipstickError for what is no comparison, an unknown figure (with the nearest), a value of another unit.

    Examples
    --------
    >>> parse("memory.peak < 75 GiB and time.step <= 2 s", {"memory.peak": "B", "time.step": "s"}).clauses
    (('memory.peak', '<', 80530636800.0), ('time.step', '<=', 2.0))
    """
    if len(text) > LONGEST:
        raise SlipstickError("too long", path="subject_to", value=len(text), allowed=f"at most {LONGEST} characters")
    clauses = []
    for part in filter(None, (piece.strip() for piece in re.split(r"\band\b|,|&&", text))):
        match = _CLAUSE.fullmatch(part)
        if match is None:
            raise SlipstickError("not a comparison", path="subject_to", value=part, allowed="memory.peak < 75 GiB")
        if match[1] not in figures:
            raise SlipstickError("no such figure", path="subject_to", value=match[1], allowed=list(figures))
        unit = figures[match[1]]
        clauses.append((match[1], match[2], units.parse(match[3], unit) if unit else _number(match[3], part)))
    return Constraint(tuple(clauses))


def _number(text: str, part: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SlipstickError("not a number", path="subject_to", value=part) from None
