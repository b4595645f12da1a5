"""Sensitivities: one in a network that is one layer, none where nothing can change, and schedules that heed them."""

from __future__ import annotations

import numpy as np
import pytest

from commands import ROOT

pytest.importorskip("numba")
pytest.importorskip("tflite", reason="tflite is not installed (extra: import)")

from slipstick.compress.integer_post_training import compress, noise
from slipstick.compress.integer_sensitivity import outputs, sensitivities
from slipstick.core.errors import SlipstickError
from slipstick.formats import encoding_of
from slipstick.trained.integer.layer_statistics import layer_inputs
from slipstick.trained.tflite import parse_tflite, read_tflite
from trained.tflite_writer import Writer

SMALL = read_tflite(ROOT / "examples" / "data" / "small.tflite")
IMAGES = np.random.default_rng(0).integers(-128, 128, (24, *SMALL.tensors[SMALL.input].shape[1:])).astype(np.int8)


def test_one_layer_hands_on_its_noise_as_it_is() -> None:
    rng, w = np.random.default_rng(1), Writer()
    x = w.tensor((1, 64), "int8", 0.05, 0)
    codes = w.constant(rng.integers(-127, 128, (16, 64)).astype(np.int8), 0.002, 0)
    bias = w.constant(np.zeros(16, np.int32), 0.002 * 0.05, 0)
    step = 0.2
    y = w.tensor((1, 16), "int8", step, 0)  # wide enough for sums of 64 products, so that none is held at an end
    w.operator("FULLY_CONNECTED", 3, [x, codes, bias], y, "FullyConnectedOptions")
    network = parse_tflite(w.bytes(x, y))
    images = rng.integers(-128, 128, (2000, 64)).astype(np.int8)
    assert np.abs(outputs(network, images)).max() < 127
    seen = layer_inputs(network, images, positions=None)
    [found] = sensitivities(network, "swis:3", seen, images)
    [layer] = network.weights()
    kept = encoding_of("swis:2").recode(layer.codes)
    power = noise(layer, kept, seen[0]).mean() * 0.05**2 / step**2
    rounded = 1 / 6 / power  # both outputs are rounded to whole steps: a twelfth of a squared step each
    assert found == pytest.approx(1.0 + rounded, rel=0.01)


def test_layers_without_shifts_are_not_looked_at() -> None:
    seen, told = layer_inputs(SMALL, IMAGES, positions=None), []
    found = sensitivities(
        SMALL, "swis:3;depthwise=int8", seen, IMAGES, progress=lambda done, total, text: told.append((done, total))
    )
    kinds = [one.kind for one in SMALL.weights()]
    assert [bool(value) for value in found] == [kind != "depthwise" for kind in kinds]
    assert told == [(n, len(kinds)) for n in range(len(kinds))]


def test_a_sensitive_layer_gets_more_shifts() -> None:
    seen = layer_inputs(SMALL, IMAGES, positions=None)
    even = compress(SMALL, "swis:3", inputs=seen, shifts=3.0)
    heeded = compress(SMALL, "swis:3", inputs=seen, shifts=3.0, sensitivity=[1.0, 1000.0, 1.0, 1.0])
    assert heeded.layers[1].shifts.mean() > even.layers[1].shifts.mean()
    alike = compress(SMALL, "swis:3", inputs=seen, shifts=3.0, sensitivity=[7.0] * 4)
    for one, other in zip(even.layers, alike.layers, strict=True):
        np.testing.assert_array_equal(one.shifts, other.shifts)


def test_without_images_there_is_nothing_to_look_at() -> None:
    seen = layer_inputs(SMALL, IMAGES, positions=None)
    with pytest.raises(SlipstickError, match="needs images"):
        sensitivities(SMALL, "swis:3", seen, IMAGES[:0])
