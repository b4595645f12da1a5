"""Tiled convolution: guarded tiling equals the convolution bit for bit; without guards the published edge effect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats import format_of
from slipstick.optics.row_tiling import CorrelatorInput
from slipstick.optics.shot_layers import shot_layer
from slipstick.optics.tiled_convolution import shot_amplitudes, tiled_convolution

FULL = 128
SMALL = st.integers(1, 3)
PAD = st.integers(0, 3)


def exact_sums(inputs: Any, weights: Any, window: Window) -> Any:
    return format_of("int8").arithmetic.layer_sums(WholeNumbers(inputs, FULL), WholeNumbers(weights, FULL), window)


@st.composite
def layers(draw: Any) -> tuple[Any, Any, Window]:
    """Return inputs [b, c, h, w] and weights of whole numbers, and a window that fits them."""
    groups, share, own = draw(SMALL), draw(SMALL), draw(st.integers(1, 2))
    kernel = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 2), (2, 3)]))
    padding = (draw(PAD), draw(PAD)), (draw(PAD), draw(PAD))
    spans = [(taps - 1) * gap + 1 for taps, gap in zip(kernel, dilation, strict=True)]
    image = [draw(st.integers(max(1, span - sum(pad)), 13)) if span <= 13 else span
             for span, pad in zip(spans, padding, strict=True)]  # fmt: skip
    random = np.random.default_rng(draw(st.integers(0, 2**20)))
    inputs = random.integers(-127, 128, (2, groups * share, *image))
    weights = random.integers(-127, 128, (groups * own, share, *kernel))
    return inputs, weights, Window((draw(SMALL), draw(SMALL)), padding, dilation, groups)


def lights(guards: tuple[str, ...]) -> Any:
    return st.builds(
        CorrelatorInput,
        waveguides=st.sampled_from([17, 20, 26, 40, 256]),  # from the longest row of a kernel on
        taps=st.sampled_from([1, 3, 9, 25]),
        guard=st.sampled_from(guards),
        strides=st.sampled_from(["discard", "polyphase"]),
    )


RUN = settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])


@RUN
@given(layers(), lights(("full", "shared")))
def test_guarded_tiling_equals_the_convolution_bit_for_bit(layer: tuple[Any, Any, Window], light: Any) -> None:
    inputs, weights, window = layer
    sums = tiled_convolution(inputs.astype(np.float64), weights.astype(np.float64), window, light)
    np.testing.assert_array_equal(sums, exact_sums(inputs, weights, window))


@RUN
@given(layers(), lights(("full", "shared", "none")), st.booleans())
def test_layers_by_shots_equal_the_shots_carried_out(layer: tuple[Any, Any, Window], light: Any, linear: bool) -> None:
    inputs, weights, window = layer
    shots = shot_layer(inputs, weights, window, light, depth=4, linear=linear)
    sums = shots.assembled(exact_sums(shots.inputs, shots.weights, shots.window))
    np.testing.assert_array_equal(sums, tiled_convolution(inputs, weights, window, light))


@RUN
@given(layers(), lights(("full", "none")))
def test_each_shot_is_one_channel_of_its_layer(layer: tuple[Any, Any, Window], light: Any) -> None:
    inputs, weights, window = layer
    shots = shot_layer(inputs, weights, window, light, linear=False)
    amplitudes = shot_amplitudes(inputs, weights, window, light)
    share = shots.weights.shape[1]
    assert len(amplitudes) == share
    assert share == weights.shape[1] * shots.shots
    lit = np.count_nonzero(shots.weights.any(axis=(0,)), axis=(1, 2))
    assert lit.max() <= shots.taps <= light.taps
    for shot in range(share):
        alone = np.where(np.arange(share)[:, None, None] == shot, shots.weights, 0)
        sums = shots.assembled(exact_sums(shots.inputs, alone, shots.window))
        np.testing.assert_array_equal(sums, amplitudes[shot])


def test_real_numbers_agree_with_torch() -> None:
    random = np.random.default_rng(3)
    inputs, weights = random.random((2, 5, 32, 32)), random.normal(0, 1, (4, 5, 5, 5))
    for waveguides in (256, 64, 20):  # row tiling, partial, partition
        light = CorrelatorInput(waveguides)
        sums = tiled_convolution(inputs, weights, Window(padding=((2, 2), (2, 2))), light)
        expected = torch.nn.functional.conv2d(*map(torch.from_numpy, (inputs, weights)), padding=2).numpy()
        assert np.abs(sums - expected).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize(("kernel", "wrong", "error"), [(3, 0.0625, 0.1126), (5, 0.125, 0.1116)])
def test_edge_effect_of_the_theory(kernel: int, wrong: float, error: float) -> None:
    """Theory, section 2, its own run: 32x32, uniform x, normal w; the error is that of one kernel, and varies."""
    random, pad = np.random.default_rng(0), kernel // 2
    window = Window(padding=((pad, pad), (pad, pad)))
    errors = []
    for _ in range(40):
        inputs, weights = random.random((1, 1, 32, 32)), random.normal(0, 1, (1, 1, kernel, kernel))
        guarded = tiled_convolution(inputs, weights, window, CorrelatorInput())
        bare = tiled_convolution(inputs, weights, window, CorrelatorInput(guard="none"))
        different = np.abs(bare - guarded)[0, 0] > 1e-9
        assert not different[:, pad:-pad].any()
        assert different.mean() == pytest.approx(wrong, abs=0.001)  # corners of the image read zeros on either side
        errors.append(np.sqrt(np.square(bare - guarded).mean() / np.square(guarded).mean()))
    assert min(errors) < error < max(errors)


def test_a_kernel_row_longer_than_the_signal_is_refused() -> None:
    with pytest.raises(SlipstickError, match=r"longer than the correlator's signal.*more waveguides"):
        tiled_convolution(np.ones((1, 1, 9, 9)), np.ones((1, 1, 3, 9)), Window(), CorrelatorInput(waveguides=8))
