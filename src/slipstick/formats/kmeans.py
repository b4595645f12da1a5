"""k-means clustering of vectors, by distance or angle: the centres of a pool, and each vector's nearest centre.

By angle it is the spherical k-means of Dhillon and Modha, Machine Learning 42, 2001, vectors weighed by their lengths:
vectors of length 1 give exactly theirs.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import Float32Array, FloatArray, IntArray
from slipstick.core.extras import require

_MAX_ROUNDS = 25  # of Lloyd, for speed
_MAX_VECTORS = 2**20  # a sample of more vectors is drawn
Metric = Literal["euclidean", "cosine"]


def _fit(
    vectors: FloatArray, size: int, *, seed: int = 0, metric: Metric = "euclidean", rounds: int = _MAX_ROUNDS
) -> FloatArray:
    """Return up to `size` centres of vectors [n, d] by Lloyd's algorithm, initialised by k-means++ sampling.

    A centre is the mean of its vectors by either metric, since a pool's vector has a length too. By least angle, the
    mean of vectors at their own lengths has the direction that maximises the sum of |x| cos(angle), and the length of
    least squared error. Centres without a vector are moved to the vectors that lose most (in squared distance, or in
    |x| (1 - cos)).

    Parameters
    ----------
    rounds : at most; 0 returns the centres that are drawn.

    Examples
    --------
    >>> sorted(_fit(np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]]), 2, metric="cosine").tolist())
    [[0.0, 2.0], [2.0, 0.0]]
    """
    require("numba", "sim")
    from slipstick.formats.numba_kernels import _vector_sums

    rng = np.random.default_rng(seed)
    if len(vectors) > _MAX_VECTORS:
        vectors = vectors[rng.choice(len(vectors), _MAX_VECTORS, replace=False)]
    nonzero = np.ascontiguousarray(vectors[np.any(vectors != 0, axis=1)], np.float32)
    if not len(nonzero):
        return np.zeros((1, vectors.shape[1]))
    centres = _initial_centres(nonzero, size, rng)
    before = None
    for _ in range(rounds):
        indices, lost = _nearest(nonzero, centres, metric)
        if before is not None and np.array_equal(indices, before):
            break
        before = indices
        sums, counts = _vector_sums(nonzero, indices, len(centres))
        empty = np.flatnonzero(counts == 0)
        centres = sums / np.maximum(counts, 1)[:, None]
        if empty.size:
            centres[empty] = nonzero[np.argsort(-lost, kind="stable")[: len(empty)]]
    return centres.astype(np.float64)


def _assign(vectors: ArrayLike, pool: ArrayLike, metric: Metric = "euclidean") -> IntArray:
    """Return per vector [n, d] the index of the nearest vector of a pool [size, d]; of equally near ones the first.

    Examples
    --------
    >>> _assign([[1.0, 0.1], [0.0, 5.0]], [[1.0, 0.0], [0.0, 1.0]]).tolist()
    [0, 1]
    >>> [_assign([[3.0, 1.0]], [[1.0, 0.0], [2.0, 2.0]], metric).tolist() for metric in ("euclidean", "cosine")]
    [[1], [0]]
    """
    return _nearest(np.ascontiguousarray(vectors, np.float32), np.asarray(pool, np.float64), metric)[0]


def _initial_centres(vectors: Float32Array, size: int, rng: np.random.Generator) -> FloatArray:
    """Draw centres from a sample, each with a probability that grows with its squared distance from those drawn."""
    few = vectors[rng.choice(len(vectors), min(len(vectors), 32 * size), replace=False)].astype(np.float64)
    centres = [few[0]]
    left = ((few - centres[0]) ** 2).sum(axis=1)
    while len(centres) < min(size, len(few)) and left.sum() > 0:
        centres.append(few[rng.choice(len(few), p=left / left.sum())])
        left = np.minimum(left, ((few - centres[-1]) ** 2).sum(axis=1))
    return np.array(centres)


def _nearest(vectors: Float32Array, pool: FloatArray, metric: Metric) -> tuple[IntArray, Float32Array]:
    """Return the index of the nearest centre, and the loss per vector: |x - p|^2, or |x| (1 - cos) by angle."""
    require("numba", "sim")
    from slipstick.formats.numba_kernels import _nearest_vectors

    centres = pool.astype(np.float32)
    if metric == "cosine":
        length = np.linalg.norm(centres, axis=1, keepdims=True)
        directions = np.divide(centres, length, out=np.zeros_like(centres), where=length > 0)
        indices, apart = _nearest_vectors(
            vectors, np.ascontiguousarray(directions.T), np.zeros(len(centres), np.float32)
        )
        squares = (vectors * vectors).sum(axis=1)
        return indices, np.asarray(np.sqrt(squares) - (squares - apart) / 2, np.float32)  # apart: |x|^2 - 2 x.p / |p|
    half = (centres * centres).sum(axis=1, dtype=np.float64) / 2
    return _nearest_vectors(vectors, np.ascontiguousarray(centres.T), half.astype(np.float32))
