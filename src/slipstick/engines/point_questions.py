"""Points of a search as questions: what `exploration` asks of the engines, point by point or many at once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from slipstick.core.question import Question
from slipstick.core.sweep import Sweep
from slipstick.core.workload import Phase
from slipstick.engines.question import SystemSpec, WorkloadSpec, ask
from slipstick.report.report import Report


def point_question(workload: WorkloadSpec, system: SystemSpec, plan: Mapping[str, Any], **options: Any) -> Question:
    """Return the question that one point of a space puts; `options` as `slipstick.estimate` takes them.

    Errors
    ------
    SlipstickError for unknown names, and overrides of nothing.
    """
    options["overrides"] = options.pop("set", None)
    return ask(workload, system, dict(plan), **options)


def point_report(question: Question) -> Report:
    """Return the engine's estimate for one point, without the table of who chose what.

    Errors
    ------
    SlipstickError where the point is impossible.
    """
    from slipstick.verbs.answers import _answer

    return _answer(question, False)


def estimate_of(workload: WorkloadSpec, system: SystemSpec, plan: Mapping[str, Any], **options: Any) -> Report:
    """Return the whole Report of one point, as `slipstick.estimate` gives it."""
    from slipstick.verbs.answers import estimate

    return estimate(workload, system, dict(plan), **options)


def sweep_name(question: Question) -> str:
    """Return ``module:NAME`` of the vectorised form that the question's engine has, empty where it has none."""
    row = question.system.device.kind, question.workload.network.kind, question.workload.phase
    training = row == ("accelerator", "decoder", Phase.TRAIN)
    return "slipstick.cluster.sweep.training_columns:TRAINING" if training else ""


@cache
def load_sweep(name: str) -> Sweep:
    """Return the vectorised form of an engine by its name in the table."""
    module, _, attribute = name.partition(":")
    sweep: Sweep = getattr(import_module(module), attribute)
    return sweep


def reads_field(question: Question, path: str) -> bool:
    """Tell whether the question's engine reads a field of a plan, such as ``parallel.tp``."""
    if question.system.device.kind != "accelerator":
        return False
    return question.workload.network.kind == "decoder" or path in ("parallel.microbatch", "parallel.sp")
