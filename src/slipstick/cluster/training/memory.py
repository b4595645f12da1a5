"""Memory of one device during a training step, by part and by pipeline stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.cluster.constants.model_constants import _model
from slipstick.cluster.kernels.device_parameters import _layer_parameters, end_parameters
from slipstick.cluster.sweep.distinct import _distinct
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.activation_memory import _Activations
from slipstick.cluster.training.pipeline_stages import _Stages
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.workload import Phase

_WINDOW = 2  # a count: layers' worth of an offloaded tensor on the device, one in use and one in transfer


@dataclass(frozen=True)
class _Residents:
    """Training memory [B] of one device per kind of pipeline stage, arrays (plans, kinds), and the parameter counts.

    `host` lies in the host's memory and is not part of `total`.
    """

    weights: FloatArray
    gradients: FloatArray
    optimizer: FloatArray
    activations: FloatArray
    recomputed: FloatArray  # rebuilt for one layer at a time
    gathered: FloatArray  # ZeRO-3's whole weights of the layers at work, gradients of a layer before their scatter
    working: FloatArray  # gradients of one layer's largest tensors while its backward pass runs
    ends: FloatArray  # embedding's and head's activations, logits
    host: FloatArray
    dense: FloatArray  # parameters of the stage that data parallel ranks hold copies of
    experts: FloatArray
    end_weights: FloatArray  # parameters of embedding and head among `dense`
    layer_weights: tuple[tuple[FloatArray, FloatArray], ...]  # (dense, expert) parameters of a layer of each kind, (n,)
    layer_activations: tuple[FloatArray, ...]  # bytes kept of one microbatch by one layer of each kind, (n,)

    PARTS = ("weights", "gradients", "optimizer", "activations", "recomputed", "gathered", "working", "ends")

    @property
    def total(self) -> FloatArray:
        """Total memory on the device [B], all parts together."""
        return np.asarray(sum(getattr(self, part) for part in self.PARTS))

    @classmethod
    def of(cls, setting: TrainingSetting, plans: Plans, kinds: _Stages) -> _Residents:
        """Return the memory of each stage kind; in 1F1B, stage i of p keeps p - i microbatches' activations."""
        parameters, layers = _layers(setting, plans)
        dense = kinds.on_stages([own for own, _ in parameters])
        experts = kinds.on_stages([own for _, own in parameters])
        ends = _end_parameters(setting, plans, kinds)
        stored = [_stored(layer, plans) * setting.stored for layer in layers]
        depth = _in_flight(plans, kinds, setting.batch // (plans.dp * plans.microbatch))
        activations = kinds.on_stages(stored) * depth
        rebuilt = np.max([_rebuilt(layer, plans) for layer in layers], axis=0)[:, None] * (kinds.copies > 0)
        state = _states(setting, plans, dense + ends, experts)
        offloaded = [
            np.where(flag[:, None], part, 0.0)
            for flag, part in zip(
                (plans.offload_weights, plans.offload_optimizer, plans.offload_activations),
                (state[0], state[2], activations),
                strict=True,
            )
        ]
        depths = np.maximum(1, kinds.layers.sum(axis=-1))
        near = [part * _WINDOW / depths for part in offloaded]  # the layer at work and the one on its way
        return cls(
            weights=state[0] - offloaded[0] + near[0],
            gradients=state[1],
            optimizer=state[2] - offloaded[1] + near[1],
            activations=activations - offloaded[2] + near[2],
            recomputed=rebuilt,
            gathered=_gathered(setting, plans, parameters)[:, None] * (kinds.copies > 0),
            working=setting.working * _working(setting, plans, layers)[:, None] * (kinds.copies > 0),
            ends=_end_activations(setting, plans, kinds, depth),
            host=np.asarray(sum(offloaded)),
            dense=dense + ends,
            experts=experts,
            end_weights=ends,
            layer_weights=tuple(parameters),
            layer_activations=tuple(stored),
        )


def _layers(setting: TrainingSetting, plans: Plans) -> tuple[list[tuple[FloatArray, FloatArray]], list[_Activations]]:
    """Return (dense, expert) parameters, and the activations of one microbatch, of a layer of each kind, (n,) each."""
    first, kind = _distinct([plans.tp, plans.cp, plans.ep, plans.etp, plans.microbatch, plans.sp, plans.regather])
    some = plans.take(first)
    shape, element, decoder = setting.shape(some), setting.precision.activations, setting.decoder
    parameters, layers = [], []
    for block in setting.blocks:
        dense, experts = _layer_parameters(block, decoder, some.tp, some.ep, some.etp)
        parameters.append((dense[kind], experts[kind]))
        activations = _Activations.of_block(block, decoder, shape, element, fused=setting.fused, regather=some.regather)
        layers.append(activations.take(kind))
    return parameters, layers


def _stored(layer: _Activations, plans: Plans) -> FloatArray:
    return np.asarray(np.choose(plans.recompute, [layer.everything, layer.without_scores, layer.checkpoint]))


def _rebuilt(layer: _Activations, plans: Plans) -> FloatArray:
    """Bytes that one layer holds while its backward pass runs, beyond what it stored."""
    none = np.zeros_like(layer.scores)
    return np.asarray(np.choose(plans.recompute, [none, layer.scores, layer.everything]))


def _working(setting: TrainingSetting, plans: Plans, layers: list[_Activations]) -> FloatArray:
    """Bytes of the gradients that exist only while the largest layer's backward pass runs.

    The largest weight's gradient before it is added up (fp32), the gradients of the feed-forward's inner tensors, and
    the layer's input, output and its gradient on all tokens. Which of them live at once was read off SimuMax's peaks.
    """
    decoder, element = setting.decoder, setting.precision.activations
    tokens = plans.microbatch * (setting.sequence / plans.cp)
    inner = np.max([layer.feed_forward for layer in layers], axis=0)
    return np.asarray(_largest_tensor(setting, plans) * 4.0 + inner * element + 3 * tokens * decoder.hidden * element)


def _largest_tensor(setting: TrainingSetting, plans: Plans) -> FloatArray:
    """Parameters of a device in the largest weight of a layer, (n,); experts take turns."""
    hidden = setting.decoder.hidden
    largest = np.zeros(len(plans))
    for block in setting.blocks:
        for projection in (*block.attention.projections(hidden, Phase.TRAIN), *block.mlp.projections(hidden)):
            k, n, _ = projection.local(plans.etp if projection.experts else plans.tp)
            largest = np.maximum(largest, k * n)
    return largest


def _gathered(setting: TrainingSetting, plans: Plans, parameters: list[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """Bytes of the largest layers that are whole for a moment where ZeRO shards what they consist of, (n,).

    With stage 3 the weights of the layer at work and of the next one, which is gathered meanwhile; where every
    microbatch's gradients are scattered, those of one layer (FSDP: Zhao et al. 2304.11277). Layers of more parameters
    than may be whole at once are gathered piece by piece, one tensor at least (DeepSpeed).
    """
    copied = [_copied(plans, *layer) for layer in parameters]
    largest = np.max([dense + experts for dense, experts in copied], axis=0)
    most = np.maximum(_model().live_parameters, _largest_tensor(setting, plans))
    weights = np.where(plans.zero == 3, np.minimum(_model().gathered_layers * largest, most), 0.0)
    gradients = np.where(setting.scatters_each(plans), np.minimum(largest, most), 0.0)
    return np.asarray(weights * setting._state_bytes.weights + gradients * setting.precision.activations)


def _copied(plans: Plans, dense: FloatArray, experts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the (dense, expert) parameters of a device that other ranks hold copies of: those that ZeRO shards."""
    return np.where(plans.dp * plans.cp > 1, dense, 0.0), np.where(plans.expert_replicas > 1, experts, 0.0)


def _end_parameters(setting: TrainingSetting, plans: Plans, kinds: _Stages) -> FloatArray:
    """Parameters of embedding and head by stage; a tied head on the embedding's own stage needs no copy."""
    embedding, head = end_parameters(setting.decoder, plans.tp, plans.pp > 1)
    return np.asarray(embedding[:, None] * kinds.embedding + head[:, None] * kinds.head)


def _end_activations(setting: TrainingSetting, plans: Plans, kinds: _Stages, depth: FloatArray) -> FloatArray:
    """Bytes of the embedding's dropout masks, the head's inputs, and the logits (Korthikanti et al., section 4.3)."""
    decoder, element = setting.decoder, setting.precision.activations
    tokens = plans.microbatch * (setting.sequence / plans.cp)
    normed = np.where(plans.sp, tokens / plans.tp, tokens)
    mask = normed * decoder.hidden if decoder.dropout else 0.0 * normed
    inputs = normed * decoder.hidden * 2 * element
    logits = tokens * decoder.vocabulary / plans.tp * setting.logit_bytes
    return np.asarray(kinds.embedding * mask[:, None] * depth + kinds.head * (inputs + logits)[:, None])


def _states(setting: TrainingSetting, plans: Plans, dense: FloatArray, experts: FloatArray) -> tuple[FloatArray, ...]:
    """Bytes of weights, gradients and optimiser state.

    ZeRO shards over the ranks that hold copies: data and context parallel ones for dense parameters, those divided by
    the expert groups for experts (Rajbhandari et al. 1910.02054, section 5). Gradients are sharded
    where every microbatch's are scattered.
    """
    replicas = (plans.dp * plans.cp)[:, None]
    copies = plans.expert_replicas[:, None]
    elements, scattered = setting._state_bytes, setting.scatters_each(plans)
    states = []
    for sharded, element in (
        (plans.zero == 3, elements.weights), (scattered, elements.gradients), (plans.zero >= 1, elements.optimizer)
    ):  # fmt: skip
        shard = sharded[:, None]
        states.append((dense / np.where(shard, replicas, 1) + experts / np.where(shard, copies, 1)) * element)
    return tuple(states)


def _in_flight(plans: Plans, kinds: _Stages, microbatches: IntArray) -> FloatArray:
    """Return the microbatches whose activations a stage keeps, in units of all its layers, (n, K).

    1F1B: p - i on stage i. Interleaved: p + (p-1)/v on the first (Korthikanti et al. 2205.05198, section 4.2.3), less
    on the others alike. GPipe keeps all.
    """
    pp, interleave, m = plans.pp[:, None], plans.interleave[:, None], microbatches[:, None]
    depth = 1.0 * (pp - kinds.first)
    depth = np.where(interleave > 1, depth + (pp - 1.0) / interleave, depth)
    microbatches_kept = np.where(plans.schedule[:, None] == 1, m, np.minimum(m, depth))
    return np.asarray(np.where(kinds.copies > 0, microbatches_kept, 0.0))
