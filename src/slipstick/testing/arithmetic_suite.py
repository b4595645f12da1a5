"""Conformance suite of arithmetics: tests of every `Arithmetic` with every encoding that it supports, in pytest.

A package inherits it once for all of its arithmetics; an inexact one says how far its products may be off::

    class TestTables(ArithmeticSuite):
        texts = ("mul7u_09y",)
        relative_error = 0.05
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from slipstick.core.arithmetic import Arithmetic
from slipstick.core.arrays import FloatArray
from slipstick.core.encoding import Encoded, Encoding
from slipstick.core.errors import SlipstickError
from slipstick.core.format import Format
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats import ENCODINGS, arithmetic_of, encoding_of, format_of
from slipstick.testing.encoding_suite import normal_tensor

_TERMS = 70  # summed in the products below
_FP32 = 80 * 2.0**-23  # one fp32 rounding a product and a sum


def taken(arithmetic: Arithmetic, encoding: Encoding) -> bool:
    """Return whether an arithmetic multiplies weights of an encoding."""
    try:
        arithmetic.check(encoding)
    except SlipstickError:
        return False
    return True


def _has_sums(arithmetic: Arithmetic) -> bool:
    """Return whether an arithmetic multiplies whole numbers outside encoded matrices, as layers need."""
    return type(arithmetic).sums is not Arithmetic.sums


def _smooth(form: Format, inputs: Encoded, weights: Encoded) -> FloatArray:
    """Return what the stand-in expects of a product: of sums of both signs apart, fed the operands that are carried."""
    stand_in = form.stand_in
    if stand_in.kind == "straight-through":
        return np.asarray(inputs.values.astype(np.float64) @ weights.values.astype(np.float64).T)
    a, w = (encoded.encoding.operand(encoded) for encoded in (inputs, weights))
    assert a.scales is not None
    assert w.scales is not None
    full = form.encoding.full_scale
    x, y = (form.arithmetic.carried(WholeNumbers(part.elements, full)).astype(np.float64) for part in (a, w))
    groups = form.arithmetic.tap_groups((x.shape[1], 1, 1)).ravel()
    total = np.zeros((len(x), len(y)))
    for group in np.unique(groups):
        products = x[:, None, groups == group] * y[None, :, groups == group]
        total += stand_in.value(np.maximum(products, 0).sum(-1)) - stand_in.value(np.maximum(-products, 0).sum(-1))
    return np.asarray(total * full**2 * a.scales * w.scales.T)


class ArithmeticSuite:
    """Tests of every arithmetic in `texts`, paired with every encoding in `encodings` that it supports.

    `relative_error` bounds the error of a product by the sum of its terms' magnitudes; `zero_is_exact` is False where
    noise moves products of zeros.
    """

    texts: ClassVar[Sequence[str]] = ()
    encodings: ClassVar[Sequence[str]] = ()  # empty: those of all registered encodings
    relative_error: ClassVar[float] = _FP32
    zero_is_exact: ClassVar[bool] = True

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Give each test one case for every arithmetic, or for every pair that fits."""
        if "form" in metafunc.fixturenames:
            pairs = list(self._pairs())
            metafunc.parametrize("form", pairs, ids=[form.name for form in pairs])
        elif "arithmetic" in metafunc.fixturenames:
            metafunc.parametrize("arithmetic", [arithmetic_of(text) for text in self.texts], ids=self.texts)

    def _pairs(self) -> Iterator[Format]:
        for text in self.texts:
            for stored in self.encodings or ENCODINGS.examples():
                arithmetic, encoding = arithmetic_of(text), encoding_of(stored)
                if taken(arithmetic, encoding):
                    yield Format(encoding, arithmetic)

    def test_its_name_builds_it_again(self, arithmetic: Arithmetic) -> None:
        """The text of an arithmetic is read back as the same arithmetic."""
        assert arithmetic_of(arithmetic.name) == arithmetic

    def test_it_takes_or_refuses_every_encoding(self, arithmetic: Arithmetic) -> None:
        """Weights that it cannot multiply are refused when the format is made, naming the value."""
        encodings = [encoding_of(text) for text in self.encodings or ENCODINGS.examples()]
        assert any(taken(arithmetic, encoding) for encoding in encodings)
        for encoding in encodings:
            if not taken(arithmetic, encoding):
                with pytest.raises(SlipstickError, match="allowed"):
                    Format(encoding, arithmetic)

    def test_cycles_grow_with_steps(self, arithmetic: Arithmetic) -> None:
        """More steps never take fewer cycles, and the shape is that of the steps."""
        cycles = arithmetic.cycles(np.arange(1, 9).reshape(2, 4))
        assert cycles.shape == (2, 4)
        assert (cycles >= 1).all()
        assert (np.diff(cycles.ravel()) >= 0).all()

    def test_the_name_of_a_pair_builds_it_again(self, form: Format) -> None:
        """The text of a format is read back as the same pair."""
        assert format_of(form.name) == form

    def test_products_are_those_of_the_values(self, form: Format) -> None:
        """Products of encoded matrices are those of the stand-in within the arithmetic's error."""
        a, w = (
            form.encoding.encode(normal_tensor(shape, seed)) for shape, seed in (((5, _TERMS), 6), ((9, _TERMS), 7))
        )
        x, y = a.values.astype(np.float64), w.values.astype(np.float64)
        product = form.matmul(a, w)
        assert product.dtype == np.float32
        error = self.relative_error + form.arithmetic.product_error(form.encoding)
        assert (np.abs(product - _smooth(form, a, w)) <= error * (np.abs(x) @ np.abs(y).T) + 1e-30).all()
        np.testing.assert_array_equal(form.matmul(a, w), product, "the same operands, the same product")

    def test_layers_are_sums_of_products(self, form: Format) -> None:
        """A layer of one element is a matrix product; padding, stride and groups are those of windows cut out."""
        if not form.encoding.whole_numbers or not _has_sums(form.arithmetic):
            return
        a, w = (form.encoding.encode(normal_tensor(shape, seed)) for shape, seed in (((5, 16), 6), ((4, 16), 7)))
        full = form.encoding.full_scale
        numbers = [WholeNumbers(form.encoding.integers(encoded), full) for encoded in (a, w)]
        dense = [WholeNumbers(whole.elements[:, :, None, None], full) for whole in numbers]
        layer = form.arithmetic.layer_sums(dense[0], dense[1], Window())
        np.testing.assert_array_equal(layer[:, :, 0, 0], form.arithmetic.sums(*numbers))
        images = WholeNumbers(numbers[0].elements.reshape(5, 4, 2, 2), full)
        filters = WholeNumbers(numbers[1].elements.reshape(8, 2, 2, 2), full)
        padding = ((1, 0), (0, 1))
        framed = WholeNumbers(np.pad(images.elements, ((0, 0), (0, 0), *padding)), full)
        layer = form.arithmetic.layer_sums(images, filters, Window(padding=padding, groups=2))
        assert layer.shape == (5, 8, 2, 2)
        np.testing.assert_array_equal(layer, form.arithmetic.layer_sums(framed, filters, Window(groups=2)))
        strided = form.arithmetic.layer_sums(framed, filters, Window(stride=(2, 1), groups=2))
        np.testing.assert_array_equal(strided, layer[:, :, ::2])

    def test_products_with_zero_are_zero(self, form: Format) -> None:
        """Inputs of zeros give zeros, unless noise moves them."""
        a, w = form.encoding.encode(np.zeros((2, 33))), form.encoding.encode(normal_tensor((4, 33), 8))
        if self.zero_is_exact:
            assert (form.matmul(a, w) == 0).all()

    def test_shapes_that_do_not_fit_are_refused(self, form: Format) -> None:
        """Matrices whose summed axes differ are one clear error."""
        a, w = form.encoding.encode(np.ones((2, 8))), form.encoding.encode(np.ones((2, 16)))
        with pytest.raises(SlipstickError, match="cannot be multiplied"):
            form.matmul(a, w)

    def test_the_stand_in_covers_both_signs(self, form: Format) -> None:
        """The smooth stand-in passes gradients around zero."""
        stand_in = form.stand_in
        assert stand_in.low is None or stand_in.low < 0
        assert stand_in.high is None or stand_in.high > 0

    def test_a_product_costs_something(self, form: Format) -> None:
        """Cycles are positive with their source, joules and area are positive or unknown."""
        cost, steps = form.arithmetic.cost(form.encoding), form.arithmetic.steps(form.encoding)
        assert steps is None or steps >= 1
        assert cost.cycles == int(form.arithmetic.cycles(8 if steps is None else steps))
        assert cost.joules is None or cost.joules > 0
        assert cost.area is None or cost.area > 0
        assert cost.source

    def test_operations_follow_the_shape(self, form: Format) -> None:
        """Twice the positions are twice the work, twice the filters at most twice; never more than every product."""
        shape, wider = (8, 3, 3, 16), (16, 3, 3, 16)
        if form.encoding.takes(shape):
            operations = form.operations(shape)
            assert operations > 0
            assert form.operations(shape, 2) == 2 * operations
            assert operations < form.operations(wider) <= 2 * operations
            assert operations <= math.prod(shape) * form.arithmetic.cost(form.encoding).cycles
