"""`hybrid`: the number of devices at which more devices per worker beat more workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from slipstick.engines.hybrid_parallelism import hybrid_report
from slipstick.engines.question import WorkloadSpec
from slipstick.engines.verb_options import HybridOptions
from slipstick.report.report import Report


def hybrid(
    workload: WorkloadSpec,
    system: str,
    *,
    remark: Callable[[str], None] = lambda _: None,
    **options: Unpack[HybridOptions],
) -> Report:
    """Return the speed-up in time to converge of data parallelism and of hybrid parallelism, by number of devices.

    Hybrid: data parallelism over workers of several devices, each of which splits the network. A crossover is the
    number of devices from which that is faster. Source: Pal et al., IEEE Micro 39(5), 2019 (arXiv 1907.13257).

    Parameters
    ----------
    workload
        An operator graph, such as ``inception-v3``.
    system
        A system with a topology and a range of counts: ``dgx1-v100:2..256`` (2, 4, ... 256) or ``dgx1-v100:8|64|256``.
    remark
        Told what is being worked out.
    options
        Fields of `HybridOptions`: epochs (a file, or an object of `slipstick.cluster.convergence.epochs_to_target`) or
        critical_batch with least_epochs, batch, widths, step_speedups, method, scaling, time_limit, samples.

    Returns
    -------
    Report
        `detail` has the curves, `pictures()` draws them.

    Errors
    ------
    SlipstickError for counts that do not grow, widths that do not fit, epochs that are known at none of the counts.

    Examples
    --------
    >>> report = hybrid("inception-v3", "dgx1-v100:2|8|32|128", critical_batch=2048.0, least_epochs=4.0,
    ...     step_speedups={2: 1.3}, widths=[2])
    >>> report.detail.crossover(2)
    128
    """
    return hybrid_report(workload, system, remark, **options)
