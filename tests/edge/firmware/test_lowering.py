"""Lowering: what becomes a kernel call, what is left to the caller, and what is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared_data import SHARED, present
from trained.tflite_writer import Writer, small

pytest.importorskip("tflite")
pytest.importorskip("numba")

from slipstick.core.errors import SlipstickError
from slipstick.edge.firmware.golden import _golden_vectors, _hashed_codes, _runner_outputs
from slipstick.edge.firmware.lowering import lower
from slipstick.trained.integer.execute import run_integers
from slipstick.trained.tflite import parse_tflite, read_tflite


def chain(*steps: tuple[str, Any, dict[str, Any]], source: str = "int8", scale: float = 0.05) -> bytes:
    """Return a file of operators one behind the other on an image of 4 x 4 x 2: (word, output's type, options)."""
    w = Writer()
    first = x = w.tensor((1, 4, 4, 2), source, () if source == "float32" else scale, () if source == "float32" else 3)
    for word, kind, options in steps:
        scales = () if kind == "float32" else options.pop("scale", scale)
        y = w.tensor((1, 4, 4, 2), kind, scales, () if kind == "float32" else options.pop("zero", 3))
        inputs = [x, *([w.constant(options.pop("slopes"))] if "slopes" in options else [])]
        w.operator(word, 1, inputs, y, options.pop("table", ""), **options)
        x = y
    return w.bytes(first, x)


SOFTMAX = ("SOFTMAX", "int8", {"table": "SoftmaxOptions", "Beta": 1.0, "scale": 1 / 256, "zero": -128})


def test_reshapes_and_equal_requantisations_are_no_calls() -> None:
    network = lower(parse_tflite(small("int8")))
    kinds = [call.layer.kind for call in network.calls]
    assert kinds == ["conv", "depthwise", "conv", "add", "pad", "average_pool", "dense", "softmax"]
    assert "reshape" in [op.kind for op in network.source.operators]
    written = {network.input}
    for call in network.calls:
        assert set(call.inputs) <= written
        written.add(call.output)
    assert network.output in written
    assert set(network.sizes) == written


def test_a_float_border_is_left_to_the_caller() -> None:
    raw = chain(("QUANTIZE", "int8", {}), SOFTMAX, ("DEQUANTIZE", "float32", {}), source="float32")
    network = lower(parse_tflite(raw))
    assert [call.layer.kind for call in network.calls] == ["softmax"]
    assert network.float_border == (True, True)
    assert (network.input_codes.scale, network.input_codes.zero_point) == (np.float32(0.05), 3)
    assert (network.output_codes.scale, network.output_codes.zero_point) == (1 / 256, -128)


def test_floating_point_between_is_refused_by_name() -> None:
    slopes = np.float32([0.1, 0.2])
    raw = chain(("DEQUANTIZE", "float32", {}), ("PRELU", "float32", {"slopes": slopes}), ("QUANTIZE", "int8", {}))
    with pytest.raises(SlipstickError, match=r"operators\.0\.dequantize: computes in floating point.*RELU"):
        lower(parse_tflite(raw))


def test_a_network_of_nothing_is_refused() -> None:
    raw = chain(("QUANTIZE", "int8", {}), ("DEQUANTIZE", "float32", {}), source="float32")
    with pytest.raises(SlipstickError, match="computes nothing"):
        lower(parse_tflite(raw))


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_outputs_of_moved_codes_are_the_files(kind: str) -> None:
    network = lower(parse_tflite(small(kind)))
    inputs = np.stack([_hashed_codes(vector, network.sizes[network.input]) for vector in range(3)])
    moved = 128 if kind == "uint8" else 0
    assert network.moved == (moved, moved)
    shape = network.source.tensors[network.input].shape
    codes = (inputs.astype(int) + moved).astype(kind).reshape(3, *shape[1:])
    expected = run_integers(network.source, codes).reshape(3, -1).astype(int) - moved
    assert (_runner_outputs(network, inputs) == expected).all()
    assert (_golden_vectors(network, 2).outputs == expected[:2]).all()


def test_golden_inputs_are_spread_over_all_codes() -> None:
    codes = _hashed_codes(0, 4096)
    counts = np.bincount(codes.astype(int) + 128, minlength=256)
    assert counts.min() > 4  # 16 each in the mean
    assert counts.max() < 40
    assert (codes != _hashed_codes(1, 4096)).mean() > 0.98


def test_mobilefacenet_is_refused_by_name() -> None:
    file = present(SHARED / "data" / "mobilefacenet" / "mobilefacenet_int8_993.tflite")
    with pytest.raises(SlipstickError, match=r"operators\.3\.dequantize: computes in floating point"):
        lower(read_tflite(file))
