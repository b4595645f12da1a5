"""Statistics of layers' inputs agree with what the layers' sums of products do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trained.litert import noise
from trained.test_integer_network import one
from trained.tflite_writer import small

pytest.importorskip("numba")
pytest.importorskip("tflite")

from slipstick.core.errors import SlipstickError
from slipstick.trained.integer import execute
from slipstick.trained.integer.execute import run_integers
from slipstick.trained.integer.layer_statistics import _layer_inputs
from slipstick.trained.integer.layer_weights import layer_weights
from slipstick.trained.tflite import parse_tflite

DEEP = ("DEPTHWISE_CONV_2D", (7, 6, 5), (4, 3, 10), (1, 3, 3, 10), {"StrideH": 2, "StrideW": 2, "DepthMultiplier": 2})
FLAT = ("CONV_2D", (7, 6, 5), (3, 4, 8), (8, 3, 2, 5), {"Padding": 1, "DilationHFactor": 2, "DilationWFactor": 2})
DENSE = ("FULLY_CONNECTED", (30,), (9,), (9, 30), {})


def sums(network: Any, batch: Any, codes: Any) -> Any:
    """Return each filter's sums of products [positions, filters] by the definition, pixel by pixel."""
    op, held = network.operators[0], layer_weights(network)[0]
    x, options = network.tensors[op.inputs[0]], op.options
    y = network.tensors[op.output].shape
    values = batch.astype(int) - x.zero_point
    if held.kind == "dense":
        return values @ codes.T
    found = np.zeros((len(batch), *y[1:]), int)
    _, kh, kw, _ = codes.shape
    before = 1 if options.padding == "same" else 0  # an odd side at stride 2; the even one adds one behind
    for n, i, j, f, a, b in np.ndindex(*found.shape, kh, kw):
        row = i * options.stride[0] + a * options.dilation[0] - before
        column = j * options.stride[1] + b * options.dilation[1] - (0 if x.shape[2] % 2 == 0 else before)
        if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
            pixel = values[n, row, column]
            seen = pixel[f * len(pixel) // len(codes)] if held.kind == "depthwise" else pixel
            found[n, i, j, f] += (codes[f, a, b] * seen).sum()
    return found.reshape(-1, len(codes))


@pytest.mark.parametrize("form", [FLAT, DEEP, DENSE], ids=["conv", "depthwise", "dense"])
@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_statistics_say_what_the_sums_do(form: Any, kind: str) -> None:
    network = parse_tflite(one(kind, *form))
    batch, (held,) = noise(network, 6), layer_weights(network)
    (inputs,) = _layer_inputs(network, batch, positions=None)
    coarse = held.codes // 32 * 32
    change = sums(network, batch, coarse.astype(int)) - sums(network, batch, held.codes.astype(int))
    moved = coarse.astype(float) - held.codes
    assert np.allclose(inputs.mean_change(moved), change.mean(axis=0), rtol=1e-12)
    assert np.allclose(inputs.squared_change(moved), (change.astype(float) ** 2).mean(axis=0), rtol=1e-12)
    assert np.allclose(inputs.variance(moved), change.var(axis=0), rtol=1e-9, atol=1e-6)
    bias = held.bias - np.rint(inputs.mean_change(moved)).astype(int)
    after = sums(network, batch, coarse.astype(int)) + bias
    before = sums(network, batch, held.codes.astype(int)) + held.bias
    assert np.abs(after.mean(axis=0) - before.mean(axis=0)).max() <= 0.5 + 1e-9


def test_a_correction_brings_the_network_nearer() -> None:
    network = parse_tflite(small())
    images = noise(network, 60)
    reached: list[Any] = []
    held = layer_weights(network)[0]
    coarse = held.codes // 32 * 32  # always downwards: a biased change
    (inputs, *_) = _layer_inputs(network, images)
    biases = {
        held.bias_tensor: (held.bias - np.rint(inputs.mean_change(coarse - held.codes.astype(float)))).astype(np.int32)
    }
    for weights, other in (
        (None, None),
        ({held.tensor: held.stored(coarse)}, None),
        ({held.tensor: held.stored(coarse)}, biases),
    ):
        seen: dict[int, Any] = {}
        run_integers(network, images, weights, other, observe=seen.__setitem__)
        reached.append(seen[network.operators[held.op].output].astype(float))
    right, without, corrected = reached
    assert ((corrected - right) ** 2).mean() < 0.5 * ((without - right) ** 2).mean()


def test_a_sample_is_near_the_whole_and_does_not_depend_on_slabs(monkeypatch: pytest.MonkeyPatch) -> None:
    network = parse_tflite(small())
    images = noise(network, 300)
    whole, sample = (_layer_inputs(network, images, positions=count) for count in (None, 10))
    for full, some in zip(whole, sample, strict=True):
        assert (full.mean == some.mean).all()  # means take every position
        scale = np.sqrt(np.einsum("...kk->...k", full.moments).mean())
        assert np.abs(full.moments - some.moments).max() < 0.2 * scale**2
    monkeypatch.setattr(execute, "AT_ONCE", 1)
    for one_by_one, some in zip(_layer_inputs(network, images, positions=10), sample, strict=True):
        assert (one_by_one.mean == some.mean).all()
        assert (one_by_one.moments == some.moments).all()


def test_moments_are_of_some_data() -> None:
    network = parse_tflite(small("uint8"))
    for inputs, held in zip(_layer_inputs(network, noise(network, 20)), layer_weights(network), strict=True):
        assert inputs.op == held.op
        assert (inputs.moments == inputs.moments.swapaxes(-1, -2)).all()
        assert np.linalg.eigvalsh(inputs.moments).min() > -1e-6 * inputs.moments.max()
        size = held.codes[0].size
        assert inputs.moments.shape == ((len(held.codes), size, size) if held.kind == "depthwise" else (size, size))


def test_what_is_asked_wrongly_is_refused() -> None:
    network = parse_tflite(small())
    with pytest.raises(SlipstickError, match="not a number of positions"):
        _layer_inputs(network, noise(network, 1), positions=0)
    (inputs, *_), (held, *_) = _layer_inputs(network, noise(network, 1)), layer_weights(network)
    with pytest.raises(SlipstickError, match="not a change of this layer's weights"):
        inputs.squared_change(held.codes[:, 1:].astype(float))
