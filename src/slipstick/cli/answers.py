"""The commands `estimate`, `compare` and `ops`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from slipstick.cli.options import Asked, Shown
from slipstick.cli.output import put

if TYPE_CHECKING:
    from slipstick.report.comparison import Comparison

_PLAIN_ASKED, _PLAIN_SHOWN = Asked(), Shown()
_KERNELS = "ops"


def estimate(
    workload: str,
    system: str,
    *,
    plan: str | None = None,
    asked: Asked = _PLAIN_ASKED,
    details: bool = False,
    shown: Shown = _PLAIN_SHOWN,
) -> None:
    """Say how long, how much memory, energy and money a workload takes on a system.

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
    import dataclasses

    from slipstick.verbs import answers

    report = answers.estimate(workload, system, plan, **asked.arguments())
    brief = {name: table for name, table in report.breakdowns.items() if details or name != _KERNELS}
    put(report, shown, dataclasses.replace(report, breakdowns=brief))


def compare(
    *what: str,
    plan: Annotated[list[str], Parameter(name="--plan", show_default=False)] = [],  # noqa: B006  cyclopts copies it
    asked: Asked = _PLAIN_ASKED,
    shown: Shown = _PLAIN_SHOWN,
) -> None:
    """Put several answers side by side, with ratios to the first.

    slipstick compare WORKLOAD SYSTEM SYSTEM ... compares systems, slipstick compare WORKLOAD SYSTEM --plan A --plan B
    plans, and slipstick compare A.json B.json reports that estimate --json wrote.

    Parameters
    ----------
    what
        A workload and one or more systems, or two or more report files.
    plan
        Repeatable: every system is asked with every plan.
    """
    put(_comparison(list(what), plan, asked), shown)


def _comparison(what: list[str], plans: list[str], asked: Asked) -> Comparison:
    import dataclasses

    from slipstick.core.errors import SlipstickError
    from slipstick.verbs import answers

    if what and all(_is_report(name) for name in what):
        return answers.compare(*what)
    if len(what) < 2:
        raise SlipstickError("nothing to compare", path="compare", allowed="WORKLOAD SYSTEM ..., or report files")
    workload, *systems = what
    wanted: list[str | None] = [*plans] or [None]
    reports = []
    for system, plan in [(system, plan) for system in systems for plan in wanted]:
        report = answers.estimate(workload, system, plan, **asked.arguments())
        title = f"{report.title}, {plan}" if len(wanted) > 1 else report.title
        reports.append(dataclasses.replace(report, title=title))
    return answers.compare(*reports)


def _is_report(name: str) -> bool:
    """Tell a saved report from a config.json: both end in .json."""
    if not name.lower().endswith(".json") or not Path(name).is_file():
        return False
    from slipstick.core.files import load_json

    data = load_json(name)
    return isinstance(data, dict) and str(data.get("schema", "")).startswith("slipstick.report")


def ops(
    workload: str,
    system: str | None = None,
    *,
    plan: str | None = None,
    asked: Asked = _PLAIN_ASKED,
    json: bool = False,
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
    from slipstick.cli.list_show import put_table
    from slipstick.verbs import answers

    put_table(_KERNELS, answers.ops(workload, system, plan, **asked.arguments()), json)
