"""Integer networks in other formats: lossless where nothing is saved, better with schedules and biases, patched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import ROOT
from slipstick.cli import run
from slipstick.compress.integer_post_training import compress, noise, shift_costs, signal
from slipstick.core.errors import SlipstickError
from slipstick.datasets import DataSet, Images, data_set
from slipstick.formats.packed_file import read_packed
from slipstick.trained.integer.layer_statistics import LayerInputs, layer_inputs
from slipstick.trained.tflite import parse_tflite, patch, read_tflite
from slipstick.verbs.adapt import adapt

pytest.importorskip("tflite", reason="tflite is not installed (extra: import)")
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
    def lost(formats: str) -> int:
        found = compress(NETWORK, formats, correct=False)
        return sum(int(((one.codes - one.layer.codes) ** 2).sum()) for one in found.layers)

    assert lost("swis:3") < lost("swis:3,consecutive=true") < lost("round:3") < lost("truncate:3")
    scheduled = noise_of("swis:3", seen, shifts=3.0)
    assert scheduled <= noise_of("swis:3", seen)
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


def test_dear_filters_get_fewer_shifts(seen: tuple[LayerInputs, ...]) -> None:
    names = [one.name for one in NETWORK.weights()]
    even = {name: np.ones(len(one.codes)) for name, one in zip(names, NETWORK.weights(), strict=True)}
    dear = even | {names[0]: 20 * even[names[0]]}
    plain, changed = (compress(NETWORK, "swis:3", inputs=seen, shifts=3.0, costs=costs) for costs in (even, dear))
    assert changed.layers[0].shifts.mean() < plain.layers[0].shifts.mean()
    assert changed.effective_shifts([dear[name] for name in names]) <= 3.0


def test_noise_is_the_variance_of_what_changed_weights_add() -> None:
    """By definition, for the dense layer: what a bias can take away is not noise."""
    layer = NETWORK.weights()[-1]
    x = np.random.default_rng(0).normal(3.0, 2.0, (200, layer.codes.shape[1]))
    seen = LayerInputs(layer.op, x.mean(axis=0), x.T @ x / len(x))
    coarse = layer.codes // 16 * 16
    scales = layer.scales.astype(float)
    added = x @ ((coarse - layer.codes).T * scales)
    np.testing.assert_allclose(noise(layer, coarse, seen), added.var(axis=0), rtol=1e-9)
    assert signal(layer, seen) == pytest.approx(float((x @ (layer.codes.T * scales)).var(axis=0).sum()))


def test_biases_are_corrected_where_weights_changed(seen: tuple[LayerInputs, ...]) -> None:
    found = compress(NETWORK, "swis:2;depthwise=int8", inputs=seen)
    assert set(found.biases) == {one.layer.bias_tensor for one in found.layers if one.layer.kind != "depthwise"}


def test_the_patched_file_is_the_network_with_its_weights_replaced(seen: tuple[LayerInputs, ...]) -> None:
    found = compress(NETWORK, "swis:2;depthwise=int8", inputs=seen, shifts=2.5)
    again = parse_tflite(patch(SMALL, found.weights, found.biases))
    np.testing.assert_array_equal(again.run(IMAGES), NETWORK.run(IMAGES, found.weights, found.biases))
    assert (again.weights()[1].codes == NETWORK.weights()[1].codes).all(), "depth-wise layers stay as they were"


def test_bytes_are_those_of_the_format() -> None:
    found = compress(NETWORK, "swis:2;depthwise=int8", correct=False)
    for one in found.layers:
        assert one.storage_bytes == one.format.encoding.storage_bytes(one.codes.shape)


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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of noise in five classes."""
    rng = np.random.default_rng(0)
    for label, n in np.ndindex(5, 10):
        (tmp_path / "noise" / f"class{label}").mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (9, 8, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "noise" / f"class{label}" / f"{n}.png")
    return tmp_path / "noise"


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "small.tflite"
    asked = ["adapt", str(SMALL), "--format", "swis:2", "--shifts", "2.5", "--data", str(folder), "--out", str(out)]
    assert run([*asked, "--packed", str(tmp_path / "packed")]) == 0
    said = capsys.readouterr().out
    assert "packed" in said
    written, replaced = read_packed(tmp_path / "packed"), read_tflite(out)
    for layer in replaced.weights():
        held = written[layer.name]
        np.testing.assert_array_equal(held.encoding.integers(held), layer.codes)
    assert len(out.read_bytes()) == len(SMALL.read_bytes())
    assert read_tflite(out).run(IMAGES).shape == (24, 5)


def test_images_of_another_shape_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["adapt", str(SMALL), "--format", "swis:2", "--data", "digits"]) == 2
    assert "another shape" in capsys.readouterr().err


def test_training_images_calibrate_and_all_test_images_are_scored(folder: Path) -> None:
    found = adapt(SMALL, "swis:2", folder, calibrate=30)
    assert len(found.before) == 10
    assert found.report.inputs["calibrated on"] == 30
    data = data_set(folder)
    alone = DataSet("tests", Images(data.test.images[:0], data.test.labels[:0]), data.test, data.classes, "tests only")
    halves = adapt(SMALL, "swis:2", alone)
    assert len(halves.before) == 5
    assert halves.report.inputs["calibrated on"] == 5
