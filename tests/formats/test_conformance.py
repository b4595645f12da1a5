"""Every registered encoding, and every pair of an encoding and an arithmetic that takes it, pass the shipped suites."""

from __future__ import annotations

from slipstick.formats import ARITHMETICS, ENCODINGS
from slipstick.testing import ArithmeticSuite, EncodingSuite


class TestEncodings(EncodingSuite):
    texts = ENCODINGS.examples()


class TestArithmetics(ArithmeticSuite):
    texts = ARITHMETICS.examples()


def test_floats_have_exact_products_alone_and_integers_serial_ones_too() -> None:
    pairs = [form.name for form in TestArithmetics()._pairs()]
    assert "nvfp4" in pairs
    assert "nvfp4@bit_serial" not in pairs
    assert "int16@bit_serial" not in pairs
    assert "swis:3,group=4@bit_serial:element=double-shift" in pairs
    assert "swis:7,group=5@bit_serial:lanes=4" not in pairs, "groups of 5 do not fill 4 lanes"
