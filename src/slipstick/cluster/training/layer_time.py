"""Times of one layer, of the embedding and of the head [s]: forward, backward, and recomputation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.decoder_kernels import _backward_kernels, _decoder_kernels, _Kernel
from slipstick.cluster.kernels.kernel_times import _time_kernels
from slipstick.cluster.kernels.precision import Precision
from slipstick.cluster.sweep.distinct import _distinct
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.sweep.rows import _Rows
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.core.arrays import FloatArray
from slipstick.core.workload import Phase


@dataclass(frozen=True)
class _LayerTime(_Rows):
    """Times of one layer on one device [s], arrays of shape (plans,); host time bounds device time from below."""

    forward: FloatArray
    backward: FloatArray
    core: FloatArray  # the attention core's forward pass: what selective recomputation repeats
    products: FloatArray  # matrix products of the forward pass
    data_gradient: FloatArray  # matrix products of the backward pass by what they compute: they hide messages
    weight_gradient: FloatArray
    host_forward: FloatArray
    host_backward: FloatArray
    flops: FloatArray  # of both passes
    core_flops: FloatArray  # of the attention core's forward pass
    traffic: FloatArray  # bytes to and from DRAM in both passes


def _layer_times(setting: TrainingSetting, plans: Plans) -> tuple[list[_LayerTime], _LayerTime, _LayerTime]:
    """Return the times [s] of each kind of layer, of the embedding, and of the head with the loss, of shape (n,)."""
    first, kind = _distinct([plans.tp, plans.cp, plans.ep, plans.etp, plans.microbatch, plans.sp])
    shape = setting.shape(plans.take(first))
    lists = _decoder_kernels(setting.decoder, shape, Phase.TRAIN, setting.precision, fused=setting.fused)
    times = [time.take(kind) for time in _times(lists, setting.precision, setting.chip, len(shape.tp))]
    return times[:-2], times[-2], times[-1]


def _times(lists: list[list[_Kernel]], precision: Precision, chip: Chip, width: int) -> list[_LayerTime]:
    """Return the times [s] of several kernel lists, forward and backward, from one call of the kernel model."""
    backwards = [_backward_kernels(kernels, precision) for kernels in lists]
    everything = [kernel for kernels in (*lists, *backwards) for kernel in kernels]
    timed = _time_kernels(everything, chip, width)
    bounds = np.cumsum([0, *(len(kernels) for kernels in (*lists, *backwards))])
    times = []
    for index, kernels in enumerate(lists):
        ahead = slice(bounds[index], bounds[index + 1])
        back = slice(bounds[len(lists) + index], bounds[len(lists) + index + 1])
        core = np.array([kernel.core for kernel in kernels], dtype=bool)
        weight = np.array([kernel.name.endswith(".wgrad") for kernel in backwards[index]], dtype=bool)
        data = np.array([kernel.name.endswith(".dgrad") for kernel in backwards[index]], dtype=bool)
        times.append(
            _LayerTime(
                forward=timed.time[ahead].sum(axis=0),
                backward=timed.time[back].sum(axis=0),
                core=timed.time[ahead][core].sum(axis=0),
                products=timed.time[ahead][[kernel.kind == "matmul" for kernel in kernels]].sum(axis=0),
                data_gradient=timed.time[back][data].sum(axis=0),
                weight_gradient=timed.time[back][weight].sum(axis=0),
                host_forward=_launches(kernels, width) * chip.steps.host_launch,
                host_backward=_launches(backwards[index], width) * chip.steps.host_launch,
                flops=timed.flops[ahead].sum(axis=0) + timed.flops[back].sum(axis=0),
                core_flops=timed.flops[ahead][core].sum(axis=0),
                traffic=timed.traffic[ahead].sum(axis=0) + timed.traffic[back].sum(axis=0),
            )
        )
    return times


def _launches(kernels: list[_Kernel], width: int) -> FloatArray:
    return np.full(width, float(sum(kernel.launches for kernel in kernels)))
