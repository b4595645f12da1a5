"""Pools: the kernel against numpy, one pool for a network, what k-means and scales must not make worse, whole files."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.formats import Pool
from slipstick.formats.pool import assign, fit, fit_pool, network_bytes, poolable


def weights(*shape: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) * rng.uniform(0.01, 3.0, (shape[0], *[1] * (len(shape) - 1)))


def error(form: Pool, w: np.ndarray, side: dict[str, np.ndarray] | None = None) -> float:
    return float(((form.decode(form.encode(w, side)) - w) ** 2).sum() / (w**2).sum())


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("size", [1, 5, 64])
def test_the_kernel_finds_the_nearest(size: int, metric: str) -> None:
    rng = np.random.default_rng(size)
    x = rng.integers(-50, 51, (2000, 8)).astype(float)  # whole numbers: ties are ties, in any order of addition
    pool = rng.integers(-50, 51, (size, 8)).astype(float)
    if metric == "euclidean":
        wanted = (((x[:, None] - pool) ** 2).sum(-1)).argmin(axis=1)
        np.testing.assert_array_equal(assign(x, pool), wanted)
        return
    angles = (x[:, None] * pool).sum(-1) / np.linalg.norm(pool, axis=1)
    found = assign(x, pool, "cosine")
    np.testing.assert_allclose(angles[np.arange(len(x)), found], angles.max(axis=1), rtol=1e-5)


def test_clusters_are_found() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(6, 8)) * 5
    x = centres[rng.integers(0, 6, 3000)] + rng.normal(size=(3000, 8)) * 0.01
    found = fit(x, 6)
    assert np.abs(found[assign(centres, found)] - centres).max() < 0.01
    assert sorted(assign(centres, found)) == list(range(6))


def test_more_rounds_and_more_vectors_are_no_worse() -> None:
    x = np.random.default_rng(1).normal(size=(4000, 8))

    def left(size: int, rounds: int) -> float:
        centres = fit(x, size, rounds=rounds)
        return float(((x - centres[assign(x, centres)]) ** 2).sum())

    assert left(32, 20) < left(32, 4) < left(32, 1)
    assert left(128, 10) < left(32, 10) < left(8, 10)


def test_one_pool_serves_filters_of_every_size() -> None:
    layers = [weights(16, 3, 3, 16, seed=1), weights(32, 64, seed=2)]
    pool = fit_pool(layers, 64)
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
    whole = Pool(16).centred(encoded).astype(float)
    best = (whole * layer).sum(axis=1) / (whole**2).sum(axis=1)
    np.testing.assert_allclose(encoded.side["scale"], best, rtol=1e-6)


def test_vectors_of_kernels() -> None:
    layer = weights(8, 4, 3, 3, seed=5)
    assert fit_pool([layer], 16, 9, kind="xy").shape == (16, 9)
    with pytest.raises(SlipstickError, match="not kernels"):
        fit_pool([layer], 16, 8, kind="xy")


def test_seeds_repeat() -> None:
    layer = weights(64, 64, seed=6)
    np.testing.assert_array_equal(fit_pool([layer], 32, seed=3), fit_pool([layer], 32, seed=3))
    assert (fit_pool([layer], 32, seed=3) != fit_pool([layer], 32, seed=4)).any()


def test_bytes_of_a_network_by_hand() -> None:
    form, pooled, excluded = Pool(64), [(64, 3, 3, 64), (128, 1, 1, 64)], [(64, 3, 3, 3), (10, 128)]
    found = network_bytes(form, pooled, excluded, table_bits=8)
    assert found.indices == (64 * 72 + 128 * 8) * 6 // 8
    assert found.scales == 4 * 192
    assert found.table == 256 * 64
    assert found.excluded == 64 * 27 + 1280 + 4 * 74
    assert found.before == 64 * 576 + 128 * 64 + 4 * 192 + found.excluded
    assert found.total == found.indices + 768 + 512 + 256 * 64 + found.excluded
    encoded = [form.storage_bytes(shape) - form.size * form.vector for shape in pooled]
    assert sum(encoded) == found.indices + found.scales


def test_what_goes_into_the_pool() -> None:
    assert poolable((64, 3, 3, 64))
    assert not poolable((64, 3, 3, 3))
    assert not poolable((64, 3, 3, 64), first=True)
    assert not poolable((64, 3, 3, 1), depthwise=True)
    assert not poolable((10, 64), last=True)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Pool(0), "pool.size"),
        (lambda: Pool(64, 1), "pool.vector"),
        (lambda: Pool(64, index_bits=5), "pool.index_bits"),
        (lambda: Pool(64, metric="euclid"), "did you mean"),
        (lambda: Pool(4).encode(np.ones((2, 8)), {"pool": np.zeros((3, 8), np.int8)}), "not such a pool"),
        (lambda: Pool(4).recode([[1]]), "whole numbers"),
    ],
)
def test_what_cannot_be_is_refused(call, words: str) -> None:
    with pytest.raises(SlipstickError, match=words):
        call()
