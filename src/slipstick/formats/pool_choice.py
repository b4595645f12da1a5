"""The size and the vector of a network's pool under a budget of bytes: every candidate is fitted and weighed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.formats.pool import Pool, fit_pool, network_bytes
from slipstick.formats.whole import rows_of

SIZES = (16, 32, 64, 128, 256)
VECTORS = (4, 8, 16)


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
    vectors: Sequence[int] = VECTORS,
    table_bits: int = 0,
) -> tuple[Candidate, list[Candidate]]:
    """Return the candidate of least error whose network fits the budget, and all that were tried, smallest first.

    Parameters
    ----------
    pooled : weights [filters, ..., channels] that go into the pool; vectors that do not divide all their channels are
        left out.
    budget : bytes of the whole network: indices, scales, pool, excluded layers in int8, and the table if one is stored.
    excluded : shapes of the layers that stay int8.
    table_bits : as `slipstick.formats.pool.network_bytes` takes it.

    Errors
    ------
    SlipstickError if no candidate fits, naming the smallest.

    Examples
    --------
    >>> weights = np.random.default_rng(0).normal(size=(32, 3, 3, 16))
    >>> best, tried = choose_pool([weights], 1000)
    >>> best.bytes <= 1000, best.error == min(one.error for one in tried if one.bytes <= 1000)
    (True, True)
    """
    shapes = [weights.shape for weights in pooled]
    fitting = [vector for vector in vectors if all(shape[-1] % vector == 0 for shape in shapes)]
    tried = []
    for size, vector in product(sizes, fitting):
        form = Pool(size, vector)
        whole = network_bytes(form, shapes, excluded, table_bits=table_bits).total
        tried.append(Candidate(form, whole, _error(form, pooled)))
    tried.sort(key=lambda one: one.bytes)
    inside = [one for one in tried if one.bytes <= budget]
    if not inside:
        least = f"from {tried[0].bytes} ({tried[0].format.name})" if tried else f"vectors that divide {shapes}"
        raise SlipstickError("no pool fits", path="budget", value=budget, allowed=least)
    return min(inside, key=lambda one: (one.error, one.bytes)), tried


def _error(form: Pool, pooled: Sequence[NDArray[Any]]) -> float:
    """Return the mean share of a filter's power that one pool for all tensors loses."""
    pool, lost, filters = fit_pool(pooled, form.size, form.vector), 0.0, 0
    for weights in pooled:
        kept = form.decode(form.encode(weights, {"pool": pool}))
        rows = np.asarray(weights, np.float64).reshape(rows_of(weights.shape))
        power = (rows**2).sum(axis=1)
        change = ((rows - kept.reshape(rows.shape)) ** 2).sum(axis=1)
        lost += float(np.divide(change, power, out=np.zeros_like(power), where=power > 0).sum())
        filters += len(rows)
    return lost / max(1, filters) if math.isfinite(lost) else math.inf
