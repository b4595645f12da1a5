"""Dispatch of a verb to its engine: from the verb's arguments to a Report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipstick.engines.question import PlanSpec, SystemSpec, WorkloadSpec, ask
from slipstick.engines.refusals import engine_for
from slipstick.report.report import Report

if TYPE_CHECKING:
    from slipstick.engines.question import WeightsSpec


def answer(
    verb: str, workload: WorkloadSpec | WeightsSpec, system: SystemSpec, plan: PlanSpec = None, **options: Any
) -> Report:
    """Return the Report of the engine that the table of engines names for a verb and a Question.

    Errors
    ------
    SlipstickError for unknown names and options; SpecErrors with all that no engine takes, and what would be taken.

    Examples
    --------
    >>> answer("estimate", "mobilenet-v2", "swis-8x8", "formats=swis:3").value("time.step") > 0
    True
    """
    question = ask(workload, system, plan, verb=verb, **options)
    return engine_for(verb, question).answer(question)
