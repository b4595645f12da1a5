"""Vectors of weights for pools: cutting filters into vectors, nearest pool vectors, the fit of a pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.core.arrays import Float32Array, FloatArray, Int8Array, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.formats.bits import _finite
from slipstick.formats.integer_rows import rows_of
from slipstick.formats.kmeans import Metric, _assign, _fit

VectorKind = Literal["z", "xy"]
_AXES = 4  # of weights that have kernels: [filters, rows, columns, channels]
_TOP = 127  # of an int8 pool
_ALTERNATIONS = 4  # of indices and scales: neither can make the squared error larger


def _poolable(
    shape: tuple[int, ...],
    vector: int = 8,
    *,
    kind: VectorKind = "z",
    depthwise: bool = False,
    first: bool = False,
    last: bool = False,
) -> bool:
    """Return whether weights [filters, ..., channels] are stored in the pool: neither the first nor the last layer.

    ``z`` takes layers whose channels fill whole vectors, which otherwise could not share sums between taps, and no
    depth-wise ones, whose filters have one channel; ``xy`` takes those whose kernels have `vector` taps, depth-wise
    ones too. The first layer sees too few channels, and the last decides most directly.

    Examples
    --------
    >>> _poolable((64, 3, 3, 64)), _poolable((64, 3, 3, 1), 9, kind="xy", depthwise=True)
    (True, True)
    """
    if first or last:
        return False
    if kind == "xy":
        return len(shape) == _AXES and shape[1] * shape[2] == vector
    return not depthwise and shape[-1] % vector == 0


def _fit_pool(
    tensors: Sequence[ArrayLike], size: int, vector: int = 8, *, seed: int = 0, kind: VectorKind = "z",
    metric: Metric = "euclidean",
) -> Int8Array:  # fmt: skip
    """Return one pool [size, vector] for all tensors: k-means over the vectors of their filters.

    Parameters
    ----------
    tensors : [filters, ..., channels], cut as `Pool` cuts them: kernels of every size along their channels (``z``), or
        kernels of `vector` taps each (``xy``).

    Errors
    ------
    SlipstickError for ``xy`` and kernels that are not of `vector` taps, or values that are not finite.

    Examples
    --------
    >>> _fit_pool([np.eye(18).reshape(18, 3, 3, 2)], 16, 9, kind="xy").shape
    (16, 9)
    """
    cut = [_unit_vectors(_cut_rows(_finite(tensor), vector, kind), vector) for tensor in tensors]
    vectors = np.concatenate(cut) if cut else np.zeros((0, vector))
    return _int8_pool(_fit(vectors, size, seed=seed, metric=metric), size)


def _check_cut(shape: tuple[int, ...], vector: int, kind: VectorKind) -> None:
    """Raise SlipstickError for ``xy`` and kernels that are not of `vector` taps."""
    if _has_kernels(shape, kind) and shape[1] * shape[2] != vector:
        allowed = f"[filters, rows, columns, channels] of {vector} taps"
        raise SlipstickError("not kernels of a vector each", path="pool.vector", value=shape, allowed=allowed)


def _cut_rows(x: FloatArray, vector: int, kind: VectorKind) -> FloatArray:
    """Return filters as rows [filters, weights per filter], their vectors concatenated."""
    _check_cut(x.shape, vector, kind)
    return (np.moveaxis(x, -1, 1) if _has_kernels(x.shape, kind) else x).reshape(rows_of(x.shape))


def _join_rows(rows: IntArray, shape: tuple[int, ...], kind: VectorKind) -> IntArray:
    """Return the tensor of this shape from the rows of `_cut_rows`: the inverse."""
    if not _has_kernels(shape, kind):
        return rows.reshape(shape)
    filters, high, wide, channels = shape
    return np.moveaxis(rows.reshape(filters, channels, high, wide), 1, -1)


def _fit_rows(rows: FloatArray, size: int, vector: int, metric: Metric) -> Int8Array:
    """Return a pool [size, vector] fitted to the vectors of one tensor's rows."""
    return _int8_pool(_fit(_unit_vectors(rows, vector), size, metric=metric), size)


def _nearest_indices(rows: FloatArray, scale: NDArray[np.floating[Any]], pool: Int8Array, metric: Metric) -> IntArray:
    """Return the indices [filters, vectors] of the pool vectors nearest to the rows divided by their scales.

    A last vector that a filter does not fill need only agree where there are weights.
    """
    vector, (filters, weights) = pool.shape[1], rows.shape
    unit = rows / np.where(scale > 0, scale, 1).astype(np.float64)[:, None]
    whole, rest = divmod(weights, vector)
    indices = np.empty((filters, whole + bool(rest)), np.int64)
    indices[:, :whole] = _assign(unit[:, : whole * vector].reshape(-1, vector), pool, metric).reshape(filters, whole)
    if rest:
        indices[:, whole] = _assign(unit[:, whole * vector :], pool[:, :rest], metric)
    return indices


def _nearest_and_scales(rows: FloatArray, pool: Int8Array, metric: Metric) -> tuple[IntArray, Float32Array]:
    """Return indices and the scale of least squared error of each filter, each derived from the other a few times.

    Errors
    ------
    SlipstickError for values too large for a scale in fp32.
    """
    used = pool[np.any(pool != 0, axis=1)].astype(np.float64)
    scale = _root_mean_squares(rows) / (float(np.sqrt((used**2).mean())) if used.size else 1.0)
    if scale.max(initial=0.0) * _TOP > np.finfo(np.float32).max:
        raise SlipstickError("the scale does not fit fp32", path="format")
    indices = np.zeros((len(rows), 0), np.int64)
    for _ in range(1 if metric == "cosine" else _ALTERNATIONS):
        indices = _nearest_indices(rows, scale, pool, metric)
        whole = pool[indices].astype(np.float64).reshape(len(rows), indices.shape[1] * pool.shape[1])
        pooled = whole[:, : rows.shape[1]]
        power = (pooled**2).sum(axis=1)
        best = np.divide((rows * pooled).sum(axis=1), power, out=np.zeros_like(power), where=power > 0)
        scale = np.maximum(best, 0.0)
    return indices, scale.astype(np.float32)


def _int8_pool(centres: FloatArray, size: int) -> Int8Array:
    """Return centres as int8 under one scale, filled up with zeros to `size` vectors."""
    largest = float(np.abs(centres).max(initial=0.0)) or 1.0
    pool = np.zeros((size, centres.shape[1]), np.int8)
    pool[: len(centres)] = np.rint(centres * (_TOP / largest))
    return pool


def _has_kernels(shape: tuple[int, ...], kind: VectorKind) -> bool:
    """Return whether a tensor of this shape is cut into kernels rather than along its last axes."""
    return kind == "xy" and len(shape) == _AXES


def _root_mean_squares(rows: FloatArray) -> FloatArray:
    """Return the root mean square of each filter; squares of tiny and huge values alone would leave float64."""
    peak = np.abs(rows).max(axis=1, initial=0.0)
    scaled = rows / np.where(peak > 0, peak, 1.0)[:, None]
    return np.asarray(np.sqrt((scaled**2).sum(axis=1) / max(rows.shape[1], 1)) * peak)


def _unit_vectors(rows: FloatArray, vector: int) -> FloatArray:
    """Return vectors [n, vector] of filters brought to a root mean square of 1; tails only of filters below one."""
    size = _root_mean_squares(rows)
    unit = rows / np.where(size > 0, size, 1.0)[:, None]
    whole = rows.shape[1] // vector * vector
    if not whole:
        unit, whole = np.pad(unit, ((0, 0), (0, vector - rows.shape[1]))), vector
    return unit[:, :whole].reshape(-1, vector)
