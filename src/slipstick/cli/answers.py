"""The commands `estimate`, `compare` and `ops`."""

from __future__ import annotations

from typing import Annotated, Unpack

from cyclopts import Parameter

from slipstick.cli.options import Shown, options_of
from slipstick.cli.output import put, put_table
from slipstick.engines.verb_options import EstimateOptions

_PLAIN_SHOWN = Shown()
_KERNELS = "ops"


@options_of(EstimateOptions)
def estimate(
    workload: str,
    system: str,
    *,
    plan: str | None = None,
    details: bool = False,
    shown: Shown = _PLAIN_SHOWN,
    **options: Unpack[EstimateOptions],
) -> None:
    """Print the time, memory, energy and money that a workload takes on a system.

    Parameters
    ----------
    workload
        A name (slipstick list workloads), or the path of a config.json.
    system
        A name (slipstick list systems), name:count, name@3nm+hbm4:count (slipstick list tech), or a YAML file.
    plan
        tp=8,pp=4,... Default: the fastest split of the devices that fits memory. On an array: formats=swis:3.
    details
        Print the table of kernels as well (it is always in the JSON and the HTML).
    """
    from slipstick.verbs.estimate import estimate as verb

    report = verb(workload, system, plan, **options)
    brief = {name: table for name, table in report.breakdowns.items() if details or name != _KERNELS}
    put(report, shown, report.with_breakdowns(brief))


@options_of(EstimateOptions)
def compare(
    *answers: str,
    plan: Annotated[list[str], Parameter(name="--plan", show_default=False)] = [],  # noqa: B006  cyclopts copies it
    shown: Shown = _PLAIN_SHOWN,
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

    put(verb(*answers, plan=plan, **options), shown)


@options_of(EstimateOptions)
def ops(
    workload: str,
    system: str | None = None,
    *,
    plan: str | None = None,
    json: bool = False,
    **options: Unpack[EstimateOptions],
) -> None:
    """List every operation of a workload, forward and (in training) backward, with its sizes.

    With a system, these are the kernels that one device runs under the plan, with their times and bounds; without one,
    the operations of the whole network, undivided.

    Parameters
    ----------
    workload
        A name (slipstick list workloads), or the path of a config.json.
    system
        A name (slipstick list systems), name:count, name@3nm+hbm4:count (slipstick list tech), or a YAML file.
    plan
        tp=8,pp=4,... Default: the fastest split of the devices that fits memory. On an array: formats=swis:3.
    json
        Print JSON and nothing else.
    """
    from slipstick.verbs.ops import ops as verb

    put_table(_KERNELS, verb(workload, system, plan, **options).breakdowns[_KERNELS], json)
