"""The commands `estimate`, `compare` and `ops`."""

from __future__ import annotations

from typing import Annotated, Unpack

from cyclopts import Parameter

from slipstick.cli.options import PLAIN, PlanText, Shown, SystemName, WorkName, _options_of
from slipstick.cli.output import _put, _put_table
from slipstick.engines.verb_options import EstimateOptions

_Details = Annotated[
    bool, Parameter(help="Print the table of kernels as well (it is always in the JSON and the HTML).")
]
_Json = Annotated[bool, Parameter(help="Print JSON and nothing else.")]
_KERNELS = "ops"


@_options_of(EstimateOptions)
def estimate(
    workload: WorkName,
    system: SystemName,
    *,
    plan: PlanText = None,
    details: _Details = False,
    display: Shown = PLAIN,
    **options: Unpack[EstimateOptions],
) -> None:
    """Print the time, memory, energy and money that a workload takes on a system."""
    from slipstick.verbs.estimate import estimate as verb

    report = verb(workload, system, plan, **options)
    brief = {name: table for name, table in report.breakdowns.items() if details or name != _KERNELS}
    _put(report, display, report.with_breakdowns(brief))


@_options_of(EstimateOptions)
def compare(
    *answers: str,
    plan: Annotated[list[str], Parameter(name="--plan", show_default=False)] = [],  # noqa: B006  cyclopts copies it
    display: Shown = PLAIN,
    **options: Unpack[EstimateOptions],
) -> None:
    """Put several answers side by side, with ratios to the first.

    slipstick compare WORKLOAD SYSTEM SYSTEM ... compares systems, slipstick compare WORKLOAD SYSTEM --plan A --plan B
    plans, and slipstick compare A.json B.json reports that estimate --json wrote.

    Parameters
    ----------
    answers
        A workload and one or more systems, or two or more report files.
    plan
        Repeatable: every system is asked with every plan.
    """
    from slipstick.verbs.compare import compare as verb

    _put(verb(*answers, plan=plan, **options), display)


@_options_of(EstimateOptions)
def ops(
    workload: WorkName,
    system: SystemName | None = None,
    *,
    plan: PlanText = None,
    json: _Json = False,
    **options: Unpack[EstimateOptions],
) -> None:
    """List every operation of a workload, forward and (in training) backward, with its sizes.

    With a system, these are the kernels that one device runs under the plan, with their times and bounds; without one,
    the operations of the whole network, undivided.
    """
    from slipstick.verbs.ops import ops as verb

    _put_table(_KERNELS, verb(workload, system, plan, **options).breakdowns[_KERNELS], json)
