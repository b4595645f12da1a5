"""Kernels of a decoder on one device: matrix products, attention cores and elementwise chains, as arrays over plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from slipstick.cluster.kernels.device_parameters import _held_experts
from slipstick.cluster.kernels.experts import _experts_busy
from slipstick.cluster.kernels.precision import WIDE, Precision
from slipstick.core.arrays import BoolArray, FloatArray, IntArray, RealArray
from slipstick.core.workload import Phase
from slipstick.networks.decoder.block import Block
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.decoder.layer_shapes import Pointwise, Projection, Recurrence, Scores

_Amount = RealArray | float  # over plans


@dataclass(frozen=True)
class _Shape:
    """One device's share of one microbatch (or of one inference step), as integer arrays of shape (plans,).

    `sequences` run in one step, each with `query` new tokens on this device that attend to `context` tokens.
    """

    sequences: IntArray
    query: IntArray
    context: IntArray
    tp: IntArray
    ep: IntArray
    etp: IntArray
    sp: BoolArray

    @property
    def tokens(self) -> IntArray:
        """Number of new tokens in the device's matrix products."""
        return self.sequences * self.query

    @property
    def normed(self) -> FloatArray:
        """Number of tokens in norms, dropout and residuals: 1/tp of all with sequence parallelism."""
        return np.where(self.sp, self.tokens / self.tp, self.tokens)


@dataclass(frozen=True)
class _Kernel:
    """One kernel of one device (or `launches` equal kernels), its sizes as arrays over plans.

    `kind` is ``matmul`` (m, n, k, batch), ``attention`` (flops and traffic of the fused core) or ``stream`` (a chain
    of elementwise operations: traffic only). `core` marks what selective recomputation runs again.
    """

    name: str
    kind: str
    traffic: _Amount = 0.0  # bytes moved to and from DRAM (stream, attention)
    flops: _Amount = 0.0
    m: IntArray | int = 0
    n: IntArray | int = 0
    k: IntArray | int = 0
    batch: IntArray | int = 1
    format: str = ""
    launches: int = 1
    core: bool = False
    quantised: bool = False
    packed: float = 1.0  # bytes of the weights as stored, against those of `format`: unpacked as they are read
    stored: float | None = None  # elements of the left operand in memory, where they are not m k for each product


def _decoder_kernels(
    decoder: Decoder, shape: _Shape, phase: Phase, precision: Precision, *, fused: bool
) -> list[list[_Kernel]]:
    """Return the kernels of a decoder's forward pass: one list per kind of layer, then the embedding's and the head's.

    Parameters
    ----------
    fused : attention as one kernel that keeps no score matrix (FlashAttention, Dao et al. 2205.14135).
    """
    layers = [_forward(block, decoder, shape, phase, precision, fused) for block in decoder.kinds]
    return [*layers, _embedding(decoder, shape, precision.activations), _head(decoder, shape, phase, precision)]


def _forward(
    block: Block, decoder: Decoder, shape: _Shape, phase: Phase, precision: Precision, fused: bool
) -> list[_Kernel]:
    """Return the kernels of one block's forward pass."""
    hidden, element = decoder.hidden, precision.activations
    attention = block.attention
    projections, passes = attention.projections(hidden, phase), attention.pointwise()
    kernels = [_norm("attention.norm", hidden, shape, element)]
    kernels += [_product("attention", p, shape, precision) for p in projections if not p.after_core]
    kernels += [_chain("attention", p, shape, precision) for p in passes if not p.after_core]
    if phase is not Phase.TRAIN:
        kernels.append(_cache_write(block, shape, precision.cache))
    kernels += _core(block, decoder, shape, phase, precision, fused)
    kernels += [_chain("attention", p, shape, precision) for p in passes if p.after_core]
    kernels += [_product("attention", p, shape, precision) for p in projections if p.after_core]
    kernels.append(_residual("attention.residual", decoder, shape, precision))
    kernels += list(_feed_forward(block, decoder, shape, precision))
    kernels.append(_residual("mlp.residual", decoder, shape, precision))
    return kernels


def _backward_kernels(kernels: list[_Kernel], precision: Precision) -> list[_Kernel]:
    """Return the kernels of the backward pass of `kernels`.

    A product C[m,n] = A[m,k] B[k,n] has two: dA[m,k] = dC B^T and dB[k,n] = A^T dC. A chain of elementwise
    operations reads its saved inputs beside the gradient: twice the forward traffic less the shared write. Unless
    the product adds to the accumulated gradient itself, a kernel reads both and writes the sum.
    """
    gradients: list[_Kernel] = []
    for kernel in reversed(kernels):
        if kernel.kind == "matmul":
            gradients.append(replace(kernel, name=f"{kernel.name}.dgrad", n=kernel.k, k=kernel.n))
            gradients.append(replace(kernel, name=f"{kernel.name}.wgrad", m=kernel.k, k=kernel.m))
            if precision.accumulate and not kernel.core:
                weights = 1.0 * np.asarray(kernel.k) * kernel.n * kernel.batch
                gradients.append(_Kernel(f"{kernel.name}.accumulate", "stream", traffic=weights * precision.accumulate))
        elif kernel.kind == "attention":
            # FlashAttention-2 recomputes the scores: five products in the backward pass against two (Dao 2307.08691)
            gradients.append(
                replace(
                    kernel,
                    name=f"{kernel.name}.grad",
                    flops=2.5 * kernel.flops,
                    traffic=2.0 * kernel.traffic,
                    launches=2,
                )
            )
        else:
            # reads the input and the incoming gradient, writes a gradient: three tensors where forward has two
            gradients.append(replace(kernel, name=f"{kernel.name}.grad", traffic=1.5 * kernel.traffic))
    return gradients


def _product(part: str, projection: Projection, shape: _Shape, precision: Precision) -> _Kernel:
    """Return the matrix product of one projection, as one device's share of it."""
    k, n, batch = projection.local(shape.etp if projection.experts else shape.tp)
    m: FloatArray | IntArray = shape.tokens
    if projection.experts:
        m, batch = _expert_rows(projection, shape)
    quantised = precision.matmul not in WIDE and projection.name != "router"
    return _Kernel(
        f"{part}.{projection.name}",
        "matmul",
        m=_whole(m),
        n=_whole(n),
        k=_whole(k),
        batch=_whole(batch),
        format=precision.matmul if quantised else precision.wide,
        quantised=quantised,
    )


def _whole(size: FloatArray | IntArray) -> IntArray:
    return np.maximum(1, np.round(size)).astype(np.int64)


def _expert_rows(projection: Projection, shape: _Shape) -> tuple[FloatArray, FloatArray]:
    """Return (tokens per busy expert, busy experts of one device) under Zipf-like routing.

    A device's rows are tokens * active * etp / tp: tensor parallel ranks hold the same tokens and share the experts.
    Redundant copies of experts, where ep does not divide them, are visited like experts of their own.
    """
    routed = shape.tokens * projection.active * shape.etp / shape.tp
    visiting = routed * shape.ep / projection.active  # tokens of the whole expert parallel group
    share = _held_experts(projection.experts, shape.ep)
    busy = _placed_experts_busy(share * shape.ep, projection, visiting) / shape.ep
    busy = np.minimum(np.maximum(1.0, busy), share)
    return np.maximum(1.0, routed / busy), busy


def _placed_experts_busy(placed: FloatArray, projection: Projection, visiting: FloatArray) -> FloatArray:
    """Return the mean number of busy experts of a group that places `placed` of them, redundant copies included."""
    if (placed == projection.experts).all():
        return _experts_busy(projection.experts, projection.active, visiting)
    busy = np.zeros(len(placed))
    for count in np.unique(placed):
        same = placed == count
        busy[same] = _experts_busy(int(count), projection.active, visiting[same])
    return busy


def _core(
    block: Block, decoder: Decoder, shape: _Shape, phase: Phase, precision: Precision, fused: bool
) -> list[_Kernel]:
    recurrence = block.attention.recurrence()
    if recurrence is not None:
        return [_recurrence(recurrence, shape, precision.activations)]
    scores = block.attention.scores(phase)
    if scores is None:
        return []
    if fused:
        return [_fused_core(block, scores, shape, phase, precision)]
    return _unfused_core(scores, shape, precision, decoder.dropout)


def _fused_core(block: Block, scores: Scores, shape: _Shape, phase: Phase, precision: Precision) -> _Kernel:
    """Return softmax(Q K^T) V as one kernel: no score matrix in memory, and only the causal half computed."""
    heads = 1.0 / shape.tp
    whole = phase is Phase.TRAIN  # context parallel ranks share the causal triangle evenly (zig-zag order)
    flops = scores.flops(shape.sequences, shape.context if whole else shape.query, shape.context, half=True) * heads
    if whole:
        flops = flops * (shape.query / shape.context)
    queries = shape.tokens * heads * scores.heads * (scores.qk_dim + scores.v_dim) * precision.activations
    reach = shape.context if scores.reach is None else np.minimum(shape.context, scores.reach + shape.query - 1)
    pieces = np.minimum(shape.tp, block.attention.cache().heads)
    again = 1.0 + (scores.heads / scores.kv_heads - 1.0) * precision.cache_reads
    cached = shape.sequences * reach * block.attention.cache().elements / pieces * precision.cache * again
    return _Kernel("attention.core", "attention", traffic=queries + cached, flops=flops, core=True)


def _unfused_core(scores: Scores, shape: _Shape, precision: Precision, dropout: bool) -> list[_Kernel]:
    """Return the kernels of unfused attention, which write and read the score matrix; the causal mask saves nothing."""
    batch = _whole(shape.sequences * scores.heads / shape.tp)
    matrix, element = 1.0 * batch * shape.query * shape.context, precision.activations
    chain = [_Kernel("attention.softmax", "stream", traffic=matrix * 2 * element, core=True)]
    if dropout:
        chain.append(_Kernel("attention.dropout", "stream", traffic=matrix * (2 * element + 1), core=True))
    m, n = shape.query, shape.context
    wide = precision.wide
    first = _Kernel("attention.scores", "matmul", m=m, n=n, k=scores.qk_dim, batch=batch, format=wide, core=True)
    last = _Kernel("attention.values", "matmul", m=m, n=scores.v_dim, k=n, batch=batch, format=wide, core=True)
    return [first, *chain, last]


def _recurrence(recurrence: Recurrence, shape: _Shape, element: float) -> _Kernel:
    """Return the kernel of linear attention: fp32 state read and written per sequence, inputs and outputs per token."""
    state = shape.sequences * recurrence.state * 2 * 4.0
    tokens = shape.tokens * (recurrence.inputs + recurrence.outputs) * element
    flops = shape.tokens * recurrence.flops / shape.tp
    return _Kernel("attention.core", "attention", traffic=(state + tokens) / shape.tp, flops=flops, core=True)


def _norm(name: str, hidden: int, shape: _Shape, element: float) -> _Kernel:
    return _Kernel(name, "stream", traffic=shape.normed * hidden * 2 * element)


def _residual(name: str, decoder: Decoder, shape: _Shape, precision: Precision) -> _Kernel:
    moved = 3 * precision.activations + (1.0 if decoder.dropout else 0.0)
    return _Kernel(name, "stream", traffic=shape.normed * decoder.hidden * moved * precision.elementwise)


def _chain(part: str, chain: Pointwise, shape: _Shape, precision: Precision) -> _Kernel:
    rows = shape.tokens / shape.tp if chain.split else 1.0 * shape.tokens
    moved = chain.visits * (chain.inputs + chain.outputs) * precision.activations * precision.elementwise
    return _Kernel(f"{part}.{chain.name}", "stream", traffic=rows * moved)


def _cache_write(block: Block, shape: _Shape, element: float) -> _Kernel:
    pieces = np.minimum(shape.tp, block.attention.cache().heads)
    return _Kernel(
        "attention.cache", "stream", traffic=shape.tokens * block.attention.cache().elements / pieces * 2 * element
    )


def _feed_forward(block: Block, decoder: Decoder, shape: _Shape, precision: Precision) -> Iterator[_Kernel]:
    """Yield the kernels of the feed-forward part; each activation runs before the product that narrows."""
    mlp, element = block.mlp, precision.activations
    if not block.parallel:
        yield _norm("mlp.norm", decoder.hidden, shape, element)
    routed = shape.tokens * mlp.routed.active * shape.etp / shape.tp
    passes = list(mlp.pointwise())
    for projection in mlp.projections(decoder.hidden):
        if projection.experts and projection.split == "column":
            yield _Kernel("mlp.permute", "stream", traffic=routed * decoder.hidden * 2 * element)
        if projection.split == "row" and passes:
            yield _chain("mlp", passes.pop(0), shape, precision)
        yield _product("mlp", projection, shape, precision)
        if projection.experts and projection.split == "row":
            yield _Kernel("mlp.combine", "stream", traffic=routed * decoder.hidden * 2 * element)


def _embedding(decoder: Decoder, shape: _Shape, element: float) -> list[_Kernel]:
    """Return the kernels of the embedding look-up."""
    return [_Kernel("embedding", "stream", traffic=shape.normed * decoder.hidden * 3 * element)]


def _head(decoder: Decoder, shape: _Shape, phase: Phase, precision: Precision) -> list[_Kernel]:
    """Return the kernels of the final norm, the output projection, and in training the loss over the vocabulary."""
    rows = shape.tokens if phase is Phase.TRAIN else shape.sequences
    columns = np.maximum(1, decoder.vocabulary // shape.tp)
    logits = 1.0 * rows * columns
    kernels = [_norm("head.norm", decoder.hidden, shape, precision.activations)]
    kernels.append(_Kernel("head.logits", "matmul", m=rows, n=columns, k=decoder.hidden, format=precision.head))
    # cast, maximum, exponential sum and gradient in fp32; sampling reads once
    passes = 4 if phase is Phase.TRAIN else 1
    kernels.append(_Kernel("head.loss", "stream", traffic=logits * 4.0 * passes, launches=passes))
    return kernels
