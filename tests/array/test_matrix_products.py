"""Operations as an array runs them, by hand: products by kind, sums read beside, moves, convolutions by their loops."""

from __future__ import annotations

import itertools

import pytest
from pydantic import ValidationError

from slipstick.array.convolution import _Convolution
from slipstick.array.matrix_products import Product, _Move, only_products, products_of
from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Op


def conv(name: str, after: tuple[str, ...] = (), **sizes: int) -> Op:
    """Return a convolution of 6 pixels, 18 products an output and 5 filters, read by its dimensions."""
    dims = {"m": 6, "n": 5, "k": 18, "batch": 1, "taps": 9, **sizes}
    return Op(name, "conv", dims, 2.0 * 6 * 5 * 18, 90.0, 80.0, 30.0, after=after)


def added(name: str, after: tuple[str, ...], inputs: float) -> Op:
    return Op(name, "elementwise", {"m": 1, "n": 30}, 0.0, 0.0, inputs, 30.0, after=after)


def test_kinds_are_those_of_the_dimensions() -> None:
    kinds = {
        "conv": conv("a"),
        "pointwise": conv("a", taps=1),
        "depthwise": conv("a", batch=4, k=9),
        "linear": Op("a", "matmul", {"m": 1, "n": 5, "k": 18, "batch": 1}, 180.0, 90.0, 18.0, 5.0),
    }
    for kind, op in kinds.items():
        [product] = products_of([op], 3)
        assert isinstance(product, Product)
        assert (product.kind, product.samples, product.count) == (kind, 3, 1)
        assert product.groups == op.dims["batch"]
    [grouped] = products_of([conv("a", batch=4)])
    assert isinstance(grouped, Product)
    assert grouped.kind == "conv", "a group of more than one channel is no depth-wise filter"
    assert (grouped.pixels, grouped.reduction, grouped.filters, grouped.groups, grouped.taps) == (6, 18, 5, 4, 9)
    assert (grouped.inputs, grouped.outputs, grouped.weights, grouped.macs) == (80, 30, 18 * 5 * 4, 6 * 18 * 5 * 4)
    [alone] = products_of([Op("a", "conv", {"m": 1, "n": 1, "k": 1}, 2.0)])
    assert isinstance(alone, Product)
    assert (alone.kind, alone.groups, alone.taps, alone.samples, alone.shortcuts) == ("pointwise", 1, 1, 1, 0)
    plain = Product("x", "conv", 2, 3, 4, 5, 6)
    assert (plain.groups, plain.taps, plain.shortcuts, plain.samples, plain.count) == (1, 1, 0, 1, 1)


def test_a_sum_is_read_beside_the_later_of_the_products_that_it_adds() -> None:
    """Two products of 30 outputs each: the other 30 elements are read from DRAM on the way out of the later."""
    parts = products_of([conv("a"), conv("b", ("a",)), added("sum", ("a", "b"), 60.0), added("more", ("sum",), 90.0)])
    first, last = only_products(parts)
    assert (first.name, first.shortcuts) == ("a", 0)
    assert (last.name, last.shortcuts) == ("b", 30 + 60), "a second sum adds to the same product"
    [single, behind] = products_of([conv("a"), added("relu", ("a",), 30.0), conv("b", ("relu",))])
    assert isinstance(single, Product)
    assert (single.name, single.shortcuts, behind.name) == ("a", 0, "b"), "an activation has nothing to read beside"


def test_what_is_no_product_moves_through_the_dram() -> None:
    pool = Op("pool", "pool", {}, 0.0, 0.0, 80.4, 20.3, count=3, after=("a",))
    joined = Op("joined", "concat", {}, 0.0, 0.0, 60.0, 60.0, after=("pool",))
    copied = Op("copied", "copy", {}, 0.0, 0.0, 60.0, 60.0, after=("pool",))
    alone = added("scaled", ("pool",), 20.0)  # of what no product gives
    parts = products_of([conv("a"), pool, joined, copied, alone])
    assert parts[1:] == [_Move("pool", "pool", 101, 3), _Move("scaled", "elementwise", 50, 1)]
    assert only_products(parts) == parts[:1]
    assert _Move("pool", "pool", 3).count == 1


def test_merged_operations_are_their_products_and_readers_know_them_by_the_merged_name() -> None:
    first, last, norm = conv("first"), conv("last"), Op("norm", "batchnorm", {}, 0.0, 0.0, 30.0, 30.0)
    merged = Op("block", "chain", {}, first.flops * 2, count=2, parts=(first, norm, last))
    parts = only_products(products_of([merged, added("sum", ("block",), 70.0)]))
    assert [(part.name, part.count, part.shortcuts) for part in parts] == [("first", 2, 0), ("last", 2, 40)]


def test_products_of_two_activations_are_refused() -> None:
    attention = Op("scores", "attention", {"m": 4, "n": 4, "k": 8}, 256.0)
    with pytest.raises(SlipstickError, match=r"workload.scores: an array multiplies by weights.*got 'attention'"):
        products_of([conv("a"), attention])


@pytest.mark.parametrize("seed", range(12))
def test_a_convolutions_sizes_are_those_of_its_loops(seed: int) -> None:
    high, wide, kernel, stride, padding = 4 + seed % 5, 3 + seed % 4, 1 + seed % 3, 1 + seed % 2, seed % 3
    groups, channels, filters = 1 + seed % 2, 4, 6
    layer = _Convolution(
        height=high, width=wide, channels=channels, kernel=kernel, filters=filters, stride=stride, padding=padding,
        groups=groups,
    )  # fmt: skip
    starts = [
        (top, left)
        for top, left in itertools.product(range(-padding, high + padding), range(-padding, wide + padding))
        if top + kernel <= high + padding
        and left + kernel <= wide + padding
        and (top + padding) % stride == 0
        and (left + padding) % stride == 0
    ]
    summed = list(itertools.product(range(kernel), range(kernel), range(channels // groups)))
    assert layer.pixels == len(starts)
    assert layer.reduction == len(summed)
    assert layer.macs == len(starts) * len(summed) * filters
    assert (layer.name, _Convolution(height=2, width=2, channels=1, filters=1).padding) == ("", 0)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"kernel": 4}, "larger than the padded input"),
        ({"kernel": 6, "padding": 1}, "larger than the padded input"),
        ({"groups": 3}, "groups must divide"),
        ({"groups": 4}, "groups must divide"),
        ({"stride": 0}, "greater than 0"),
        ({"padding": -1}, "greater than or equal to 0"),
    ],
)
def test_convolutions_that_cannot_be_are_refused(sizes: dict[str, int], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        _Convolution(**{"height": 9, "width": 3, "channels": 4, "filters": 6, **sizes})
    fitting = _Convolution(height=9, width=3, channels=4, filters=6, kernel=5, padding=1)
    assert (fitting.pixels, fitting.stride, fitting.groups, fitting.macs) == (7, 1, 1, 7 * 4 * 25 * 6)
