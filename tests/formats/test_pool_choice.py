"""The choice of a pool: the best of all that fit, never worse with more bytes, refused where nothing fits."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.formats import Pool
from slipstick.formats.pool import fit_pool
from slipstick.formats.pool_choice import SIZES, VECTORS, choose_pool, choose_pools

RNG = np.random.default_rng(0)
WEIGHTS = [RNG.normal(size=(16, 3, 3, 16)), RNG.normal(size=(24, 1, 1, 16))]
EXCLUDED = [(16, 3, 3, 3), (10, 24)]


def test_bytes_are_those_that_encoding_gives() -> None:
    best, _ = choose_pool(WEIGHTS, 4000, excluded=EXCLUDED)
    pool = fit_pool(WEIGHTS, best.format.size, best.format.vector)
    encoded = [best.format.encode(weights, {"pool": pool}) for weights in WEIGHTS]
    outside = 16 * 27 + 4 * 16 + 10 * 24 + 4 * 10
    assert best.bytes == sum(one.nbytes - pool.nbytes for one in encoded) + pool.nbytes + outside


def test_the_best_of_those_that_fit_and_never_worse_with_more() -> None:
    _, tried = choose_pool(WEIGHTS, 10**6, excluded=EXCLUDED)
    assert len(tried) == 15
    before = np.inf
    for budget in sorted(one.bytes for one in tried):
        best, _ = choose_pool(WEIGHTS, budget, excluded=EXCLUDED)
        assert best.bytes <= budget
        assert best.error == min(one.error for one in tried if one.bytes <= budget) <= before
        before = best.error


def test_a_table_counts() -> None:
    plain, tabled = (choose_pool(WEIGHTS, 10**8, vectors=[8], sizes=[64], table_bits=bits)[0] for bits in (0, 8))
    assert tabled.bytes - plain.bytes == 2**8 * 64


KERNELS = [RNG.normal(size=(16, 3, 3, 16)), RNG.normal(size=(24, 3, 3, 1))]


def test_kernels_are_tried_where_all_have_as_many_taps() -> None:
    _, tried = choose_pool(KERNELS[:1], 10**6, kinds=("z", "xy"))
    assert {(one.format.kind, one.format.vector) for one in tried} == {("z", 4), ("z", 8), ("z", 16), ("xy", 9)}
    best, alone = choose_pool(KERNELS, 10**6, kinds=("xy",))
    assert {one.format.vector for one in alone} == {9}
    assert len(alone) == len(SIZES)
    pool = fit_pool(KERNELS, best.format.size, 9, kind="xy")
    encoded = [best.format.encode(weights, {"pool": pool}) for weights in KERNELS]
    assert best.bytes == sum(one.nbytes for one in encoded) - pool.nbytes
    for kinds, vectors in ((("z",), None), (("xy",), [8]), (("xy",), VECTORS)):
        with pytest.raises(SlipstickError, match="no pool fits"):
            choose_pool(KERNELS, 10**6, kinds=kinds, vectors=vectors)
    with pytest.raises(SlipstickError, match="no pool fits"):
        choose_pool([*KERNELS, WEIGHTS[1]], 10**6, kinds=("xy",))


def test_candidates_keep_metric_and_width() -> None:
    like = Pool(metric="cosine", index_bits=6)
    _, tried = choose_pool(KERNELS, 10**6, kinds=("xy",), like=like)
    assert {(one.format.metric, one.format.index_bits) for one in tried} == {("cosine", 6)}
    assert max(one.format.size for one in tried) == 64


def lost(groups: list, forms: list[Pool]) -> float:
    """The sum over all filters of the share of power that each group's pool loses."""
    total = 0.0
    for (_, weights), form in zip(groups, forms, strict=True):
        pool = fit_pool(weights, form.size, form.vector, kind=form.kind)
        for one in weights:
            change = (form.decode(form.encode(one, {"pool": pool})) - one).reshape(len(one), -1)
            total += float(((change**2).sum(axis=1) / (one.reshape(len(one), -1) ** 2).sum(axis=1)).sum())
    return total


def test_pools_share_a_budget_as_the_best_of_all_pairs() -> None:
    groups = [(Pool(), WEIGHTS), (Pool(64, 9, kind="xy"), KERNELS[1:])]
    first, second = choose_pool(WEIGHTS, 10**6)[1], choose_pool(KERNELS[1:], 10**6, kinds=("xy",))[1]
    filters = [sum(len(one) for one in weights) for _, weights in groups]
    pairs = [(a.bytes + b.bytes + 77, a.error * filters[0] + b.error * filters[1]) for a in first for b in second]
    before = np.inf
    for budget in sorted(size for size, _ in pairs)[::8]:
        found = choose_pools(groups, budget, beside=77)
        assert [form.kind for form in found] == ["z", "xy"]
        error = lost(groups, found)
        assert error == pytest.approx(min(error for size, error in pairs if size <= budget), rel=1e-9)
        assert error <= before * (1 + 1e-9)
        before = error
    least = min(size for size, _ in pairs)
    with pytest.raises(SlipstickError, match=f"no pool fits; got {least - 1}; allowed: from {least} "):
        choose_pools(groups, least - 1, beside=77)
    with pytest.raises(SlipstickError, match=r"pool\.vector"):
        choose_pools([(Pool(64, 9, kind="xy"), WEIGHTS)], 10**6)


def test_a_pools_own_size_and_vector_are_tried_too() -> None:
    weights = [RNG.normal(size=(12, 1, 1, 12))]
    assert {choose_pools([(Pool(20, 6), weights)], budget)[0].vector for budget in range(180, 800, 40)} == {4, 6}


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(SlipstickError, match="no pool fits"):
        choose_pool(WEIGHTS, 100)
    with pytest.raises(SlipstickError, match="no pool fits"):
        choose_pool([RNG.normal(size=(4, 3))], 10**6)
    assert choose_pool([RNG.normal(size=(64, 4))], 10**4)[0].format.vector == Pool(16, 4).vector
