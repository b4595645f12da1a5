"""`ops`: every operation of a workload, with its sizes."""

from __future__ import annotations

from typing import Unpack

from slipstick.engines.closed_form import operations_report
from slipstick.engines.question import PlanSpec, SystemSpec, WorkloadSpec
from slipstick.engines.verb_options import EstimateOptions
from slipstick.report.report import Report


def ops(
    workload: WorkloadSpec,
    system: SystemSpec | None = None,
    plan: PlanSpec = None,
    **options: Unpack[EstimateOptions],
) -> Report:
    """Return every operation, forward and (in training) backward, with its sizes, as the breakdown "ops".

    With a system: the kernels that one device runs under the plan, for one microbatch or step, each with its time and
    what bounds it. Without: the operations of the whole network, undivided. Arguments are those of `estimate`.

    Examples
    --------
    >>> table = ops("llama-3.1-8b", phase="decode", batch=4).breakdowns["ops"]
    >>> [row[0] for row in table.rows if row[1] == "matmul"][0]
    'layer.qkv'
    """
    return operations_report(workload, system, plan, **options)
