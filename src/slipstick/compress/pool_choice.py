"""The size and the vector of a network's pool under a budget of bytes: every candidate is fitted and weighed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.encoding import Encoding
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.formats import format_of
from slipstick.formats.integer_rows import rows_of

if TYPE_CHECKING:
    from slipstick.core.progress import Progress


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pool that was tried: the bytes of the layers that share it, and the share of their weights' power that is lost.

    Every filter counts alike, whatever its size: batch norm takes scales away.
    """

    format: Format
    bytes: int
    error: float


def choose_pools(
    groups: Sequence[tuple[Format, Sequence[NDArray[Any]]]],
    budget: int,
    *,
    beside: int = 0,
    progress: Progress | None = None,
) -> list[Format]:
    """Return a pool for each group of weights, of least error over all groups' filters, that fit a budget together.

    Parameters
    ----------
    groups : a pool, whose kind, metric and width of indices stay, and the weights that share it, which its own vector
        must fit. Beside the encoding's `alternatives` its own size and vector are tried; the vector of ``xy`` stays.
    budget : bytes of the whole network.
    beside : bytes of the layers that are in no pool.
    progress : called with the candidates tried of a group's, and the one that is tried next.

    Errors
    ------
    SlipstickError if no pools fit, naming the bytes of the smallest, or weights do not fill whole vectors.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> z, xy = random.normal(size=(32, 1, 1, 16)), random.normal(size=(64, 3, 3, 1))
    >>> groups = [(format_of("pool"), [z]), (format_of("pool:64,9,kind=xy"), [xy])]
    >>> [form.encoding.kind for form in choose_pools(groups, 2000)]
    ['z', 'xy']
    """
    kept = [_Combined((), beside, 0.0)]
    for form, weights in groups:
        filters = sum(rows_of(one.shape)[0] for one in weights)
        found = [
            _Combined((*one.formats, two.format), one.bytes + two.bytes, one.error + two.error * filters)
            for one, two in product(kept, candidates(form, weights, progress))
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

    formats: tuple[Format, ...]
    bytes: int
    error: float


def candidates(form: Format, weights: Sequence[NDArray[Any]], progress: Progress | None = None) -> list[Candidate]:
    """Return the pools that may stand in for one whose kind, metric and width of indices stay, smallest first.

    Errors
    ------
    SlipstickError if the weights do not fill whole vectors of any.

    Examples
    --------
    >>> weights = np.random.default_rng(0).normal(size=(32, 3, 3, 16))
    >>> tried = candidates(format_of("pool"), [weights])
    >>> len(tried), {one.format.encoding.vector for one in tried} == {4, 8, 16}
    (15, True)
    """
    shapes = [one.shape for one in weights]
    forms = [format_of(encoding) for encoding in form.encoding.alternatives(shapes)]
    found = []
    for done, one in enumerate(forms):
        if progress:
            progress(done, len(forms), f"trying {one.name}")
        found.append(Candidate(one, _bytes(one.encoding, shapes), _error(one, weights)))
    return sorted(found, key=lambda one: one.bytes)


def _undominated(found: Sequence[_Combined]) -> list[_Combined]:
    """Return, smallest first, what has less error than everything that is as small: the best of any budget is there."""
    kept: list[_Combined] = []
    for one in sorted(found, key=lambda one: (one.bytes, one.error)):
        if not kept or one.error < kept[-1].error:
            kept.append(one)
    return kept


def _bytes(encoding: Encoding, shapes: Sequence[tuple[int, ...]]) -> int:
    """Return the bytes of layers that share a pool, which is stored once."""
    shared = encoding.shared_bytes
    return shared + sum(encoding.storage_bytes(shape) - shared for shape in shapes)


def _error(form: Format, pooled: Sequence[NDArray[Any]]) -> float:
    """Return the mean share of a filter's power that one pool for all tensors loses."""
    side = form.encoding.shared_side(pooled)
    lost, filters = 0.0, 0
    for weights in pooled:
        kept = form.encoding.decode(form.encoding.encode(weights, side))
        rows = np.asarray(weights, np.float64).reshape(rows_of(weights.shape))
        power = (rows**2).sum(axis=1)
        change = ((rows - kept.reshape(rows.shape)) ** 2).sum(axis=1)
        lost += float(np.divide(change, power, out=np.zeros_like(power), where=power > 0).sum())
        filters += len(rows)
    return lost / max(1, filters) if math.isfinite(lost) else math.inf
