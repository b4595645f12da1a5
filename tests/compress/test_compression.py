"""Integer networks in other formats: lossless where nothing is saved, better with schedules and biases, patched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adapt_calls import adapt
from commands import ROOT
from slipstick import measure
from slipstick.cli import run
from slipstick.compress.bias_correction import corrected_bias
from slipstick.compress.compression import Compression, LayerStudy, compress
from slipstick.compress.encoded_layers import _noise, _signal
from slipstick.compress.layer_formats import layer_formats
from slipstick.compress.shift_budget import _schedule_shifts, average_shifts, shift_costs
from slipstick.core.errors import SlipstickError
from slipstick.datasets import DataSet, Images, data_set
from slipstick.formats.packed_file import read_packed
from slipstick.trained import open_network
from slipstick.trained.integer.execute import run_integers
from slipstick.trained.integer.layer_statistics import _layer_inputs, _LayerInputs
from slipstick.trained.integer.layer_weights import layer_weights
from slipstick.trained.tflite import parse_tflite, read_tflite

pytest.importorskip("tflite", reason="tflite is not installed (extra: import)")
SMALL = ROOT / "examples" / "data" / "small.tflite"
FILE = read_tflite(SMALL)
NETWORK = open_network(SMALL)
IMAGES = np.random.default_rng(0).integers(-128, 128, (24, *FILE.tensors[FILE.input].shape[1:])).astype(np.int8)
Seen = dict[str, _LayerInputs]


@pytest.fixture(scope="module")
def seen() -> Seen:
    inputs = _layer_inputs(FILE, IMAGES, positions=None)
    return {layer.name: one for layer, one in zip(NETWORK.layers(), inputs, strict=True)}


def compressed(
    formats: str, seen: Seen | None = None, shifts: float | None = None, *, correct: bool = True, **more: object
) -> Compression:
    """Compress the network; `more` goes to its schedule."""
    forms = layer_formats(NETWORK, formats)
    chosen = {} if shifts is None or seen is None else _schedule_shifts(NETWORK, forms, seen, shifts, **more)  # type: ignore[arg-type]
    return compress(NETWORK, forms, LayerStudy(seen or {}, {}, chosen), correct=correct)


def lost(found: Compression) -> int:
    pairs = zip(found.network.layers(), NETWORK.layers(), strict=True)
    return sum(int(((one.weights.astype(int) - other.weights) ** 2).sum()) for one, other in pairs)


def test_all_shifts_change_nothing() -> None:
    found = compressed("swis:7", correct=False)
    assert not lost(found)
    assert found.network.to_bytes() == SMALL.read_bytes()


def test_shared_positions_lose_less_than_fixed_windows_and_schedules_least(seen: Seen) -> None:
    texts = ("swis:3", "swis:3,consecutive=true", "round:3", "truncate:3")
    losses = [lost(compressed(text, correct=False)) for text in texts]
    assert losses == sorted(set(losses))

    def noise_of(shifts: float | None) -> float:
        return sum(compressed("swis:3", seen, shifts).noise.values())

    assert noise_of(4.0) <= noise_of(3.0) <= min(noise_of(None), noise_of(2.0))


def test_a_schedule_keeps_its_average(seen: Seen) -> None:
    forms = layer_formats(NETWORK, "swis:3")
    for weighed in ("bytes", "cycles"):
        costs = shift_costs(NETWORK, forms, weighed)  # type: ignore[arg-type]
        found = compressed("swis:3", seen, 2.6, costs=costs)
        shifts = {name: side["shifts"] for name, side in found.sides.items()}
        average = average_shifts(NETWORK.layers(), forms, shifts, costs)
        assert average is not None
        assert 2.2 < average <= 2.6
    for side in compressed("swis:3", seen, 2.6, columns=4).sides.values():
        counts = np.bincount(side["shifts"])
        assert (counts[counts > 0] % 4).sum() <= len(side["shifts"]) % 4 or len(side["shifts"]) < 8


def test_dear_filters_get_fewer_shifts(seen: Seen) -> None:
    forms = layer_formats(NETWORK, "swis:3")
    even = {layer.name: np.ones(layer.filters) for layer in NETWORK.layers()}
    first = next(iter(even))
    dear = even | {first: 20 * even[first]}
    plain, changed = (_schedule_shifts(NETWORK, forms, seen, 3.0, costs=costs) for costs in (even, dear))
    assert changed[first].mean() < plain[first].mean()
    assert average_shifts(NETWORK.layers(), forms, changed, dear) <= 3.0


def test_noise_is_the_variance_of_what_changed_weights_add() -> None:
    """By definition, for the dense layer: what a bias can take away is not noise."""
    layer = NETWORK.layers()[-1]
    x = np.random.default_rng(0).normal(3.0, 2.0, (200, layer.weights.shape[1]))
    seen = _LayerInputs(0, x.mean(axis=0), x.T @ x / len(x))
    change = layer.weights // 16 * 16 - layer.weights
    scales = layer.scales.astype(float)
    added = x @ (change.T * scales)
    np.testing.assert_allclose(_noise(layer, change, seen), added.var(axis=0), rtol=1e-9)
    assert _signal(layer, seen) == pytest.approx(float((x @ (layer.weights.T * scales)).var(axis=0).sum()))


def test_biases_are_corrected_where_weights_changed(seen: Seen) -> None:
    found = compressed("swis:2;depthwise=int8", seen)
    assert set(found.biases) == {layer.name for layer in NETWORK.layers() if layer.kind != "depthwise"}
    for layer, changed in zip(NETWORK.layers(), found.network.layers(), strict=True):
        if layer.name in found.biases:
            np.testing.assert_array_equal(changed.bias, corrected_bias(layer, changed.weights, seen[layer.name]))
            moved = seen[layer.name].mean_change(changed.weights.astype(float) - layer.weights)
            assert np.abs(changed.bias + moved - layer.bias).max() <= 0.5 + 1e-9


def test_the_written_file_is_the_network_with_its_weights_replaced(seen: Seen, tmp_path: Path) -> None:
    found = compressed("swis:2;depthwise=int8", seen, 2.5)
    found.network.write(tmp_path / "x.tflite")
    again, images = parse_tflite((tmp_path / "x.tflite").read_bytes()), Images(
        (IMAGES.astype(int) + 128).astype(np.uint8), np.zeros(24, np.int64)
    )  # fmt: skip
    np.testing.assert_array_equal(run_integers(again, IMAGES).reshape(24, -1), found.network.predict(images))
    assert (layer_weights(again)[1].codes == NETWORK.layers()[1].weights).all(), "depth-wise layers stay as they were"


def test_bytes_are_those_of_the_format() -> None:
    found = compressed("swis:2;depthwise=int8", correct=False)
    for layer in NETWORK.layers():
        assert found.encoded[layer.name].nbytes == found.formats[layer.name].encoding.storage_bytes(layer.weights.shape)


@pytest.mark.parametrize("formats", ["int4", "int6;last=int3", "swis:2", "round:3", "int8"])
def test_a_packed_file_is_the_network_again(formats: str, folder: Path, tmp_path: Path) -> None:
    report = adapt(SMALL, formats, folder)
    size = report.detail.write_packed(tmp_path / "small.packed")
    assert size == (tmp_path / "small.packed").stat().st_size
    again = open_network(tmp_path / "small.packed")
    assert again.to_bytes() == report.detail.network.to_bytes()
    scores = [measure(network, folder)["accuracy.top1"].value for network in (again, report.detail.network)]
    assert scores[0] == scores[1]


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
        compressed(formats, **more)  # type: ignore[arg-type]


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
    for layer in layer_weights(replaced):
        held = written[layer.name]
        np.testing.assert_array_equal(held.encoding.integers(held), layer.codes)
    assert len(out.read_bytes()) == len(SMALL.read_bytes())
    assert run_integers(read_tflite(out), IMAGES).shape == (24, 5)


def test_images_of_another_shape_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["adapt", str(SMALL), "--format", "swis:2", "--data", "digits"]) == 2
    assert "another shape" in capsys.readouterr().err


def test_training_images_calibrate_and_all_test_images_are_scored(folder: Path) -> None:
    found = adapt(SMALL, "swis:2", folder, calibrate=30)
    assert len(found.detail.before) == 10
    assert found.inputs["calibrated on"] == 30
    data = data_set(folder)
    alone = DataSet("tests", Images(data.test.images[:0], data.test.labels[:0]), data.test, data.classes, "tests only")
    halves = adapt(SMALL, "swis:2", alone)
    assert len(halves.detail.before) == 5
    assert halves.inputs["calibrated on"] == 5
