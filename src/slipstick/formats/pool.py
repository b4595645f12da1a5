"""Pool: vectors of weights replaced by indices into one small pool that a whole network shares.

A vector is `vector` consecutive weights of a filter: input channels, where they stand last (``z``), or the taps of a
kernel, where those do (``xy``). The pool is int8; each filter keeps a scale, so that filters of every size share the
pool, and batch norm or the output's scale absorbs it. Source: Li and Gupta, "Bit-serial weight pools ...", arXiv
2201.11651: vectors, k-means with cosine distance and one pool are a recollection of it; the scales are our own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.format import Cost, Encoded, Format, Surrogate
from slipstick.formats.packing import finite, operation_energy, pack, packed_bytes, unpack
from slipstick.formats.whole import product_of_whole, rows_of, times_scale

TOP = 127  # of an int8 pool
LARGEST = 2**16  # vectors in a pool
ROUNDS = 25  # of k-means at most, for speed
ALTERNATIONS = 4  # of indices and scales: neither can make the squared error larger
SAMPLE = 2**20  # vectors that k-means looks at
Side = Mapping[str, NDArray[Any]]
Metric = Literal["euclidean", "cosine"]


@dataclass(frozen=True)
class Pool(Format):
    """Indices into `size` int8 vectors of `vector` weights, and an fp32 scale of each filter.

    Filters are brought to one root mean square before the nearest vectors are taken; then each filter's scale is
    that of least squared error, and again the vectors nearest at it. ``encode(w)`` makes a pool of the tensor's own;
    a network's is made by `fit_pool` and given: ``encode(w, {"pool": pool})``.

    Parameters
    ----------
    index_bits : of an index; 0: as few as `size` needs.
    metric : what nearest means: least distance, or least angle.

    Examples
    --------
    >>> Pool(size=64).bits_per_element
    0.75
    >>> Pool(2, 2).round([[1.0, 0.0, 0.0, 1.0], [2.0, 0.0, 2.0, 0.0]]).tolist()
    [[1.0, 0.0, 0.0, 1.0], [2.0, 0.0, 2.0, 0.0]]
    """

    size: int = 64
    vector: int = 8
    index_bits: int = 0
    metric: Metric = "euclidean"

    def __post_init__(self) -> None:
        if not 1 <= self.size <= LARGEST:
            raise SlipstickError("out of range", path="pool.size", value=self.size, allowed=f"1 to {LARGEST}")
        if not 2 <= self.vector <= 64:
            raise SlipstickError("out of range", path="pool.vector", value=self.vector, allowed="2 to 64")
        if self.index_bits and not _least_bits(self.size) <= self.index_bits <= 16:
            allowed = f"0, or {_least_bits(self.size)} to 16"
            raise SlipstickError("out of range", path="pool.index_bits", value=self.index_bits, allowed=allowed)
        if self.metric not in ("euclidean", "cosine"):
            raise SlipstickError("no such", path="pool.metric", value=self.metric, allowed=["euclidean", "cosine"])

    @property
    def name(self) -> str:
        """``pool:size=64,vector=8``, with what differs from the defaults."""
        extra = f",index_bits={self.index_bits}" if self.index_bits else ""
        extra += f",metric={self.metric}" if self.metric != "euclidean" else ""
        return f"pool:size={self.size},vector={self.vector}{extra}"

    @property
    def bits_per_element(self) -> float:
        """An index for each vector; the pool is shared, and vanishes in a large network."""
        return self._width / self.vector

    def storage_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of the indices, an fp32 scale of each filter, and the int8 pool, which a network stores once."""
        filters, _ = rows_of(shape)
        return self.index_bytes(shape) + 4 * filters + self.size * self.vector

    def beside(self, shape: tuple[int, ...]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """A scale of each filter, and the pool."""
        return {"scale": ("float32", rows_of(shape)[:1]), "pool": ("int8", (self.size, self.vector))}

    def index_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of the indices alone."""
        filters, each = rows_of(shape)
        return packed_bytes(filters * -(-each // self.vector), self._width)

    def encode(self, values: ArrayLike, side: Side | None = None) -> Encoded:
        """Represent finite values [filters, ...]; `side` may give the pool [size, vector], and with it the scales.

        Errors
        ------
        SlipstickError for values that are not finite, or a pool of another size.
        """
        x = finite(values)
        rows = x.reshape(rows_of(x.shape))
        if side is not None and "pool" in side:
            pool = self._checked(side["pool"])
        else:
            pool = int8_pool(fit(_training(rows, self.vector), self.size, metric=self.metric), self.size)
        if side is not None and "scale" in side:
            scale = np.asarray(side["scale"], np.float32).reshape(-1)
            indices = _assigned(rows, scale, pool, self.metric)
        else:
            indices, scale = _alternated(rows, pool, self.metric)
        packed = pack(indices.astype(np.uint32), self._width)
        return Encoded(self, x.shape, packed, {"scale": scale, "pool": pool})

    def decode(self, encoded: Encoded) -> NDArray[np.float32]:
        """Return scale * pool vector, rounded to fp32 once."""
        return times_scale(self.centred(encoded), encoded)

    def centred(self, encoded: Encoded) -> NDArray[np.int64]:
        """Return the pool's whole numbers that the scales multiply."""
        filters, each = rows_of(encoded.shape)
        pool = self._checked(encoded.side["pool"]).astype(np.int64)
        indices = unpack(encoded.codes, self._width, filters * -(-each // self.vector))
        if indices.size and indices.max() >= len(pool):
            raise SlipstickError("no such vector of the pool", path="pool", value=int(indices.max()))
        return pool[indices].reshape(filters, -1)[:, :each].reshape(encoded.shape)

    def matmul(self, inputs: Encoded, weights: Encoded) -> NDArray[np.float32]:
        """Sum products of whole numbers exactly, then multiply by both scales in fp32."""
        return product_of_whole(inputs, weights)

    @property
    def surrogate(self) -> Surrogate:
        """Straight-through without bound: the scale follows the tensor."""
        return Surrogate()

    def cost(self) -> Cost:
        """One int8 multiplication and addition: sums that filters could share are not shared."""
        multiply, source = operation_energy("int8_multiply")
        add, _ = operation_energy("int32_add")
        return Cost(self.bits_per_element, 1.0, multiply + add, source)

    @property
    def _width(self) -> int:
        return self.index_bits or _least_bits(self.size)

    def _checked(self, pool: ArrayLike) -> NDArray[np.int8]:
        array = np.asarray(pool)
        if array.shape != (self.size, self.vector) or array.dtype != np.int8:
            allowed = f"int8 [{self.size}, {self.vector}]"
            raise SlipstickError("not such a pool", path="pool", value=(str(array.dtype), array.shape), allowed=allowed)
        return array


def fit_pool(
    tensors: Sequence[ArrayLike], size: int, vector: int = 8, *, seed: int = 0, kind: Literal["z", "xy"] = "z",
    metric: Metric = "euclidean",
) -> NDArray[np.int8]:  # fmt: skip
    """Return one pool [size, vector] for all tensors: k-means over the vectors of their filters.

    Parameters
    ----------
    tensors : [filters, ..., channels] for ``z``, where kernels of every size are cut along their channels;
        [filters, channels, rows, columns] with `vector` = rows * columns for ``xy``.

    Errors
    ------
    SlipstickError for kernels that are not of `vector` taps, or values that are not finite.
    """
    found = []
    for tensor in tensors:
        x = finite(tensor)
        if kind == "xy" and (x.ndim != 4 or math.prod(x.shape[2:]) != vector):
            raise SlipstickError(
                "not kernels of a vector each", path="pool.vector", value=x.shape, allowed=f"{vector} taps"
            )
        found.append(_training(x.reshape(rows_of(x.shape)), vector))
    every = np.concatenate(found) if found else np.zeros((0, vector))
    return int8_pool(fit(every, size, seed=seed, metric=metric), size)


def poolable(
    shape: tuple[int, ...], vector: int = 8, *, depthwise: bool = False, first: bool = False, last: bool = False
) -> bool:
    """Tell whether weights [filters, ..., channels] go into the pool: not the first layer, the last, a depth-wise one.

    The first sees too few channels, a depth-wise filter one, and the last decides most directly; channels that do not
    fill whole vectors could not share sums between taps.
    """
    return not (depthwise or first or last) and shape[-1] % vector == 0


@dataclass(frozen=True, slots=True)
class PooledBytes:
    """Bytes of a whole network's weights with a pool; `before` in int8 with an fp32 scale of each filter."""

    indices: int
    scales: int
    pool: int
    table: int
    excluded: int
    before: int

    @property
    def total(self) -> int:
        """All bytes with the pool."""
        return self.indices + self.scales + self.pool + self.table + self.excluded

    @property
    def ratio(self) -> float:
        """How many times smaller the whole network is, what stays out of the pool included."""
        return self.before / self.total


def network_bytes(
    form: Pool, pooled: Sequence[tuple[int, ...]], excluded: Sequence[tuple[int, ...]], *, table_bits: int = 0
) -> PooledBytes:
    """Return the bytes of a network of `pooled` and `excluded` weights [filters, ...]; the latter stay int8.

    Parameters
    ----------
    table_bits : of an entry of the table of all sums of a pool vector's weights, if it is stored; 0: it is not.

    Examples
    --------
    >>> network_bytes(Pool(64), [(64, 3, 3, 64)] * 4, [(16, 3, 3, 3), (10, 64)]).ratio > 7
    True
    """
    filters = [rows_of(shape)[0] for shape in pooled]
    weights = [math.prod(shape) for shape in pooled]
    outside = sum(math.prod(shape) + 4 * rows_of(shape)[0] for shape in excluded)
    return PooledBytes(
        indices=sum(form.index_bytes(shape) for shape in pooled),
        scales=4 * sum(filters),
        pool=form.size * form.vector,
        table=packed_bytes(2**form.vector * form.size, table_bits) if table_bits else 0,
        excluded=outside,
        before=sum(weights) + 4 * sum(filters) + outside,
    )


def fit(
    vectors: NDArray[np.float64], size: int, *, seed: int = 0, metric: Metric = "euclidean", rounds: int = ROUNDS
) -> NDArray[np.float64]:
    """Return up to `size` centres of vectors [n, d] by Lloyd's rounds, begun by drawing with squared distances.

    A centre is the mean of its vectors by either metric, since a pool's vector has a length too: with least angles,
    of vectors at their own lengths (spherical k-means, with the length of least error). Centres without a vector are
    moved to the vectors that are worst represented.
    """
    from slipstick.formats.compiled import vector_sums

    rng = np.random.default_rng(seed)
    if len(vectors) > SAMPLE:
        vectors = vectors[rng.choice(len(vectors), SAMPLE, replace=False)]
    kept = np.ascontiguousarray(vectors[np.any(vectors != 0, axis=1)], np.float32)
    if not len(kept):
        return np.zeros((1, vectors.shape[1]))
    centres = _begun(kept, size, rng)
    before = None
    for _ in range(rounds):
        indices, distances = _nearest(kept, centres, metric)
        if before is not None and np.array_equal(indices, before):
            break
        before = indices
        sums, counts = vector_sums(kept, indices, len(centres))
        empty = np.flatnonzero(counts == 0)
        centres = sums / np.maximum(counts, 1)[:, None]
        if empty.size:
            centres[empty] = kept[np.argsort(-distances, kind="stable")[: len(empty)]]
    return centres.astype(np.float64)


def assign(vectors: ArrayLike, pool: ArrayLike, metric: Metric = "euclidean") -> NDArray[np.int64]:
    """Return for each vector [n, d] the index of the pool's nearest [size, d]; of equally near ones the first.

    Examples
    --------
    >>> assign([[1.0, 0.1], [0.0, 5.0]], [[1.0, 0.0], [0.0, 1.0]]).tolist()
    [0, 1]
    """
    return _nearest(np.ascontiguousarray(vectors, np.float32), np.asarray(pool, np.float64), metric)[0]


def int8_pool(centres: NDArray[np.float64], size: int) -> NDArray[np.int8]:
    """Return centres as int8 under one scale, filled up with zeros to `size` vectors."""
    largest = float(np.abs(centres).max(initial=0.0)) or 1.0
    found = np.zeros((size, centres.shape[1]), np.int8)
    found[: len(centres)] = np.rint(centres * (TOP / largest))
    return found


def _begun(kept: NDArray[np.float32], size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw centres from a sample, each with a probability that grows with its squared distance from those drawn."""
    few = kept[rng.choice(len(kept), min(len(kept), 32 * size), replace=False)].astype(np.float64)
    centres = [few[0]]
    left = ((few - centres[0]) ** 2).sum(axis=1)
    while len(centres) < min(size, len(few)) and left.sum() > 0:
        centres.append(few[rng.choice(len(few), p=left / left.sum())])
        left = np.minimum(left, ((few - centres[-1]) ** 2).sum(axis=1))
    return np.array(centres)


def _nearest(
    vectors: NDArray[np.float32], pool: NDArray[np.float64], metric: Metric
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    from slipstick.formats.compiled import nearest_vectors

    centres = pool.astype(np.float32)
    if metric == "cosine":
        length = np.linalg.norm(centres, axis=1, keepdims=True)
        directions = np.divide(centres, length, out=np.zeros_like(centres), where=length > 0)
        return nearest_vectors(vectors, np.ascontiguousarray(directions.T), np.zeros(len(centres), np.float32))
    half = (centres * centres).sum(axis=1, dtype=np.float64) / 2
    return nearest_vectors(vectors, np.ascontiguousarray(centres.T), half.astype(np.float32))


def _least_bits(size: int) -> int:
    return max(1, (size - 1).bit_length())


def _root_mean_squares(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return it of each filter; squares of tiny and huge values alone would leave float64."""
    peak = np.abs(rows).max(axis=1, initial=0.0)
    scaled = rows / np.where(peak > 0, peak, 1.0)[:, None]
    return np.asarray(np.sqrt((scaled**2).sum(axis=1) / max(rows.shape[1], 1)) * peak)


def _training(rows: NDArray[np.float64], vector: int) -> NDArray[np.float64]:
    """Return vectors [n, vector] of filters brought to a root mean square of 1; tails only where they are all."""
    size = _root_mean_squares(rows)
    unit = rows / np.where(size > 0, size, 1.0)[:, None]
    whole = rows.shape[1] // vector * vector
    if not whole:
        unit, whole = np.pad(unit, ((0, 0), (0, vector - rows.shape[1]))), vector
    return unit[:, :whole].reshape(-1, vector)


def _assigned(
    rows: NDArray[np.float64], scale: NDArray[np.floating[Any]], pool: NDArray[np.int8], metric: Metric
) -> NDArray[np.int64]:
    """Return the indices [filters, vectors] of the nearest vectors; the last one need only agree where weights are."""
    vector, (filters, each) = pool.shape[1], rows.shape
    unit = rows / np.where(scale > 0, scale, 1).astype(np.float64)[:, None]
    whole, rest = divmod(each, vector)
    found = np.empty((filters, whole + bool(rest)), np.int64)
    found[:, :whole] = assign(unit[:, : whole * vector].reshape(-1, vector), pool, metric).reshape(filters, whole)
    if rest:
        found[:, whole] = assign(unit[:, whole * vector :], pool[:, :rest], metric)
    return found


def _alternated(
    rows: NDArray[np.float64], pool: NDArray[np.int8], metric: Metric
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return indices and the scale of least squared error of each filter, each found from the other a few times."""
    used = pool[np.any(pool != 0, axis=1)].astype(np.float64)
    scale = _root_mean_squares(rows) / (float(np.sqrt((used**2).mean())) if used.size else 1.0)
    if scale.max(initial=0.0) * TOP > np.finfo(np.float32).max:
        raise SlipstickError("the scale does not fit fp32", path="format")
    indices = np.zeros((len(rows), 0), np.int64)
    for _ in range(1 if metric == "cosine" else ALTERNATIONS):
        indices = _assigned(rows, scale, pool, metric)
        chosen = pool[indices].astype(np.float64).reshape(len(rows), -1)[:, : rows.shape[1]]
        own = (chosen**2).sum(axis=1)
        best = np.divide((rows * chosen).sum(axis=1), own, out=np.zeros_like(own), where=own > 0)
        scale = np.maximum(best, 0.0)
    return indices, scale.astype(np.float32)
