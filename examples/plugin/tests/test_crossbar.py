"""The crossbar passes the suites of slipstick, and its figures are those of a count by hand."""

from itertools import pairwise

import numpy as np
import pytest
from slipstick_crossbar.arithmetic import FAMILY
from slipstick_crossbar.device import Crossbar
from slipstick_crossbar.engine import ENGINES

import slipstick
from slipstick import format_of
from slipstick.testing import ArithmeticSuite, DeviceSuite, EngineSuite, SystemSuite


class TestDevice(DeviceSuite):
    kinds = (Crossbar,)


class TestSystems(SystemSuite):
    systems = ("crossbar-256",)


class TestEngines(EngineSuite):
    rows = ENGINES


class TestArithmetic(ArithmeticSuite):
    texts = FAMILY.examples
    relative_error = 0.02


def test_reads_and_products_are_counted() -> None:
    """ResNet-8: 4,481 reads of tiles of 256 x 256 at 100 ns, 12,501,632 products at 10 fJ."""
    report = slipstick.estimate("resnet-8", "crossbar-256")
    assert report.value("time.step") == pytest.approx(4481 * 100e-9)
    assert report.value("energy.step") == pytest.approx(12_501_632 * 10e-15)


def test_larger_tiles_are_never_slower() -> None:
    """Twice the lines need at most as many reads."""
    times = [
        slipstick.estimate("resnet-8", "crossbar-256", set={"system.device.lines": lines}).value("time.step")
        for lines in (32, 64, 128, 256, 512, 1024)
    ]
    assert all(more >= less for more, less in pairwise(times))


def test_a_converter_of_more_bits_is_nearer_to_exact_products() -> None:
    """Each bit of the converter halves the error, from 4 bits to 12."""
    x = np.random.default_rng(0).normal(size=(16, 300)).astype(np.float32)
    exact = format_of("int8")
    product = exact.matmul(exact.encoding.encode(x), exact.encoding.encode(x))
    errors = []
    for bits in (4, 8, 12):
        form = format_of(f"int8@crossbar:bits={bits}")
        errors.append(np.abs(form.matmul(form.encoding.encode(x), form.encoding.encode(x)) - product).mean())
    assert errors[0] > 8 * errors[1] > 64 * errors[2]
