"""Fields of a plan that a search varies where the user gives no values for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from slipstick.core.plan import short_keys
from slipstick.core.question import Question
from slipstick.core.workload import Phase
from slipstick.engines.refusals import engine_for
from slipstick.exploration.points import _load_sweep

_PLANS = {
    Phase.TRAIN: "tp=1..8,pp=1..16,microbatch=1..8,recompute=none|selective|full,sp=true|false,zero=0|1,others=off",
    Phase.PREFILL: "tp=1..8,pp=1|2",
    Phase.DECODE: "tp=1..8,pp=1|2",
}


def _default_plans(question: Question) -> str:
    """Return the plans to try for a Question, as ``key=values,...`` of the fields that its engine reads.

    Examples
    --------
    >>> from slipstick.engines.question import ask
    >>> _default_plans(ask("llama-3.1-8b", "h100-sxm:8"))[:9]
    'tp=1..8,p'
    >>> _default_plans(ask("mobilenet-v2", "swis-8x8"))
    ''
    """
    engine, paths = engine_for("estimate", question), short_keys()
    fields = _PLANS.get(question.workload.phase, "").split(",")
    return ",".join(text for text in fields if text and engine.reads(paths[text.partition("=")[0]]))


def _open_fields(questions: Iterable[Question], stated: Iterable[str]) -> Mapping[str, tuple[Any, ...]]:
    """Return the fields that the questions' engines vary of themselves, each with its values on any of the systems.

    Parameters
    ----------
    stated : paths of the fields of a plan that the user gives.

    Examples
    --------
    >>> from slipstick.engines.question import ask
    >>> asked = ask("llama-3.1-8b", "h100-sxm:8", phase="decode")
    >>> _open_fields([asked], ["plan.parallel.pp"])
    {'plan.parallel.tp': (1, 2, 4, 8)}
    """
    values: dict[str, dict[Any, None]] = {}
    for question in questions:
        name = engine_for("estimate", question).sweep
        choices = _load_sweep(name).choices if name else None
        for path, some in (choices(question) if choices else {}).items():
            values.setdefault(f"plan.{path}", {}).update(dict.fromkeys(some))
    taken = set(stated)
    return {
        path: tuple(sorted(some, key=lambda value: (isinstance(value, str), value)))
        for path, some in values.items()
        if path not in taken
    }
