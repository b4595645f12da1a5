"""Pool: vectors of weights replaced by indices into one small pool that a whole network shares.

Weights are [filters, rows, columns, channels]. A vector is `vector` consecutive weights of a filter, that is input
channels (``z``), or the taps of a kernel of one channel (``xy``). The pool is int8; each filter keeps a scale, so that
filters of every size share the pool, and batch norm or the output's scale absorbs it. Source: Li and Gupta, "Bit-serial
weight pools ...", arXiv 2201.11651: both kinds of vectors, k-means with cosine distance and one pool are a recollection
of it; the scales are our own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import Float32Array, Int8Array, IntArray, NamedArrays
from slipstick.core.encoding import Encoded, Encoding, Operand
from slipstick.core.errors import SlipstickError
from slipstick.formats.bits import _finite, _pack, _packed_bytes, _unpack
from slipstick.formats.integer_rows import _row_operand, _times_scale, rows_of
from slipstick.formats.kmeans import Metric
from slipstick.formats.pool_vectors import (
    VectorKind,
    _check_cut,
    _cut_rows,
    _fit_pool,
    _fit_rows,
    _join_rows,
    _nearest_and_scales,
    _nearest_indices,
    _poolable,
)

_SIZES = (16, 32, 64, 128, 256)  # vectors of a pool that a budget chooses among
_VECTORS = (4, 8, 16)  # weights of a vector, of input channels, that a budget chooses among
_MAX_SIZE = 2**16  # vectors in a pool


@dataclass(frozen=True)
class Pool(Encoding):
    """Indices into `size` int8 vectors of `vector` weights each, with an fp32 scale per filter.

    Filters are brought to one root mean square before the nearest vectors are taken; then each filter's scale is
    that of least squared error, and again the vectors nearest at it. ``encode(w)`` makes a pool of the tensor's own;
    a network's is made by `_fit_pool` and given: ``encode(w, {"pool": pool})``.

    Parameters
    ----------
    index_bits : bits of an index; 0: as few as `size` needs.
    metric : the nearest vector is that of least distance, or of least angle.
    kind : ``z``: consecutive weights of a filter. ``xy``: a tensor [filters, rows, columns, channels] is cut into
        kernels, a vector for each filter and channel, so that depth-wise filters [filters, rows, columns, 1] are one
        vector each; tensors of other numbers of axes are cut as with ``z``. Also here a scale belongs to a filter: a
        scale of each kernel, as we recollect the source, would take 4 bytes beside an index of 1 or 2: our own choice.
    label : layers of another label have a pool of their own.

    Examples
    --------
    >>> Pool(size=64).bits_per_element
    0.75
    >>> Pool(64, 9, kind="xy").index_bytes((16, 3, 3, 4)) == 16 * 4 * 6 // 8
    True
    >>> Pool(2, 2).round([[1.0, 0.0, 0.0, 1.0], [2.0, 0.0, 2.0, 0.0]]).tolist()
    [[1.0, 0.0, 0.0, 1.0], [2.0, 0.0, 2.0, 0.0]]
    """

    whole_numbers = True  # vectors of the pool are int8

    size: int = 64
    vector: int = 8
    index_bits: int = 0
    metric: Metric = "euclidean"
    kind: VectorKind = "z"
    label: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.size <= _MAX_SIZE:
            raise SlipstickError("out of range", path="pool.size", value=self.size, allowed=f"1 to {_MAX_SIZE}")
        if not 2 <= self.vector <= 64:
            raise SlipstickError("out of range", path="pool.vector", value=self.vector, allowed="2 to 64")
        if self.index_bits and not _least_bits(self.size) <= self.index_bits <= 16:
            allowed = f"0, or {_least_bits(self.size)} to 16"
            raise SlipstickError("out of range", path="pool.index_bits", value=self.index_bits, allowed=allowed)
        if self.metric not in ("euclidean", "cosine"):
            raise SlipstickError("no such", path="pool.metric", value=self.metric, allowed=["euclidean", "cosine"])
        if not re.fullmatch(r"[a-z0-9_-]{0,16}", self.label):
            allowed = "up to 16 of a-z, 0-9, - and _"
            raise SlipstickError("not a label", path="pool.label", value=self.label, allowed=allowed)
        if self.kind not in ("z", "xy"):
            raise SlipstickError("no such", path="pool.kind", value=self.kind, allowed=["z", "xy"])

    @property
    def name(self) -> str:
        """``pool:size=64,vector=8``, and the arguments that differ from the defaults."""
        extra = f",index_bits={self.index_bits}" if self.index_bits else ""
        extra += f",metric={self.metric}" if self.metric != "euclidean" else ""
        extra += f",kind={self.kind}" if self.kind != "z" else ""
        extra += f",label={self.label}" if self.label else ""
        return f"pool:size={self.size},vector={self.vector}{extra}"

    @property
    def bits_per_element(self) -> float:
        """Bits per weight of the vectors' indices; the shared pool is neglected, as in a large network."""
        return self._width / self.vector

    def storage_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of the indices, an fp32 scale per filter, and the int8 pool, which a network stores once.

        Errors
        ------
        SlipstickError, here and wherever a shape is taken, for ``xy`` and kernels that are not of `vector` taps.
        """
        filters, _ = rows_of(shape)
        return self.index_bytes(shape) + 4 * filters + self.size * self.vector

    def side_layout(self, shape: tuple[int, ...]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Return the layout of the scale per filter, and of the pool."""
        _check_cut(shape, self.vector, self.kind)
        return {"scale": ("float32", rows_of(shape)[:1]), "pool": ("int8", (self.size, self.vector))}

    def index_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of the indices alone."""
        _check_cut(shape, self.vector, self.kind)
        filters, weights = rows_of(shape)
        return _packed_bytes(filters * -(-weights // self.vector), self._width)

    @property
    def shared_bytes(self) -> int:
        """Bytes of the int8 pool, which a network stores once."""
        return self.size * self.vector

    def shared_side(self, tensors: Sequence[ArrayLike]) -> NamedArrays:
        """Return the pool [size, vector] fitted to all tensors by `_fit_pool`."""
        return {"pool": _fit_pool(tensors, self.size, self.vector, kind=self.kind, metric=self.metric)}

    def takes(
        self, shape: tuple[int, ...], *, depthwise: bool = False, first: bool = False, last: bool = False
    ) -> bool:
        """Return whether a layer is stored in the pool, by `_poolable`."""
        return _poolable(shape, self.vector, kind=self.kind, depthwise=depthwise, first=first, last=last)

    def alternatives(self, shapes: Sequence[tuple[int, ...]]) -> Sequence[Pool]:
        """Return pools of other sizes and vectors whose vectors fill all `shapes`; kind, metric and index width stay.

        Errors
        ------
        SlipstickError if the weights do not fill whole vectors of any.
        """
        vectors = sorted({self.vector} if self.kind == "xy" else {*_VECTORS, self.vector})
        fitting = [vector for vector in vectors if all(_poolable(shape, vector, kind=self.kind) for shape in shapes)]
        if not fitting:
            message = f"its vectors do not fill weights of {list(shapes)}"
            raise SlipstickError(message, path="pool.vector", value=self.name)
        sizes = [size for size in sorted({*_SIZES, self.size}) if not self.index_bits or size <= 2**self.index_bits]
        return [replace(self, size=size, vector=vector) for size, vector in product(sizes, fitting)]

    def encode(self, values: ArrayLike, side: NamedArrays | None = None) -> Encoded:
        """Return weights [filters, ...] as indices into a pool of vectors (vector quantisation), a scale per filter.

        `side` may give the pool [size, vector], and the scales with it; otherwise k-means finds them.

        Errors
        ------
        SlipstickError for values that are not finite, a pool of another size, or kernels that are not of `vector` taps.
        """
        x = _finite(values)
        rows = _cut_rows(x, self.vector, self.kind)
        if side is not None and "pool" in side:
            pool = self._checked(side["pool"])
        else:
            pool = _fit_rows(rows, self.size, self.vector, self.metric)
        if side is not None and "scale" in side:
            scale = np.asarray(side["scale"], np.float32).reshape(-1)
            indices = _nearest_indices(rows, scale, pool, self.metric)
        else:
            indices, scale = _nearest_and_scales(rows, pool, self.metric)
        packed = _pack(indices.astype(np.uint32), self._width)
        return Encoded(self, x.shape, packed, {"scale": scale, "pool": pool})

    def decode(self, encoded: Encoded) -> Float32Array:
        """Return scale * pool vector, rounded once to fp32."""
        return _times_scale(self.integers(encoded), encoded)

    def integers(self, encoded: Encoded) -> IntArray:
        """Return one whole number a weight, in the tensor's shape: pool vectors in place of indices, before scaling."""
        _check_cut(encoded.shape, self.vector, self.kind)
        filters, weights = rows_of(encoded.shape)
        pool = self._checked(encoded.side["pool"]).astype(np.int64)
        vectors = -(-weights // self.vector)
        indices = _unpack(encoded.codes, self._width, filters * vectors)
        if indices.size and indices.max() >= len(pool):
            raise SlipstickError("no such vector of the pool", path="pool", value=int(indices.max()))
        rows = pool[indices].reshape(filters, vectors * self.vector)[:, :weights]
        return _join_rows(rows, encoded.shape, self.kind)

    def operand(self, encoded: Encoded) -> Operand:
        """Return the pool's whole numbers, with the scale of each row."""
        return _row_operand(encoded)

    def products(self, shape: tuple[int, ...]) -> float:
        """Return the multiplications of the cheaper way: each product, or pool products shared by all indices.

        The sums of `size` vectors with a position's channels serve all filters and, at stride 1, all taps of a kernel:
        size * channels products a position. Tensors of other than 4 axes have one tap; ``xy`` sums serve no other tap,
        size * taps * channels products. A depth-wise layer shares nothing.

        Examples
        --------
        >>> Pool(64).products((64, 3, 3, 64)), 64 * 3 * 3 * 64
        (8704.0, 36864)
        """
        filters, weights = rows_of(shape)
        if len(shape) == 4 and shape[-1] == 1:  # depth-wise: no two filters see the same channel
            return float(filters * weights)
        taps = math.prod(shape[1:-1]) if len(shape) == 4 and self.kind == "z" else 1
        shared = self.size * (weights // taps) + filters * -(-weights // self.vector)
        return float(min(filters * weights, shared))

    @property
    def _width(self) -> int:
        return self.index_bits or _least_bits(self.size)

    def _checked(self, pool: ArrayLike) -> Int8Array:
        array = np.asarray(pool)
        if array.shape != (self.size, self.vector) or array.dtype != np.int8:
            allowed = f"int8 [{self.size}, {self.vector}]"
            raise SlipstickError("not such a pool", path="pool", value=(str(array.dtype), array.shape), allowed=allowed)
        return array


def _least_bits(size: int) -> int:
    return max(1, (size - 1).bit_length())
