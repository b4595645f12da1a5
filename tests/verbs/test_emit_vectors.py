"""`emit` on dot-product arrays: vectors are what the running network multiplies, and each fault is one error."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import ROOT, Result

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from slipstick import emit
from slipstick.compress.hardware_layers import hardware_layers, on_hardware
from slipstick.core.errors import SlipstickError
from slipstick.datasets import data_set
from slipstick.formats import format_of
from slipstick.report.report import Report
from slipstick.trained import open_network
from slipstick.trained.torch import module
from slipstick.trained.torch.saved_file import save_net

Cli = Callable[..., Result]
SYSTEMS = ("stochastic-256x64", "analog-128x128", "approximate-16x16")


@pytest.fixture(scope="module")
def network() -> Any:
    digits = data_set("digits")
    return open_network(module("tiny-conv", digits), digits)


@pytest.mark.parametrize("system", SYSTEMS)
def test_vectors_are_those_of_the_running_network(network: Any, system: str, tmp_path: Path) -> None:
    """Sums times value, scale and steps are what the layer puts out, and the reference computes them."""
    digits = data_set("digits")
    report = emit(network, system, tmp_path / "out", data=digits, images=2)
    assert Report.from_json(report.json()) == report
    assert report.value("vectors.layers") == len(report.detail) == 4
    assert report.value("files.bytes") == sum(
        path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != "MANIFEST"
    )
    form = report.detail[0].form
    forms = {layer.name: form for layer in network.layers()}
    hardware = hardware_layers(network, forms, digits.train.take(np.random.default_rng(0).permutation(1437)[:500]))
    running = on_hardware(network, hardware)
    on_array, outputs = running.hardware(deepcopy(running.module)).eval(), {}
    for layer in report.detail:
        on_array.get_submodule(layer.name).register_forward_hook(
            lambda part, _, result, name=layer.name: outputs.update({name: result.numpy().copy()})
        )
    replace(running, module=on_array, hardware=None).predict(digits.test.take(np.arange(2)))
    for layer in report.detail:
        scale = layer.value * layer.input_scale / layer.full[0] * np.array(layer.weight_steps)[:, None, None]
        sums = layer.arrays["sums"].values * scale
        np.testing.assert_allclose(sums.reshape(outputs[layer.name].shape), outputs[layer.name], rtol=1e-5, atol=1e-6)
        assert np.abs(sums).max() > 0
    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "out" / "reference.py")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "all agree")


def test_a_network_that_runs_on_hardware_keeps_its_formats_and_ranges(network: Any) -> None:
    digits = data_set("digits")
    form = format_of("int8@mul7u_09Y")
    forms = {layer.name: form for layer in network.layers()}
    running = on_hardware(network, hardware_layers(network, forms, digits.train.take(np.arange(40))))
    (own,) = emit(running, "approximate-16x16", data=digits, layers="conv1").detail
    assert own.form == form
    (other,) = emit(running, "approximate-16x16", data=digits, layers="conv1", formats="int8@mul8s_1KVL").detail
    assert other.form.arithmetic.name == "mul8s_1KVL"
    with pytest.raises(SlipstickError, match="multipliers are stochastic ones"):
        emit(running, "stochastic-256x64", data=digits)


def test_layers_and_formats_are_chosen(network: Any) -> None:
    digits = data_set("digits")
    text = "int8@stochastic:length=16;conv2=int8@stochastic:length=64,count=or2"
    report = emit(network, "stochastic-256x64", data=digits, formats=text, layers="conv2,class*", trace=0)
    assert [layer.name for layer in report.detail] == ["conv2", "classifier"]
    assert [layer.arguments["length"] for layer in report.detail] == [64, 16]
    assert report.detail[0].arrays["input_streams"].values.size == 0
    plain = emit(network, "stochastic-256x64", data=digits, formats="conv1=fp32")
    assert [layer.name for layer in plain.detail] == ["conv2", "conv3", "classifier"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": None}, "data: golden vectors are of images"), ({"images": 0}, "images: out of range"),
        ({"images": 65}, "1 to 64"), ({"trace": -1}, "trace: out of range"), ({"trace": 257}, "0 to 256"),
        ({"layers": "conv9"}, "no layer on the array fits the pattern; got 'conv9'"),
        ({"formats": "fp32"}, "no layer computes on the array"),
        ({"formats": "int4"}, "multipliers are stochastic ones"),
        ({"formats": "int8@stochastic:length=33"}, "a power of two"), ({"run": True}, "not an option of `emit`"),
    ],
)  # fmt: skip
def test_each_fault_is_one_error_and_nothing_is_written(
    network: Any, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    given = {"data": data_set("digits"), "trace": 0} | options
    given = {name: value for name, value in given.items() if value is not None}
    with pytest.raises(SlipstickError, match=words):
        emit(network, "stochastic-256x64", tmp_path / "out", **given)
    assert not list(tmp_path.iterdir())


def test_integer_networks_and_strange_folders_are_refused(network: Any, tmp_path: Path) -> None:
    pytest.importorskip("tflite")
    digits = data_set("digits")
    with pytest.raises(SlipstickError, match="golden vectors are quantised from weights"):
        emit(ROOT / "examples" / "data" / "small.tflite", "stochastic-256x64", data=digits)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SlipstickError, match="a folder that holds files already"):
        emit(network, "stochastic-256x64", tmp_path, data=digits)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("word", ["--board", "--system"])
def test_the_command_takes_either_word_for_the_array(cli: Cli, network: Any, word: str, tmp_path: Path) -> None:
    digits, file = data_set("digits"), tmp_path / "net.safetensors"
    save_net(network.module, file, "tiny-conv", digits, {})
    done = cli(
        "emit", file, word, "stochastic-256x64", "--data", "digits", "--layers", "conv1", "--out", tmp_path / "a"
    )
    assert done.code == 0, done.err
    assert "layer00  conv1" in done.out
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "MANIFEST", "README.md", "layer00", "layers.json", "reference.py"
    ]  # fmt: skip
