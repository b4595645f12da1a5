"""What one device holds during a training step, by part and by pipeline stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from slipstick.cluster.kernels.device_parameters import (
    Activations,
    Weights,
    block_activations,
    block_weights,
    embedding_weights,
    feed_forward_inner,
    head_weights,
)
from slipstick.cluster.sweep.distinct import distinct
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.pipeline_stages import Stages
from slipstick.cluster.training.training_setting import Setting, shape_of
from slipstick.core.arrays import FloatArray
from slipstick.core.workload import Phase


@dataclass(frozen=True)
class Residents:
    """Bytes on one device of each stage kind, (n, K) each, and the parameters that they come from.

    `host` lies in the host's memory and is not part of `total`.
    """

    weights: FloatArray
    gradients: FloatArray
    optimizer: FloatArray
    activations: FloatArray
    recomputed: FloatArray  # rebuilt for one layer at a time
    working: FloatArray  # gradients of one layer's largest tensors while its backward pass runs
    ends: FloatArray  # embedding's and head's activations, logits
    host: FloatArray
    dense: FloatArray  # parameters of the stage that data parallel ranks hold copies of
    experts: FloatArray
    end_weights: FloatArray  # parameters of embedding and head among `dense`
    layer_weights: tuple[FloatArray, ...]  # parameters of one layer of each kind, (n,)
    layer_activations: tuple[FloatArray, ...]  # bytes kept of one microbatch by one layer of each kind, (n,)

    PARTS = ("weights", "gradients", "optimizer", "activations", "recomputed", "working", "ends")

    @property
    def total(self) -> FloatArray:
        """Bytes on the device."""
        return np.asarray(sum(getattr(self, part) for part in self.PARTS))


def residents(setting: Setting, plans: Plans, kinds: Stages) -> Residents:
    """Return what each stage holds: 1F1B keeps p - i microbatches' activations on stage i, GPipe all of them."""
    weights, kept = _layers(setting, plans)
    dense = _on_stages(kinds, [w.dense for w in weights])
    experts = _on_stages(kinds, [w.experts for w in weights])
    ends = _end_parameters(setting, plans, kinds)
    stored = [_stored(activations, plans) * setting.kept for activations in kept]
    depth = in_flight(plans, kinds, setting.batch // (plans.dp * plans.microbatch))
    activations = _on_stages(kinds, stored) * depth
    rebuilt = np.max([_rebuilt(a, plans) for a in kept], axis=0)[:, None] * (kinds.copies > 0)
    state = _states(setting, plans, dense + ends, experts)
    offloaded = [
        np.where(flag[:, None], part, 0.0)
        for flag, part in zip(
            (plans.offload_weights, plans.offload_optimizer, plans.offload_activations),
            (state[0], state[2], activations),
            strict=True,
        )
    ]
    layers = np.maximum(1, kinds.layers.sum(axis=-1))
    near = [part * _WINDOW / layers for part in offloaded]  # the layer at work and the one on its way
    return Residents(
        weights=state[0] - offloaded[0] + near[0],
        gradients=state[1],
        optimizer=state[2] - offloaded[1] + near[1],
        activations=activations - offloaded[2] + near[2],
        recomputed=rebuilt,
        working=setting.working * _working(setting, plans)[:, None] * (kinds.copies > 0),
        ends=_end_activations(setting, plans, kinds, depth),
        host=np.asarray(sum(offloaded)),
        dense=dense + ends,
        experts=experts,
        end_weights=ends,
        layer_weights=tuple(w.dense + w.experts for w in weights),
        layer_activations=tuple(stored),
    )


_WINDOW = 2  # layers' worth of an offloaded tensor that stays on the device: one in use, one in transfer


def _layers(setting: Setting, plans: Plans) -> tuple[list[Weights], list[Activations]]:
    first, kind = distinct([plans.tp, plans.cp, plans.ep, plans.etp, plans.microbatch, plans.sp, plans.regather])
    some = plans.take(first)
    shape, element, decoder = shape_of(setting, some), setting.precision.activations, setting.decoder
    weights, kept = [], []
    for block in setting.blocks:
        held = block_weights(block, decoder, some.tp, some.ep, some.etp)
        weights.append(Weights(held.dense[kind], held.experts[kind]))
        activations = block_activations(block, decoder, shape, element, fused=setting.fused, regather=some.regather)
        kept.append(Activations(**{f.name: getattr(activations, f.name)[kind] for f in fields(activations)}))
    return weights, kept


def _stored(kept: Activations, plans: Plans) -> FloatArray:
    return np.asarray(np.choose(plans.recompute, [kept.everything, kept.without_scores, kept.checkpoint]))


def _rebuilt(kept: Activations, plans: Plans) -> FloatArray:
    """Bytes that one layer holds while its backward pass runs, beyond what it stored."""
    none = np.zeros_like(kept.scores)
    return np.asarray(np.choose(plans.recompute, [none, kept.scores, kept.everything]))


def _working(setting: Setting, plans: Plans) -> FloatArray:
    """Bytes of the gradients that exist only while the largest layer's backward pass runs.

    The largest weight's gradient before it is added up (fp32), the gradients of the feed-forward's inner tensors, and
    the layer's input, output and its gradient on all tokens. Which of them live at once was read off SimuMax's peaks.
    """
    decoder, element = setting.decoder, setting.precision.activations
    tokens = plans.microbatch * (setting.sequence / plans.cp)
    largest = np.zeros(len(plans))
    for block in setting.blocks:
        for projection in (
            *block.attention.projections(decoder.hidden, Phase.TRAIN),
            *block.mlp.projections(decoder.hidden),
        ):
            k, n, _ = projection.local(plans.etp if projection.experts else plans.tp)
            largest = np.maximum(largest, k * n)  # experts take turns
    inner = np.max([feed_forward_inner(block, decoder, shape_of(setting, plans)) for block in setting.blocks], axis=0)
    return np.asarray(largest * 4.0 + inner * element + 3 * tokens * decoder.hidden * element)


def _on_stages(kinds: Stages, per_layer: Sequence[FloatArray]) -> FloatArray:
    return np.asarray(sum(kinds.layers[..., b] * layer[:, None] for b, layer in enumerate(per_layer)))


def _end_parameters(setting: Setting, plans: Plans, kinds: Stages) -> FloatArray:
    """Parameters of embedding and head by stage; a tied head on the embedding's own stage needs no copy."""
    embedding = embedding_weights(setting.decoder, plans.tp)[:, None] * kinds.embedding
    head = head_weights(setting.decoder, plans.tp, plans.pp > 1)[:, None] * kinds.head
    return np.asarray(embedding + head)


def _end_activations(setting: Setting, plans: Plans, kinds: Stages, depth: FloatArray) -> FloatArray:
    """Bytes of the embedding's dropout masks, the head's inputs, and the logits (Korthikanti et al., section 4.3)."""
    decoder, element = setting.decoder, setting.precision.activations
    tokens = plans.microbatch * (setting.sequence / plans.cp)
    normed = np.where(plans.sp, tokens / plans.tp, tokens)
    mask = normed * decoder.hidden if decoder.dropout else 0.0 * normed
    inputs = normed * decoder.hidden * 2 * element
    logits = tokens * decoder.vocabulary / plans.tp * setting.logit_bytes
    return np.asarray(kinds.embedding * mask[:, None] * depth + kinds.head * (inputs + logits)[:, None])


def _states(setting: Setting, plans: Plans, dense: FloatArray, experts: FloatArray) -> tuple[FloatArray, ...]:
    """Bytes of weights, gradients and optimiser state.

    ZeRO shards over the ranks that hold copies: data and context parallel ones for dense parameters, those divided by
    the expert groups for experts (Rajbhandari et al. 1910.02054, section 5).
    """
    replicas = (plans.dp * plans.cp)[:, None]
    copies = expert_replicas(plans)[:, None]
    elements, zero = setting.elements, plans.zero[:, None]
    found = []
    for level, element in ((3, elements.weights), (2, elements.gradients), (1, elements.optimizer)):
        shard = zero >= level
        found.append((dense / np.where(shard, replicas, 1) + experts / np.where(shard, copies, 1)) * element)
    return tuple(found)


def expert_replicas(plans: Plans) -> NDArray[np.int64]:
    """Return how many ranks hold a copy of the same expert."""
    return np.maximum(1, plans.dp * plans.cp * plans.tp // (plans.ep * plans.etp))


def in_flight(plans: Plans, kinds: Stages, microbatches: NDArray[np.int64]) -> FloatArray:
    """Return how many microbatches' activations a stage keeps, in units of all its layers, (n, K).

    1F1B: p - i on stage i. Interleaved: p + (p-1)/v on the first (Korthikanti et al. 2205.05198, section 4.2.3), less
    on the others alike. GPipe keeps all.
    """
    pp, interleave, m = plans.pp[:, None], plans.interleave[:, None], microbatches[:, None]
    depth = 1.0 * (pp - kinds.first)
    depth = np.where(interleave > 1, depth + (pp - 1.0) / interleave, depth)
    kept = np.where(plans.schedule[:, None] == 1, m, np.minimum(m, depth))
    return np.asarray(np.where(kinds.copies > 0, kept, 0.0))
