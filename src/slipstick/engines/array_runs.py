"""Arrays beside each other: one workload on several, as costed runs that other questions start from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipstick.core.device_kinds import Array
from slipstick.engines.question import PlanSpec, SystemSpec, WorkloadSpec, ask
from slipstick.engines.refusals import engine_for

if TYPE_CHECKING:
    from slipstick.array.estimate import Run


def run_on_array(workload: WorkloadSpec, system: SystemSpec, plan: PlanSpec = None, **asked: Any) -> Run:
    """Return a workload on an array, every layer costed: what `estimate` reports, open to further questions.

    `asked` as for `slipstick.estimate`: ``batch``, ``set``.

    Errors
    ------
    SlipstickError for a system that is no array, and all that `estimate` refuses.

    Examples
    --------
    >>> run = run_on_array("mobilenet-v2", "stripes-8x8", "formats=int8")
    >>> len(run.layers), run.layers[0].effective_shifts
    (53, 8.0)
    """
    from slipstick.array.estimate import run

    question = ask(workload, system, plan, **asked)
    question.system.device_as(Array)
    engine_for("estimate", question)  # refuses what the array does not take
    return run(question.workload, question.system, question.plan)
