"""Default plans of a search for which the user gives none."""

from __future__ import annotations

from slipstick.core.plan import short_keys
from slipstick.core.question import Question
from slipstick.core.workload import Phase
from slipstick.engines.refusals import engine_for

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
    >>> _default_plans(ask("llama-3.1-8b", "h100-sxm:8", phase="decode"))
    'tp=1..8,pp=1|2'
    >>> _default_plans(ask("mobilenet-v2", "swis-8x8"))
    ''
    """
    engine, paths = engine_for("estimate", question), short_keys()
    fields = _PLANS.get(question.workload.phase, "").split(",")
    return ",".join(text for text in fields if text and engine.reads(paths[text.partition("=")[0]]))
