"""Parameter counts of one device: its share of a layer, of the embedding and of the head under a plan."""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import BoolArray, FloatArray, IntArray
from slipstick.core.workload import Phase
from slipstick.networks.decoder.block import Block
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.decoder.layer_shapes import Projection


def _layer_parameters(
    block: Block, decoder: Decoder, tp: IntArray, ep: IntArray, etp: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return the parameter counts of one layer on one device: (dense parameters, expert parameters).

    Dense parameters are reduced over all data parallel ranks; norms and other replicated vectors are on every rank.
    Where expert parallelism does not divide the experts, a device holds the next whole number: some experts are copied.
    """
    dense, experts = np.zeros(len(tp)), np.zeros(len(tp))
    projections = [*block.attention.projections(decoder.hidden, Phase.TRAIN), *block.mlp.projections(decoder.hidden)]
    for projection in projections:
        if projection.experts:
            experts += _share(projection, etp) * _held_experts(projection.experts, ep)
        else:
            dense += _share(projection, tp)
    listed = sum(projection.parameters for projection in projections)
    return dense + decoder.layer_parameters(block) - listed, experts  # norms and the like: on every rank


def _held_experts(experts: int, ep: IntArray) -> FloatArray:
    """Return the number of experts that a device of `ep` holds: ceil(experts / ep), those beyond them redundant copies.

    Source: DeepSeek-V3 (2412.19437, section 3.4), whose deployment copies the most visited experts.

    Examples
    --------
    >>> _held_experts(256, np.array([24, 32, 320])).tolist()
    [11.0, 8.0, 1.0]
    """
    return np.asarray(np.ceil(experts / ep))


def _share(projection: Projection, degree: IntArray) -> FloatArray:
    """Return the parameters of a projection on one tensor-parallel rank; a column split divides its bias too."""
    k, n, batch = projection.local(degree)
    return np.asarray(batch * (k + (1 if projection.bias else 0)) * n)


def end_parameters(decoder: Decoder, tp: IntArray, copied: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return the parameter counts of a network's ends on one device: (embedding, final norm and output projection).

    Learned positions and norms are held by every rank. Where `copied`, a tied projection has no embedding table on its
    own stage and holds a copy of it.
    """
    table = decoder.vocabulary * decoder.hidden
    embedding = table / tp + (decoder.embedding_parameters - table)
    rest = decoder.head_parameters - (0 if decoder.tied_embeddings else table)
    head = np.where(copied | (not decoder.tied_embeddings), table / tp, 0.0) + rest
    return np.asarray(embedding), np.asarray(head)
