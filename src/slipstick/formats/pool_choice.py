"""The size and the vector of a network's pool under a budget of bytes: every candidate is fitted and weighed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.formats.pool import Kind, Pool, fit_pool, network_bytes, poolable
from slipstick.formats.whole import rows_of

SIZES = (16, 32, 64, 128, 256)
VECTORS = (4, 8, 16)  # of input channels
PLAIN = Pool()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pool that was tried: the bytes of the whole network, and the share of its weights' power that is lost.

    Every filter counts alike, whatever its size: batch norm takes scales away.
    """

    format: Pool
    bytes: int
    error: float


def choose_pool(
    pooled: Sequence[NDArray[Any]],
    budget: int,
    *,
    excluded: Sequence[tuple[int, ...]] = (),
    sizes: Sequence[int] = SIZES,
    vectors: Sequence[int] | None = None,
    kinds: Sequence[Kind] = ("z",),
    like: Pool = PLAIN,
    table_bits: int = 0,
) -> tuple[Candidate, list[Candidate]]:
    """Return the candidate of least error whose network fits the budget, and all that were tried, smallest first.

    Parameters
    ----------
    pooled : weights [filters, ..., channels] that go into the pool.
    budget : bytes of the whole network: indices, scales, pool, excluded layers in int8, and the table if one is stored.
    excluded : shapes of the layers that stay int8.
    sizes : of pools to try; those that the indices of `like` cannot tell apart are left out.
    vectors : to try, where they divide all channels (``z``) or are the taps of all kernels (``xy``). Default: `VECTORS`
        for ``z``, the taps for ``xy``.
    kinds : of vectors to try.
    like : the pool whose metric and width of indices all candidates have.
    table_bits : as `slipstick.formats.pool.network_bytes` takes it.

    Errors
    ------
    SlipstickError if no candidate fits, naming the smallest.

    Examples
    --------
    >>> weights = np.random.default_rng(0).normal(size=(32, 3, 3, 16))
    >>> best, tried = choose_pool([weights], 1000, kinds=("z", "xy"))
    >>> best.bytes <= 1000, best.error == min(one.error for one in tried if one.bytes <= 1000)
    (True, True)
    """
    shapes = [weights.shape for weights in pooled]
    forms = [
        replace(like, size=size, vector=vector, kind=kind)
        for kind in kinds
        for size, vector in product(sizes, _fitting(shapes, kind, vectors))
        if not like.index_bits or size <= 2**like.index_bits
    ]
    tried = _tried(forms, pooled, excluded, table_bits)
    inside = [one for one in tried if one.bytes <= budget]
    if not inside:
        least = f"from {tried[0].bytes} ({tried[0].format.name})" if tried else f"vectors that fill {shapes}"
        raise SlipstickError("no pool fits", path="budget", value=budget, allowed=least)
    return min(inside, key=lambda one: (one.error, one.bytes)), tried


def choose_pools(groups: Sequence[tuple[Pool, Sequence[NDArray[Any]]]], budget: int, *, beside: int = 0) -> list[Pool]:
    """Return a pool for each group of weights, of least error over all groups' filters, that fit a budget together.

    Parameters
    ----------
    groups : a pool, whose kind, metric and width of indices stay, and the weights that share it, which its own vector
        must fit. Beside `SIZES` and `VECTORS` its own size and vector are tried; the vector of ``xy`` stays.
    budget : bytes of the whole network.
    beside : bytes of the layers that are in no pool.

    Errors
    ------
    SlipstickError if no pools fit, naming the bytes of the smallest, or weights do not fill whole vectors.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> z, xy = random.normal(size=(32, 1, 1, 16)), random.normal(size=(64, 3, 3, 1))
    >>> [form.kind for form in choose_pools([(Pool(), [z]), (Pool(64, 9, kind="xy"), [xy])], 2000)]
    ['z', 'xy']
    """
    kept = [_Combined((), beside, 0.0)]
    for form, weights in groups:
        filters = sum(rows_of(one.shape)[0] for one in weights)
        found = [
            _Combined((*one.formats, two.format), one.bytes + two.bytes, one.error + two.error * filters)
            for one, two in product(kept, _tried(_alternatives(form, weights), weights))
        ]
        kept = _undominated(found)
    inside = [one for one in kept if one.bytes <= budget]
    if not inside:
        names = " and ".join(form.name for form in kept[0].formats)
        raise SlipstickError("no pool fits", path="budget", value=budget, allowed=f"from {kept[0].bytes} ({names})")
    return list(inside[-1].formats)


@dataclass(frozen=True, slots=True)
class _Combined:
    """Pools of some groups together: bytes, and the sum of the filters' errors."""

    formats: tuple[Pool, ...]
    bytes: int
    error: float


def _tried(
    forms: Sequence[Pool], pooled: Sequence[NDArray[Any]], excluded: Sequence[tuple[int, ...]] = (), table_bits: int = 0
) -> list[Candidate]:
    """Return pools with the bytes of the whole network and their error, smallest first."""
    shapes = [weights.shape for weights in pooled]
    sizes = [network_bytes(form, shapes, excluded, table_bits=table_bits).total for form in forms]
    found = [Candidate(form, size, _error(form, pooled)) for form, size in zip(forms, sizes, strict=True)]
    return sorted(found, key=lambda one: one.bytes)


def _alternatives(form: Pool, weights: Sequence[NDArray[Any]]) -> list[Pool]:
    """Return the pools that may stand in for one whose kind stays."""
    vectors = sorted({form.vector} if form.kind == "xy" else {*VECTORS, form.vector})
    shapes = [one.shape for one in weights]
    fitting = _fitting(shapes, form.kind, vectors)
    if not fitting:
        raise SlipstickError(f"its vectors do not fill weights of {shapes}", path="pool.vector", value=form.name)
    sizes = [size for size in sorted({*SIZES, form.size}) if not form.index_bits or size <= 2**form.index_bits]
    return [replace(form, size=size, vector=vector) for size, vector in product(sizes, fitting)]


def _undominated(found: Sequence[_Combined]) -> list[_Combined]:
    """Return, smallest first, what has less error than everything that is as small: the best of any budget is there."""
    kept: list[_Combined] = []
    for one in sorted(found, key=lambda one: (one.bytes, one.error)):
        if not kept or one.error < kept[-1].error:
            kept.append(one)
    return kept


def _fitting(shapes: Sequence[tuple[int, ...]], kind: Kind, vectors: Sequence[int] | None) -> list[int]:
    """Return the vectors into which all tensors of these shapes can be cut."""
    if vectors is None:
        vectors = VECTORS if kind == "z" else sorted({math.prod(shape[1:-1]) for shape in shapes})
    return [vector for vector in vectors if all(poolable(shape, vector, kind=kind) for shape in shapes)]


def _error(form: Pool, pooled: Sequence[NDArray[Any]]) -> float:
    """Return the mean share of a filter's power that one pool for all tensors loses."""
    pool = fit_pool(pooled, form.size, form.vector, kind=form.kind, metric=form.metric)
    lost, filters = 0.0, 0
    for weights in pooled:
        kept = form.decode(form.encode(weights, {"pool": pool}))
        rows = np.asarray(weights, np.float64).reshape(rows_of(weights.shape))
        power = (rows**2).sum(axis=1)
        change = ((rows - kept.reshape(rows.shape)) ** 2).sum(axis=1)
        lost += float(np.divide(change, power, out=np.zeros_like(power), where=power > 0).sum())
        filters += len(rows)
    return lost / max(1, filters) if math.isfinite(lost) else math.inf
