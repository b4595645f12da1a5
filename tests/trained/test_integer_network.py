"""An integer network computes what LiteRT's reference kernels compute, byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared_data import SHARED, present
from trained.litert import litert, noise
from trained.tflite_writer import Writer, small

pytest.importorskip("numba")
pytest.importorskip("tflite")

from slipstick.core.errors import SlipstickError
from slipstick.datasets import Images
from slipstick.trained import right_answers
from slipstick.trained.integer.execute import run_integers
from slipstick.trained.integer.fixed_point import _rescale, _steps, fixed_multipliers
from slipstick.trained.integer.layer_weights import layer_weights
from slipstick.trained.tflite import parse_tflite, patch, patched, read_tflite
from slipstick.trained.tflite.tflite_network import _tflite_network

ONE = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
TABLES = {  # of options, axis of the filters, options unless others are given
    "CONV_2D": ("Conv2DOptions", 0, ONE),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", 3, ONE | {"DepthMultiplier": 1}),
    "FULLY_CONNECTED": ("FullyConnectedOptions", 0, {}),
}
TINY = ["ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "pretrainedResnet_large_int8", "str_ww_ref_model"]
FILES = [f"mlperf_tiny_models/{name}.tflite" for name in [*TINY, "vww_96_int8"]] + [
    "mobilenet_tflite/mobilenet_v1_0.25_128_quant.tflite",
    "mobilenet_tflite/mobilenet_v2_1.0_224_quant.tflite",
    "mobilenet_tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite",
    "mobilefacenet/mobilefacenet_int8_993.tflite",
]


def one(kind: str, word: str, x_shape: Any, y_shape: Any, shape: Any, options: Any) -> bytes:
    """Return a file of one layer, its codes random."""
    rng, w, low = np.random.default_rng(3), Writer(), -128 if kind == "int8" else 0
    table, axis, usual = TABLES[word]
    x, filters = w.tensor((1, *x_shape), kind, 0.05, low + 100), shape[axis]
    scales, zeros = rng.uniform(0.001, 0.004, filters).astype(np.float32), np.zeros(filters, int)
    if kind == "uint8" or word == "FULLY_CONNECTED":
        scales, zeros = scales[:1], zeros[:1] + (121 if kind == "uint8" else 0)
    info = np.iinfo(kind)
    codes = w.constant(rng.integers(info.min + 1, info.max + 1, shape).astype(kind), scales, zeros, axis)
    bias = w.constant(rng.integers(-3000, 3000, filters).astype(np.int32), scales * np.float32(0.05), zeros * 0)
    out = w.tensor((1, *y_shape), kind, 0.11, low + 110)
    w.operator(word, 3 if kind == "int8" else 1, [x, codes, bias], out, table, **usual | options)
    return w.bytes(x, out)


TWO, WIDE = {"StrideH": 2, "StrideW": 2}, {"DilationHFactor": 2, "DilationWFactor": 2, "Padding": 1}
LAYERS = {  # operator, input, output and weights without the leading 1, options
    "conv, stride and an odd side": ("CONV_2D", (9, 8, 5), (5, 4, 24), (24, 3, 3, 5), TWO),
    "conv, valid, dilated": ("CONV_2D", (9, 8, 5), (5, 6, 24), (24, 3, 2, 5), WIDE),
    "conv of points, stride": ("CONV_2D", (9, 8, 64), (5, 4, 48), (48, 1, 1, 64), TWO),
    "conv, relu6": ("CONV_2D", (6, 6, 16), (6, 6, 32), (32, 5, 5, 16), {"FusedActivationFunction": 3}),
    "conv, sums beyond 24 bits": ("CONV_2D", (3, 3, 640), (3, 3, 40), (40, 2, 2, 640), {}),
    "depthwise": ("DEPTHWISE_CONV_2D", (9, 8, 48), (9, 8, 48), (1, 3, 3, 48), {}),
    "depthwise, two a channel": (
        "DEPTHWISE_CONV_2D",
        (9, 8, 12),
        (5, 4, 24),
        (1, 3, 5, 24),
        TWO | {"DepthMultiplier": 2},
    ),
    "depthwise, valid, dilated": ("DEPTHWISE_CONV_2D", (9, 8, 12), (5, 4, 12), (1, 3, 3, 12), WIDE),
    "dense": ("FULLY_CONNECTED", (300,), (900,), (900, 300), {}),
}


@pytest.mark.parametrize("kind", ["int8", "uint8"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_equals_litert(name: str, kind: str) -> None:
    raw = one(kind, *LAYERS[name])
    network = parse_tflite(raw)
    batch = noise(network, 10)
    assert (run_integers(network, batch) == litert(raw, batch)).all()


def _flow(
    word: str, version: int, y: Any, table: str = "", *, out: Any = None, kinds: Any = ("int8", "int8"), **options: Any
) -> bytes:
    """Return a file of one operator without weights on an image of 9 x 8 x 6."""
    w = Writer()
    constant = options.pop("constant", None)
    lows = [-128 if kind == "int8" else 0 for kind in kinds]
    x = w.tensor((1, 9, 8, 6), kinds[0], 0.05, lows[0] + 100)
    scale, zero = out or (0.05, 100)
    inputs = [x] if constant is None else [x, w.constant(np.int32(constant))]
    sink = w.tensor(y, kinds[1], scale, lows[1] + zero)
    w.operator(word, version, inputs, sink, table, **options)
    return w.bytes(x, sink)


POOL = {"StrideH": 2, "StrideW": 1, "FilterHeight": 3, "FilterWidth": 4}
OPERATORS = {
    "average": _flow("AVERAGE_POOL_2D", 2, (1, 5, 8, 6), "Pool2DOptions", **POOL),
    "average, uint8": _flow("AVERAGE_POOL_2D", 1, (1, 5, 8, 6), "Pool2DOptions", kinds=("uint8", "uint8"), **POOL),
    "max": _flow("MAX_POOL_2D", 2, (1, 4, 5, 6), "Pool2DOptions", Padding=1, FusedActivationFunction=1, **POOL),
    "mean": _flow("MEAN", 2, (1, 6), "ReducerOptions", constant=[1, 2], out=(0.02, 90)),
    "mean, kept": _flow("MEAN", 2, (1, 1, 1, 6), "ReducerOptions", constant=[2, 1], KeepDims=True, out=(0.013, 120)),
    "pad": _flow("PAD", 2, (1, 12, 9, 6), constant=[[0, 0], [1, 2], [0, 1], [0, 0]]),
    "to int8": _flow("QUANTIZE", 2, (1, 9, 8, 6), kinds=("uint8", "int8"), out=(0.05, 100)),
    "to coarser codes": _flow("QUANTIZE", 2, (1, 9, 8, 6), out=(0.083, 60)),
    "to finer codes": _flow("QUANTIZE", 2, (1, 9, 8, 6), out=(0.0183, 60)),
    "softmax": _flow("SOFTMAX", 2, (1, 9, 8, 6), "SoftmaxOptions", Beta=0.7, out=(1 / 256, 0)),
    "softmax, uint8": _flow(
        "SOFTMAX", 1, (1, 9, 8, 6), "SoftmaxOptions", Beta=1.0, kinds=("uint8", "uint8"), out=(1 / 256, 0)
    ),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_equals_litert(name: str) -> None:
    network = parse_tflite(OPERATORS[name])
    batch = noise(network, 30)
    assert (run_integers(network, batch) == litert(OPERATORS[name], batch)).all()


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_a_network_equals_litert_alone_and_in_a_batch(kind: str) -> None:
    raw = small(kind)
    network = parse_tflite(raw)
    batch = noise(network, 200)
    found = run_integers(network, batch)
    assert (found == litert(raw, batch)).all()
    assert (found[7:8] == run_integers(network, batch[7:8])).all()
    assert len(np.unique(found)) > 20  # not all the same


@pytest.mark.parametrize("file", FILES)
def test_a_trained_network_equals_litert(file: str) -> None:
    path = present(SHARED / "data" / file)
    network = read_tflite(path)
    batch = noise(network, 2 if "v2" in file or "face" in file else 5)
    assert (run_integers(network, batch) == litert(path.read_bytes(), batch)).all()


def test_the_definition_of_a_convolution() -> None:
    raw = one("int8", "CONV_2D", (4, 5, 3), (4, 5, 2), (2, 3, 3, 3), {})
    network = parse_tflite(raw)
    (batch,), op = noise(network, 1), network.operators[0]
    x, w, bias = (network.tensors[index] for index in op.inputs)
    y = network.tensors[op.output]
    found = run_integers(network, batch[None])[0]
    for i, j, f in np.ndindex(found.shape):
        total = int(bias.values[f])
        for a, b, c in np.ndindex(3, 3, 3):
            row, column = i + a - 1, j + b - 1
            if 0 <= row < 4 and 0 <= column < 5:
                total += (int(batch[row, column, c]) - x.zero_point) * int(w.values[f, a, b, c])
        real = total * x.scale * float(w.scales[f]) / y.scale
        assert abs(int(found[i, j, f]) - np.clip(real + y.zero_point, -128, 127)) <= 0.5 + 1e-6


def test_scaling_is_near_the_real_product() -> None:
    rng = np.random.default_rng(4)
    values, scales = rng.integers(-(2**24), 2**24, 10_000), rng.uniform(1e-7, 1.9, 10_000)
    for rounding in ("double", "single"):
        found = _rescale(values, _steps(*fixed_multipliers(scales), rounding))  # type: ignore[arg-type]
        assert np.abs(found - values * scales).max() <= (1.01 if rounding == "double" else 0.51)


def test_replaced_weights_are_those_that_litert_runs(tmp_path: Path) -> None:
    for kind in ("int8", "uint8"):
        raw, rng = small(kind), np.random.default_rng(6)
        path = tmp_path / f"{kind}.tflite"
        path.write_bytes(raw)
        network = read_tflite(path)
        weights, biases = {}, {}
        for held in layer_weights(network):
            coarse = np.clip(held.codes // 16 * 16, held.least, held.most)
            weights[held.tensor] = held.stored(coarse)
            biases[held.bias_tensor] = held.bias + rng.integers(-100, 100, held.bias.shape).astype(np.int32)
        new, batch = patch(path, weights, biases), noise(network, 50)
        assert len(new) == len(raw)
        expected = litert(new, batch)
        assert (run_integers(network, batch, weights, biases) == expected).all()
        assert (run_integers(parse_tflite(new), batch) == expected).all()
        assert (run_integers(network, batch) != expected).any()
        assert patch(path) == raw


@pytest.mark.parametrize("name", ["tf2_mobilenet_v2_1.0_224_ptq", "mobilenet_v2_1.0_224_quant"])
def test_a_compressed_mobilenet_is_the_one_that_litert_runs(name: str) -> None:
    path = present(SHARED / "data" / "mobilenet_tflite" / f"{name}.tflite")
    network = read_tflite(path)
    weights, biases = {}, {}
    for held in layer_weights(network):
        weights[held.tensor] = held.stored(np.clip((held.codes + 4) // 8 * 8, held.least, held.most))
        biases[held.bias_tensor] = held.bias + np.int32(50)
    batch = noise(network, 2)
    assert (run_integers(network, batch, weights, biases) == litert(patch(path, weights, biases), batch)).all()


def test_codes_are_filters_first_and_go_back() -> None:
    network = parse_tflite(small("uint8"))
    shapes = [held.codes.shape for held in layer_weights(network)]
    assert shapes == [(8, 3, 3, 3), (8, 3, 3, 1), (8, 1, 1, 8), (5, 48)]
    for held in layer_weights(network):
        stored = network.tensors[held.tensor].values
        assert (held.stored(held.codes) == stored).all()
        real = stored.astype(float) - 121  # the zero point that was written
        first = real[..., 0] if held.kind == "depthwise" else real[0]
        assert (held.codes[0].ravel() == first.ravel()).all()
        with pytest.raises(SlipstickError, match="codes beyond the file's type"):
            held.stored(held.codes + held.most)
        with pytest.raises(SlipstickError, match="not this layer's codes"):
            held.stored(held.codes[1:])


def test_what_is_no_replacement_is_refused() -> None:
    raw = small()
    network = parse_tflite(raw)
    batch, first = noise(network, 1), layer_weights(network)[0]
    codes = first.stored(first.codes)
    for weights, biases in (
        ({0: codes}, None),
        ({first.tensor: codes[1:]}, None),
        ({first.tensor: codes.astype(np.int32)}, None),
        (None, {first.bias_tensor: first.bias.astype(np.int64)}),
    ):
        with pytest.raises(SlipstickError, match=r"^(weights|biases)"):
            run_integers(network, batch, weights, biases)
        with pytest.raises(SlipstickError, match=r"^(weights|biases)"):
            patched(raw, network, weights or {}, biases or {})
    with pytest.raises(SlipstickError, match="sums of products may leave 32 bits"):
        run_integers(network, batch, None, {first.bias_tensor: np.full(8, 2**31 - 1, np.int32)})
    with pytest.raises(SlipstickError, match="not an input"):
        run_integers(network, batch[:, 1:])


def test_the_background_is_not_a_class() -> None:
    network = _tflite_network(small(), "small", name="small")
    pictures = np.random.default_rng(3).integers(0, 256, (40, 9, 8, 3)).astype(np.uint8)
    best = network.predict(Images(pictures, np.zeros(40, np.int64))).argmax(axis=1)
    named = best > 0
    labels = Images(pictures, np.where(named, best - 1, 0))
    with_background = _tflite_network(small(), "small", name="small", background=1)
    assert (right_answers(with_background, labels) == named).all()
    assert right_answers(network, Images(pictures, best)).all()
    with pytest.raises(SlipstickError, match="no such class"):
        right_answers(with_background, Images(pictures, labels.labels + 4))


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_a_damaged_network_that_is_read_runs_or_gives_one_error(kind: str) -> None:
    raw, rng, refused, ran = small(kind), np.random.default_rng(8), 0, 0
    batch = noise(parse_tflite(raw), 2)
    network = parse_tflite(raw)
    kept = np.ones(len(raw), bool)
    for tensor in network.tensors:
        kept[tensor.offset : tensor.offset + tensor.length] = False  # another weight is just another network
    places = np.flatnonzero(kept)
    for _ in range(500):
        damaged = bytearray(raw)
        for place in rng.choice(places, rng.integers(1, 3)):
            damaged[place] = rng.integers(0, 256)
        try:
            broken = parse_tflite(bytes(damaged))
            source = broken.tensors[broken.input]
            images = batch if source.shape[1:] == batch.shape[1:] else np.zeros((1, *source.shape[1:]))
            found = run_integers(broken, images.astype(source.dtype))
            assert found.shape[1:] == broken.tensors[broken.output].shape[1:]
            ran += 1
        except SlipstickError:
            refused += 1
    assert ran > 50
    assert refused > 100


def test_scales_beyond_the_arithmetic_are_refused() -> None:
    for out in (1e-9, 1e-38):
        for word, version, table in (("QUANTIZE", 2, ""), ("MEAN", 2, "ReducerOptions")):
            options = {"constant": [1, 2]} if table else {}
            raw = _flow(word, version, (1, 6) if table else (1, 9, 8, 6), table, out=(out, 0), **options)
            network = parse_tflite(raw)
            with pytest.raises(SlipstickError, match="an output scale too small"):
                run_integers(network, noise(network, 1))
