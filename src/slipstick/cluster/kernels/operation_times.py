"""Times of a graph's operations on one device, the input of placement over devices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.graph_kernels import _graph_kernels
from slipstick.cluster.kernels.kernel_times import _time_kernels
from slipstick.cluster.kernels.precision import Precision
from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Op, Phase


def op_seconds(ops: Sequence[Op], system: System, plan: Plan, phase: Phase) -> dict[str, float]:
    """Return the seconds of each operation on one device of `system`, by its name.

    Parameters
    ----------
    ops : merged or not, of a forward pass or of both (`training_graph`), for the samples that one device computes.
    plan : its formats, and whether activations are fused into the kernel before them; its parallelism is ignored.

    Errors
    ------
    SlipstickError if the device lacks the format.

    Examples
    --------
    >>> from slipstick.core.catalogue import resolve_system
    >>> from slipstick.networks import network
    >>> from slipstick.networks.graphs import chains, training_graph
    >>> graph = training_graph(chains(network("inception-v3").ops(Phase.TRAIN, 64, 1, 1)))
    >>> plan = Plan.of("matmul=fp16,activations=fp16")
    >>> seconds = op_seconds(graph, resolve_system("v100-sxm2-32gb"), plan, Phase.TRAIN)
    >>> len(seconds) == len(graph), 0.01 < sum(seconds.values()) < 1.0
    (True, True)
    """
    training = phase is Phase.TRAIN
    precision = Precision.of(plan, system, phase)
    lists = [_graph_kernels([op], precision, training=training, fused=plan.kernels.fused) for op in ops]
    kernels = [kernel for counted in lists for _, kernel in counted]
    counts = np.array([count for counted in lists for count, _ in counted], dtype=float)
    owners = np.repeat(np.arange(len(lists)), [len(counted) for counted in lists])
    times = _time_kernels(kernels, Chip.of(system), 1).time[:, 0] * counts
    sums = np.bincount(owners, weights=times, minlength=len(lists))
    return {op.name: float(seconds) for op, seconds in zip(ops, sums, strict=True)}
