"""Training setting: the fixed inputs of a sweep over training plans, from a workload, a system and a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from slipstick.cluster.collectives.network_tiers import NetworkTier, _tiers_of
from slipstick.cluster.constants.model_constants import _model
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.decoder_kernels import _Shape
from slipstick.cluster.kernels.precision import Precision, element_bytes
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.pipeline_stages import _LayerStack
from slipstick.core.arrays import BoolArray
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload
from slipstick.networks.decoder.block import Block
from slipstick.networks.decoder.decoder import Decoder

RESERVE_NOTE = "context, communicators, fragments: no plan can use it"
ADAM_STATES = 3  # fp32 copy of the weights and two moments (Kingma & Ba 1412.6980; Micikevicius et al. 1710.03740)


@dataclass(frozen=True)
class _StateBytes:
    """Training state per parameter [B], as in mixed precision with Adam (Rajbhandari et al. 1910.02054, section 3)."""

    weights: float
    gradients: float
    optimizer: float  # fp32 weights and two moments


@dataclass(frozen=True)
class TrainingSetting:
    """Fixed inputs of a sweep over training plans: network, batch, chip, network tiers, formats and kernels.

    `batch` counts sequences over all devices, `sequence` tokens of each; `precision` has the number formats;
    `_state_bytes` are bytes of a parameter's weight, gradient and optimizer state.
    """

    decoder: Decoder
    batch: int
    sequence: int
    chip: Chip
    tiers: Sequence[NetworkTier]
    precision: Precision
    fused: bool  # attention keeps no score matrix
    _state_bytes: _StateBytes
    host_bandwidth: float  # B/s of one device to the host's memory, for offloading
    logit_bytes: float  # of each logit until the loss is computed: fp32, unless the loss is fused
    stored: float  # activations that layers of single kernels store, against fused ones
    reserve: float  # bytes of a device that no plan can use
    working: float  # what their backward pass holds for a moment, against fused ones

    @classmethod
    def of(cls, workload: Workload, system: System, plan: Plan) -> TrainingSetting:
        """Return the setting of a workload on a system, shared by all plans with the formats and kernels of `plan`.

        Errors
        ------
        SlipstickError if the device lacks the format, or if the plan offloads to a host that the system does not have.
        """
        offload, kernels = plan.offload, plan.kernels
        if (offload.weights or offload.activations or offload.optimizer) and (
            not system.host or not system.host.bandwidth
        ):
            raise SlipstickError("the system names no host memory to offload to", path="plan.offload")
        precision = Precision.of(plan, system, Phase.TRAIN)
        chip = Chip.of(system)
        return cls(
            decoder=Decoder.of(workload.network),
            batch=workload.batch,
            sequence=workload.sequence,
            chip=chip if kernels.fused else _unfused(chip),
            tiers=_tiers_of(system),
            precision=precision,
            fused=kernels.attention == "flash",
            _state_bytes=_state_bytes(plan, precision),
            stored=1.0 if kernels.fused else chip.steps.unfused_activations,
            working=1.0 if kernels.fused else chip.steps.unfused_working,
            logit_bytes=element_bytes("fp32") * (1 if kernels.fused else _model().loss_copies),
            reserve=chip.steps.memory_reserve * system.main_memory.capacity,
            host_bandwidth=(system.host.bandwidth or 0.0) if system.host else 0.0,
        )

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Distinct kinds of layer of the network."""
        return self.decoder.kinds

    @cached_property
    def stack(self) -> _LayerStack:
        """Layers in order, with their costs, from which pipeline stages are cut."""
        decoder = self.decoder
        single = [block.model_copy(update={"count": 1}) for block in self.blocks]
        kinds = [single.index(block.model_copy(update={"count": 1})) for block in decoder.blocks]
        return _LayerStack(
            order=np.repeat(np.array(kinds, dtype=np.int64), [block.count for block in decoder.blocks]),
            costs=np.array([decoder.layer_active_parameters(block) for block in self.blocks], dtype=float),
            head=float(decoder.vocabulary * decoder.hidden),
        )

    def shape(self, plans: Plans) -> _Shape:
        """Return one device's share of a microbatch under each plan."""
        query = self.sequence // plans.cp
        return _Shape(
            plans.microbatch, query, np.full_like(query, self.sequence), plans.tp, plans.ep, plans.etp, plans.sp
        )

    def scatters_each(self, plans: Plans) -> BoolArray:
        """Return whether each plan scatters the gradients of every microbatch and keeps a shard of their sum, (n,).

        ZeRO-3 always, as MaxText's pipelines do (`pipeline_fsdp_ag_once`), ZeRO-2 without a pipeline (FSDP, DeepSpeed).
        PyTorch's pipelines accumulate whole gradients and scatter them behind the last microbatch
        (torch.distributed.pipelining, `backward_maybe_with_nosync`), which is ZeRO-1.
        """
        microbatches = self.batch // (plans.dp * plans.microbatch)
        once = (plans.pp > 1) & (microbatches > 1)
        return np.asarray((plans.zero == 3) | ((plans.zero == 2) & ~once))


def _unfused(chip: Chip) -> Chip:
    """Return the chip with the host's time of layers of single kernels."""
    steps = chip.steps
    slower = {name: getattr(steps, name) * steps.unfused_host for name in ("host_launch", "host_collective")}
    return replace(chip, steps=steps.model_copy(update=slower))


def _state_bytes(plan: Plan, precision: Precision) -> _StateBytes:
    """Return the state per parameter [B]; a kernel that accumulates gradients also keeps those of the last pass."""
    gradients = element_bytes(plan.formats.gradients) + (0.0 if plan.kernels.accumulate else precision.activations)
    return _StateBytes(precision.weights, gradients, ADAM_STATES * element_bytes("fp32"))
