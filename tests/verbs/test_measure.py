"""`measure`: what other paths say of the same network, in its own formats and in others."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")

import torch

from adapt_calls import attach_text
from decided import decided
from slipstick import measure
from slipstick.cli import run
from slipstick.core.errors import SlipstickError
from slipstick.datasets import DataSet, data_set
from slipstick.formats import encoding_of
from slipstick.trained.torch import module, save_net
from slipstick.training import Recipe, evaluate, train

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return data_set("digits")


@pytest.fixture(scope="module")
def net(digits: DataSet, training_seed: int) -> torch.nn.Module:
    torch.manual_seed(training_seed)
    found = module("mlp", digits)
    train(found, digits, Recipe(epochs=3, seed=training_seed))
    return found


def test_a_module_is_scored_and_left_as_it_was(net: torch.nn.Module, digits: DataSet) -> None:
    before = {name: value.clone() for name, value in net.state_dict().items()}
    right = evaluate(net, digits.test, digits.normal)
    assert measure(net, digits)["accuracy.top1"].value == right.mean()
    coarse = deepcopy(net)
    for layer in (coarse.fc1, coarse.fc2):
        layer.weight.data = torch.from_numpy(encoding_of("round:1").round(layer.weight.detach().numpy()))
    other = evaluate(coarse, digits.test, digits.normal)
    assert (other != right).any()
    unsure = int((~decided(coarse, digits.test, digits.normal)).sum())
    assert abs(measure(net, digits, "round:1")["accuracy.top1"].value - other.mean()) * len(other) <= unsure + 1e-6
    after = net.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_formats_are_those_of_training(net: torch.nn.Module, digits: DataSet) -> None:
    held = deepcopy(net)
    attach_text(held, "swis:2")
    right = evaluate(held, digits.test, digits.normal)
    found = measure(net, digits, "swis:2", images=100)
    some = np.arange(100) * 360 // 100
    unsure = int((~decided(held, digits.test, digits.normal))[some].sum())
    assert abs(found["accuracy.top1"].value - right[some].mean()) * 100 <= unsure + 1e-6
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
