"""Pool: vectors of weights replaced by indices into one small pool that a whole network shares.

Weights are [filters, rows, columns, channels]. A vector is `vector` consecutive weights of a filter, that is input
channels (``z``), or the taps of a kernel of one channel (``xy``). The pool is int8; each filter keeps a scale, so that
filters of every size share the pool, and batch norm or the output's scale absorbs it. Source: Li and Gupta, "Bit-serial
weight pools ...", arXiv 2201.11651: both kinds of vectors, k-means with cosine distance and one pool are a recollection
of it; the scales are our own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.format import Cost, Encoded, Format, Surrogate
from slipstick.formats.bits import finite, operation_energy, pack, packed_bytes, unpack
from slipstick.formats.integer_rows import product_of_whole, rows_of, times_scale
from slipstick.formats.kmeans import Metric, assign, fit

AXES = 4  # of weights that have kernels: [filters, rows, columns, channels]
TOP = 127  # of an int8 pool
LARGEST = 2**16  # vectors in a pool
SIZES = (16, 32, 64, 128, 256)  # vectors of a pool that a budget chooses among
VECTORS = (4, 8, 16)  # weights of a vector, of input channels, that a budget chooses among
ALTERNATIONS = 4  # of indices and scales: neither can make the squared error larger
Side = Mapping[str, NDArray[Any]]
Kind = Literal["z", "xy"]


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
    kind : ``z``: consecutive weights of a filter. ``xy``: a tensor [filters, rows, columns, channels] is cut into
        kernels, a vector for each filter and channel, so that depth-wise filters [filters, rows, columns, 1] are one
        vector each; tensors of other numbers of axes are cut as with ``z``. Also here a scale belongs to a filter: a
        scale of each kernel, as we recollect the source, would take 4 bytes beside an index of 1 or 2: our own choice.

    Examples
    --------
    >>> Pool(size=64).bits_per_element
    0.75
    >>> Pool(64, 9, kind="xy").index_bytes((16, 3, 3, 4)) == 16 * 4 * 6 // 8
    True
    >>> Pool(2, 2).round([[1.0, 0.0, 0.0, 1.0], [2.0, 0.0, 2.0, 0.0]]).tolist()
    [[1.0, 0.0, 0.0, 1.0], [2.0, 0.0, 2.0, 0.0]]
    """

    size: int = 64
    vector: int = 8
    index_bits: int = 0
    metric: Metric = "euclidean"
    kind: Kind = "z"

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
        if self.kind not in ("z", "xy"):
            raise SlipstickError("no such", path="pool.kind", value=self.kind, allowed=["z", "xy"])

    @property
    def name(self) -> str:
        """``pool:size=64,vector=8``, with what differs from the defaults."""
        extra = f",index_bits={self.index_bits}" if self.index_bits else ""
        extra += f",metric={self.metric}" if self.metric != "euclidean" else ""
        extra += f",kind={self.kind}" if self.kind != "z" else ""
        return f"pool:size={self.size},vector={self.vector}{extra}"

    @property
    def bits_per_element(self) -> float:
        """An index for each vector; the pool is shared, and vanishes in a large network."""
        return self._width / self.vector

    def storage_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of the indices, an fp32 scale of each filter, and the int8 pool, which a network stores once.

        Errors
        ------
        SlipstickError, here and wherever a shape is taken, for ``xy`` and kernels that are not of `vector` taps.
        """
        filters, _ = rows_of(shape)
        return self.index_bytes(shape) + 4 * filters + self.size * self.vector

    def beside(self, shape: tuple[int, ...]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """A scale of each filter, and the pool."""
        _check_cut(shape, self.vector, self.kind)
        return {"scale": ("float32", rows_of(shape)[:1]), "pool": ("int8", (self.size, self.vector))}

    def index_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of the indices alone."""
        _check_cut(shape, self.vector, self.kind)
        filters, each = rows_of(shape)
        return packed_bytes(filters * -(-each // self.vector), self._width)

    @property
    def whole_numbers(self) -> bool:
        """Vectors of the pool are int8."""
        return True

    @property
    def shared_bytes(self) -> int:
        """Bytes of the int8 pool, which a network stores once."""
        return self.size * self.vector

    def shared_side(self, tensors: Sequence[ArrayLike]) -> Side:
        """Return the pool [size, vector] of all tensors: `fit_pool`."""
        return {"pool": fit_pool(tensors, self.size, self.vector, kind=self.kind, metric=self.metric)}

    def takes(
        self, shape: tuple[int, ...], *, depthwise: bool = False, first: bool = False, last: bool = False
    ) -> bool:
        """Tell whether a layer goes into the pool: `poolable`."""
        return poolable(shape, self.vector, kind=self.kind, depthwise=depthwise, first=first, last=last)

    def alternatives(self, shapes: Sequence[tuple[int, ...]]) -> Sequence[Pool]:
        """Return pools of other sizes and vectors whose vectors fill all `shapes`; kind, metric and index width stay.

        Errors
        ------
        SlipstickError if the weights do not fill whole vectors of any.
        """
        vectors = sorted({self.vector} if self.kind == "xy" else {*VECTORS, self.vector})
        fitting = [vector for vector in vectors if all(poolable(shape, vector, kind=self.kind) for shape in shapes)]
        if not fitting:
            message = f"its vectors do not fill weights of {list(shapes)}"
            raise SlipstickError(message, path="pool.vector", value=self.name)
        sizes = [size for size in sorted({*SIZES, self.size}) if not self.index_bits or size <= 2**self.index_bits]
        return [replace(self, size=size, vector=vector) for size, vector in product(sizes, fitting)]

    def encode(self, values: ArrayLike, side: Side | None = None) -> Encoded:
        """Represent finite values [filters, ...]; `side` may give the pool [size, vector], and with it the scales.

        Errors
        ------
        SlipstickError for values that are not finite, a pool of another size, or kernels that are not of `vector` taps.
        """
        x = finite(values)
        rows = _cut(x, self.vector, self.kind)
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
        _check_cut(encoded.shape, self.vector, self.kind)
        filters, each = rows_of(encoded.shape)
        pool = self._checked(encoded.side["pool"]).astype(np.int64)
        vectors = -(-each // self.vector)
        indices = unpack(encoded.codes, self._width, filters * vectors)
        if indices.size and indices.max() >= len(pool):
            raise SlipstickError("no such vector of the pool", path="pool", value=int(indices.max()))
        rows = pool[indices].reshape(filters, vectors * self.vector)[:, :each]
        return _joined(rows, encoded.shape, self.kind)

    def matmul(self, inputs: Encoded, weights: Encoded) -> NDArray[np.float32]:
        """Sum products of whole numbers exactly, then multiply by both scales in fp32."""
        return product_of_whole(inputs, weights)

    @property
    def surrogate(self) -> Surrogate:
        """Straight-through without bound: the scale follows the tensor."""
        return Surrogate()

    def operations(self, shape: tuple[int, ...], positions: int = 1) -> float:
        """Return the fewer of two ways: every product, or sums of pool vectors once and an addition for each index.

        The sums of `size` vectors with a position's channels serve all filters and, at stride 1, all taps of a kernel:
        size * channels products a position. Tensors of other than 4 axes have one tap; ``xy`` sums serve no other tap,
        size * taps * channels products. A depth-wise layer shares nothing.

        Examples
        --------
        >>> Pool(64).operations((64, 3, 3, 64)), 64 * 3 * 3 * 64
        (8704.0, 36864)
        """
        filters, each = rows_of(shape)
        if len(shape) == 4 and shape[-1] == 1:  # depth-wise: no two filters see the same channel
            return float(filters * each * positions)
        taps = math.prod(shape[1:-1]) if len(shape) == 4 and self.kind == "z" else 1
        shared = self.size * (each // taps) + filters * -(-each // self.vector)
        return float(min(filters * each, shared) * positions)

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
    tensors: Sequence[ArrayLike], size: int, vector: int = 8, *, seed: int = 0, kind: Kind = "z",
    metric: Metric = "euclidean",
) -> NDArray[np.int8]:  # fmt: skip
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
    >>> fit_pool([np.eye(18).reshape(18, 3, 3, 2)], 16, 9, kind="xy").shape
    (16, 9)
    """
    found = [_training(_cut(finite(tensor), vector, kind), vector) for tensor in tensors]
    every = np.concatenate(found) if found else np.zeros((0, vector))
    return int8_pool(fit(every, size, seed=seed, metric=metric), size)


def poolable(
    shape: tuple[int, ...],
    vector: int = 8,
    *,
    kind: Kind = "z",
    depthwise: bool = False,
    first: bool = False,
    last: bool = False,
) -> bool:
    """Tell whether weights [filters, ..., channels] go into the pool: not the first layer, not the last.

    ``z`` takes layers whose channels fill whole vectors, which otherwise could not share sums between taps, and no
    depth-wise ones, whose filters have one channel; ``xy`` takes those whose kernels have `vector` taps, depth-wise
    ones too. The first layer sees too few channels, and the last decides most directly.

    Examples
    --------
    >>> poolable((64, 3, 3, 64)), poolable((64, 3, 3, 1), 9, kind="xy", depthwise=True)
    (True, True)
    """
    if first or last:
        return False
    if kind == "xy":
        return len(shape) == AXES and shape[1] * shape[2] == vector
    return not depthwise and shape[-1] % vector == 0


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


def int8_pool(centres: NDArray[np.float64], size: int) -> NDArray[np.int8]:
    """Return centres as int8 under one scale, filled up with zeros to `size` vectors."""
    largest = float(np.abs(centres).max(initial=0.0)) or 1.0
    found = np.zeros((size, centres.shape[1]), np.int8)
    found[: len(centres)] = np.rint(centres * (TOP / largest))
    return found


def _least_bits(size: int) -> int:
    return max(1, (size - 1).bit_length())


def _kernels(shape: tuple[int, ...], kind: Kind) -> bool:
    """Tell whether a tensor of this shape is cut into kernels; if not, along its last axes."""
    return kind == "xy" and len(shape) == AXES


def _check_cut(shape: tuple[int, ...], vector: int, kind: Kind) -> None:
    if _kernels(shape, kind) and shape[1] * shape[2] != vector:
        allowed = f"[filters, rows, columns, channels] of {vector} taps"
        raise SlipstickError("not kernels of a vector each", path="pool.vector", value=shape, allowed=allowed)


def _cut(x: NDArray[np.float64], vector: int, kind: Kind) -> NDArray[np.float64]:
    """Return filters as rows [filters, weights of each], their vectors one behind the other."""
    _check_cut(x.shape, vector, kind)
    return (np.moveaxis(x, -1, 1) if _kernels(x.shape, kind) else x).reshape(rows_of(x.shape))


def _joined(rows: NDArray[np.int64], shape: tuple[int, ...], kind: Kind) -> NDArray[np.int64]:
    """Return the tensor of this shape whose rows `_cut` gives."""
    if not _kernels(shape, kind):
        return rows.reshape(shape)
    filters, high, wide, channels = shape
    return np.moveaxis(rows.reshape(filters, channels, high, wide), 1, -1)


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
        whole = pool[indices].astype(np.float64).reshape(len(rows), indices.shape[1] * pool.shape[1])
        chosen = whole[:, : rows.shape[1]]
        own = (chosen**2).sum(axis=1)
        best = np.divide((rows * chosen).sum(axis=1), own, out=np.zeros_like(own), where=own > 0)
        scale = np.maximum(best, 0.0)
    return indices, scale.astype(np.float32)
