"""Integer networks in other formats: lossless where nothing is saved, better with schedules and biases, patched files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from commands import ROOT
from slipstick.adapt.post_training import compress, noise, shift_costs, signal
from slipstick.cli import run
from slipstick.core.errors import SlipstickError
from slipstick.models.integer.statistics import LayerInputs, layer_inputs
from slipstick.models.tflite import parse_tflite, patch, read_tflite

pytest.importorskip("tflite")
SMALL = ROOT / "examples" / "data" / "small.tflite"
NETWORK = read_tflite(SMALL)
IMAGES = np.random.default_rng(0).integers(-128, 128, (24, *NETWORK.tensors[NETWORK.input].shape[1:])).astype(np.int8)


@pytest.fixture(scope="module")
def seen() -> tuple[LayerInputs, ...]:
    return layer_inputs(NETWORK, IMAGES, positions=None)


def noise_of(formats: str, seen: tuple[LayerInputs, ...], **more: object) -> float:
    found = compress(NETWORK, formats, inputs=seen, **more)  # type: ignore[arg-type]
    return sum(
        float(noise(one.layer, one.codes, inputs).sum()) / signal(one.layer, inputs)
        for one, inputs in zip(found.layers, seen, strict=True)
    )


def test_all_shifts_change_nothing() -> None:
    found = compress(NETWORK, "swis:7", correct=False)
    assert not found.weights
    assert not found.biases
    assert patch(SMALL, found.weights, found.biases) == SMALL.read_bytes()


def test_shared_positions_lose_less_than_fixed_windows_and_schedules_least(seen: tuple[LayerInputs, ...]) -> None:
    rounded, consecutive, shared = (noise_of(f, seen) for f in ("round:3", "swis:3,consecutive=true", "swis:3"))
    assert shared < consecutive < rounded < noise_of("truncate:3", seen)
    scheduled = noise_of("swis:3", seen, shifts=3.0)
    assert scheduled <= shared
    assert noise_of("swis:3", seen, shifts=4.0) <= scheduled <= noise_of("swis:3", seen, shifts=2.0)


def test_a_schedule_keeps_its_average(seen: tuple[LayerInputs, ...]) -> None:
    for weighed in ("bytes", "cycles"):
        found = compress(NETWORK, "swis:3", inputs=seen, shifts=2.6, weighed=weighed)  # type: ignore[arg-type]
        average = found.effective_shifts(shift_costs(NETWORK, 4, weighed))  # type: ignore[arg-type]
        assert average is not None
        assert 2.2 < average <= 2.6
    lockstep = compress(NETWORK, "swis:3", inputs=seen, shifts=2.6, columns=4)
    for one in lockstep.layers:
        assert one.shifts is not None
        counts = np.bincount(one.shifts)
        assert (counts[counts > 0] % 4).sum() <= len(one.shifts) % 4 or len(one.shifts) < 8


def test_a_corrected_bias_takes_the_mean_of_the_change_away(seen: tuple[LayerInputs, ...]) -> None:
    """The first layer's sums, by running the network: its mean stays where it was within a rounding."""
    found = compress(NETWORK, "swis:1", inputs=seen)
    first = found.layers[0].layer
    kept = {first.tensor: found.weights[first.tensor]}
    output = NETWORK.operators[first.op].output

    def mean(biases: dict[int, np.ndarray]) -> np.ndarray:
        seen_codes: list[np.ndarray] = []
        NETWORK.run(IMAGES, kept, biases, observe=lambda at, codes: seen_codes.append(codes) if at == output else None)
        return np.concatenate(seen_codes).reshape(-1, len(first.codes)).mean(axis=0)

    plain: list[np.ndarray] = []
    NETWORK.run(IMAGES, observe=lambda at, codes: plain.append(codes) if at == output else None)
    before = np.concatenate(plain).reshape(-1, len(first.codes)).mean(axis=0)
    corrected, not_corrected = mean({first.bias_tensor: found.biases[first.bias_tensor]}), mean({})
    assert np.abs(corrected - before).mean() < 0.5 * np.abs(not_corrected - before).mean()


def test_the_patched_file_is_the_network_with_its_weights_replaced(seen: tuple[LayerInputs, ...]) -> None:
    found = compress(NETWORK, "swis:2;depthwise=int8", inputs=seen, shifts=2.5)
    again = parse_tflite(patch(SMALL, found.weights, found.biases))
    np.testing.assert_array_equal(again.run(IMAGES), NETWORK.run(IMAGES, found.weights, found.biases))
    assert (again.weights()[1].codes == NETWORK.weights()[1].codes).all(), "depth-wise layers stay as they were"


def test_bytes_are_those_of_the_format() -> None:
    found = compress(NETWORK, "swis:2", correct=False)
    for one in found.layers:
        assert one.storage_bytes == one.format.storage_bytes(one.codes.shape)


@pytest.mark.parametrize(
    ("formats", "more", "message"),
    [
        ("swis:3;dephtwise=int8", {"correct": False}, "depthwise"), ("swis:9", {"correct": False}, "1 to 7"),
        ("swis:3", {}, "needs images"), ("nothing:3", {"correct": False}, "no such number format"),
        ("fp8", {"correct": False}, "keeps no whole numbers"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(formats: str, more: dict[str, object], message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        compress(NETWORK, formats, **more)  # type: ignore[arg-type]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "images.npz"
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 9, 8, 3)).astype(np.uint8), np.arange(40) % 5
    np.savez(data, x_train=images, y_train=labels, x_test=images, y_test=labels)
    out = tmp_path / "small.tflite"
    asked = ["adapt", str(SMALL), "--format", "swis:2", "--shifts", "2.5", "--data", str(data), "--out", str(out)]
    assert run(asked) == 0
    said = capsys.readouterr().out
    assert "packed" in said
    assert len(out.read_bytes()) == len(SMALL.read_bytes())
    assert read_tflite(out).run(IMAGES).shape == (24, 5)
    assert run(["adapt", str(SMALL), "--format", "swis:2", "--data", "digits"]) == 2
    assert "another shape" in capsys.readouterr().err
