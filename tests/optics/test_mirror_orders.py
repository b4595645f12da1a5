"""Diffraction orders of mirrors, fields and focal lengths: against transforms of planes that are written out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.optics.mirror_orders import matched_focal_length, order_weights, orders_on_mask, usable_side

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("lit", [3, 5, 8])
def test_orders_are_the_transform_of_one_mirror(lit: int) -> None:
    parts, mirrors = 64, 6  # a mirror as points, `lit` eighths of them reflecting
    line = np.zeros(parts)
    line[: lit * parts // 8] = 1
    plane = np.outer(line, line)
    image = RNG.random((mirrors, mirrors))
    spectrum = np.fft.fft2(np.kron(image, plane))
    inside = np.fft.fft2(image)
    weights = order_weights(lit / 8, 2)
    for a, b in ((0, 0), (1, 0), (2, 1), (1, 2)):
        order = spectrum[a * mirrors : (a + 1) * mirrors, b * mirrors : (b + 1) * mirrors] / parts**2
        first = np.abs(order[0, 0] / inside[0, 0])  # on the order's axis
        assert first == pytest.approx(abs(weights[2 + a, 2 + b]), abs=2e-3)  # 64 points a mirror, the law has all
    assert order_weights(0.75, 1)[1, 1] ** 2 == pytest.approx(0.75**4)
    with pytest.raises(SlipstickError, match="fill"):
        order_weights(1.5, 1)


def test_fields_orders_and_focal_length_agree() -> None:
    focal = matched_focal_length(1080, 7.56e-6, 7.56e-6, 633e-9)
    assert focal == pytest.approx(97.5e-3, rel=1e-3)
    assert orders_on_mask(1080, 7.56e-6, 7.56e-6, 633e-9, focal) == 1
    assert orders_on_mask(1080, 7.56e-6, 7.56e-6, 633e-9, focal / 4) == 4
    assert matched_focal_length(1920, 10.8e-6, 10.8e-6, 532e-9) == pytest.approx(421e-3, rel=1e-3)


def test_a_field_that_is_too_wide_meets_its_own_replica() -> None:
    side, support = 32, 3
    response = np.zeros((side, side))
    response[:support, :support] = RNG.random((support, support))
    for orders in (1, 2):
        mirrors, usable = side // orders, usable_side(side, orders, support)
        for lit, clean in ((usable, True), (usable + support, False)):
            image = np.zeros((mirrors * 2, mirrors * 2))
            image[:lit, :lit] = 1
            kernel = np.zeros_like(image)
            kernel[:support, :support] = response[:support, :support]
            wide = np.fft.ifft2(np.fft.fft2(image) * np.fft.fft2(kernel)).real  # no replica: twice the room
            folded = wide.reshape(2, mirrors, 2, mirrors).sum(axis=(0, 2))  # a mask of `mirrors` repeats its response
            assert np.allclose(folded, wide[:mirrors, :mirrors]) == clean
    assert math.isclose(usable_side(8, 4, 3), 0)
