"""Sensitivities: one in a network that is one layer, none where nothing can change, and schedules that heed them."""

from __future__ import annotations

import numpy as np
import pytest

from commands import ROOT

pytest.importorskip("numba")
pytest.importorskip("tflite", reason="tflite is not installed (extra: import)")

from slipstick.compress.encoded_layers import _noise
from slipstick.compress.layer_formats import layer_formats
from slipstick.compress.sensitivity import _sensitivities
from slipstick.compress.shift_budget import _schedule_shifts
from slipstick.core.errors import SlipstickError
from slipstick.datasets import Images
from slipstick.formats import encoding_of
from slipstick.trained import open_network
from slipstick.trained.tflite.tflite_network import _tflite_network
from trained.tflite_writer import Writer

SMALL = open_network(ROOT / "examples" / "data" / "small.tflite")
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 9, 8, 3)).astype(np.uint8)
IMAGES = Images(PIXELS, np.zeros(24, np.int64))
SHIFTS = layer_formats(SMALL, "swis:3")


def test_one_layer_hands_on_its_noise_as_it_is() -> None:
    rng, w = np.random.default_rng(1), Writer()
    x = w.tensor((1, 64), "int8", 0.05, 0)
    codes = w.constant(rng.integers(-127, 128, (16, 64)).astype(np.int8), 0.002, 0)
    bias = w.constant(np.zeros(16, np.int32), 0.002 * 0.05, 0)
    step = 0.2
    y = w.tensor((1, 16), "int8", step, 0)  # wide enough for sums of 64 products, so that none is held at an end
    w.operator("FULLY_CONNECTED", 3, [x, codes, bias], y, "FullyConnectedOptions")
    network = _tflite_network(w.bytes(x, y), "one", name="one")
    images = Images(rng.integers(0, 256, (2000, 64)).astype(np.uint8), np.zeros(2000, np.int64))
    assert np.abs(network.logits(images)).max() < 127
    forms, seen = layer_formats(network, "swis:3"), network.observe(images)
    [found] = _sensitivities(network, forms, seen, images).values()
    [layer] = network.layers()
    change = encoding_of("swis:2").recode(layer.weights) - layer.weights
    power = _noise(layer, change, seen[layer.name]).mean() * 0.05**2 / step**2
    rounded = 1 / 6 / power  # both outputs are rounded to whole steps: a twelfth of a squared step each
    assert found == pytest.approx(1.0 + rounded, rel=0.01)


def test_layers_without_shifts_are_not_probed() -> None:
    seen, told = SMALL.observe(IMAGES), []
    forms = layer_formats(SMALL, "swis:3;depthwise=int8")
    found = _sensitivities(SMALL, forms, seen, IMAGES, progress=lambda done, total, text: told.append((done, total)))
    kinds = [layer.kind for layer in SMALL.layers()]
    assert [bool(value) for value in found.values()] == [kind != "depthwise" for kind in kinds]
    assert told == [(n, len(kinds)) for n in range(len(kinds))]


def test_a_sensitive_layer_gets_more_shifts() -> None:
    seen, names = SMALL.observe(IMAGES), [layer.name for layer in SMALL.layers()]
    even = _schedule_shifts(SMALL, SHIFTS, seen, 3.0)
    heeded = _schedule_shifts(SMALL, SHIFTS, seen, 3.0, sensitivity={names[1]: 1000.0})
    assert heeded[names[1]].mean() > even[names[1]].mean()
    alike = _schedule_shifts(SMALL, SHIFTS, seen, 3.0, sensitivity=dict.fromkeys(names, 7.0))
    for name in names:
        np.testing.assert_array_equal(even[name], alike[name])


def test_without_images_there_is_nothing_to_measure_on() -> None:
    seen = SMALL.observe(IMAGES)
    with pytest.raises(SlipstickError, match="needs images"):
        _sensitivities(SMALL, SHIFTS, seen, IMAGES.take(slice(0, 0)))
