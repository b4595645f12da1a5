"""Points of a search as questions: what `exploration` asks of the engines, point by point or many at once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.question import Question
from slipstick.core.sweep import Sweep
from slipstick.engines.closed_form import estimate_report
from slipstick.engines.question import SystemSpec, WorkloadSpec, ask
from slipstick.engines.refusals import engine_for
from slipstick.report.report import Report

_VERB = "estimate"


def point_question(workload: WorkloadSpec, system: SystemSpec, plan: Mapping[str, Any], **options: Any) -> Question:
    """Return the question that one point of a space puts; `options` as `slipstick.estimate` takes them.

    Errors
    ------
    SlipstickError for unknown names, and overrides of nothing.
    """
    return ask(workload, system, dict(plan), verb=_VERB, **options)


def point_report(question: Question) -> Report:
    """Return the engine's estimate for one point, without the table of who chose what.

    Errors
    ------
    SlipstickError where no engine takes the point, or it is impossible.
    """
    return engine_for(_VERB, question).answer(question)


def whole_report(workload: WorkloadSpec, system: SystemSpec, plan: Mapping[str, Any], **options: Any) -> Report:
    """Return the Report of one point as `slipstick.estimate` gives it.

    Errors
    ------
    SlipstickError as `point_question` and `point_report` raise it.
    """
    return estimate_report(workload, system, dict(plan), **options)


def sweep_name(question: Question) -> str:
    """Return ``module:NAME`` of the vectorised form that the question's engine has, empty where it has none."""
    try:
        return engine_for(_VERB, question).sweep
    except SlipstickError:  # nothing answers this point
        return ""


@cache
def load_sweep(name: str) -> Sweep:
    """Return the vectorised form of an engine by its name in the table."""
    module, _, attribute = name.partition(":")
    sweep: Sweep = getattr(import_module(module), attribute)
    return sweep


def reads_field(question: Question, path: str) -> bool:
    """Tell whether the question's engine reads a field of a plan, such as ``parallel.tp``.

    Errors
    ------
    SlipstickError where no engine takes the question.
    """
    return engine_for(_VERB, question).reads(path)
