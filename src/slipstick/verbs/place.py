"""`place`: placement of a network's operators on the devices of a system whose links are known."""

from __future__ import annotations

from typing import Unpack

from slipstick.engines.answer import answer
from slipstick.engines.question import PlanSpec, SystemSpec, WorkloadSpec
from slipstick.engines.verb_options import PlaceOptions
from slipstick.report.report import Report


def place(workload: WorkloadSpec, system: SystemSpec, plan: PlanSpec = None, **options: Unpack[PlaceOptions]) -> Report:
    """Return the fastest placement of a network's operators that was found, with the bound that was proved.

    Parameters
    ----------
    workload
        An operator graph or a decoder: a name, the path of a ``config.json``, a dict, a Network or a Workload.
    system
        A system with a ``topology``; ``dgx1-v100:2`` takes two nodes of it, the best connected ones.
    plan
        The formats: ``"matmul=fp16,activations=fp16"`` unless said.
    options
        Fields of `PlaceOptions`: phase (train places both passes, infer the forward one), batch, sequence, forwarding,
        time_limit, set.

    Returns
    -------
    Report
        `detail` has the instance, the schedule, and `replayed()`: seconds that the fabric's flow simulator takes for
        it; `pictures()` the timeline of every device and link.

    Errors
    ------
    SlipstickError for a system without a topology, and for what fits no device.

    Examples
    --------
    >>> report = place("resnet-18", "dgx1-v100:2", phase="infer", batch=64)
    >>> report.value("gap"), 1.0 <= report.value("speedup.placement") <= 2.0
    (0.0, True)
    """
    return answer("place", workload, system, plan, **options)
