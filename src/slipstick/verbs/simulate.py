"""`simulate`: event simulation of a training step on a fabric, or of a network on an array, bit by bit."""

from __future__ import annotations

from typing import Unpack

from slipstick.engines.answer import answer
from slipstick.engines.question import PlanSpec, SystemSpec, WorkloadSpec
from slipstick.engines.verb_options import SimulateOptions
from slipstick.report.report import Report


def simulate(
    workload: WorkloadSpec, system: SystemSpec, plan: PlanSpec = None, **options: Unpack[SimulateOptions]
) -> Report:
    """Return the time of a training step on a system whose links are known, with all traffic on them in events.

    On a bit-serial array: the layers of a network, element by element and cycle by cycle, beside the closed form.

    Parameters
    ----------
    workload
        A name of the catalogue, the path of a ``config.json``, a dict, a Network or a Workload.
    system
        A system with a ``topology``, or an array: a name, the path of a YAML file, a dict or a System.
    plan
        ``"tp=2,pp=2,dp=5,microbatch=8"``, a dict or a Plan; tp and pp may be ``auto``: the fastest of all that divide
        the nodes. ``offload_weights=true``: weights are streamed from outside; unless said, where they do not fit.
        ``dp_overlap=false``: gradients are reduced behind the backward pass. On an array: ``"formats=swis:3"``.
    options
        Fields of `SimulateOptions`: batch, sequence, efficiency, sweep, set.

    Returns
    -------
    Report
        `pictures()` has each link's load through the step and the timeline of one replica; `detail` the step itself.
        With ``sweep``, the breakdown "strategies" has every strategy that takes all nodes and divides the batch.

    Errors
    ------
    SlipstickError for a system without a topology, and for plans that do not divide nodes, layers or batch.

    Examples
    --------
    >>> report = simulate("resnet-152", "wafer-fred-d", "dp=20,dp_overlap=false", batch=320)
    >>> report["time.step"].how, 0.0 < report.value("communication.exposed") < 0.2
    ('simulated', True)
    >>> table = simulate("turing-nlg-17b", "wafer-mesh", "microbatch=1", batch=80, sweep=True).breakdowns["strategies"]
    >>> [column.name for column in table.columns][:3], len(table.rows)
    (['strategy', 'MP', 'DP'], 18)
    """
    return answer("simulate", workload, system, plan, **options)
