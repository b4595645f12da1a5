"""DRAM traffic: never below what must cross, equal to it where all fits, and as a walk over the tiles counts it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from slipstick.array.dram_traffic import _dram_traffic, compulsory
from slipstick.array.matrix_products import Product

ROWS = COLUMNS = 8


def some_products(count: int) -> list[Product]:
    rng = np.random.default_rng(11)
    found = []
    for _ in range(count):
        side, kernel, channels, filters = (int(rng.integers(*span)) for span in ((3, 60), (1, 4), (1, 300), (1, 300)))
        groups = channels if rng.random() < 0.2 else 1
        filters = channels if groups > 1 else filters
        pixels = (side - kernel + 1) ** 2
        shape = pixels, channels // groups * kernel**2, filters // groups
        moved = side * side * channels, pixels * filters
        found.append(Product("x", "conv", *shape, *moved, groups, kernel**2))
    return found


@pytest.mark.parametrize("product", some_products(60), ids=str)
def test_bounds(product: Product) -> None:
    for bits in (2, 4.5, 8):
        stored = product.weights * bits / 8
        floor = compulsory(product, stored)
        before = math.inf
        for size in (2.0**10, 2.0**13, 2.0**16, 2.0**19, 2.0**40):
            moved = _dram_traffic(product, stored, size, size, ROWS, COLUMNS)
            for part in ("inputs", "weights", "outputs", "shortcuts"):
                assert getattr(moved, part) >= getattr(floor, part)
            assert moved.total <= before, "a larger memory never needs more traffic"
            before = moved.total
        assert moved.total == floor.total
        one_fits = _dram_traffic(product, stored, 2 * product.inputs + 2, 2 * stored + 2, ROWS, COLUMNS)
        assert one_fits.total == floor.total


def test_fewer_bits_never_move_more() -> None:
    for product in some_products(40):
        totals = [_dram_traffic(product, product.weights * bits / 8, 2**15, 2**15, 8, 8).total for bits in (1, 2, 4, 8)]
        assert totals == sorted(totals)


def test_weights_that_stay_as_a_walk_over_the_tiles_counts_them() -> None:
    """A pointwise layer: tiles of whole columns of filters fill half a memory; the image passes for each."""
    product = Product("x", "pointwise", 56 * 56, 256, 100, 56 * 56 * 256, 56 * 56 * 100)
    half, filters, inputs, weights = 8192, list(range(100)), 0, 0
    while filters:
        tile = min(len(filters), half // 256 // COLUMNS * COLUMNS)
        weights += tile * 256
        inputs += product.inputs
        filters = filters[tile:]
    moved = _dram_traffic(product, 25600, 2**12, 2 * half, ROWS, COLUMNS)  # not even the kernel's rows fit
    assert (moved.order, moved.inputs, moved.weights) == ("weights stay", inputs, weights)


def test_inputs_that_stay_as_a_walk_over_the_bands_counts_them() -> None:
    """Few pixels and many weights: the image stays in bands, beside the rows under the kernel, and weights pass."""
    product = Product("x", "conv", 100, 9 * 512, 1024, 100 * 512, 100 * 1024, taps=9)
    half, rows = 32768, 3 * 10 * 512
    left, bands = product.inputs, 0
    while left > 0:
        left -= half - rows
        bands += 1
    moved = _dram_traffic(product, product.weights, 2 * half, 2 * half, ROWS, COLUMNS)
    assert (moved.order, moved.inputs, moved.weights) == ("inputs stay", product.inputs, bands * product.weights)
