"""Operations of a decoder: the list of its forward pass, and the matrix products of its backward pass."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from slipstick.core.workload import Op, Phase
from slipstick.networks.decoder.layer_shapes import Pointwise, Projection, Recurrence, Scores, _positions
from slipstick.networks.decoder.mlp import _experts_hit

if TYPE_CHECKING:
    from slipstick.networks.decoder.block import Block, DecoderSizes


_INPUT = ""


@dataclass(frozen=True)
class _Pass:
    """Sizes of one forward pass: network, phase, batch, sequence and context."""

    network: DecoderSizes
    phase: Phase
    batch: int
    sequence: int
    context: int

    @property
    def tokens(self) -> int:
        return self.batch * self.sequence


def _forward(network: DecoderSizes, phase: Phase, batch: int, sequence: int, context: int) -> list[Op]:
    """Return the operations of one forward pass of `network` over `batch` sequences of `sequence` new tokens.

    `context` counts the tokens that attention sees, the new ones included.
    """
    run = _Pass(network, phase, batch, sequence, context)
    ops = [_embedding(run)]
    kinds = network.kinds
    for number, block in enumerate(kinds):
        prefix = f"layer{number}." if len(kinds) > 1 else "layer."
        layer = [*_attention(run, block), *_mlp(run, block)]
        ops += [replace(op, count=block.count) for op in _named(layer, prefix, ops[-1].name)]
    ending = [_norm(run, "final_norm")] if network.final_norm else []
    head = Projection("head", network.hidden, network.vocabulary, "column", bias=network.head_bias)
    return ops + _named([*ending, _product(run, head)], "", ops[-1].name)


def backward(op: Op) -> tuple[Op, ...]:
    """Return the backward operations of one forward operation `op`.

    A product (m, n, k) has two: the gradient of its input (m, k, n) and that of its other operand (k, n, m). So has a
    convolution; the gradient of its input is a convolution too, over the input's positions. Everything
    else reads its input and the gradient of its output once, and writes the gradient of its input.

    Examples
    --------
    >>> up = Op("up", "matmul", {"m": 8, "n": 32, "k": 4, "batch": 1}, 2048.0, 128.0, 32.0, 256.0)
    >>> [(op.name, op.dims["m"], op.dims["n"], op.dims["k"]) for op in backward(up)]
    [('up.input_gradient', 8, 4, 32), ('up.weight_gradient', 4, 32, 8)]
    """
    if op.parts:
        op = replace(op, parts=())
    if op.kind == "conv":
        return _conv_backward(op)
    if op.kind in ("matmul", "router", "attention") and "k" in op.dims:
        m, n, k = op.dims["m"], op.dims["n"], op.dims["k"]
        other = "weight" if op.weights else "operand"
        by_input = replace(
            op, name=f"{op.name}.input_gradient", dims={**op.dims, "n": k, "k": n}, inputs=op.outputs, outputs=op.inputs
        )
        by_weight = replace(
            op,
            name=f"{op.name}.{other}_gradient",
            dims={**op.dims, "m": k, "n": n, "k": m},
            weights=0.0,
            inputs=op.inputs + op.outputs,
            outputs=op.weights or op.inputs,
        )
        return replace(by_input, after=()), replace(by_weight, after=())
    read = op.inputs + op.outputs
    return (replace(op, name=f"{op.name}.gradient", flops=2 * op.flops, inputs=read, outputs=op.inputs, after=()),)


def _conv_backward(op: Op) -> tuple[Op, Op]:
    """Return the two gradients of a convolution; with a stride, an input position uses only some of the taps."""
    m, k, groups, taps = op.dims["m"], op.dims["k"], op.dims["batch"], op.dims["taps"]
    channels = max(1, k // taps)
    rows = max(1, round(op.inputs / (channels * groups)))
    depth = max(1, round(op.flops / (2 * rows * channels * groups)))
    by_input = replace(
        op,
        name=f"{op.name}.input_gradient",
        dims={**op.dims, "m": rows, "n": channels, "k": depth},
        inputs=op.outputs,
        outputs=op.inputs,
        after=(),
    )
    by_weight = replace(
        op,
        name=f"{op.name}.weight_gradient",
        dims={**op.dims, "m": k, "k": m},
        weights=0.0,
        inputs=op.inputs + op.outputs,
        outputs=op.weights,
        after=(),
    )
    return by_input, by_weight


def _named(ops: list[Op], prefix: str, before: str) -> list[Op]:
    """Return a layer's `ops` prefixed by `prefix`, each depending on its operands, or else on its predecessor.

    `before` is the operation that the layer reads; inside the layer it goes by the name `_INPUT`.
    """
    named: list[Op] = []
    for op in ops:
        last = named[-1].name if named else before
        after = tuple(before if name == _INPUT else prefix + name for name in op.after) or (last,)
        named.append(replace(op, name=prefix + op.name, after=after))
    return named


def _embedding(run: _Pass) -> Op:
    moved = float(run.tokens * run.network.hidden)
    dims = {"m": run.tokens, "n": run.network.hidden, "rows": run.network.vocabulary}
    tables = 2 if run.network.positions else 1
    return Op("embedding", "embedding", dims, 0.0, weights=tables * moved, inputs=float(run.tokens), outputs=moved)


def _norm(run: _Pass, name: str) -> Op:
    moved = float(run.tokens * run.network.hidden)
    dims = {"m": run.tokens, "n": run.network.hidden}
    return Op(name, "norm", dims, 4 * moved, float(run.network.norm_parameters), moved, moved)


def _residual(run: _Pass, name: str) -> Op:
    moved = float(run.tokens * run.network.hidden)
    return Op(name, "elementwise", {"m": run.tokens, "n": run.network.hidden}, moved, 0.0, 2 * moved, moved)


def _product(run: _Pass, p: Projection) -> Op:
    """Return one matrix product with weights; experts are one grouped product over those that tokens visit."""
    rows, groups = run.tokens, p.batch
    stored = float(p.parameters)
    if p.experts:
        hit = float(_experts_hit(p.experts, p.active, run.tokens))
        stored *= hit / p.experts
        groups = min(p.experts, max(1, round(hit)))
        rows = math.ceil(run.tokens * p.active / groups)
    visits = p.visits * p.batch * run.tokens
    kind = "router" if p.name == "router" else "matmul"
    dims = {"m": rows, "n": p.n, "k": p.k, "batch": groups}
    return Op(p.name, kind, dims, float(p.flops) * run.tokens, stored, float(visits * p.k), float(visits * p.n))


def _pointwise(run: _Pass, p: Pointwise) -> Op:
    rows = run.tokens * p.visits
    kind = "norm" if "norm" in p.name else "elementwise"
    flops = float(rows * p.inputs * (4 if kind == "norm" else 1))
    return Op(p.name, kind, {"m": rows, "n": p.outputs}, flops, 0.0, float(rows * p.inputs), float(rows * p.outputs))


def _core(run: _Pass, scores: Scores) -> list[Op]:
    """Return the attention core: both products with the softmax between, after the index scores if any."""
    half = run.network.half_attention
    pairs = run.batch * _positions(run.sequence, run.context, scores.reach, half=half)
    seen = max(1, round(pairs / run.tokens))
    batch = run.batch * scores.heads
    keys = float(run.batch * min(run.context, scores.reach or run.context) * scores.kv_heads)
    maps = scores.heads * pairs
    queries, values = float(run.tokens * scores.heads * scores.qk_dim), float(run.tokens * scores.heads * scores.v_dim)
    read_values = 0.0 if scores.shared_kv else keys * scores.v_dim
    first = {"m": run.sequence, "n": seen, "k": scores.qk_dim, "batch": batch}
    second = {"m": run.sequence, "n": scores.v_dim, "k": seen, "batch": batch}
    return [
        *_index(run, scores),
        Op("scores", "attention", first, 2 * maps * scores.qk_dim, 0.0, queries + keys * scores.qk_dim, maps),
        Op("softmax", "softmax", {"m": batch * run.sequence, "n": seen}, 5 * maps, 0.0, maps, maps),
        Op("values", "attention", second, 2 * maps * scores.v_dim, 0.0, maps + read_values, values),
    ]


def _index(run: _Pass, scores: Scores) -> list[Op]:
    if not scores.index_heads:
        return []
    pairs = run.batch * _positions(run.sequence, run.context, scores.window, half=run.network.half_attention)
    width = scores.index_heads * scores.index_dim
    dims = {"m": run.sequence * scores.index_heads, "n": run.context, "k": scores.index_dim, "batch": run.batch}
    read = float(run.tokens * width + run.batch * run.context * scores.index_dim)
    flops = 2 * (width + scores.index_heads) * pairs  # scores of each head, then their weighted sum
    return [Op("index_scores", "attention", dims, flops, 0.0, read, pairs)]


def _recurrence(run: _Pass, r: Recurrence) -> Op:
    state = float(run.batch * r.state)
    dims = {"batch": run.batch, "heads": r.heads, "tokens": run.sequence}
    inputs, outputs = float(run.tokens * r.inputs) + state, float(run.tokens * r.outputs) + state
    return Op("recurrence", "attention", dims, float(r.flops) * run.tokens, 0.0, inputs, outputs)


def _attention(run: _Pass, block: Block) -> list[Op]:
    attention = block.attention
    projections, passes = attention.projections(run.network.hidden, run.phase), attention.pointwise()
    scores, recurrence = attention.scores(run.phase), attention.recurrence()
    ops = [_norm(run, "attention_norm")] if block.norms else []
    ops += [_product(run, p) for p in projections if not p.after_core]
    ops += [_pointwise(run, p) for p in passes if not p.after_core]
    ops += _core(run, scores) if scores else []
    ops += [_recurrence(run, recurrence)] if recurrence else []
    ops += [_pointwise(run, p) for p in passes if p.after_core]
    ops += [_product(run, p) for p in projections if p.after_core]
    if block.norms > 2:
        ops.append(_norm(run, "attention_post_norm"))
    return [*ops, _residual(run, "attention_residual")]


def _mlp(run: _Pass, block: Block) -> list[Op]:
    """Return the feed-forward operations: all branches read the norm's output, and the residual adds their results."""
    ops = [_norm(run, "mlp_norm")] if block.norms > 1 else []
    if block.parallel:
        ops = [replace(op, after=(_INPUT,)) for op in ops]
    entry = "mlp_norm" if ops else "attention_norm"
    passes = {p.name.removesuffix("activation"): p for p in block.mlp.pointwise()}
    ends = ["attention_residual"] if block.parallel else []
    for p in block.mlp.projections(run.network.hidden):
        if p.name.endswith("down"):
            ops.append(_pointwise(run, passes[p.name.removesuffix("down")]))
            ends.append(p.name)
        first = not p.name.endswith("down") and not p.experts
        ops.append(replace(_product(run, p), after=(entry,)) if first else _product(run, p))
    if block.norms > 3:
        ops.append(replace(_norm(run, "mlp_post_norm"), after=tuple(ends)))
        ends = ["mlp_post_norm"]
    return [*ops, replace(_residual(run, "mlp_residual"), after=tuple(ends))]
