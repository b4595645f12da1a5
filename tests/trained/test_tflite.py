"""A .tflite file is read as it was written; a hostile one gives one clear error."""

from __future__ import annotations

import resource
import time

import numpy as np
import pytest

pytest.importorskip("tflite")
from commands import ROOT
from shared_data import SHARED, present
from slipstick.core.errors import SlipstickError
from slipstick.trained.tflite import parse_tflite, read_tflite
from trained.tflite_writer import Writer, small


def test_what_was_written_is_read() -> None:
    raw = small()
    network = parse_tflite(raw)
    kinds = ["conv", "depthwise", "conv", "add", "pad", "average_pool", "reshape", "dense", "softmax"]
    assert [op.kind for op in network.operators] == kinds
    first = network.operators[0]
    assert (first.options.stride, first.options.padding, first.options.activation) == ((2, 2), "same", "relu6")
    weights = network.tensors[first.inputs[1]]
    assert weights.shape == (8, 3, 3, 3)
    assert weights.scales.size == 8
    expected = np.random.default_rng(0).integers(-127, 128, (8, 3, 3, 3))
    assert (weights.values == expected).all()
    held = np.frombuffer(raw[weights.offset : weights.offset + weights.length], np.int8)
    assert (held == expected.ravel()).all()
    assert not weights.values.flags.writeable


def test_every_truncation_is_one_error() -> None:
    raw = small()
    for length in range(0, len(raw), 7):
        with pytest.raises(SlipstickError):
            parse_tflite(raw[:length])


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_flipped_bytes_give_a_network_or_one_error(kind: str) -> None:
    raw, rng = small(kind), np.random.default_rng(1)
    before, refused = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    for _ in range(1000):
        damaged = bytearray(raw)
        for place in rng.integers(0, len(raw), rng.integers(1, 9)):
            damaged[place] = rng.integers(0, 256)
        for place in rng.integers(0, len(raw) // 4, rng.integers(0, 3)):  # a whole offset or length
            damaged[4 * place : 4 * place + 4] = int(rng.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1])).to_bytes(
                4, "little"
            )
        try:
            parse_tflite(bytes(damaged))
        except SlipstickError:
            refused += 1
    assert refused > 200  # most bytes are weights and scales, in which every value is a network
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB


def test_noise_behind_the_identifier_is_one_error() -> None:
    rng = np.random.default_rng(2)
    for _ in range(500):
        noise = rng.integers(0, 256, rng.integers(8, 400)).astype(np.uint8).tobytes()
        with pytest.raises(SlipstickError):
            parse_tflite(noise[:4] + b"TFL3" + noise[8:])


def _one(word: str, version: int, **changes: object) -> bytes:
    w = Writer()
    x = w.tensor((1, 4), "int8", 0.1, 0)
    w.operator(word, version, [x], 1)
    y = w.tensor((1, 4), "int8", **({"scale": 0.1, "zero": 0} | changes))  # type: ignore[arg-type]
    return w.bytes(x, y, schema=3)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "bytes 4 to 8 are not TFL3"),
        (_one("LSTM", 1), "an operator that is not read; got 'LSTM'"),
        (_one("RESHAPE", 9), "a version of RESHAPE that is not read; got 9; allowed: 1 to 1"),
        (_one("RESHAPE", 1, scale=-0.1), "a scale that is not a positive number"),
        (_one("RESHAPE", 1, zero=300), "a zero point outside its type"),
        (_one("RESHAPE", 1, scale=[0.1, 0.2]), "2 scales, 1 zero points"),
        (_one("SOFTMAX", 1), "SOFTMAX without its options"),
    ],
)
def test_the_error_names_what_is_wrong(raw: bytes, says: str) -> None:
    with pytest.raises(SlipstickError) as caught:
        parse_tflite(raw, where="net.tflite")
    assert str(caught.value).startswith("net.tflite: ")
    assert says in str(caught.value)


def test_a_shape_that_is_computed_is_refused() -> None:
    w = Writer()
    x, shape, y = w.tensor((1, 4), "int8", 0.1, 0), w.tensor((1, 4), "int8", 0.1, 0), w.tensor((1, 4), "int8", 0.1, 0)
    w.operator("RESHAPE", 1, [x, w.constant(np.int32([1, 4]))], shape)
    w.operator("RESHAPE", 1, [shape, x], y)
    with pytest.raises(
        SlipstickError, match=r"operators\.1\.reshape: does not read 1 computed tensors, in front; got 2"
    ):
        parse_tflite(w.bytes(x, y))


def test_the_file_of_the_examples_is_what_the_writer_writes() -> None:
    assert (ROOT / "examples" / "data" / "small.tflite").read_bytes() == small()


def test_a_missing_file_and_a_folder(tmp_path: object) -> None:
    for path in ("/nothing/net.tflite", str(tmp_path)):
        with pytest.raises(SlipstickError, match=r"no such file|a folder"):
            read_tflite(path)


def test_the_mobilenets_are_read_in_no_time() -> None:
    folder = present(SHARED / "data" / "mobilenet_tflite")
    start = time.perf_counter()
    network = read_tflite(folder / "tf2_mobilenet_v2_1.0_224_ptq.tflite")
    assert time.perf_counter() - start < 2
    parameters = sum(t.size for t in network.tensors if t.data is not None and t.dtype == np.int8)
    # Keras counts 2,257,984 without the classifier, of which four a channel are batch norms, folded here
    assert parameters == 2_257_984 - 4 * 17_056 + 1280 * 1001


def test_a_floating_point_network_is_refused() -> None:
    folder = present(SHARED / "data" / "mlperf_tiny_models")
    with pytest.raises(SlipstickError, match=r"operators\.0\.dense: not in 8 bits of one type; got 'float32'"):
        read_tflite(folder / "ad01_fp32.tflite")
