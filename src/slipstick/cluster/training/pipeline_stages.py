"""Pipeline stages: which layers each stage holds, and the few kinds of stage that differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import IntArray


@dataclass(frozen=True)
class Stages:
    """The kinds of pipeline stage of u (pp, interleave) pairs; K is the largest number of kinds of one pair.

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

    def take(self, index: IntArray) -> Stages:
        """Return the rows of `index`."""
        return Stages(
            self.first[index], self.copies[index], self.layers[index], self.embedding[index], self.head[index]
        )


@dataclass(frozen=True)
class Layers:
    """The layers that stages are cut from, and what each costs.

    order : (layers,) the block type of each layer, in order.
    costs : (b,) relative cost of a layer of each type.
    head : cost of the output head in the same unit; None: ends cost nothing and layers are dealt out evenly.
    """

    order: IntArray
    costs: NDArray[np.float64]
    head: float | None = None


def even(order: IntArray, types: int, pp: int, interleave: int) -> IntArray:
    """Return (pp, types): the layers of each type on each stage.

    Layers are dealt in order to pp * interleave chunks as evenly as they go, the longer chunks first, and chunk c lies
    on stage c mod pp (Narayanan et al. 2104.04473, section 2.2).

    Examples
    --------
    >>> even(np.zeros(5, dtype=np.int64), 1, 2, 1).ravel().tolist()
    [3, 2]
    """
    chunks = pp * interleave
    sizes = np.full(chunks, len(order) // chunks)
    sizes[: len(order) % chunks] += 1
    return _counted(np.repeat(np.arange(chunks) % pp, sizes), order, types, pp)


def balanced(layers: Layers, pp: int) -> tuple[IntArray, int]:
    """Return (pp, types) and the stage of the head: a stage takes layers until its share of the whole cost is reached.

    The rule of nanotron's pipeline: the head counts as a layer of its own cost.

    Examples
    --------
    >>> balanced(Layers(np.zeros(16, dtype=np.int64), np.ones(1), 4.0), 4)[0].ravel().tolist()
    [5, 5, 5, 1]
    """
    head = layers.head or 0.0
    cumulative = np.cumsum([*layers.costs[layers.order], head])
    limits = cumulative[-1] * (np.arange(pp) + 1) / pp
    before = np.concatenate([[0.0], cumulative[:-1]])
    stage = np.minimum(np.searchsorted(limits, before, side="right"), pp - 1)
    return _counted(stage[:-1], layers.order, len(layers.costs), pp), int(stage[-1])


def _counted(stage: IntArray, order: IntArray, types: int, pp: int) -> IntArray:
    counts = np.zeros((pp, types), dtype=np.int64)
    np.add.at(counts, (stage, order), 1)
    return counts


def stages(layers: Layers, pp: IntArray, interleave: IntArray) -> Stages:
    """Return the kinds of stage for u pairs of pipeline degree and interleave."""
    types = len(layers.costs)
    kinds = [_kinds(layers, int(p), int(v)) for p, v in zip(pp, interleave, strict=True)]
    width = max(len(kind) for kind in kinds)
    table = np.zeros((len(kinds), width, 4 + types), dtype=np.int64)
    for row, kind in enumerate(kinds):
        table[row, : len(kind)] = kind
    return Stages(table[..., 0], table[..., 1], table[..., 4:], table[..., 2], table[..., 3])


def _kinds(layers: Layers, pp: int, interleave: int) -> list[list[int]]:
    """Return a row (first, copies, embedding, head, layers...) for each kind of stage."""
    if layers.head is not None and interleave == 1:
        counts, last = balanced(layers, pp)
    else:
        counts, last = even(layers.order, len(layers.costs), pp, interleave), pp - 1
    found: dict[tuple[int, ...], list[int]] = {}
    for index, row in enumerate(counts.tolist()):
        key = (int(index == 0), int(index == last), *row)
        if key in found:
            found[key][1] += 1
        else:
            found[key] = [index, 1, *key]
    return list(found.values())
