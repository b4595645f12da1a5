"""Training with weights held in formats: what is rounded, what gradients see, how much of the loss it recovers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")

import torch

from slipstick.adapt import Recipe, evaluate, train
from slipstick.adapt.retrain import attach, weight_layers
from slipstick.cli import run
from slipstick.core.errors import SlipstickError
from slipstick.formats.packed import read_packed
from slipstick.formats.torch_module import detach
from slipstick.models.datasets import data_set
from slipstick.models.torch_nets import module
from slipstick.models.torch_nets.saved import load_net


def test_patterns_choose_layers() -> None:
    net = module("resnet-8", classes=10, shape=(32, 32, 3))
    layers = weight_layers(net)
    forms = attach(net, "swis:2;first=fp32;last=int8:axis=0")
    names = list(layers)
    assert names[0] not in forms
    assert forms[names[-1]].name == "int8:axis=0"
    assert forms[names[1]].name.startswith("swis:2")
    with pytest.raises(SlipstickError, match="no layer fits"):
        attach(net, "swis:2;nothing=int8")


def test_training_recovers_what_rounding_lost() -> None:
    digits = data_set("digits")
    torch.manual_seed(0)
    net = module("mlp", digits)
    train(net, digits, Recipe(epochs=8, precision="fp32", augment="none"))
    plain = evaluate(net, digits.test, digits.normal).mean()
    attach(net, "truncate:1")
    rounded = evaluate(net, digits.test, digits.normal).mean()
    train(net, digits, Recipe(epochs=8, rate=0.05, precision="fp32", augment="none"))
    detach(net)
    again = evaluate(net, digits.test, digits.normal).mean()
    assert rounded < plain - 0.05
    assert again > rounded + 0.5 * (plain - rounded)


def test_one_pool_serves_all_layers_but_the_ends() -> None:
    net = module("resnet-8", classes=10, shape=(32, 32, 3))
    forms = attach(net, "pool:size=16")
    names = list(weight_layers(net))
    assert [forms[name].name for name in (names[0], names[-1])] == ["int8:axis=0"] * 2
    inner = [name for name in names[1:-1] if forms[name].name.startswith("pool")]
    assert len(inner) == len(names) - 2
    vectors = set()
    for name in inner:
        weight = net.get_submodule(name).weight.detach().numpy()
        scale = np.abs(weight).reshape(len(weight), -1).max(axis=1)
        rows = np.moveaxis(weight, 1, -1).reshape(len(weight), -1, 8) / scale[:, None, None]
        vectors |= {tuple(np.round(row / np.abs(row).max(), 4)) for row in rows.reshape(-1, 8) if np.abs(row).max() > 0}
    assert len(vectors) <= 16, "as directions, whatever the filters' scales"


def test_the_command_retrains_what_train_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net, out = tmp_path / "mlp.safetensors", tmp_path / "small.safetensors"
    assert run(["train", "mlp", "--data", "digits", "--epochs", "4", "--out", str(net)]) == 0
    capsys.readouterr()
    asked = ["adapt", str(net), "--format", "swis:1", "--data", "digits", "--retrain", "3", "--out", str(out), "--json"]
    assert run([*asked, "--packed", str(tmp_path / "packed"), "--activations", "8,2"]) == 0
    report = json.loads(capsys.readouterr().out)
    answer, table = report["metrics"], report["breakdowns"]["bits of activations"]["rows"]
    assert [row[0] for row in table] == [8, 2]
    assert table[0][1] == pytest.approx(answer["accuracy"]["after"]["value"], abs=0.02)
    assert table[1][1] <= table[0][1]
    assert answer["accuracy"]["rounded"]["value"] <= answer["accuracy"]["after"]["value"]
    assert answer["weights"]["compression"]["value"] > 2
    kept_net, normal, about = load_net(out)
    assert about["formats"] == "swis:1"
    for name, held in read_packed(tmp_path / "packed").items():
        weight = kept_net.get_submodule(name).weight.detach().numpy()
        np.testing.assert_array_equal(held.format.decode(held), weight)
    right = evaluate(kept_net, data_set("digits").test, normal).mean()
    assert right == pytest.approx(answer["accuracy"]["after"]["value"])


def test_layers_in_fp32_are_scored_and_have_no_packed_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = tmp_path / "mlp.safetensors"
    assert run(["train", "mlp", "--data", "digits", "--epochs", "1", "--out", str(net)]) == 0
    capsys.readouterr()
    assert run(["adapt", str(net), "--format", "fp32", "--data", "digits", "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)["metrics"]
    assert metrics["accuracy"]["change"]["value"] == 0
    assert "weights" not in metrics
