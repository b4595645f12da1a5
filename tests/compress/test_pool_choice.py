"""The choice of a pool: the best of all that fit, never worse with more bytes, refused where nothing fits."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.compress.pool_choice import _choose_pools, candidates
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.formats import format_of
from slipstick.formats.pool_vectors import _fit_pool

RNG = np.random.default_rng(0)
WEIGHTS = [RNG.normal(size=(16, 3, 3, 16)), RNG.normal(size=(24, 1, 1, 16))]
KERNELS = [RNG.normal(size=(16, 3, 3, 16)), RNG.normal(size=(24, 3, 3, 1))]
POOL, TAPS = format_of("pool"), format_of("pool:64,9,kind=xy")
SIZES, VECTORS = (16, 32, 64, 128, 256), (4, 8, 16)


@pytest.mark.parametrize(("form", "weights"), [(POOL, WEIGHTS), (TAPS, KERNELS)])
def test_bytes_are_those_that_encoding_gives(form: Format, weights: list) -> None:
    for one in candidates(form, weights)[::4]:
        pool = _fit_pool(weights, one.format.encoding.size, one.format.encoding.vector, kind=form.encoding.kind)
        encoded = [one.format.encoding.encode(layer, {"pool": pool}) for layer in weights]
        assert one.bytes == sum(layer.nbytes - pool.nbytes for layer in encoded) + pool.nbytes


def test_the_best_of_those_that_fit_and_never_worse_with_more() -> None:
    tried = candidates(POOL, WEIGHTS)
    assert len(tried) == len(SIZES) * len(VECTORS)
    errors = {one.format: one.error for one in tried}
    before = np.inf
    for budget in sorted(one.bytes for one in tried):
        best = _choose_pools([(POOL, WEIGHTS)], budget + 672, unpooled_bytes=672)[0]
        assert errors[best] == min(one.error for one in tried if one.bytes <= budget) <= before
        before = errors[best]


def test_candidates_keep_kind_metric_width_and_the_taps_of_kernels() -> None:
    form = format_of("pool:64,9,index_bits=6,metric=cosine,kind=xy")
    tried = [one.format.encoding for one in candidates(form, KERNELS)]
    assert {(one.kind, one.vector, one.metric, one.index_bits) for one in tried} == {("xy", 9, "cosine", 6)}
    assert [one.size for one in tried] == [size for size in SIZES if size <= 64]


def lost(groups: list, forms: list[Format]) -> float:
    """The sum over all filters of the share of power that each group's pool loses."""
    total = 0.0
    for (_, weights), form in zip(groups, forms, strict=True):
        pool = _fit_pool(weights, form.encoding.size, form.encoding.vector, kind=form.encoding.kind)
        for one in weights:
            change = (form.encoding.encode(one, {"pool": pool}).values - one).reshape(len(one), -1)
            total += float(((change**2).sum(axis=1) / (one.reshape(len(one), -1) ** 2).sum(axis=1)).sum())
    return total


def test_pools_share_a_budget_as_the_best_of_all_pairs() -> None:
    groups = [(POOL, WEIGHTS), (TAPS, KERNELS[1:])]
    first, second = (candidates(*group) for group in groups)
    filters = [sum(len(one) for one in weights) for _, weights in groups]
    pairs = [(a.bytes + b.bytes + 77, a.error * filters[0] + b.error * filters[1]) for a in first for b in second]
    before = np.inf
    for budget in sorted(size for size, _ in pairs)[::8]:
        found = _choose_pools(groups, budget, unpooled_bytes=77)
        assert [form.encoding.kind for form in found] == ["z", "xy"]
        error = lost(groups, found)
        assert error == pytest.approx(min(error for size, error in pairs if size <= budget), rel=1e-9)
        assert error <= before * (1 + 1e-9)
        before = error
    least = min(size for size, _ in pairs)
    with pytest.raises(SlipstickError, match=f"no pool fits; got {least - 1}; allowed: from {least} "):
        _choose_pools(groups, least - 1, unpooled_bytes=77)


def test_a_pools_own_size_and_vector_are_tried_too() -> None:
    weights = [RNG.normal(size=(12, 1, 1, 12))]
    chosen = [_choose_pools([(format_of("pool:20,6"), weights)], budget)[0] for budget in range(180, 800, 40)]
    assert {form.encoding.vector for form in chosen} == {4, 6}


@pytest.mark.parametrize(
    ("form", "weights"),
    [(TAPS, WEIGHTS), (TAPS, [*KERNELS, WEIGHTS[1]]), (format_of("pool:64,8,kind=xy"), KERNELS), (POOL, KERNELS)],
)
def test_what_does_not_fill_vectors_is_refused(form: Format, weights: list) -> None:
    with pytest.raises(SlipstickError, match=r"pool\.vector"):
        _choose_pools([(form, weights)], 10**6)


def test_vectors_that_some_layer_does_not_fill_are_left_out() -> None:
    narrow = [*WEIGHTS, RNG.normal(size=(64, 4))]
    assert {one.format.encoding.vector for one in candidates(POOL, narrow)} == {4}


def test_each_candidate_is_said_before_it_is_tried() -> None:
    said: list[tuple[int, int, str]] = []
    _choose_pools([(TAPS, KERNELS)], 10**6, progress=lambda *one: said.append(one))
    sizes = [f"trying pool:size={size},vector=9,kind=xy" for size in SIZES]
    assert said == [(place, len(SIZES), text) for place, text in enumerate(sizes)]
