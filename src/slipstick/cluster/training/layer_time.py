"""Time of one layer, of the embedding and of the head: forward, backward, and what recomputation repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from slipstick.cluster.kernels.decoder_kernels import Kernel, Precision, Shape, backward, embedding, forward, head
from slipstick.cluster.kernels.kernel_times import Device, time_kernels
from slipstick.core.arrays import FloatArray
from slipstick.core.workload import Phase
from slipstick.networks.decoder.decoder import Block, Decoder


@dataclass(frozen=True)
class LayerTime:
    """Seconds of one layer on one device, each (u,). The host's time bounds the device's from below."""

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

    def take(self, index: NDArray[np.int64]) -> LayerTime:
        """Return the plans at `index`."""
        return LayerTime(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


def training_layers(
    decoder: Decoder, blocks: Sequence[Block], shape: Shape, precision: Precision, device: Device, *, fused: bool
) -> tuple[list[LayerTime], LayerTime, LayerTime]:
    """Return the times of each block type, of the embedding and of the head with the loss."""
    lists = [forward(block, decoder, shape, Phase.TRAIN, precision, fused) for block in blocks]
    lists += [embedding(decoder, shape, precision.activations), head(decoder, shape, Phase.TRAIN, precision)]
    times = _times(lists, precision, device, len(shape.tp))
    return times[:-2], times[-2], times[-1]


def _times(lists: list[list[Kernel]], precision: Precision, device: Device, width: int) -> list[LayerTime]:
    """Time several kernel lists, forward and backward, in one call of the kernel model."""
    backwards = [backward(kernels, precision) for kernels in lists]
    everything = [kernel for kernels in (*lists, *backwards) for kernel in kernels]
    timed = time_kernels(everything, device, width)
    bounds = np.cumsum([0, *(len(kernels) for kernels in (*lists, *backwards))])
    found = []
    for index, kernels in enumerate(lists):
        ahead = slice(bounds[index], bounds[index + 1])
        back = slice(bounds[len(lists) + index], bounds[len(lists) + index + 1])
        core = np.array([kernel.core for kernel in kernels], dtype=bool)
        weight = np.array([kernel.name.endswith(".wgrad") for kernel in backwards[index]], dtype=bool)
        data = np.array([kernel.name.endswith(".dgrad") for kernel in backwards[index]], dtype=bool)
        found.append(
            LayerTime(
                forward=timed.time[ahead].sum(axis=0),
                backward=timed.time[back].sum(axis=0),
                core=timed.time[ahead][core].sum(axis=0),
                products=timed.time[ahead][[kernel.kind == "matmul" for kernel in kernels]].sum(axis=0),
                data_gradient=timed.time[back][data].sum(axis=0),
                weight_gradient=timed.time[back][weight].sum(axis=0),
                host_forward=_launches(kernels, width) * device.steps.host_launch,
                host_backward=_launches(backwards[index], width) * device.steps.host_launch,
                flops=timed.flops[ahead].sum(axis=0) + timed.flops[back].sum(axis=0),
                core_flops=timed.flops[ahead][core].sum(axis=0),
                traffic=timed.traffic[ahead].sum(axis=0) + timed.traffic[back].sum(axis=0),
            )
        )
    return found


def _launches(kernels: list[Kernel], width: int) -> FloatArray:
    return np.full(width, float(sum(kernel.launches for kernel in kernels)))
