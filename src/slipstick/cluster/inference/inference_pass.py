"""Inference in closed form: prefill, one decode step, a whole request; over arrays of plans, batches and lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from slipstick.cluster.collectives.collective_time import Tier
from slipstick.cluster.collectives.network_tiers import messages
from slipstick.cluster.constants.serving_stack import Stack
from slipstick.cluster.kernels.decoder_kernels import Kernel, Precision, Shape, embedding, forward, head
from slipstick.cluster.kernels.device_parameters import block_weights, embedding_weights, head_weights
from slipstick.cluster.kernels.kernel_times import Device, time_kernels
from slipstick.cluster.sweep.plans import AUTO_TIER, Plans
from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.workload import Phase
from slipstick.networks.decoder.decoder import Block, Decoder

PARTS = (
    "projections",
    "attention",
    "experts",
    "head",
    "elementwise",
    "tensor_parallel",
    "expert_parallel",
    "pipeline_parallel",
    "launch",
    "overhead",
)


ROUTING_LAUNCHES = 8  # top-k, its softmax, counts, their sum, sort, offsets, the permutation, and its inverse

UNPACKED = ("router", "scores", "values")  # products without weights, and those that no checkpoint quantises


@dataclass(frozen=True)
class InferenceSetting:
    """What a sweep over inference plans holds fixed."""

    decoder: Decoder
    device: Device
    tiers: Sequence[Tier]
    precision: Precision
    stack: Stack
    capacity: float  # bytes of a device's memory
    graphs: bool = True  # steps replayed as one graph, without the host between kernels
    fused: bool = True
    packed: float = 1.0  # bytes of the weights as stored, against those of the format that multiplies them
    packed_attention: bool = True


@dataclass(frozen=True)
class Pass:
    """One pass of the network over n points: seconds by `PARTS`, and what it computes, moves and sends, (n,) each."""

    parts: dict[str, FloatArray]
    flops: FloatArray  # of one device
    traffic: FloatArray  # bytes of its DRAM
    sent: FloatArray  # bytes that it sends

    @property
    def time(self) -> FloatArray:
        """Seconds from the first stage's start to the last one's end."""
        return np.asarray(sum(self.parts.values()))


def prefill(setting: InferenceSetting, plans: Plans, batch: ArrayLike, tokens: ArrayLike, seen: ArrayLike = 0) -> Pass:
    """Return one pass over `tokens` new tokens of each of `batch` prompts of which `seen` tokens are cached.

    The work of a forward pass over batch * tokens rows; only the last token of a prompt needs the output head.
    """
    return _pass(setting, plans, Phase.PREFILL, batch, tokens, np.asarray(seen) + np.asarray(tokens))


def decode_step(
    setting: InferenceSetting, plans: Plans, batch: ArrayLike, context: ArrayLike, tokens: ArrayLike = 1
) -> Pass:
    """Return one decode step: `tokens` new tokens (more than one when drafts are verified) of each of `batch`
    sequences that attend to `context` tokens, the new ones included."""
    return _pass(setting, plans, Phase.DECODE, batch, tokens, context)


def decode_time(
    setting: InferenceSetting, plans: Plans, batch: ArrayLike, prompt: ArrayLike, output: ArrayLike
) -> FloatArray:
    """Return seconds of one decode step averaged over the growth of the context from `prompt` to prompt + output.

    The time of a step is close to linear in its context, so its mean is that of the first and the last step.
    """
    n = len(plans)
    twice = plans.take(np.tile(np.arange(n), 2))
    context = np.concatenate([np.broadcast_to(np.asarray(prompt) + more, (n,)) for more in (1, np.asarray(output))])
    both = decode_step(setting, twice, np.tile(np.broadcast_to(np.asarray(batch), (n,)), 2), context).time
    return np.asarray((both[:n] + both[n:]) / 2)


def _pass(
    setting: InferenceSetting, plans: Plans, phase: Phase, batch: ArrayLike, tokens: ArrayLike, context: ArrayLike
) -> Pass:
    shape = inference_shape(plans, batch, tokens, context)
    lists, counts = _kernel_lists(setting, shape, phase)
    everything = [kernel for kernels in lists for kernel in kernels]
    repeats = np.array([count for kernels, count in zip(lists, counts, strict=True) for _ in kernels], dtype=float)[
        :, None
    ]
    timed = time_kernels(everything, setting.device, len(plans))
    parts = dict.fromkeys(PARTS, np.zeros(len(plans)))
    for name in ("projections", "attention", "experts", "head", "elementwise"):
        rows = [_part(kernel) == name for kernel in everything]
        parts[name] = (timed.time * repeats)[rows].sum(axis=0)
    launches = float(
        sum(kernel.launches * count for kernels, count in zip(lists, counts, strict=True) for kernel in kernels)
    )
    steps = setting.device.steps
    gap = steps.replay_launch if setting.graphs else steps.eager_launch
    parts["launch"] = np.full(len(plans), launches * gap)
    parts |= _messages(setting, plans, shape)
    parts["overhead"] = np.full(len(plans), steps.token_overhead)
    if phase is Phase.PREFILL:  # the host launches such a pass layer by layer, ahead of the device if it is fast enough
        ahead = setting.stack.eager_layer * setting.decoder.layers
        parts["launch"] = parts["launch"] + np.maximum(0.0, ahead - sum(parts.values()))
    flops = (timed.flops * repeats).sum(axis=0) / plans.pp
    traffic = (timed.traffic * repeats).sum(axis=0) / plans.pp
    return Pass(parts, flops, traffic, _sent(setting, plans, shape))


def inference_shape(plans: Plans, batch: ArrayLike, tokens: ArrayLike, context: ArrayLike) -> Shape:
    """Return one device's share of a pass over `tokens` new tokens of each of `batch` sequences, (n,)."""
    n = len(plans)
    sequences, query, seen = (np.broadcast_to(np.asarray(a, dtype=np.int64), (n,)) for a in (batch, tokens, context))
    return Shape(sequences, query, seen, plans.tp, plans.ep, plans.etp, np.zeros(n, dtype=bool))


def _kernel_lists(setting: InferenceSetting, shape: Shape, phase: Phase) -> tuple[list[list[Kernel]], list[int]]:
    decoder, precision = setting.decoder, setting.precision
    lists = [forward(block, decoder, shape, phase, precision, setting.fused) for block in decoder.kinds]
    counts = [block.count for block in decoder.kinds]
    lists += [embedding(decoder, shape, precision.activations), head(decoder, shape, phase, precision)]
    return [[_as_run(kernel, setting) for kernel in kernels] for kernels in lists], [*counts, 1, 1]


def _as_run(kernel: Kernel, setting: InferenceSetting) -> Kernel:
    """Return the kernel as engines run it: with the small ones before it that find each token's experts, which
    training's batches hide; with weights that are stored narrower than they are multiplied."""
    if kernel.name == "mlp.permute":
        return replace(kernel, launches=ROUTING_LAUNCHES)
    group, _, name = kernel.name.partition(".")
    stored = setting.packed < 1.0 and kernel.kind == "matmul" and name not in UNPACKED and group != "head"
    if stored and (setting.packed_attention or group != "attention"):
        return replace(kernel, packed=setting.packed)
    return kernel


def _part(kernel: Kernel) -> str:
    group, _, name = kernel.name.partition(".")
    if kernel.kind == "attention" or name in ("scores", "softmax", "values"):
        return "attention"
    if kernel.kind != "matmul":
        return "elementwise"
    if name.startswith("expert_"):
        return "experts"
    return "head" if group == "head" else "projections"


def _messages(setting: InferenceSetting, plans: Plans, shape: Shape) -> dict[str, FloatArray]:
    """Return exposed messages: two all-reduces a layer (Pope et al. 2211.05102), dispatch and combine of experts, one
    activation between stages."""
    decoder, element = setting.decoder, setting.precision.activations
    auto = np.full(len(plans), AUTO_TIER)
    size = shape.tokens * decoder.hidden * element
    reduced = _all_reduce(setting, plans, np.asarray(size, dtype=np.float64))
    counts = sum(block.count * (1 if block.parallel else 2) for block in decoder.kinds)
    found = {
        "tensor_parallel": counts * reduced
        + messages("all_gather", 4.0 * shape.sequences, plans.tp, 1, auto, setting.tiers)
    }
    routed = sum(block.count * block.mlp.routed_active for block in decoder.kinds)
    layers = sum(block.count for block in decoder.kinds if block.mlp.routed_experts)
    if layers and (plans.ep * plans.etp > plans.tp).any():
        dispatched = size * routed / layers * plans.etp / plans.tp
        exchange = messages("all_to_all", dispatched, plans.ep * plans.etp // plans.tp, plans.tp, auto, setting.tiers)
        found["expert_parallel"] = 2.0 * layers * exchange
    crossing = messages("point_to_point", size / plans.tp, 2, plans.tp * plans.dp, auto, setting.tiers)
    found["pipeline_parallel"] = np.where(plans.pp > 1, (plans.pp - 1) * crossing, 0.0)
    return found


def _all_reduce(setting: InferenceSetting, plans: Plans, size: FloatArray) -> FloatArray:
    """Return seconds of an all-reduce among the tensor parallel ranks: by the library, or by one kernel that reads
    the peers' memory: the whole message of each (one shot), or a share of each and then the sums (two shots).

    Source: the custom all-reduces of TensorRT-LLM, vLLM and SGLang, for ranks that one fabric joins.
    """
    time = messages("all_reduce", size, plans.tp, 1, np.full(len(plans), AUTO_TIER), setting.tiers)
    kind = setting.stack.all_reduce
    if kind == "library" or not setting.tiers:
        return time
    inner, once = setting.tiers[0], setting.device.steps.one_shot
    rate, peers = inner.bandwidth * setting.device.steps.peer_efficiency, plans.tp - 1.0
    shot = once + peers * size / rate
    if kind == "two_shot":
        shot = np.minimum(shot, 2 * once + 2 * peers / plans.tp * size / rate)
    near = (plans.tp > 1) & (plans.tp <= inner.domain) & (once > 0)
    return np.asarray(np.where(near, np.minimum(time, shot), time), dtype=np.float64)


def _sent(setting: InferenceSetting, plans: Plans, shape: Shape) -> FloatArray:
    decoder = setting.decoder
    size = shape.tokens * decoder.hidden * setting.precision.activations
    reduces = sum(block.count * (1 if block.parallel else 2) for block in decoder.kinds) / plans.pp
    crossing = np.where(plans.pp > 1, size / plans.tp * (plans.pp - 1) / plans.pp, 0.0)
    return np.asarray(reduces * 2 * size * (plans.tp - 1) / plans.tp + crossing)


@dataclass(frozen=True)
class Room:
    """Bytes on one device, (n,) each."""

    weights: FloatArray
    cache: FloatArray  # keys and values (or latents, or states) of all sequences
    activations: FloatArray

    @property
    def total(self) -> FloatArray:
        """All of it."""
        return self.weights + self.cache + self.activations


def room(setting: InferenceSetting, plans: Plans, batch: ArrayLike, context: ArrayLike, tokens: ArrayLike) -> Room:
    """Return what one device holds: all parameters (not the active ones), the cache of `batch` sequences of `context`
    tokens, and the activations of `tokens` tokens a pass.

    Key and value heads are copied once tensor parallelism exceeds them; a latent is never divided.
    """
    shape, decoder, precision = inference_shape(plans, batch, tokens, context), setting.decoder, setting.precision
    held, cache = np.zeros(len(plans)), np.zeros(len(plans))
    for block in decoder.kinds:
        weights = block_weights(block, decoder, plans.tp, plans.ep, plans.etp)
        held += block.count * (weights.dense + weights.experts) / plans.pp
        cache += block.count * sequence_cache(block, shape.context, plans.tp, precision.cache) / plans.pp
    ends = embedding_weights(decoder, plans.tp) + head_weights(decoder, plans.tp, plans.pp > 1)
    widest = max(sum(p.n for p in block.mlp.projections(decoder.hidden) if not p.experts) for block in decoder.kinds)
    activations = shape.tokens * (4.0 * decoder.hidden + widest / plans.tp) * precision.activations
    return Room(held * precision.weights + ends * precision.activations, cache * shape.sequences, activations)


def sequence_cache(block: Block, context: IntArray, tp: IntArray, element: float) -> FloatArray:
    """Return bytes that one layer caches for one sequence on one tensor parallel rank."""
    recurrence = block.attention.recurrence()
    if recurrence is not None:
        return np.asarray(recurrence.state / tp * 4.0)
    scores = block.attention.scores(Phase.DECODE)
    kept = context if scores is None or scores.window is None else np.minimum(context, scores.window)
    return np.asarray(kept * block.attention.cache_elements / np.minimum(tp, block.attention.cache_heads) * element)


def largest_batch(setting: InferenceSetting, plans: Plans, context: ArrayLike, capacity: float) -> IntArray:
    """Return how many sequences of `context` tokens fit beside the weights, (n,)."""
    empty = room(setting, plans, 0, context, 1)
    one = room(setting, plans, 1, context, 1)
    free = np.maximum(0.0, capacity - empty.total)
    return np.floor(free / np.maximum(one.total - empty.total, 1.0)).astype(np.int64)
