"""Pipeline stages: the layers of each stage, and the distinct kinds of stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slipstick.cluster.sweep.distinct import _distinct
from slipstick.cluster.sweep.plans import PARTITION, Plans
from slipstick.cluster.sweep.rows import _Rows
from slipstick.core.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class _Stages(_Rows):
    """Distinct pipeline stages of each of u plans, as arrays (u, K); K is the largest number of kinds of one plan.

    Stages that hold the same layers are one kind, whose first (most loaded in a 1F1B schedule) stage stands for it.

    first : (u, K) index of the first stage of each kind
    copies : (u, K) stages of each kind; 0 pads
    layers : (u, K, b) layers of each of the b block types
    embedding, head : (u, K) 1 where the stage holds them
    """

    first: IntArray
    copies: IntArray
    layers: IntArray
    embedding: IntArray
    head: IntArray

    @classmethod
    def of(cls, layers: _LayerStack, plans: Plans) -> _Stages:
        """Return the distinct pipeline stages of each plan, from its pipeline degree, interleave and partition."""
        columns = (plans.pp, plans.interleave, plans.partition)
        first, row = _distinct(columns)
        cuts = zip(*(column[first].tolist() for column in columns), strict=True)
        kinds = [_kinds(layers, pp, interleave, PARTITION[partition]) for pp, interleave, partition in cuts]
        table = np.zeros((len(kinds), max(len(kind) for kind in kinds), 4 + len(layers.costs)), dtype=np.int64)
        for place, kind in enumerate(kinds):
            table[place, : len(kind)] = kind
        return cls(table[..., 0], table[..., 1], table[..., 4:], table[..., 2], table[..., 3]).take(row)

    def on_stages(self, per_layer: Sequence[FloatArray]) -> FloatArray:
        """Return the sum (plans, stage kinds) over each stage's layers of amounts per block type, (plans,) each."""
        return np.asarray(sum(self.layers[..., b] * layer[:, None] for b, layer in enumerate(per_layer)))


@dataclass(frozen=True)
class _LayerStack:
    """Ordered layers that are cut into pipeline stages, with their relative costs.

    order : (layers,) the block type of each layer, in order.
    costs : (b,) relative cost of a layer of each type.
    head : cost of the output head in the same unit, which a partition into equal costs counts.
    """

    order: IntArray
    costs: FloatArray
    head: float = 0.0


def _even(order: IntArray, types: int, pp: int, interleave: int, ends: bool = False) -> IntArray:
    """Return (pp, types): the layers of each type on each stage.

    Layers are dealt in order to pp * interleave chunks as evenly as they go, the longer chunks first, and chunk c lies
    on stage c mod pp (Narayanan et al. 2104.04473, section 2.2).

    Parameters
    ----------
    ends : whether the embedding counts as a layer of the first chunk and the head as one of the last (Megatron-LM's
        ``--account-for-embedding-in-pipeline-split`` and ``--account-for-loss-in-pipeline-split``).

    Examples
    --------
    >>> _even(np.zeros(5, dtype=np.int64), 1, 2, 1).ravel().tolist()
    [3, 2]
    >>> _even(np.zeros(6, dtype=np.int64), 1, 4, 1, ends=True).ravel().tolist()
    [1, 2, 2, 1]
    """
    chunks, count = pp * interleave, len(order) + 2 * ends
    sizes = np.full(chunks, count // chunks)
    sizes[: count % chunks] += 1
    sizes[0] -= ends  # the units that are the embedding and the head
    sizes[-1] -= ends
    return _counted(np.repeat(np.arange(chunks) % pp, sizes), order, types, pp)


def _balanced(layers: _LayerStack, pp: int) -> tuple[IntArray, int]:
    """Return (pp, types) and the stage of the head: a stage takes layers until its share of the whole cost is reached.

    The rule of nanotron's pipeline: the head counts as a layer of its own cost.

    Examples
    --------
    >>> _balanced(_LayerStack(np.zeros(16, dtype=np.int64), np.ones(1), 4.0), 4)[0].ravel().tolist()
    [5, 5, 5, 1]
    """
    cumulative = np.cumsum([*layers.costs[layers.order], layers.head])
    limits = cumulative[-1] * (np.arange(pp) + 1) / pp
    before = np.concatenate([[0.0], cumulative[:-1]])
    stage = np.minimum(np.searchsorted(limits, before, side="right"), pp - 1)
    return _counted(stage[:-1], layers.order, len(layers.costs), pp), int(stage[-1])


def _counted(stage: IntArray, order: IntArray, types: int, pp: int) -> IntArray:
    counts = np.zeros((pp, types), dtype=np.int64)
    np.add.at(counts, (stage, order), 1)
    return counts


def _kinds(layers: _LayerStack, pp: int, interleave: int, partition: str) -> list[list[int]]:
    """Return a row (first, copies, embedding, head, layers...) for each kind of stage."""
    if partition == "balanced" and interleave == 1:
        counts, last = _balanced(layers, pp)
    else:
        counts, last = _even(layers.order, len(layers.costs), pp, interleave, partition == "ends"), pp - 1
    kinds: dict[tuple[int, ...], list[int]] = {}
    for index, row in enumerate(counts.tolist()):
        key = (int(index == 0), int(index == last), *row)
        if key in kinds:
            kinds[key][1] += 1
        else:
            kinds[key] = [index, 1, *key]
    return list(kinds.values())
