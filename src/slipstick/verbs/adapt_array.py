"""What adapted weights take on an array, beside int8: an addition to the Reports of `adapt`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from slipstick.core.errors import SlipstickError

if TYPE_CHECKING:
    from slipstick.core.format import Encoded
    from slipstick.core.report import Report
    from slipstick.models.graphs.imported import ImportedGraph
    from slipstick.verbs.question import Question, SystemSpec


def array_question(graph: ImportedGraph, system: SystemSpec) -> Question:
    """Return a network's graph and the array that is asked about.

    Errors
    ------
    SlipstickError for a system that is none, or no array.
    """
    from slipstick.verbs.question import ask

    question = ask(graph, system)
    if question.system.array is None:
        raise SlipstickError("not an array", path="system", value=question.system.name)
    return question


def with_array(report: Report, question: Question, encoded: Mapping[str, Encoded]) -> Report:
    """Return the report with the array's cycles, time and energy for `encoded` weights, by the layers' names."""
    from slipstick.array.adapted import on_array

    metrics = {**report.metrics, "array": on_array(question.workload, question.system, encoded)}
    return replace(report, metrics=metrics, inputs={**report.inputs, "system": question.system})
