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
    Phase.TRAIN: "microbatch=1..8,zero=0|1",
}


def _default_plans(question: Question) -> str:
    """Return the plans to try where an engine has no choices of its own, as ``key=values,...`` of fields that it reads.

    Examples
    --------
    >>> from slipstick.engines.question import ask
    >>> _default_plans(ask("resnet-50", "dgx-a100:8"))
    'microbatch=1..8,zero=0|1'
    >>> _default_plans(ask("mobilenet-v2", "swis-8x8"))
    ''
    """
    engine, paths = engine_for("estimate", question), short_keys()
    fields = _PLANS.get(question.workload.phase, "").split(",")
    return ",".join(text for text in fields if text and engine.reads(paths[text.partition("=")[0]]))


def _open_fields(questions: Iterable[Question], stated: Iterable[str]) -> Mapping[str, tuple[Any, ...]]:
    """Return the fields that the questions' engines vary of themselves, each with its values on any of the systems.

    Where a plan is given, an engine that chooses what it leaves open for each point varies nothing else.

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
    taken, values = set(stated), dict[str, dict[Any, None]]()
    has_plan = any(path.startswith("plan.") for path in taken)
    for question in questions:
        name = engine_for("estimate", question).sweep
        sweep = _load_sweep(name) if name else None
        if sweep is None or sweep.choices is None or (has_plan and not sweep.needs):
            continue
        for path, some in sweep.choices(question).items():
            values.setdefault(f"plan.{path}", {}).update(dict.fromkeys(some))
    return {
        path: tuple(sorted(some, key=lambda value: (isinstance(value, str), value)))
        for path, some in values.items()
        if path not in taken
    }
