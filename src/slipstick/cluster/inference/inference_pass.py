"""Inference passes in closed form (prefill and decode steps): time and memory over arrays of plans and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike

from slipstick.cluster.collectives.collective_time import messages
from slipstick.cluster.collectives.network_tiers import NetworkTier, _tiers_of
from slipstick.cluster.constants.model_constants import _model
from slipstick.cluster.constants.serving_stack import _Stack, stacks
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.decoder_kernels import _core, _decoder_kernels, _Kernel, _Shape
from slipstick.cluster.kernels.device_parameters import _layer_parameters, end_parameters
from slipstick.cluster.kernels.kernel_times import _time_kernels
from slipstick.cluster.kernels.precision import Precision, element_bytes
from slipstick.cluster.sweep.distinct import _distinct
from slipstick.cluster.sweep.plans import AUTO_TIER, Plans
from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload
from slipstick.networks.decoder.block import Block
from slipstick.networks.decoder.decoder import Decoder

_PARTS = (
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

_UNPACKED = ("router", "scores", "values")  # products without weights, and those that no checkpoint quantises


@dataclass(frozen=True)
class _InferenceSetting:
    """Fixed inputs of a sweep over inference plans: network, chip, network tiers, formats and serving software."""

    decoder: Decoder
    chip: Chip
    tiers: Sequence[NetworkTier]
    precision: Precision
    stack: _Stack
    capacity: float  # bytes of a device's memory that weights, cache and activations may fill
    graphs: bool = True  # steps replayed as one graph, without the host between kernels
    fused: bool = True
    packed: float = 1.0  # bytes of the weights as stored, against those of the format that multiplies them
    packed_attention: bool = True

    @classmethod
    def of(cls, workload: Workload, system: System, plan: Plan) -> _InferenceSetting:
        """Return the setting of a workload on a system, shared by all plans with the formats and kernels of `plan`.

        Errors
        ------
        SlipstickError if the device lacks the format, and for an unknown serving stack.
        """
        decoder = Decoder.of(workload.network)
        return cls(
            decoder=decoder,
            chip=_engine_chip(Chip.of(system), plan.kernels.cuda_graphs),
            tiers=_tiers_of(system),
            precision=Precision.of(plan, system, Phase.DECODE),
            graphs=plan.kernels.cuda_graphs,
            fused=plan.kernels.attention == "flash",
            stack=stacks.entry(plan.stack),
            packed=_packed(plan),
            packed_attention=not _leaves_attention(decoder),
            capacity=system.main_memory.capacity * stacks.entry(plan.stack).memory_share,
        )


def _packed(plan: Plan) -> float:
    """Return the ratio of stored weight bytes to bytes in the format of the products (below 1 if stored narrower)."""
    formats = plan.formats
    if formats.weights == "auto":
        return 1.0
    return min(1.0, element_bytes(formats.weights) / element_bytes(formats.matmul))


def _leaves_attention(decoder: Decoder) -> bool:
    """Return whether the checkpoint leaves its attention's weights unquantised."""
    left = decoder.quantisation.unquantised if decoder.quantisation else ()
    return any(module.endswith("self_attn") for module in left)


def _engine_chip(chip: Chip, graphs: bool) -> Chip:
    """Return the chip with the constants that hold for serving engines, in place of training's.

    No gradients run beside the products; and in a graph that is replayed, one reading of the activations quantises
    them, without the host's launches that the measured kernels include.
    """
    slowdown = chip.steps.inference_slowdown
    steps = chip.steps.model_copy(update={"matmul_slowdown": slowdown, "narrow_slowdown": slowdown})
    if not graphs:
        return replace(chip, steps=steps)
    kernel = {"quantise_launch": steps.stream_latency, "quantise_reads": 1.0}
    formats = {name: own.model_copy(update=kernel) for name, own in chip.constants.formats.items()}
    return replace(chip, constants=chip.constants.model_copy(update={"formats": formats}), steps=steps)


@dataclass(frozen=True)
class _InferencePass:
    """One forward pass at n points: seconds by part, operations, memory traffic and bytes sent, of shape (n,)."""

    parts: dict[str, FloatArray]
    flops: FloatArray  # of one device
    traffic: FloatArray  # bytes of its DRAM
    sent: FloatArray  # bytes that it sends

    @property
    def time(self) -> FloatArray:
        """Seconds from the first stage's start to the last one's end."""
        return np.asarray(sum(self.parts.values()))


def _prefill(
    setting: _InferenceSetting, plans: Plans, batch: ArrayLike, tokens: ArrayLike, seen: ArrayLike = 0
) -> _InferencePass:
    """Return the prefill pass over `tokens` new tokens of each of `batch` prompts, `seen` tokens of which are cached.

    The work of a forward pass over batch * tokens rows; only the last token of a prompt needs the output head.
    """
    return _pass(setting, plans, Phase.PREFILL, batch, tokens, np.asarray(seen) + np.asarray(tokens))


def _decode_step(
    setting: _InferenceSetting, plans: Plans, batch: ArrayLike, context: ArrayLike, tokens: ArrayLike = 1
) -> _InferencePass:
    """Return the pass of a decode step of `batch` sequences: one new token each, or `tokens` to verify drafts.

    They attend to `context` tokens, the new ones included.
    """
    return _pass(setting, plans, Phase.DECODE, batch, tokens, context)


def _pass(
    setting: _InferenceSetting, plans: Plans, phase: Phase, batch: ArrayLike, tokens: ArrayLike, context: ArrayLike
) -> _InferencePass:
    """Return the forward pass; kernels that do not see the context are timed once for each distinct share of tokens."""
    shape = _inference_shape(plans, batch, tokens, context)
    shares = [shape.sequences, shape.query, plans.tp, plans.ep, plans.etp]
    first, kind = _distinct(shares)
    lists, counts = _kernel_lists(setting, _share_of(shape, first), phase)
    outside = [[kernel for kernel in kernels if not kernel.core] for kernels in lists]
    work = _kernel_sums(setting, outside, counts, len(first)).take(kind)
    decoder = setting.decoder
    inside = [_core(block, decoder, shape, phase, setting.precision, setting.fused) for block in decoder.kinds]
    cores = _kernel_sums(setting, inside, counts, len(plans))
    parts = dict.fromkeys(_PARTS, np.zeros(len(plans)))
    for name in ("projections", "attention", "experts", "head", "elementwise"):
        parts[name] = work.parts[name] + cores.parts[name]
    steps = setting.chip.steps
    gap = steps.replay_launch if setting.graphs else steps.eager_launch
    parts["launch"] = np.full(len(plans), (work.launches + cores.launches) * gap)
    first, kind = _distinct([*shares, plans.pp, plans.dp])
    sent = _messages(setting, plans.take(first), _share_of(shape, first))
    parts |= {name: seconds[kind] for name, seconds in sent.items()}
    parts["overhead"] = np.full(len(plans), steps.token_overhead)
    if phase is Phase.PREFILL:  # the host launches such a pass layer by layer, ahead of the device if it is fast enough
        ahead = setting.stack.eager_layer * setting.decoder.layers
        parts["launch"] = parts["launch"] + np.maximum(0.0, ahead - sum(parts.values()))
    flops, traffic = (work.flops + cores.flops) / plans.pp, (work.traffic + cores.traffic) / plans.pp
    return _InferencePass(parts, flops, traffic, _sent(setting, plans, shape))


@dataclass(frozen=True)
class _KernelSums:
    """Sums over the kernels of a pass, (n,) each: time by part [s], operations, DRAM traffic [B]; and all launches."""

    parts: dict[str, FloatArray]
    flops: FloatArray
    traffic: FloatArray
    launches: float

    def take(self, index: IntArray) -> _KernelSums:
        """Return the sums at `index`."""
        parts = {name: values[index] for name, values in self.parts.items()}
        return _KernelSums(parts, self.flops[index], self.traffic[index], self.launches)


def _kernel_sums(setting: _InferenceSetting, lists: list[list[_Kernel]], counts: list[int], width: int) -> _KernelSums:
    """Return the sums over lists of kernels, each list being run as often as its count says."""
    pairs = [(kernel, count) for kernels, count in zip(lists, counts, strict=False) for kernel in kernels]
    kernels, repeats = [kernel for kernel, _ in pairs], np.array([count for _, count in pairs], dtype=float)[:, None]
    timed = _time_kernels(kernels, setting.chip, width)
    seconds = timed.time * repeats
    parts = {}
    for name in ("projections", "attention", "experts", "head", "elementwise"):
        parts[name] = seconds[[_part(kernel) == name for kernel in kernels]].sum(axis=0)
    launches = float(sum(kernel.launches * count for kernel, count in pairs))
    return _KernelSums(parts, (timed.flops * repeats).sum(axis=0), (timed.traffic * repeats).sum(axis=0), launches)


def _share_of(shape: _Shape, index: IntArray) -> _Shape:
    """Return the shapes at `index`."""
    return _Shape(**{field.name: getattr(shape, field.name)[index] for field in fields(shape)})


def _inference_shape(plans: Plans, batch: ArrayLike, tokens: ArrayLike, context: ArrayLike) -> _Shape:
    """Return one device's share of a pass over `tokens` new tokens of each of `batch` sequences, of shape (n,)."""
    n = len(plans)
    sequences, query, seen = (np.broadcast_to(np.asarray(a, dtype=np.int64), (n,)) for a in (batch, tokens, context))
    return _Shape(sequences, query, seen, plans.tp, plans.ep, plans.etp, np.zeros(n, dtype=bool))


def _kernel_lists(setting: _InferenceSetting, shape: _Shape, phase: Phase) -> tuple[list[list[_Kernel]], list[int]]:
    decoder = setting.decoder
    lists = _decoder_kernels(decoder, shape, phase, setting.precision, fused=setting.fused)
    counts = [*(block.count for block in decoder.kinds), 1, 1]
    return [[_as_run(kernel, setting) for kernel in kernels] for kernels in lists], counts


def _as_run(kernel: _Kernel, setting: _InferenceSetting) -> _Kernel:
    """Return the kernel as serving engines run it: with expert routing, and weights in their stored format.

    Small kernels before it find each token's experts, which training's batches hide; weights may be stored narrower
    than they are multiplied.
    """
    if kernel.name == "mlp.permute":
        return replace(kernel, launches=_model().routing_launches)
    group, _, name = kernel.name.partition(".")
    stored = setting.packed < 1.0 and kernel.kind == "matmul" and name not in _UNPACKED and group != "head"
    if stored and (setting.packed_attention or group != "attention"):
        return replace(kernel, packed=setting.packed)
    return kernel


def _part(kernel: _Kernel) -> str:
    group, _, name = kernel.name.partition(".")
    if kernel.kind == "attention" or name in ("scores", "softmax", "values"):
        return "attention"
    if kernel.kind != "matmul":
        return "elementwise"
    if name.startswith("expert_"):
        return "experts"
    return "head" if group == "head" else "projections"


def _messages(setting: _InferenceSetting, plans: Plans, shape: _Shape) -> dict[str, FloatArray]:
    """Return the exposed communication time [s] of a pass, by kind of parallelism.

    Two all-reduces a layer (Pope et al. 2211.05102), dispatch and combine of experts, one activation between stages.
    """
    decoder, element = setting.decoder, setting.precision.activations
    auto = np.full(len(plans), AUTO_TIER)
    size = shape.tokens * decoder.hidden * element
    reduced = _all_reduce(setting, plans, np.asarray(size, dtype=np.float64))
    counts = sum(block.count * (1 if block.parallel else 2) for block in decoder.kinds)
    seconds = {
        "tensor_parallel": counts * reduced
        + messages("all_gather", 4.0 * shape.sequences, plans.tp, 1, auto, setting.tiers)
    }
    routed = sum(block.count * block.mlp.routed.active for block in decoder.kinds)
    layers = sum(block.count for block in decoder.kinds if block.mlp.routed.experts)
    if layers and (plans.ep * plans.etp > plans.tp).any():
        spanned = np.maximum(1, plans.ep * plans.etp // plans.tp)  # tensor parallel groups
        dispatched = size * routed / layers * plans.etp / plans.tp
        exchange = messages("all_to_all", dispatched, spanned, plans.tp, auto, setting.tiers)
        seconds["expert_parallel"] = 2.0 * layers * exchange
    crossing = messages("point_to_point", size / plans.tp, 2, plans.tp * plans.dp, auto, setting.tiers)
    seconds["pipeline_parallel"] = np.where(plans.pp > 1, (plans.pp - 1) * crossing, 0.0)
    return seconds


def _all_reduce(setting: _InferenceSetting, plans: Plans, size: FloatArray) -> FloatArray:
    """Return the time [s] of an all-reduce of the tensor-parallel ranks, by the collective library or a custom kernel.

    The kernel reads the peers' memory: the whole message of each (one shot), or a share of each and then the sums (two
    shots).

    Source: the custom all-reduces of TensorRT-LLM, vLLM and SGLang, for ranks that one fabric joins.
    """
    time = messages("all_reduce", size, plans.tp, 1, np.full(len(plans), AUTO_TIER), setting.tiers)
    kind = setting.stack.all_reduce
    if kind == "library" or not setting.tiers:
        return time
    inner, once = setting.tiers[0], setting.chip.steps.one_shot
    rate, peers = inner.bandwidth * setting.chip.steps.peer_efficiency, plans.tp - 1.0
    shot = once + peers * size / rate
    if kind == "two_shot":
        shot = np.minimum(shot, 2 * once + 2 * peers / plans.tp * size / rate)
    near = (plans.tp > 1) & (plans.tp <= inner.domain) & (once > 0)
    return np.asarray(np.where(near, np.minimum(time, shot), time), dtype=np.float64)


def _sent(setting: _InferenceSetting, plans: Plans, shape: _Shape) -> FloatArray:
    decoder = setting.decoder
    size = shape.tokens * decoder.hidden * setting.precision.activations
    reduces = sum(block.count * (1 if block.parallel else 2) for block in decoder.kinds) / plans.pp
    crossing = np.where(plans.pp > 1, size / plans.tp * (plans.pp - 1) / plans.pp, 0.0)
    return np.asarray(reduces * 2 * size * (plans.tp - 1) / plans.tp + crossing)


@dataclass(frozen=True)
class _ServingMemory:
    """Memory of one device while serving [B], by part, arrays of shape (n,)."""

    weights: FloatArray
    cache: FloatArray  # keys and values (or latents, or states) of all sequences
    activations: FloatArray

    @property
    def total(self) -> FloatArray:
        """Bytes of weights, cache and activations together."""
        return self.weights + self.cache + self.activations


def _serving_memory(
    setting: _InferenceSetting, plans: Plans, batch: ArrayLike, context: ArrayLike, tokens: ArrayLike
) -> _ServingMemory:
    """Return the memory of one serving device [B]: all parameters (not the active ones), KV cache and activations.

    The cache is that of `batch` sequences of `context` tokens; a pass computes `tokens` tokens of each. Key and value
    heads are copied once tensor parallelism exceeds them; a latent is never divided.
    """
    shape, decoder, precision = _inference_shape(plans, batch, tokens, context), setting.decoder, setting.precision
    parameters, cache = np.zeros(len(plans)), np.zeros(len(plans))
    for block in decoder.kinds:
        dense, experts = _layer_parameters(block, decoder, plans.tp, plans.ep, plans.etp)
        parameters += block.count * (dense + experts) / plans.pp
        cache += block.count * _sequence_cache(block, shape.context, plans.tp, precision.cache) / plans.pp
    table, output = end_parameters(decoder, plans.tp, plans.pp > 1)
    ends = table + output
    widest = max(sum(p.n for p in block.mlp.projections(decoder.hidden) if not p.experts) for block in decoder.kinds)
    activations = shape.tokens * (4.0 * decoder.hidden + widest / plans.tp) * precision.activations
    return _ServingMemory(
        parameters * precision.weights + ends * precision.activations, cache * shape.sequences, activations
    )


def _sequence_cache(block: Block, context: IntArray, tp: IntArray, element: float) -> FloatArray:
    """Return the KV cache of one sequence in one layer on one tensor-parallel rank [B]."""
    recurrence = block.attention.recurrence()
    if recurrence is not None:
        return np.asarray(recurrence.state / tp * 4.0)
    scores = block.attention.scores(Phase.DECODE)
    tokens = context if scores is None or scores.window is None else np.minimum(context, scores.window)
    return np.asarray(
        tokens * block.attention.cache().elements / np.minimum(tp, block.attention.cache().heads) * element
    )


def _largest_batch(setting: _InferenceSetting, plans: Plans, context: ArrayLike, capacity: float) -> IntArray:
    """Return the largest batch per plan: sequences of `context` tokens that fit in memory next to the weights, (n,)."""
    empty = _serving_memory(setting, plans, 0, context, 1)
    single = _serving_memory(setting, plans, 1, context, 1)
    free = np.maximum(0.0, capacity - empty.total)
    return np.floor(free / np.maximum(single.total - empty.total, 1.0)).astype(np.int64)
