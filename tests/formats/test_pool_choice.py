"""The choice of a pool: the best of all that fit, never worse with more bytes, refused where nothing fits."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.formats import Pool
from slipstick.formats.pool import fit_pool
from slipstick.formats.pool_choice import choose_pool

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


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(SlipstickError, match="no pool fits"):
        choose_pool(WEIGHTS, 100)
    with pytest.raises(SlipstickError, match="no pool fits"):
        choose_pool([RNG.normal(size=(4, 3))], 10**6)
    assert choose_pool([RNG.normal(size=(64, 4))], 10**4)[0].format.vector == Pool(16, 4).vector
