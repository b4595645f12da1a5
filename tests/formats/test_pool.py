"""Pools: both kinds of vectors, one pool for a network, what scales must not make worse, bytes."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.formats import Pool, encoding_of
from slipstick.formats.pool_vectors import _fit_pool, _poolable


def weights(*shape: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) * rng.uniform(0.01, 3.0, (shape[0], *[1] * (len(shape) - 1)))


def error(form: Pool, w: np.ndarray, side: dict[str, np.ndarray] | None = None) -> float:
    return float(((form.decode(form.encode(w, side)) - w) ** 2).sum() / (w**2).sum())


def test_one_pool_serves_filters_of_every_size() -> None:
    layers = [weights(16, 3, 3, 16, seed=1), weights(32, 64, seed=2)]
    pool = _fit_pool(layers, 64)
    assert pool.shape == (64, 8)
    assert pool.dtype == np.int8
    form = Pool(64)
    for layer in layers:
        encoded = form.encode(layer, {"pool": pool})
        assert encoded.side["pool"] is pool or (encoded.side["pool"] == pool).all()
        assert error(form, layer, {"pool": pool}) < 0.75  # 64 directions in 8 dimensions
        assert error(form, layer * 1000, {"pool": pool}) == pytest.approx(error(form, layer, {"pool": pool}), rel=1e-3)


def test_at_one_pool_and_scale_distance_is_never_worse_than_angles() -> None:
    layer, form = weights(64, 256, seed=3), Pool(64)
    side = form.encode(layer).side
    assert error(form, layer, side) < error(Pool(64, metric="cosine"), layer, side)


def test_a_filters_scale_is_the_best_for_its_vectors() -> None:
    layer = weights(8, 64, seed=4)
    encoded = Pool(16).encode(layer)
    whole = Pool(16).integers(encoded).astype(float)
    best = (whole * layer).sum(axis=1) / (whole**2).sum(axis=1)
    np.testing.assert_allclose(encoded.side["scale"], best, rtol=1e-6)


def kernels(w: np.ndarray) -> np.ndarray:
    """Every filter's kernels one by one: [filters, channels, taps]."""
    return np.array([[one[:, :, channel].ravel() for channel in range(w.shape[3])] for one in w])


@pytest.mark.parametrize("shape", [(8, 3, 3, 4), (12, 3, 3, 1), (5, 1, 9, 2), (1, 3, 3, 1), (0, 3, 3, 2)])
def test_xy_makes_every_kernel_a_vector(shape: tuple[int, ...]) -> None:
    form, layer = Pool(16, 9, kind="xy"), weights(*shape, seed=5)
    encoded = form.encode(layer)
    found = kernels(form.decode(encoded))
    pool, scale = encoded.side["pool"].astype(float), encoded.side["scale"].astype(float)
    for one, s in zip(found, scale, strict=True):
        for kernel in one:
            assert (kernel == (s * pool).astype(np.float32)).all(axis=1).any(), "a pool's vector times the scale"
    assert encoded.nbytes == form.storage_bytes(shape)
    form.check(encoded)
    assert encoded.codes.nbytes == form.index_bytes(shape) == -(-shape[0] * shape[3] * 4 // 8)


def test_xy_is_z_of_kernels_laid_out_as_rows() -> None:
    layer = weights(8, 3, 3, 4, seed=6)
    rows = kernels(layer).reshape(8, -1)
    xy, z = Pool(16, 9, kind="xy").encode(layer), Pool(16, 9).encode(rows)
    np.testing.assert_array_equal(xy.codes, z.codes)
    np.testing.assert_array_equal(kernels(xy.encoding.decode(xy)).reshape(8, -1), z.encoding.decode(z))
    np.testing.assert_array_equal(kernels(xy.encoding.integers(xy)).reshape(8, -1), z.encoding.integers(z))
    np.testing.assert_array_equal(_fit_pool([layer], 16, 9, kind="xy"), _fit_pool([rows], 16, 9))


def test_kernels_of_a_pool_come_back_to_the_bit() -> None:
    """Filters that are a power of two times vectors of the pool lose nothing: through xy, depth-wise ones too."""
    rng = np.random.default_rng(7)
    pool = rng.integers(-127, 128, (32, 9)).astype(np.int8)
    for filters, channels in ((8, 6), (20, 1)):
        chosen = rng.integers(0, 32, (filters, channels))
        layer = np.moveaxis(pool[chosen].reshape(filters, channels, 3, 3), 1, -1) * 2.0 ** rng.integers(
            -9, 3, (filters, 1, 1, 1)
        )
        form = Pool(32, 9, kind="xy")
        scale = (
            2.0 ** np.round(np.log2(np.abs(layer).max(axis=(1, 2, 3)) / np.abs(pool[chosen]).max(axis=(1, 2))))
        ).astype(np.float32)
        encoded = form.encode(layer, {"pool": pool, "scale": scale})
        np.testing.assert_array_equal(form.decode(encoded), layer)


def test_tensors_without_kernels_are_cut_as_z_is() -> None:
    for shape in ((7,), (6, 20), (3, 4, 9)):
        layer = weights(*shape, seed=8)
        xy, z = Pool(16, 9, kind="xy"), Pool(16, 9)
        np.testing.assert_array_equal(xy.round(layer), z.round(layer))
        assert xy.storage_bytes(shape) == z.storage_bytes(shape)


def test_the_kind_in_names() -> None:
    form = encoding_of("pool:size=64,vector=9,kind=xy")
    assert form == Pool(64, 9, kind="xy")
    assert form.name == "pool:size=64,vector=9,kind=xy"
    assert "kind" not in Pool(64, 9, kind="z").name
    assert encoding_of(Pool(32, 4, 8, "cosine", "xy").name) == Pool(32, 4, 8, "cosine", "xy")


@pytest.mark.parametrize("shape", [(8, 3, 3, 9), (8, 1, 1, 9), (8, 9, 3, 3)])
def test_kernels_of_other_taps_are_refused(shape: tuple[int, ...]) -> None:
    form, layer = Pool(16, 8, kind="xy"), weights(*shape)
    calls = [
        lambda: form.encode(layer),
        lambda: form.storage_bytes(shape),
        lambda: form.index_bytes(shape),
        lambda: form.side_layout(shape),
        lambda: _fit_pool([layer], 16, 8, kind="xy"),
    ]
    for call in calls:
        with pytest.raises(SlipstickError, match=r"pool\.vector: not kernels of a vector each.*8 taps"):
            call()


def test_seeds_repeat() -> None:
    layer = weights(64, 64, seed=6)
    np.testing.assert_array_equal(_fit_pool([layer], 32, seed=3), _fit_pool([layer], 32, seed=3))
    assert (_fit_pool([layer], 32, seed=3) != _fit_pool([layer], 32, seed=4)).any()


def test_bytes_of_layers_by_hand() -> None:
    """Indices of 6 bits, an fp32 scale of each filter, and the pool, which a network stores once."""
    form, shapes = Pool(64), [(64, 3, 3, 64), (128, 1, 1, 64)]
    assert [form.index_bytes(shape) for shape in shapes] == [64 * 72 * 6 // 8, 128 * 8 * 6 // 8]
    assert form.shared_bytes == 64 * 8
    for shape in shapes:
        assert form.storage_bytes(shape) == form.index_bytes(shape) + 4 * shape[0] + form.shared_bytes


def test_what_goes_into_the_pool() -> None:
    assert _poolable((64, 3, 3, 64))
    assert not _poolable((64, 3, 3, 3))
    assert not _poolable((64, 3, 3, 64), first=True)
    assert not _poolable((64, 3, 3, 1), depthwise=True)
    assert not _poolable((10, 64), last=True)
    assert _poolable((64, 3, 3, 5), 9, kind="xy")
    assert _poolable((64, 3, 3, 1), 9, kind="xy", depthwise=True)
    assert _poolable((64, 5, 5, 3), 25, kind="xy")
    assert not _poolable((64, 1, 1, 9), 9, kind="xy")
    assert not _poolable((10, 9), 9, kind="xy")
    for end in ("first", "last"):
        assert not _poolable((64, 3, 3, 5), 9, kind="xy", **{end: True})


def test_bytes_of_kernels_by_hand() -> None:
    """Of a depth-wise filter: an index of 6 bits and a scale, where int8 takes 9 bytes and a scale."""
    form = Pool(64, 9, kind="xy")
    assert form.storage_bytes((96, 3, 3, 1)) == 96 * 6 // 8 + 4 * 96 + 64 * 9
    assert form.storage_bytes((16, 3, 3, 8)) == 16 * 8 * 6 // 8 + 4 * 16 + 64 * 9


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Pool(0), "pool.size"),
        (lambda: Pool(64, 1), "pool.vector"),
        (lambda: Pool(64, index_bits=5), "pool.index_bits"),
        (lambda: Pool(64, metric="euclid"), "did you mean"),
        (lambda: Pool(64, kind="yz"), "pool.kind"),
        (lambda: Pool(4).encode(np.ones((2, 8)), {"pool": np.zeros((3, 8), np.int8)}), "not such a pool"),
        (lambda: Pool(4).recode([[1]]), "whole numbers"),
    ],
)
def test_what_cannot_be_is_refused(call, words: str) -> None:
    with pytest.raises(SlipstickError, match=words):
        call()


def test_operations_are_those_of_a_walk_over_the_layer() -> None:
    """Sums of pool vectors once a position and an addition for each index, or every product: counted one by one."""
    form, (filters, rows, columns, channels) = Pool(4, 8), (12, 3, 2, 16)
    sums = sum(form.size * form.vector for _ in range(channels // form.vector))
    additions = sum(1 for _ in np.ndindex(filters, rows, columns, channels // form.vector))
    assert form.products((filters, rows, columns, channels)) == sums + additions
    assert form.products((1, rows, columns, channels)) == sums + rows * columns * channels // form.vector
    assert form.products((1, 1, 1, channels)) == channels, "every product, where sums would serve one filter"
    kernels = Pool(4, 6, kind="xy")
    assert kernels.products((12, 3, 2, 16)) == 4 * 6 * 16 + 12 * 16
    assert kernels.products((12, 3, 2, 1)) == 12 * 6, "depth-wise filters share no channel"
