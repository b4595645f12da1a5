"""Exposed communication of a training step [s]: time that tensor, context, expert and pipeline parallelism add."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.cluster.collectives.collective_time import messages
from slipstick.cluster.sweep.distinct import _distinct
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.layer_time import _LayerTime
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.workload import Phase
from slipstick.networks.decoder.block import Block

_PIPE_CHUNKS = 2  # definition of tp_overlap=pipe: a product is cut in two, whose messages hide behind each other


@dataclass(frozen=True)
class _TensorMessages:
    """Times [s] of tensor-parallel collectives on one layer's activations, arrays of shape (n,), and their bytes."""

    all_reduce: FloatArray
    all_gather: FloatArray
    size: FloatArray

    @classmethod
    def of(cls, setting: TrainingSetting, plans: Plans) -> _TensorMessages:
        """Return the tensor-parallel collectives on a full activation (microbatch * sequence/cp * hidden elements)."""
        first, kind = _distinct([plans.tp, plans.cp, plans.microbatch, plans.tp_tier])
        some = plans.take(first)
        size = some.microbatch * (setting.sequence / some.cp) * setting.decoder.hidden * setting.precision.activations
        reduced = messages("all_reduce", size, some.tp, 1, some.tp_tier, setting.tiers)
        gathered = messages("all_gather", size, some.tp, 1, some.tp_tier, setting.tiers)
        return cls(reduced[kind], gathered[kind], size[kind])


def _exposed_tensor(
    setting: TrainingSetting, plans: Plans, block: Block, layer: _LayerTime, sent: _TensorMessages
) -> tuple[FloatArray, FloatArray]:
    """Return the exposed time [s] (forward, backward) of one layer's tensor-parallel messages.

    Two all-reduces each way (Shoeybi et al. 1909.08053), each a gather and a scatter with sequence parallelism, whose
    backward pass gathers twice more, behind the products (Korthikanti et al. 2205.05198, section 4.2.2). Asynchronous
    messages of the backward pass (the all-reduce, or the scatter) hide behind the weights' gradients.
    """
    slowdown = setting.chip.steps.overlap_slowdown
    count = 1 if block.parallel else 2
    split = plans.tp_pattern == 2
    each_way = count * np.where(split, 2 * sent.all_gather, sent.all_reduce)
    again = count * np.where(split & plans.regather, sent.all_gather, 0.0)
    chunks = np.choose(plans.tp_overlap, [1, plans.tp, _PIPE_CHUNKS])
    ahead = _after_overlap(each_way, layer.products, chunks, slowdown)
    back = _after_overlap(each_way, layer.data_gradient + layer.weight_gradient, chunks, slowdown)
    behind = _hidden_behind(np.where(split, each_way / 2, each_way), layer.weight_gradient, slowdown)
    asynchronous = behind + np.where(split, each_way / 2, 0.0)
    back = np.where(plans.tp_async & (chunks == 1), asynchronous, back)
    return ahead, back + _hidden_behind(again, layer.data_gradient, slowdown)


def _hidden_behind(message: FloatArray, compute: FloatArray, slowdown: float) -> FloatArray:
    """Return the time [s] that an overlapped message adds to a computation: its excess, and its slowdown of memory."""
    return np.maximum(0.0, message - compute) + slowdown * np.minimum(message, compute)


def _after_overlap(message: FloatArray, compute: FloatArray, chunks: IntArray, slowdown: float) -> FloatArray:
    """Return the time [s] that a message in `chunks` adds to a computation in as many; all of it for one chunk."""
    hidden = np.minimum(message, compute)
    piped = np.maximum(0.0, message - compute) + hidden / chunks + slowdown * hidden * (1 - 1 / chunks)
    return np.where(chunks > 1, piped, message)


def _context_exchange(setting: TrainingSetting, plans: Plans, block: Block, layer: _LayerTime) -> FloatArray:
    """Return the exposed time [s] of one layer's key and value exchange among context ranks, forward and backward.

    The blocks travel round a ring behind the attention core (ring attention, Liu et al. 2310.01889); their gradients
    come back in the backward pass.
    """
    if not (plans.cp > 1).any():
        return np.zeros(len(plans))
    pieces = np.minimum(plans.tp, block.attention.cache().heads)
    scores = block.attention.scores(Phase.TRAIN)
    width = block.attention.cache().elements if scores is None else scores.kv_heads * (scores.qk_dim + scores.v_dim)
    size = plans.microbatch * float(setting.sequence) * width / pieces * setting.precision.activations
    forced = np.full(len(plans), -1)
    gather = messages("all_gather", size, plans.cp, plans.tp, forced, setting.tiers)
    ahead = np.maximum(0.0, gather - layer.core)
    # fused attention recomputes its scores: five products backward for two forward (Dao 2307.08691, section 3.1)
    back = np.maximum(0.0, 2 * gather - 2 * layer.core)  # its own core takes at least twice the forward one
    return ahead + back


def _expert_exchange(setting: TrainingSetting, plans: Plans, block: Block) -> FloatArray:
    """Return the time [s] of one layer's expert all-to-alls (dispatch and combine) in one pass direction.

    A device sends each of its tokens to `active` experts; tensor parallel ranks that share the experts send a share.
    """
    if not block.mlp.routed.experts or not (plans.ep > 1).any():
        return np.zeros(len(plans))
    tokens = plans.microbatch * (setting.sequence / plans.cp) * plans.etp / plans.tp
    size = tokens * block.mlp.routed.active * setting.decoder.hidden * setting.precision.activations
    exchange = messages("all_to_all", size, plans.ep, plans.etp, np.full(len(plans), -1), setting.tiers)
    return 2 * exchange


def _pipeline_message(setting: TrainingSetting, plans: Plans, sent: _TensorMessages) -> FloatArray:
    """Return the time [s] of one activation's send to the next pipeline stage, split over tensor ranks if possible.

    Pipeline ranks are the outermost: neighbours stand tp*cp*dp devices apart (Megatron-LM's order tp-cp-dp-pp).
    """
    split = plans.tp_pattern > 0
    shared = np.where(split, plans.tp, 1)
    element = setting.precision.activations
    size = plans.microbatch * (setting.sequence / plans.cp) * setting.decoder.hidden * element / shared
    stride = plans.tp * plans.cp * plans.dp
    first, kind = _distinct([plans.microbatch, plans.cp, shared, stride, plans.pp_tier])
    time = messages("point_to_point", size[first], 2, stride[first], plans.pp_tier[first], setting.tiers)[kind]
    gather = np.where((plans.tp_pattern == 1) & (plans.tp > 1), sent.all_gather, 0.0)
    return np.where(plans.pp > 1, time + gather, 0.0)


def _bytes_sent(setting: TrainingSetting, plans: Plans, parameters: FloatArray) -> dict[str, FloatArray]:
    """Return the bytes that the average device sends per training step, by kind of parallelism, arrays of shape (n,).

    Parameters
    ----------
    parameters : of the average device, whose gradients are reduced over its replicas.
    """
    decoder, element = setting.decoder, setting.precision.activations
    microbatches = setting.batch // (plans.dp * plans.microbatch)
    layers = decoder.layers / plans.pp
    activation = plans.microbatch * (setting.sequence / plans.cp) * decoder.hidden * element * microbatches
    passes = 2 + (plans.recompute == 2)
    split = plans.tp_pattern == 2
    share = (plans.tp - 1) / plans.tp
    regathered = 2 * layers * activation * share * (split & plans.regather)
    crossing = activation / np.where(plans.tp_pattern > 0, plans.tp, 1) * plans.interleave
    routed = sum(
        block.count * block.mlp.routed.active * 2 * passes * (plans.ep - 1) / plans.ep
        for block in decoder.kinds
    ) * (activation / plans.pp * plans.etp / plans.tp)  # fmt: skip
    width = sum(block.count * block.attention.cache().elements for block in decoder.kinds) / plans.pp / plans.tp
    keys = activation / decoder.hidden * width * 3 * (plans.cp - 1)
    replicas = plans.dp * plans.cp
    return {
        "tensor_parallel": 2 * layers * passes * activation * 2 * share + regathered,
        "pipeline_parallel": np.where(plans.pp > 1, 2 * crossing * (plans.pp - 1) / plans.pp, 0.0),
        "data_parallel": parameters * _replica_traffic(setting, plans) * (replicas - 1) / replicas,
        "expert_parallel": 1.0 * routed,
        "context_parallel": keys,
    }


def _replica_traffic(setting: TrainingSetting, plans: Plans) -> FloatArray:
    """Return the bytes of a parameter that replicas reduce and gather in a step, (n,).

    An all-reduce counts as a scatter and a gather of the gradient; ZeRO-3 gathers weights for both passes of each
    microbatch.
    """
    state, microbatches = setting._state_bytes, setting.batch // (plans.dp * plans.microbatch)
    scattered = state.gradients * np.where(setting.scatters_each(plans), microbatches, 1)
    gathered = np.where(plans.zero == 3, 2 * microbatches * state.weights, state.gradients)
    return np.asarray(scattered + gathered)
