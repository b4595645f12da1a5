"""Activations that a layer keeps for its backward pass, by the kind of recomputation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.cluster.kernels.decoder_kernels import _Shape
from slipstick.cluster.sweep.rows import _Rows
from slipstick.core.arrays import BoolArray, FloatArray
from slipstick.core.workload import Phase
from slipstick.networks.decoder.block import Block
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.decoder.layer_shapes import Scores


@dataclass(frozen=True)
class _Activations(_Rows):
    """Activation memory [B] of one layer for one microbatch, by tensor, under each kind of recomputation."""

    checkpoint: FloatArray  # the layer's input
    norms: FloatArray  # the norms' inputs and outputs
    projections: FloatArray  # queries, keys, values, what the attention gives, the feed-forward's inner tensors
    scores: FloatArray  # what the attention core keeps: the score matrices, or the softmax statistics if fused
    masks: FloatArray  # dropout
    feed_forward: FloatArray  # elements, not bytes, of the feed-forward's inner tensors, which `projections` contains

    @property
    def everything(self) -> FloatArray:
        """Activation memory without any recomputation [B]."""
        return self.norms + self.projections + self.scores + self.masks

    @property
    def without_scores(self) -> FloatArray:
        """Activation memory with selective recomputation of the attention core [B]."""
        return self.norms + self.projections + self.masks

    @classmethod
    def of_block(
        cls, block: Block, decoder: Decoder, shape: _Shape, element: float, *, fused: bool, regather: BoolArray
    ) -> _Activations:
        """Return the activation memory [B] of one layer for one microbatch.

        Source: Korthikanti et al. 2205.05198, section 4: sbh(10 + 24/t + 5as/(ht)) with tensor parallelism and
        sbh/t (34 + 5as/h) with sequence parallelism, here term by term so that it holds for any block.
        """
        hidden, tokens = decoder.hidden, 1.0 * shape.tokens
        norms = (1 if block.parallel else 2) * hidden * element * shape.normed
        # a norm's output is the input of the products after it: full size unless the backward pass gathers it again
        gathered = np.where(shape.sp & ~np.asarray(regather), tokens, shape.normed)
        normed = (1 if block.parallel else 2) * hidden * element * gathered
        latent = sum(
            2 * p.k for p in block.attention.projections(hidden, Phase.TRAIN) if not p.after_core and p.k != hidden
        )
        scores = block.attention.scores(Phase.TRAIN)
        feed_forward = _feed_forward_inner(block, decoder, shape)
        inner = _attention_inner(block, scores, shape) + feed_forward
        masks = 2 * hidden * shape.normed if decoder.dropout else np.zeros_like(tokens)
        return cls(
            checkpoint=hidden * element * shape.normed,
            norms=norms + normed,
            projections=(inner + latent * tokens) * element,
            scores=_score_bytes(scores, decoder, shape, element, fused=fused),
            masks=1.0 * masks,
            feed_forward=feed_forward,
        )


def _attention_inner(block: Block, scores: Scores | None, shape: _Shape) -> FloatArray:
    """Elements of queries, keys, values and the core's output (in linear attention: its inputs and output)."""
    recurrence = block.attention.recurrence()
    if recurrence is not None:
        return np.asarray(shape.tokens * (recurrence.inputs + recurrence.outputs) / shape.tp)
    if scores is None:
        return np.zeros(len(shape.tp))
    kv_pieces = np.minimum(shape.tp, scores.kv_heads)
    queries = scores.heads * (scores.qk_dim + scores.v_dim) / shape.tp
    keys = scores.kv_heads * (scores.qk_dim + scores.v_dim) / kv_pieces
    return np.asarray(shape.tokens * (queries + keys))


def _feed_forward_inner(block: Block, decoder: Decoder, shape: _Shape) -> FloatArray:
    """Elements of the inputs of the activation function and of the product after it; routed tokens for experts."""
    inner = np.zeros(len(shape.tp))
    for projection in block.mlp.projections(decoder.hidden):
        if projection.split == "replicated":
            continue
        wide = projection.k if projection.split == "row" else projection.n
        if projection.experts:
            rows = shape.tokens * projection.active * shape.etp / shape.tp
            inner += rows * (wide / shape.etp + decoder.hidden)  # beside it, what enters and what leaves the experts
        else:
            inner += shape.tokens * wide / shape.tp
    return inner


def _score_bytes(scores: Scores | None, decoder: Decoder, shape: _Shape, element: float, *, fused: bool) -> FloatArray:
    if scores is None:
        return np.zeros(len(shape.tp))
    heads = scores.heads / shape.tp
    if fused:
        return np.asarray(4.0 * heads * shape.tokens)  # log-sum-exp of each row, fp32 (Dao et al. 2205.14135)
    matrix = heads * shape.tokens * shape.context
    return np.asarray(matrix * (2 * element + 1 if decoder.dropout else element))
