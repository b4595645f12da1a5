"""What a sweep over training plans holds fixed, and the times of one layer under each plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from slipstick.cluster.collectives.collective_time import Tier
from slipstick.cluster.kernels.decoder_kernels import Precision, Shape
from slipstick.cluster.kernels.kernel_times import Device
from slipstick.cluster.sweep.distinct import distinct
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.layer_time import LayerTime, training_layers
from slipstick.cluster.training.pipeline_stages import Layers, Stages, stages
from slipstick.networks.decoder.decoder import Block, Decoder


@dataclass(frozen=True)
class Elements:
    """Bytes an element of what training keeps; mixed precision with Adam: Rajbhandari et al. 1910.02054, section 3."""

    weights: float = 2.0
    gradients: float = 4.0
    optimizer: float = 12.0  # fp32 weights and two moments


@dataclass(frozen=True)
class Setting:
    """What a sweep over plans holds fixed."""

    decoder: Decoder
    batch: int
    sequence: int
    device: Device
    tiers: Sequence[Tier]
    precision: Precision
    fused: bool = True  # attention keeps no score matrix
    elements: Elements = field(default_factory=Elements)
    host_bandwidth: float = 0.0  # B/s of one device to the host's memory, for offloading
    balanced: bool = False  # stages of equal cost, the head included, instead of equal numbers of layers
    logit_bytes: float = 4.0  # kept for each logit: fp32, unless the loss is fused
    kept: float = 1.0  # activations kept by layers of single kernels, against fused ones
    working: float = 1.0  # what their backward pass holds for a moment, against fused ones

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The kinds of layer."""
        return self.decoder.kinds

    @cached_property
    def stack(self) -> Layers:
        """The layers in order, as pipeline stages are cut from them."""
        decoder = self.decoder
        one = [block.model_copy(update={"count": 1}) for block in self.blocks]
        kinds = [one.index(block.model_copy(update={"count": 1})) for block in decoder.blocks]
        return Layers(
            order=np.repeat(np.array(kinds, dtype=np.int64), [block.count for block in decoder.blocks]),
            costs=np.array([decoder.layer_active_parameters(block) for block in self.blocks], dtype=float),
            head=float(decoder.vocabulary * decoder.hidden) if self.balanced else None,
        )


def layer_times(setting: Setting, plans: Plans) -> tuple[list[LayerTime], LayerTime, LayerTime]:
    """Return the times of each kind of layer, of the embedding and of the head, each (n,)."""
    first, kind = distinct([plans.tp, plans.cp, plans.ep, plans.etp, plans.microbatch, plans.sp])
    shape = shape_of(setting, plans.take(first))
    layers, embedding, head = training_layers(
        setting.decoder, setting.blocks, shape, setting.precision, setting.device, fused=setting.fused
    )
    return [layer.take(kind) for layer in layers], embedding.take(kind), head.take(kind)


def shape_of(setting: Setting, plans: Plans) -> Shape:
    """Return one device's share of a microbatch."""
    query = setting.sequence // plans.cp
    return Shape(
        plans.microbatch, query, np.full_like(query, setting.sequence), plans.tp, plans.ep, plans.etp, plans.sp
    )


def stage_kinds(setting: Setting, plans: Plans) -> Stages:
    """Return the kinds of pipeline stage of each plan."""
    first, row = distinct([plans.pp, plans.interleave])
    return stages(setting.stack, plans.pp[first], plans.interleave[first]).take(row)
