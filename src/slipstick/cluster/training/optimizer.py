"""Time [s] that data parallelism, ZeRO, the optimiser and offloading add to a training step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from slipstick.cluster.collectives.collective_time import messages
from slipstick.cluster.collectives.network_tiers import NetworkTier
from slipstick.cluster.constants.model_constants import _model
from slipstick.cluster.sweep.distinct import _distinct
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.layer_time import _LayerTime
from slipstick.cluster.training.memory import _Residents
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.workload import Phase
from slipstick.networks.decoder.block import Block
from slipstick.networks.decoder.decoder import Decoder

# bytes a parameter that Adam moves: reads gradient, weight and two moments (16), writes weight, moments and the
# half-precision copy (14), and reads the gradient once more for its norm (4)
ADAM_TRAFFIC = 34.0


def _gradient_messages(setting: TrainingSetting, plans: Plans, residents: _Residents) -> tuple[FloatArray, FloatArray]:
    """Return the times [s] of (gradient reduction, gathering of updated weights), arrays (plans, stage kinds).

    Without ZeRO an all-reduce; with it a reduce-scatter and an all-gather (Rajbhandari et al. 1910.02054, section 7).
    """
    columns = [
        plans.tp, plans.pp, plans.dp, plans.cp, plans.ep, plans.etp, plans.interleave, plans.partition,
        plans.dp_tier, plans.zero, plans.dp_buckets,
    ]  # fmt: skip
    first, kind = _distinct(columns)
    some = plans.take(first)
    reduced, gathered = np.zeros(residents.dense[first].shape), np.zeros(residents.dense[first].shape)
    groups = (
        (residents.dense[first], some.dp * some.cp, some.tp),
        (residents.experts[first], some.expert_replicas, some.ep * some.etp),
    )
    for parameters, ranks, stride in groups:
        if parameters.any():
            ways = _update_messages(setting, some, parameters, ranks, stride)
            reduced, gathered = reduced + ways[0], gathered + ways[1]
    return reduced[kind], gathered[kind]


def _update_messages(
    setting: TrainingSetting, plans: Plans, parameters: FloatArray, ranks: IntArray, stride: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return seconds to reduce the gradients and to gather the weights of (n, K) parameters over their copies."""
    zero, forced = plans.zero[:, None], np.broadcast_to(plans.dp_tier[:, None], parameters.shape)
    over = (ranks[:, None], stride[:, None], forced, setting.tiers)
    gradient, weight = parameters * setting._state_bytes.gradients, parameters * setting._state_bytes.weights
    share = _shard_efficiency(setting, plans)[:, None]
    reduced, gathered = np.zeros(parameters.shape), np.zeros(parameters.shape)
    if (zero == 0).any():
        whole = messages("all_reduce", gradient, *over)
        if (~plans.dp_buckets).any():
            single = messages("all_reduce", np.minimum(gradient, _model().loose_message), *over)
            double = messages("all_reduce", 2 * np.minimum(gradient, _model().loose_message), *over)
            waits = (
                (2 * single - double) * gradient / _model().loose_message
            )  # what does not grow with the size, each time
            whole = np.where(plans.dp_buckets[:, None], whole, np.maximum(whole, waits))
        reduced = np.where(zero == 0, whole, reduced)
    if (zero > 0).any():
        pieces = np.where((zero == 3) & ~plans.dp_buckets[:, None], _tensors(setting.decoder), 1)
        scatter = pieces * _in_shards("reduce_scatter", gradient / pieces, share, over)
        reduced = np.where(zero > 0, scatter, reduced)
        gathered = np.where((zero == 1) | (zero == 2), _in_shards("all_gather", weight, share, over), 0.0)
    return reduced, gathered


def _in_shards(
    op: str, size: FloatArray, share: FloatArray, over: tuple[IntArray, IntArray, IntArray, Sequence[NetworkTier]]
) -> FloatArray:
    """Return seconds of a scatter or gather in many small shards: they reach a share of the rate, and wait as long."""
    time = messages(op, size, *over)
    if (share == 1.0).all():
        return time
    return time + (1 / share - 1) * np.maximum(0.0, messages(op, 2 * size, *over) - time)


def _shard_efficiency(setting: TrainingSetting, plans: Plans) -> FloatArray:
    return np.where(plans.dp_buckets, 1.0, setting.chip.steps.shard_efficiency)


def _tensors(decoder: Decoder) -> int:
    return sum(block.count * _block_tensors(block, decoder) for block in decoder.kinds)


def _sharded_messages(
    setting: TrainingSetting, plans: Plans, block: Block, layer: _LayerTime, weights: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """Return exposed seconds of ZeRO-2 and ZeRO-3 for one layer and microbatch.

    ZeRO-3 gathers a layer's tensors one by one for each pass, behind the layer before where overlapped (Rajbhandari et
    al. 1910.02054, section 7.2.2). Where every microbatch's gradients are scattered, those of the last one are part of
    `_exposed_update`.

    Parameters
    ----------
    weights : (dense, expert) parameters of the layer on a device, (n,) each.
    """
    if not (plans.zero >= 2).any():
        return np.zeros(len(plans))
    gather = _layer_message(setting, plans, block, "all_gather", weights)
    gather = np.where(plans.zero == 3, gather, 0.0)
    scatter = np.where(
        setting.scatters_each(plans), _layer_message(setting, plans, block, "reduce_scatter", weights), 0.0
    )
    microbatches = setting.batch // (plans.dp * plans.microbatch)
    earlier = (microbatches - 1) / np.maximum(1, microbatches)  # than the last: a share of the microbatches
    core = np.where(plans.cp > 1, layer.core, 0.0)  # already hides the keys of the other context ranks
    ahead = np.maximum(0.0, gather - (layer.forward - core))
    back = np.maximum(0.0, gather - (layer.backward - 2 * core))
    both = np.maximum(0.0, gather + scatter - (layer.backward - 2 * core))
    hidden = ahead + back + earlier * (both - back)
    return np.asarray(np.where(plans.dp_overlap, hidden, 2 * gather + earlier * scatter))


def _layer_message(
    setting: TrainingSetting, plans: Plans, block: Block, op: str, weights: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """Return seconds to gather a layer's weights, or to scatter its gradients, over the ranks that hold copies."""
    columns = [plans.tp, plans.dp, plans.cp, plans.ep, plans.etp, plans.dp_buckets, plans.dp_tier]
    first, kind = _distinct(columns)
    plans, weights = plans.take(first), (weights[0][first], weights[1][first])
    tensors = np.where(plans.dp_buckets, 1, _block_tensors(block, setting.decoder))
    element = setting._state_bytes.weights if op == "all_gather" else setting._state_bytes.gradients
    groups = ((plans.dp * plans.cp, plans.tp), (plans.expert_replicas, plans.ep * plans.etp))
    total = np.zeros(len(plans))
    for parameters, (ranks, stride) in zip(weights, groups, strict=True):
        if parameters.any():
            size = parameters * element / tensors
            total = total + messages(op, size, ranks, stride, plans.dp_tier, setting.tiers)
    return np.asarray(tensors / _shard_efficiency(setting, plans) * total)[kind]


def _block_tensors(block: Block, decoder: Decoder) -> int:
    """Return the number of parameter tensors of a layer: weights, biases and norms."""
    projections = [*block.attention.projections(decoder.hidden, Phase.TRAIN), *block.mlp.projections(decoder.hidden)]
    norm = 2 if decoder.norm == "layer" else 1
    return sum(2 if projection.bias else 1 for projection in projections) + norm * block.norms


def _exposed_update(
    setting: TrainingSetting, plans: Plans, residents: _Residents, backward: FloatArray, forward: FloatArray
) -> FloatArray:
    """Return the exposed time [s] per step of gradient reduction and weight gathering, of shape (n,).

    Overlapped, a stage's last reduction hides behind the last microbatch's backward pass but for its last bucket, and
    the gathering behind the next step's first forward pass; the slowest stage decides. Interleaved, a chunk's gradients
    are ready when the last p microbatches have still to pass the chunks before it, which hides them behind as much
    work. With ZeRO-3 the passes already hide the gathers of their weights, and nothing is left for the gradients.
    """
    reduced, gathered = _gradient_messages(setting, plans, residents)
    overlap = (plans.dp_overlap & (plans.zero < 3))[:, None]
    slow = setting.chip.steps.overlap_slowdown
    total = np.zeros_like(reduced)
    microbatches = setting.batch // (plans.dp * plans.microbatch)
    passes = np.minimum(microbatches, 1 + plans.pp * (plans.interleave - 1) / plans.interleave)[:, None]
    for message, compute in ((reduced, backward), (gathered, forward)):
        total += np.where(overlap, _exposed_message(message, compute * passes, slow), message)
    return np.asarray(total.max(axis=1))


def _exposed_message(message: FloatArray, compute: FloatArray, slow: float) -> FloatArray:
    """Return the exposed time [s] of a bucketed message that overlaps with `compute` seconds of computation.

    The last bucket has nothing left to hide it; what is hidden slows the computation by the share `slow` of itself.
    """
    bucket = _model().last_bucket
    window = compute * (1 - bucket)
    behind = np.maximum(message - window, message * bucket) + slow * np.minimum(message, window)
    return np.asarray(np.minimum(behind, message))


def _optimizer_time(setting: TrainingSetting, plans: Plans, residents: _Residents) -> FloatArray:
    """Return the time [s] of the optimiser's update on the fullest stage, bound by memory or by the host link, (n,)."""
    shard = plans.zero[:, None] >= 1
    dense = residents.dense / np.where(shard, (plans.dp * plans.cp)[:, None], 1)
    experts = residents.experts / np.where(shard, plans.expert_replicas[:, None], 1)
    traffic = (dense + experts).max(axis=1) * ADAM_TRAFFIC
    chip = setting.chip
    near: FloatArray = traffic / (chip.dram_bandwidth * setting.chip.steps.optimizer_efficiency)
    if not plans.offload_optimizer.any():
        return near
    return np.where(plans.offload_optimizer, np.maximum(near, traffic / setting.host_bandwidth), near)


def _offload_waits(
    setting: TrainingSetting, plans: Plans, layer: _LayerTime, weights: FloatArray, activations: FloatArray
) -> FloatArray:
    """Return the exposed time [s] of offloading per layer and microbatch: tensors moved from and to host memory."""
    if not (plans.offload_weights.any() or plans.offload_activations.any()):
        return np.zeros(len(plans))
    moved = np.where(plans.offload_weights, weights * setting._state_bytes.weights, 0.0)
    ahead = (moved + np.where(plans.offload_activations, activations, 0.0)) / setting.host_bandwidth
    gradients = np.where(plans.offload_weights, weights * setting._state_bytes.gradients, 0.0) / setting.host_bandwidth
    back = ahead + gradients
    return np.maximum(0.0, ahead - layer.forward) + np.maximum(0.0, back - layer.backward)
