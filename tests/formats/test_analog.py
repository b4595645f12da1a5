"""Analog arrays: equal to sums written out product by product, range calibration, noise and what zero bits mean."""

from __future__ import annotations

import itertools
import shutil
from typing import Any

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats import arithmetic_of, format_of
from slipstick.formats.arithmetic.analog import Analog
from slipstick.formats.arithmetic.analog_layer import _agrees
from slipstick.formats.arithmetic.converter import Converter, best_range
from slipstick.formats.arithmetic.kernels.native_library import native_library

FULL = 128


def read_out(analog: Analog, inputs: Any, weights: Any) -> float:
    """Return one output of K inputs and weights, written out: array by array, slice by slice, column by column."""
    lost = 8 - analog.dac_bits
    inputs = [
        int(np.clip(np.rint(a / 2**lost) * 2**lost, 2**lost - FULL, FULL - 2**lost)) if lost > 0 else a for a in inputs
    ]
    bits = -(-7 // analog.slices)
    signed = analog.columns == "differential"
    top = 2 ** (analog.adc_bits - 1) - 1 if signed else 2**analog.adc_bits - 1
    span = analog.adc_range * analog.rows * FULL * 2**bits
    total = 0
    passes = [inputs] if signed else [[max(a, 0) for a in inputs], [max(-a, 0) for a in inputs]]
    for sign, driven in zip((1, -1), passes, strict=False):
        for place, column in itertools.product(range(analog.slices), (0,) if signed else (1, -1)):
            for first in range(0, len(driven), analog.rows):
                current = 0
                taps = slice(first, first + analog.rows)
                for a, w in zip(driven[taps], weights[taps], strict=True):
                    digit = abs(w) >> bits * place
                    digit = (digit if place == analog.slices - 1 else digit % 2**bits) * (1 if w > 0 else -1)
                    current += a * (digit if signed else max(column * digit, 0))
                level = int(np.rint(np.float32(current) * np.float32(top / span)))
                total += sign * (column or 1) * 2 ** (bits * place) * min(max(level, -top if signed else 0), top)
    return float(np.float32(total) * np.float32(span / top))


TEXTS = (
    "rows=9,adc_bits=4,adc_range=0.3",
    "rows=64,adc_bits=6,adc_range=0.05",
    "rows=7,adc_bits=8,adc_range=1",
    "rows=16,adc_bits=5,columns=separate,adc_range=0.2",
    "rows=5,adc_bits=1,columns=separate,adc_range=0.1",
    "rows=8,adc_bits=6,slices=3,adc_range=0.25",
    "rows=8,adc_bits=6,slices=2,columns=separate,adc_range=0.25",
    "rows=12,adc_bits=6,dac_bits=4,adc_range=0.3",
)


@pytest.mark.parametrize("text", TEXTS)
def test_sums_equal_those_written_out(text: str) -> None:
    random, analog = np.random.default_rng(1), arithmetic_of(f"analog:{text}")
    assert isinstance(analog, Analog)
    for taps in (1, 5, 31, 64):
        inputs, weights = random.integers(-127, 128, (3, taps)), random.integers(-128, 128, (4, taps))
        weights[0] = 0
        sums = analog.sums(WholeNumbers(inputs, FULL), WholeNumbers(weights, FULL))
        expected = [[read_out(analog, a.tolist(), w.tolist()) for w in weights] for a in inputs]
        np.testing.assert_array_equal(sums, np.array(expected, np.float32))


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kernels", ["native", "avx2"])
def test_native_layers_equal_unfolded_ones(text: str, kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTICK_KERNELS", kernels)
    if shutil.which("cc"):  # a kernel that fails its check is absent without a word, but not here
        assert native_library("analog", _agrees) is not None
    random, analog = np.random.default_rng(7), arithmetic_of(f"analog:{text}")
    for _ in range(6):
        groups, share, own = (int(number) for number in random.integers(1, 4, 3))
        if random.random() < 0.3:
            groups, share, own = int(random.integers(2, 20)), 1, 1
        rows, columns = (int(number) for number in random.integers(1, 5, 2))
        window = Window(
            (int(random.integers(1, 4)), int(random.integers(1, 4))),
            ((int(random.integers(3)), 1), (0, int(random.integers(3)))),
            (int(random.integers(1, 3)), int(random.integers(1, 3))),
            groups,
        )
        inputs = WholeNumbers(random.integers(-127, 128, (2, groups * share, 11, 13)).astype(np.int8), FULL)
        weights = WholeNumbers(random.integers(-127, 128, (groups * own, share, rows, columns)), FULL)
        monkeypatch.setenv("SLIPSTICK_KERNELS", kernels)
        fast = analog.layer_sums(inputs, weights, window)
        monkeypatch.setenv("SLIPSTICK_KERNELS", "portable")
        np.testing.assert_array_equal(fast, analog.layer_sums(inputs, weights, window))


@pytest.mark.parametrize("text", [
    "rows=9,adc_bits=4,adc_range=0.05", "rows=7,adc_bits=4,columns=separate,adc_range=0.03",
    "rows=20,adc_bits=5,slices=2,adc_range=0.04", "rows=20,slices=2,columns=separate,adc_range=0.02,dac_bits=5",
])  # fmt: skip
@pytest.mark.parametrize("kernels", ["native", "avx2"])
def test_clipped_conversions_one_by_one_equal_whole_matrices(
    text: str, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The native kernel goes through the few that clip, numpy through masks of all: gradients are the same."""
    random, analog = np.random.default_rng(9), arithmetic_of(f"analog:{text}")
    for low, (window, share, own) in itertools.product((0, -127), (
        (Window((1, 1), ((1, 1), (1, 1))), 6, 5), (Window((2, 1), ((1, 0), (0, 2)), (1, 2), 3), 2, 4),
        (Window((2, 3), ((1, 1), (1, 1)), groups=9), 1, 1),
    )):  # fmt: skip
        inputs = WholeNumbers(random.integers(low, 128, (2, window.groups * share, 7, 11)).astype(np.int16), FULL)
        weights = WholeNumbers(random.integers(-127, 128, (window.groups * own, share, 3, 2)).astype(np.int16), FULL)
        results = []
        for mode in (kernels, "portable"):
            monkeypatch.setenv("SLIPSTICK_KERNELS", mode)
            sums, clipped = analog.read_layer(inputs, weights, window)
            gradients = [np.zeros(part.elements.shape, np.float32) for part in (inputs, weights)]
            upstream = np.random.default_rng(1).normal(size=sums.shape).astype(np.float32)
            assert clipped is not None
            assert bool(clipped.words) == (mode != "portable" and shutil.which("cc") is not None)
            clipped.remove(upstream, *gradients)
            results.append((sums, *gradients))
        for fast, slow in zip(*results, strict=True):
            np.testing.assert_allclose(fast, slow, atol=2e-5)
        assert all(np.abs(gradient).max() > 0.1 for gradient in results[0][1:])


def test_one_array_with_many_bits_is_the_plain_convolution() -> None:
    random = np.random.default_rng(2)
    inputs, weights = random.integers(-127, 128, (2, 8, 9, 9)), random.integers(-127, 128, (6, 8, 3, 3))
    analog, window = Analog(rows=72, adc_bits=24), Window(padding=((1, 1), (1, 1)), stride=(2, 1))
    exact = format_of("int8").arithmetic
    operands = WholeNumbers(inputs, FULL), WholeNumbers(weights, FULL)
    plain = exact.layer_sums(*operands, window)
    assert np.abs(analog.layer_sums(*operands, window) - plain).max() <= 1e-6 * np.abs(plain).max()


def test_calibration_has_the_least_error_and_is_kept_in_the_name() -> None:
    random, window = np.random.default_rng(3), Window(padding=((1, 1), (1, 1)), groups=2)
    inputs = WholeNumbers(np.abs(random.normal(0, 30, (4, 8, 9, 9))).astype(int).clip(0, 127), FULL)
    weights = WholeNumbers(random.normal(0, 30, (16, 4, 3, 3)).astype(int).clip(-127, 127), FULL)
    exact = format_of("int8").arithmetic.layer_sums(inputs, weights, window)
    for text in ("analog", "analog:adc_bits=4,rows=9", "analog:columns=separate"):
        analog = arithmetic_of(text)
        fitted = analog.calibrated(inputs, weights, window)
        assert arithmetic_of(fitted.name) == fitted != analog
        errors = [np.square(one.layer_sums(inputs, weights, window) - exact).mean() for one in (fitted, analog)]
        assert errors[0] < errors[1] / 4
        assert fitted.calibrated(inputs, weights, window) is fitted


def test_best_range_beats_its_neighbours() -> None:
    sums = np.random.default_rng(4).normal(0, 100, 10_000)
    converter = Converter(4, True, 2000.0)
    best = best_range(converter, sums)
    errors = {share: np.square(Converter(4, True, best * share).read(sums) - sums).mean() for share in (0.7, 1, 1.4)}
    assert errors[1] < min(errors[0.7], errors[1.4])
    assert best_range(converter, np.zeros(5)) == converter.span


def test_growing_steps_are_finer_around_zero_and_monotone() -> None:
    sums = np.linspace(-1200, 1200, 2401)
    converter = Converter(5, True, 1000.0, companding=30.0)
    read = converter.read(sums)
    assert (np.diff(read) >= 0).all()
    assert read.max() == pytest.approx(1000)
    assert len(set(read[np.abs(sums) < 100].tolist())) > len(
        set(Converter(5, True, 1000.0).read(sums[np.abs(sums) < 100]).tolist())
    )


def test_noise_is_seeded_and_as_large_as_stated() -> None:
    random = np.random.default_rng(5)
    inputs, weights = (
        WholeNumbers(random.integers(0, 128, (400, 64)), FULL),
        WholeNumbers(random.integers(-127, 128, (20, 64)), FULL),
    )
    plain = Analog(adc_bits=16).sums(inputs, weights)
    noisy = Analog(adc_bits=16, read_noise=0.01)
    spread = noisy.sums(inputs, weights) - plain
    assert spread.std() == pytest.approx(0.01 * 64 * FULL * FULL, rel=0.03)
    assert abs(spread.mean()) < 4 * spread.std() / np.sqrt(spread.size)
    np.testing.assert_array_equal(noisy.sums(inputs, weights), noisy.sums(inputs, weights))
    assert (Analog(adc_bits=16, read_noise=0.01, seed=1).sums(inputs, weights) != noisy.sums(inputs, weights)).any()
    programmed = Analog(adc_bits=16, weight_noise=0.02).sums(inputs, weights) - plain
    expected = 0.02 * FULL * np.sqrt((inputs.elements.astype(float) ** 2).sum(axis=1).mean())
    assert programmed.std() == pytest.approx(expected, rel=0.2)


def test_drift_lowers_conductances_by_its_power_law() -> None:
    random = np.random.default_rng(6)
    inputs, weights = (
        WholeNumbers(random.integers(0, 128, (50, 64)), FULL),
        WholeNumbers(random.integers(-127, 128, (20, 64)), FULL),
    )
    plain, drifted = (Analog(adc_bits=20, drift=nu, age=2000).sums(inputs, weights) for nu in (0, 0.05))
    np.testing.assert_allclose(drifted, plain * 100**-0.05, atol=2 * 64 * FULL * FULL / 2**19)
    np.testing.assert_array_equal(Analog(drift=0.05, age=20).sums(inputs, weights), Analog().sums(inputs, weights))


@pytest.mark.parametrize(("text", "message"), [
    ("int8@analog:adc_bits=0", "0 bits would tell no sums apart"), ("int8@analog:adc_bits=1", "2 to 24"),
    ("int8@analog:rows=0", "1 to 1024"), ("int8@analog:columns=both", "differential"), ("int16@analog", "allowed"),
    ("int8@analog:adc_range=2", "0 to 1"),
])  # fmt: skip
def test_wrong_arrays_are_one_error_each(text: str, message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        format_of(text)


@pytest.mark.parametrize("full", [8, 128])
@pytest.mark.parametrize("operand", ["inputs", "weights"])
def test_numbers_outside_minus_one_to_one_are_refused(full: int, operand: str) -> None:
    """A fraction beyond full scale is no current or conductance: by every path, native kernel or not."""
    for wrong in (full + 1, -full - 1):
        one, other = np.full((1, 2, 1, 1), wrong), np.full((1, 2, 1, 1), 1 - full)
        x, w = (one, other) if operand == "inputs" else (other, one)
        with pytest.raises(SlipstickError, match=r"beyond full scale.*allowed: from -1 to 1"):
            Analog(rows=2).layer_sums(WholeNumbers(x, full), WholeNumbers(w, full), Window())
        with pytest.raises(SlipstickError, match="beyond full scale"):
            Analog(rows=2).sums(WholeNumbers(x[:, :, 0, 0], full), WholeNumbers(w[:, :, 0, 0], full))
    Analog(rows=2).layer_sums(WholeNumbers(-abs(one) + 1, full), WholeNumbers(other, full), Window())


@pytest.mark.parametrize(("name", "value"), [("adc_bits", 6.5), ("rows", 64.0), ("slices", "2")])
def test_whole_numbers_are_asked_for_in_python_too(name: str, value: object) -> None:
    with pytest.raises(SlipstickError, match=f"analog.{name}: no whole number"):
        Analog(**{name: value})  # type: ignore[arg-type]


def test_no_images_are_no_sums() -> None:
    empty, weights = np.zeros((0, 3, 5, 5), np.int8), np.ones((2, 3, 3, 3), np.int8)
    assert Analog().layer_sums(WholeNumbers(empty, FULL), WholeNumbers(weights, FULL), Window()).shape == (0, 2, 3, 3)
