"""`estimate`: time, memory, energy and cost of a workload, in closed form."""

from __future__ import annotations

from typing import Unpack

from slipstick.engines.closed_form import estimate_report
from slipstick.engines.question import PlanSpec, SystemSpec, WorkloadSpec
from slipstick.engines.verb_options import EstimateOptions
from slipstick.report.report import Report


def estimate(
    workload: WorkloadSpec, system: SystemSpec, plan: PlanSpec = None, **options: Unpack[EstimateOptions]
) -> Report:
    """Return the time, memory, energy and money that a workload takes on a system under a plan, in closed form.

    Parameters
    ----------
    workload
        A name of the catalogue, the path of a ``config.json``, ``.onnx`` or ``.tflite`` file, a dict, a Network or a
        Workload.
    system
        A name, ``name:count`` or ``name@3nm+hbm4:count``, the path of a YAML file, a dict or a System.
    plan
        ``"tp=8,pp=8,..."``, a dict or a Plan. None: the fastest split of the devices that fits memory.
    options
        Fields of `EstimateOptions`: phase, batch, sequence, output, training_tokens, set, calibration, strict, fabric,
        rate, arrivals, variation, queue_mean, queue_p99, queue_first_token.

    Errors
    ------
    SlipstickError for what cannot be: unknown names, impossible plans, wrong units; with ``strict`` for findings.

    Examples
    --------
    >>> report = estimate("llama-3.1-8b", "h100-sxm-80gb:8", "tp=8", batch=8, sequence=4096)
    >>> report["time.step"].unit, report["time.step"].how
    ('s', 'estimated')
    >>> faster = estimate("llama-3.1-8b", "h100-sxm-80gb:8", "tp=8", set={"system.memory.hbm.bandwidth": "8 TB/s"})
    >>> faster.value("time.step") < report.value("time.step")
    True
    """
    return estimate_report(workload, system, plan, **options)
