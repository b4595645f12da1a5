"""Sweep: the vectorised form of an engine, which evaluates many plans of one question in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.question import Question


@dataclass(frozen=True)
class Sweep:
    """The vectorised form of an engine; an entry of the table of engines names it as ``module:NAME``.

    `search` looks it up once. It is used where it gives every figure that is asked for and `accepts` every value of the
    space's plans; everywhere else each point is a Report of its own.

    Parameters
    ----------
    figures : path of each figure that it gives, as in the engine's Report, with its unit.
    fields : dotted fields that may differ between the points of one call: of a plan, such as ``parallel.tp``, and with
        their root those of a workload, such as ``workload.batch``.
    accepts : tells whether it takes a value in a field of the plan; False for what the engine works out plan by plan.
    columns : called with the question, which holds what all points share; the varied fields, each with its values; and
        for each of them which value a point has, [points]. Returns the figures, [points]: not a number where a plan is
        impossible.
    choices : called with a question; returns the fields of its plan that a search varies where the user names no
        values, by dotted path, each with its values.
    needs : fields of a plan whose value it must be given, where the points share it too.
    of_options : figures that it gives beside, with their units, by the option of the verb that asks for them.
    """

    figures: Mapping[str, str]
    fields: frozenset[str]
    accepts: Callable[[str, Any], bool]
    columns: Callable[[Question, Mapping[str, Sequence[Any]], Sequence[IntArray]], dict[str, FloatArray]]
    choices: Callable[[Question], Mapping[str, Sequence[Any]]] | None = None
    of_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
