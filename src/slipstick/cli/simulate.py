"""Command `simulate`: from options to a simulated training step, or an array's layers."""

from __future__ import annotations

from typing import Annotated, Unpack

from cyclopts import Parameter

from slipstick.cli.options import PLAIN, Shown, WorkName, _options_of
from slipstick.cli.output import _put, _put_table
from slipstick.engines.verb_options import SimulateOptions

_System = Annotated[
    str,
    Parameter(
        help="A system with a topology, such as wafer-mesh, wafer-fred-d or dgx1-v100; an array; or a YAML file."
    ),
]
_Plan = Annotated[
    str | None,
    Parameter(
        help="tp=2,pp=2,dp=5,microbatch=8,... Default: the fastest split of the nodes. On an array: formats=swis:3."
    ),
]
_STRATEGIES = "strategies"


@_options_of(SimulateOptions)
def simulate(
    workload: WorkName,
    system: _System,
    *,
    plan: _Plan = None,
    display: Shown = PLAIN,
    **options: Unpack[SimulateOptions],
) -> None:
    """Print the time of a training step on a system whose links are known, with all traffic on them in events.

    On a bit-serial array: its layers element by element and cycle by cycle, beside the closed form.
    """
    from slipstick.verbs.simulate import simulate as verb

    report = verb(workload, system, plan, **options)
    if options.get("sweep"):
        _put_table(_STRATEGIES, report.breakdowns[_STRATEGIES], display.json)
        return
    _put(report, display)
