"""Optical correlation as an arithmetic: equal to detectors written out shot by shot, exact where nothing is lost."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats import arithmetic_of, format_of
from slipstick.optics.correlator_arithmetic import OpticalCorrelation
from slipstick.optics.tiled_convolution import shot_amplitudes

FULL = 128
SAME = Window(padding=((1, 1), (1, 1)))
TEXTS = (
    "adc_range=0.2",
    "depth=3,adc_bits=6,adc_range=0.3",
    "depth=1,adc_bits=5,adc_range=0.5",
    "guard=none,depth=4,adc_range=0.3",
    "waveguides=16,depth=5,adc_range=0.2",
    "taps=4,depth=6,adc_range=0.3",
    "strides=polyphase,depth=2,adc_range=0.4",
    "dac_bits=4,adc_range=0.3",
    "readout=square_sqrt,adc_range=0.3",
    "readout=square_integrate,depth=4,adc_range=0.2",
    "readout=square_integrate,guard=none,waveguides=40,adc_range=0.2",
    "inputs=shift,depth=4,adc_range=0.5",
)


def operands(
    shape: tuple[int, ...], taps: tuple[int, ...], *, signed: bool = False, seed: int = 0
) -> tuple[WholeNumbers, WholeNumbers]:
    random = np.random.default_rng(seed)
    inputs = random.integers(-127 if signed else 0, 128, shape)
    return WholeNumbers(inputs, FULL), WholeNumbers(random.integers(-128, 128, taps), FULL)


def rounded(values: Any, full: int, bits: int) -> Any:
    """Return codes of a converter of magnitudes, one by one."""
    step = max(1, full >> bits)
    return np.vectorize(lambda v: int(np.clip(round(v / step) * step, step - full, full - step)) if step > 1 else v)(
        values
    )


def written_out(own: OpticalCorrelation, inputs: WholeNumbers, weights: WholeNumbers, window: Window) -> Any:
    """Return a layer's sums, detector by detector: every shot literally, collected, converted and subtracted."""
    w, full, x = rounded(weights.elements, FULL, own.dac_bits), inputs.full, inputs.elements
    bias: Any = 0.0
    if own.inputs == "shift" and x.min() < 0:
        x, full = window.padded(x) + FULL, 2 * FULL
        window = replace(window, padding=((0, 0), (0, 0)))
        bias = FULL * w.sum((1, 2, 3))[:, None, None]
    x = rounded(x, full, own.dac_bits)
    kernel = w.shape[2:]
    lit = min(own.taps, kernel[0] * kernel[1])
    if own.waveguides < 64:  # images of 11 rows of 13 with guards: one or two rows a shot
        rows = max(1, own.waveguides // (13 if own.guard == "none" else 13 + kernel[1] - 1))
        lit = min(lit, rows * kernel[1])
    if own.strides == "polyphase" and window.stride != (1, 1):
        lit = min(lit, math.prod(-(-taps // step) for taps, step in zip(kernel, window.stride, strict=True)))
    amplitude = lit * full * FULL * own.adc_range
    top, shots = 2**own.adc_bits - 1, own.collected
    span = (amplitude if own.readout == "linear" else amplitude**2) * shots
    total: Any = 0.0
    for sign_x in (1, -1):
        for sign_w in (1, -1):
            parts = shot_amplitudes(np.maximum(sign_x * x, 0), np.maximum(sign_w * w, 0), window, own.light)
            for first in range(0, len(parts), shots):
                block = parts[first : first + shots]
                charge = block.sum(0) if own.readout == "linear" else (block**2).sum(0)
                code = np.rint(np.clip(np.float32(charge) * np.float32(top / span), 0, top))
                value = code * np.float32(span / top)
                total = total + sign_x * sign_w * (value if own.readout == "linear" else np.sqrt(value))
    return total - bias


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("signed", [False, True])
def test_sums_equal_those_written_out(text: str, signed: bool) -> None:
    own = arithmetic_of(f"correlator:{text}")
    assert isinstance(own, OpticalCorrelation)
    for window, taps in ((SAME, (4, 5, 3, 3)), (Window((2, 2), ((1, 1), (2, 0))), (3, 5, 3, 3))):
        inputs, weights = operands((2, 5, 11, 13), taps, signed=signed)
        sums, expected = own.layer_sums(inputs, weights, window), written_out(own, inputs, weights, window)
        assert sums.dtype == np.float32
        step = np.abs(expected).max() * 1e-5  # of fp32, far below a code
        wrong = np.abs(sums - expected) > step
        # squares that fall on the border of two codes, rounded in fp32, may differ by one
        assert wrong.mean() <= (0 if own.readout == "linear" else 0.002)


@pytest.mark.parametrize("text", [text for text in TEXTS if "square" not in text and "shift" not in text])
def test_native_layers_equal_unfolded_ones(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own, random = arithmetic_of(f"correlator:{text}"), np.random.default_rng(5)
    for seed in range(4):
        groups, share, many = (int(number) for number in random.integers(1, 4, 3))
        window = Window((int(random.integers(1, 3)), 1), ((1, 0), (int(random.integers(3)), 1)), (1, 1), groups)
        inputs, weights = operands((2, groups * share, 10, 12), (groups * many, share, 3, 3), signed=True, seed=seed)
        monkeypatch.setenv("SLIPSTICK_KERNELS", "native")
        fast = own.layer_sums(inputs, weights, window)
        monkeypatch.setenv("SLIPSTICK_KERNELS", "portable")
        np.testing.assert_array_equal(fast, own.layer_sums(inputs, weights, window))


def test_guards_and_fine_converters_are_the_plain_convolution() -> None:
    inputs, weights = operands((2, 20, 16, 16), (6, 20, 3, 3), signed=True)
    exact = format_of("int8").arithmetic.layer_sums(inputs, weights, SAME)
    scale = np.abs(exact).max()
    for text in ("", "guard=shared", "waveguides=20", "taps=2", "strides=polyphase", "inputs=shift", "depth=1"):
        own = arithmetic_of(f"correlator:adc_bits=24,adc_range=0.6,{text}".rstrip(","))
        assert np.abs(own.layer_sums(inputs, weights, SAME) - exact).max() <= 2e-6 * scale, text
    own = arithmetic_of("correlator:adc_bits=24,readout=square_sqrt")
    assert np.abs(own.layer_sums(inputs, weights, SAME) - exact).max() <= 1e-3 * scale
    bare = arithmetic_of("correlator:adc_bits=24,guard=none").layer_sums(inputs, weights, SAME)
    assert np.abs(bare - exact)[..., 1:-1].max() <= 2e-6 * scale
    assert np.abs(bare - exact)[..., [0, -1]].mean() > 0.01 * scale


def test_squares_that_add_up_lose_what_depth_adds() -> None:
    """Theory, section 1.1: correlation with the true sum, own run: 0.99997, 0.95966, 0.92544 at depth 1, 4, 16."""
    random = np.random.default_rng(0)
    inputs = WholeNumbers(np.clip(np.abs(random.normal(0, 40, (40, 64, 1, 40))), 0, 127).astype(np.int64), FULL)
    weights = WholeNumbers(np.clip(random.normal(0, 30, (8, 64, 1, 9)), -127, 127).astype(np.int64), FULL)
    exact = format_of("int8").arithmetic.layer_sums(inputs, weights, Window()).ravel()
    correlations = []
    for depth in (1, 4, 16):
        own = arithmetic_of(f"correlator:readout=square_integrate,adc_bits=16,adc_range=0.5,depth={depth}")
        correlations.append(np.corrcoef(own.layer_sums(inputs, weights, Window()).ravel(), exact)[0, 1])
    assert correlations[0] > 0.999
    assert correlations == sorted(correlations, reverse=True)
    assert correlations[1] == pytest.approx(0.96, abs=0.03)
    assert correlations[2] == pytest.approx(0.925, abs=0.05)


def test_a_field_of_clean_lags_gives_the_closed_form_and_a_smaller_one_does_not() -> None:
    inputs, weights = operands((1, 2, 12, 12), (2, 2, 3, 3))
    closed = arithmetic_of("correlator:adc_bits=20,adc_range=0.9,waveguides=64").layer_sums(inputs, weights, SAME)
    sampled = [
        arithmetic_of(f"correlator:adc_bits=20,adc_range=0.9,waveguides=64,field={field}").layer_sums(
            inputs, weights, SAME
        )
        for field in (256, 128)
    ]
    np.testing.assert_allclose(sampled[0], closed, rtol=0, atol=1e-5 * np.abs(closed).max())
    assert np.abs(sampled[1] - closed).max() > 0.1 * np.abs(closed).max()
    with pytest.raises(SlipstickError, match=r"correlator\.field"):
        arithmetic_of("correlator:field=30").layer_sums(inputs, weights, SAME)


def test_calibration_has_less_error_and_is_kept_in_the_name() -> None:
    random = np.random.default_rng(3)
    inputs = WholeNumbers(np.abs(random.normal(0, 30, (4, 24, 9, 9))).astype(int).clip(0, 127), FULL)
    weights = WholeNumbers(random.normal(0, 30, (16, 24, 3, 3)).astype(int).clip(-127, 127), FULL)
    exact = format_of("int8").arithmetic.layer_sums(inputs, weights, SAME)
    for text in ("correlator", "correlator:depth=4,guard=none", "correlator:readout=square_sqrt"):
        own = arithmetic_of(text)
        fitted = own.calibrated(inputs, weights, SAME)
        assert arithmetic_of(fitted.name) == fitted != own
        truth = exact if "none" not in text else arithmetic_of(f"{text},adc_bits=24").layer_sums(inputs, weights, SAME)
        errors = [np.square(one.layer_sums(inputs, weights, SAME) - truth).mean() for one in (fitted, own)]
        assert errors[0] < errors[1] / 4, text
        assert fitted.calibrated(inputs, weights, SAME) is fitted


def test_noise_is_seeded_and_as_large_as_stated() -> None:
    inputs, weights = operands((4, 32, 12, 12), (8, 32, 3, 3))
    plain = arithmetic_of("correlator:adc_bits=20,adc_range=0.9").layer_sums(inputs, weights, SAME)
    noisy = arithmetic_of("correlator:adc_bits=20,adc_range=0.9,snr=40")
    sums = noisy.layer_sums(inputs, weights, SAME)
    np.testing.assert_array_equal(sums, noisy.layer_sums(inputs, weights, SAME))
    assert (sums != replace(noisy, seed=1).layer_sums(inputs, weights, SAME)).any()
    shot = 0.9 * 9 * FULL**2 * 10 ** (-40 / 20)  # of full scale, 40 dB below
    conversions = 2 * 2  # of both signs, of 32 channels by 16
    assert (sums - plain).std() == pytest.approx(shot * math.sqrt(16 * conversions), rel=0.03)


def test_accumulation_over_shots_spares_error_of_the_converter() -> None:
    """Theory, section 3: with 8-bit converters depths of 4 and 16 are better than 1 by a decibel, and 64 is worse."""
    random = np.random.default_rng(0)
    inputs = WholeNumbers(np.clip(np.abs(random.normal(0, 32, (60, 64, 1, 48))), 0, 127).astype(np.int64), FULL)
    weights = WholeNumbers(np.clip(random.normal(0, 32, (40, 64, 1, 9)), -127, 127).astype(np.int64), FULL)
    exact = format_of("int8").arithmetic.layer_sums(inputs, weights, Window())
    ratios = {}
    for depth in (1, 4, 16, 64):
        light = OpticalCorrelation().light
        whole = shot_amplitudes(inputs.elements[:8], np.maximum(weights.elements, 0), Window(), light)
        most = whole.reshape(64 // depth, depth, *whole.shape[1:]).sum(1).max() * 1.05 / depth
        share = float(f"{most / (9 * FULL**2):.4g}")
        sums = OpticalCorrelation(depth=depth, adc_range=share).layer_sums(inputs, weights, Window())
        ratios[depth] = 10 * math.log10(np.square(exact).mean() / np.square(sums - exact).mean())
    assert ratios[1] < ratios[4]
    assert ratios[64] < ratios[16]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("correlator:guard=half", r"correlator\.guard: no such guard.*none"),
        ("correlator:adc_bits=0", r"correlator\.adc_bits: out of range.*1 to 24"),
        ("correlator:depth=0", r"correlator\.depth: out of range"),
        ("correlator:readout=square_sqrt,depth=4", "nothing is collected.*square_integrate"),
        ("correlator:readout=square_integrate,inputs=shift", r"cannot be subtracted.*branches"),
        ("correlator:readout=cubic", "no such readout.*square_sqrt"),
        ("correlator:waveguides=0", r"correlator\.waveguides: out of range"),
    ],
)
def test_impossible_correlators_are_refused(text: str, message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        arithmetic_of(text)


def test_a_conversion_costs_less_when_more_shots_share_it() -> None:
    encoding = format_of("int8").encoding
    costs = [OpticalCorrelation(depth=depth).cost(encoding).joules for depth in (1, 16)]
    assert costs[0] == pytest.approx(16 * costs[1])
    assert OpticalCorrelation(readout="square_sqrt").cost(encoding).joules == pytest.approx(costs[0])
