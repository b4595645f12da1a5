"""Trained networks of every kind pass the conformance suite; open_network finds each, or says what is wrong."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
pytest.importorskip("tflite", reason="tflite is not installed (extra: import)")
pytest.importorskip("onnx", reason="onnx is not installed (extra: import)")

import torch

from commands import ROOT
from slipstick import network as sizes
from slipstick.cli import run
from slipstick.core.errors import SlipstickError
from slipstick.datasets import DataSet, Images, data_set
from slipstick.formats import encoding_of
from slipstick.formats.packed_file import NetworkRest, write_packed
from slipstick.testing import TrainedNetworkSuite
from slipstick.trained import TrainedNetwork, open_network
from slipstick.trained.open import write_packed_network
from slipstick.trained.torch import module, save_net

SMALL = ROOT / "examples" / "data" / "small.tflite"
NOISE = Images(np.random.default_rng(0).integers(0, 256, (6, 9, 8, 3)).astype(np.uint8), np.arange(6) % 5)


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return data_set("digits")


@pytest.fixture(scope="module")
def net(digits: DataSet) -> torch.nn.Module:
    torch.manual_seed(0)
    return module("resnet-8", digits).eval()


@pytest.fixture(scope="module")
def saved(net: torch.nn.Module, digits: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nets") / "net.safetensors"
    save_net(net, path, "resnet-8", digits, {"about": "fresh", "accuracy": 0.1})
    return path


@pytest.fixture(scope="module")
def onnx_file(net: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nets") / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch's exporter, about its own age
        torch.onnx.export(net, (torch.zeros(1, 1, 8, 8),), str(path), dynamo=False)
    return path


class TestTflite(TrainedNetworkSuite):
    @pytest.fixture
    def network(self) -> TrainedNetwork:
        return open_network(SMALL)

    @pytest.fixture
    def images(self) -> Images:
        return NOISE


class TestSafetensors(TrainedNetworkSuite):
    @pytest.fixture
    def network(self, saved: Path) -> TrainedNetwork:
        return open_network(saved)

    @pytest.fixture
    def images(self, digits: DataSet) -> Images:
        return digits.test.take(slice(0, 6))


class TestOnnx(TrainedNetworkSuite):
    @pytest.fixture
    def network(self, onnx_file: Path, digits: DataSet) -> TrainedNetwork:
        return open_network(onnx_file, digits)

    @pytest.fixture
    def images(self, digits: DataSet) -> Images:
        return digits.test.take(slice(0, 6))

    def opened(self, path: Path, network: TrainedNetwork) -> TrainedNetwork:
        return open_network(path, data_set("digits"))


def test_a_callers_module_is_copied_and_has_no_file(net: torch.nn.Module, digits: DataSet, tmp_path: Path) -> None:
    opened = open_network(net, digits)
    assert opened.module is not net
    assert open_network(opened) is opened
    with pytest.raises(SlipstickError, match="came in no file"):
        opened.write(tmp_path / "x")
    layer = opened.layers()[-1]
    encoded = encoding_of("swis:7").encode(layer.weights)
    changed = opened.with_weights({layer.name: encoded.values.astype(np.float64)})
    write_packed_network(tmp_path / "x.packed", changed, {layer.name: encoded})
    with pytest.raises(SlipstickError, match="without the rest of their network"):
        open_network(tmp_path / "x.packed")


def test_a_module_without_data_says_what_it_lacks(net: torch.nn.Module, digits: DataSet) -> None:
    opened = open_network(net)
    with pytest.raises(SlipstickError, match="how bytes become its inputs"):
        opened.predict(digits.test)
    with pytest.raises(SlipstickError, match="how large its images are"):
        opened.graph()


def test_the_header_of_a_written_file_keeps_the_structure_and_notes_alone(saved: Path, tmp_path: Path) -> None:
    from slipstick.trained.torch import load_net

    open_network(saved).write(tmp_path / "x.safetensors", {"formats": "swis:2"})
    _, _, header = load_net(tmp_path / "x.safetensors")
    assert header["formats"] == "swis:2"
    assert header["net"] == "resnet-8"
    assert "accuracy" not in header, "it was that of other weights"


@pytest.mark.parametrize(
    ("hints", "message"),
    [({"background": 1}, "background: not for this network"), ({"normal": True}, "normal: not for this network")],
)
def test_hints_that_do_not_fit(hints: dict, message: str, saved: Path, digits: DataSet) -> None:
    path = SMALL if "normal" in hints else saved
    with pytest.raises(SlipstickError, match=message):
        open_network(path, **({"normal": digits.normal} if "normal" in hints else hints))


def test_the_background_is_what_classes_leave_over() -> None:
    data = DataSet("four", NOISE.take(slice(0, 0)), NOISE.take(slice(0, 4)), tuple("abcd"))
    assert open_network(SMALL, data).background == 1
    assert open_network(SMALL, data, background=0).background == 0


def test_sizes_of_a_tflite_file() -> None:
    assert [op.name for op in sizes(SMALL).operations] == [op.name for op in open_network(SMALL).graph().operations]


def rest_of(path: Path, kind: str, file: bytes) -> Path:
    layer = open_network(SMALL).layers()[0]
    encoded = encoding_of("swis:7").encode(layer.weights * layer.column_scales, {"scale": layer.scales})
    write_packed(path, {layer.name: encoded}, NetworkRest(kind, file))
    return path


@pytest.mark.parametrize(
    ("kind", "file", "message"),
    [
        (".pt", b"", "without the rest of their network"),
        (".tflite", b"", "not a .tflite file"),
        (".tflite", SMALL.read_bytes()[:900], "network"),
        (".onnx", b"\x01\x02", "ONNX"),
        (".safetensors", b"\0" * 40, "safetensors"),
    ],
)
def test_rests_that_are_no_networks(
    kind: str, file: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = rest_of(tmp_path / "x.packed", kind, file)
    with pytest.raises(SlipstickError, match=message):
        open_network(path)
    assert run(["measure", str(path), "--data", "digits"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_flipped_bytes_of_a_rest_give_a_network_or_one_error(tmp_path: Path) -> None:
    raw, rng, opened = SMALL.read_bytes(), np.random.default_rng(0), 0
    refused: list[str] = []
    for _ in range(60):
        damaged = bytearray(raw)
        for place in rng.integers(0, len(raw), rng.integers(1, 9)):
            damaged[place] = rng.integers(0, 256)
        path = rest_of(tmp_path / "x.packed", ".tflite", bytes(damaged))
        try:
            open_network(path)
            opened += 1
        except SlipstickError as error:
            refused.append(str(error))
    assert opened
    assert refused
    assert not any("\n" in message for message in refused)


def test_a_packed_layer_that_the_network_has_not(tmp_path: Path) -> None:
    encoded = encoding_of("swis:3").encode(np.ones((2, 8)))
    write_packed(tmp_path / "x.packed", {"other": encoded}, NetworkRest(".tflite", SMALL.read_bytes()))
    with pytest.raises(SlipstickError, match="no such layer"):
        open_network(tmp_path / "x.packed")
