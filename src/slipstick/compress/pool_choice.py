"""Choice of the sizes of shared weight pools under a budget of bytes, by fitting every candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.formats.integer_rows import rows_of

if TYPE_CHECKING:
    from slipstick.core.progress import Progress


@dataclass(frozen=True, slots=True)
class Candidate:
    """Candidate pool format: bytes of the layers that share it, and the share of weight power that is lost.

    Every filter counts alike, whatever its size: batch norm takes scales away.
    """

    format: Format
    bytes: int
    error: float


def _choose_pools(
    groups: Sequence[tuple[Format, Sequence[NDArray[Any]]]],
    budget: int,
    *,
    unpooled_bytes: int = 0,
    progress: Progress | None = None,
) -> list[Format]:
    """Return a pool per group of weights, of least total error over all filters within a budget of bytes.

    Parameters
    ----------
    groups : a pool, whose alternatives of other sizes are tried, and the weights that share it, which must fit it.
    budget : bytes of the whole network.
    unpooled_bytes : bytes of the layers that are in no pool.
    progress : called with the candidates tried of a group's, and the one that is tried next.

    Errors
    ------
    SlipstickError if no pools fit, naming the bytes of the smallest, or weights do not fill whole vectors.

    Examples
    --------
    >>> from slipstick.formats import format_of
    >>> random = np.random.default_rng(0)
    >>> z, xy = random.normal(size=(32, 1, 1, 16)), random.normal(size=(64, 3, 3, 1))
    >>> groups = [(format_of("pool"), [z]), (format_of("pool:64,9,kind=xy"), [xy])]
    >>> [form.encoding.kind for form in _choose_pools(groups, 2000)]
    ['z', 'xy']
    """
    best = [_Combination((), unpooled_bytes, 0.0)]
    for form, weights in groups:
        filters = sum(rows_of(tensor.shape)[0] for tensor in weights)
        combined = [
            _Combination((*first.formats, pool.format), first.bytes + pool.bytes, first.error + pool.error * filters)
            for first, pool in product(best, candidates(form, weights, progress))
        ]
        best = _undominated(combined)
    inside = [combination for combination in best if combination.bytes <= budget]
    if not inside:
        names = " and ".join(form.name for form in best[0].formats)
        raise SlipstickError("no pool fits", path="budget", value=budget, allowed=f"from {best[0].bytes} ({names})")
    return list(inside[-1].formats)


@dataclass(frozen=True, slots=True)
class _Combination:
    """Choice of pools for several groups: total bytes, and the sum of the filters' errors."""

    formats: tuple[Format, ...]
    bytes: int
    error: float


def candidates(form: Format, weights: Sequence[NDArray[Any]], progress: Progress | None = None) -> list[Candidate]:
    """Return the weight pools that a byte budget chooses among, each with its bytes and quantisation error.

    They are the format's `Encoding.alternatives`, smallest first.

    Errors
    ------
    SlipstickError if the weights do not fill whole vectors of any.

    Examples
    --------
    >>> from slipstick.formats import format_of
    >>> weights = np.random.default_rng(0).normal(size=(32, 3, 3, 16))
    >>> len(candidates(format_of("pool"), [weights]))
    15
    """
    shapes = [tensor.shape for tensor in weights]
    forms = [replace(form, encoding=other) for other in form.encoding.alternatives(shapes)]
    tried = []
    for place, other in enumerate(forms):
        if progress:
            progress(place, len(forms), f"trying {other.name}")
        tried.append(Candidate(other, _shared_storage(other, shapes), _lost_power(other, weights)))
    return sorted(tried, key=lambda candidate: candidate.bytes)


def _shared_storage(form: Format, shapes: Sequence[tuple[int, ...]]) -> int:
    """Return the bytes of weights of these shapes; the pool that they share counts once."""
    shared = form.encoding.shared_bytes
    return shared + sum(form.encoding.storage_bytes(shape) - shared for shape in shapes)


def _undominated(combinations: Sequence[_Combination]) -> list[_Combination]:
    """Return the Pareto-optimal choices in bytes and error, smallest first."""
    best: list[_Combination] = []
    for combination in sorted(combinations, key=lambda tried: (tried.bytes, tried.error)):
        if not best or combination.error < best[-1].error:
            best.append(combination)
    return best


def _lost_power(form: Format, tensors: Sequence[NDArray[Any]]) -> float:
    """Return the mean share of a filter's power that quantisation to one pool for all tensors loses."""
    side = form.encoding.shared_side(tensors)
    lost, filters = 0.0, 0
    for weights in tensors:
        values = form.encoding.decode(form.encoding.encode(weights, side))
        rows = np.asarray(weights, np.float64).reshape(rows_of(weights.shape))
        power = (rows**2).sum(axis=1)
        change = ((rows - values.reshape(rows.shape)) ** 2).sum(axis=1)
        lost += float(np.divide(change, power, out=np.zeros_like(power), where=power > 0).sum())
        filters += len(rows)
    return lost / max(1, filters) if math.isfinite(lost) else math.inf
