"""`measure`: what other paths say of the same network, in its own formats and in others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")

import torch

from adapt_calls import attach_text
from slipstick import measure
from slipstick.cli import run
from slipstick.core.errors import SlipstickError
from slipstick.datasets import DataSet, data_set
from slipstick.trained.torch import module, save_net
from slipstick.training import Recipe, evaluate, train


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return data_set("digits")


@pytest.fixture(scope="module")
def net(digits: DataSet) -> torch.nn.Module:
    torch.manual_seed(0)
    found = module("mlp", digits)
    train(found, digits, Recipe(epochs=3))
    return found


def test_a_module_is_scored_and_left_as_it_was(net: torch.nn.Module, digits: DataSet) -> None:
    before = {name: value.clone() for name, value in net.state_dict().items()}
    right = evaluate(net, digits.test, digits.normal)
    assert measure(net, digits)["accuracy.top1"].value == right.mean()
    coarse = measure(net, digits, "round:1")
    assert coarse["accuracy.top1"].value < right.mean()
    after = net.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_formats_are_those_of_training(net: torch.nn.Module, digits: DataSet) -> None:
    from copy import deepcopy

    held = deepcopy(net)
    attach_text(held, "swis:2")
    right = evaluate(held, digits.test, digits.normal)
    found = measure(net, digits, "swis:2", images=100)
    assert found["accuracy.top1"].value == right[np.arange(100) * 360 // 100].mean()
    assert found["accuracy.low"].value < found["accuracy.top1"].value < found["accuracy.high"].value
    assert found["weights.compression"].value == pytest.approx(8 / 4.25, rel=0.05)  # scales come on top


def test_the_command(net: torch.nn.Module, digits: DataSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.safetensors"
    save_net(net, path, "mlp", digits, {})
    assert run(["measure", str(path), "--data", "digits", "--format", "int4:axis=0", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["metrics"]["accuracy"]["top1"]["value"] == measure(net, digits, "int4:axis=0")["accuracy.top1"].value
    assert run(["measure", str(tmp_path / "none.safetensors"), "--data", "digits"]) == 2
    assert "none.safetensors" in capsys.readouterr().err


def test_without_test_images_there_is_nothing_to_say(net: torch.nn.Module, digits: DataSet) -> None:
    with pytest.raises(SlipstickError, match="no test images"):
        measure(net, digits, images=0)
    assert np.isfinite(measure(net, digits, images=1)["accuracy.top1"].value)
