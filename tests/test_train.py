"""The verb and the command `train`: weights in a file, a Report, errors in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import Result

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra: data)")

import torch

import slipstick
from slipstick.adapt import evaluate
from slipstick.models.torch_nets import module
from slipstick.models.torch_nets.weights import load_weights


def test_the_file_holds_what_was_reported(tmp_path: Path) -> None:
    found = slipstick.train("mlp", "digits", recipe={"epochs": 4}, out=tmp_path / "a" / "mlp.safetensors")
    net = module("mlp", found.data).eval()
    about = json.loads(load_weights(net, tmp_path / "a" / "mlp.safetensors")["slipstick"])
    right = evaluate(net, found.data.test, found.data.normal)
    assert (right == found.right).all()
    assert about["accuracy"] == right.mean() == found.report.value("accuracy.test")
    assert about["recipe"]["epochs"] == 4
    assert found.report.value("accuracy.low") < right.mean() < found.report.value("accuracy.high")
    assert slipstick.Report.from_json(found.report.json()) == found.report


def test_first_weights(tmp_path: Path) -> None:
    """No epoch: the weights are those that the seed or the file gives."""
    torch.manual_seed(3)
    wanted = module("mlp", slipstick.train("mlp", "digits", recipe={"epochs": 0}).data)
    found = slipstick.train("mlp", "digits", recipe={"epochs": 0, "seed": 3}, out=tmp_path / "x.safetensors")
    other = slipstick.train("mlp", "digits", recipe={"epochs": 0}, start=tmp_path / "x.safetensors")
    for one in (found.net, other.net):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), wanted.parameters(), strict=True))


def test_command(cli: Callable[..., Result], tmp_path: Path) -> None:
    out = tmp_path / "mlp.safetensors"
    found = cli("train", "mlp", "--epochs", 3, "--out", out, "--folder", tmp_path / "run")
    assert found.code == 0
    assert "mlp trained on digits, 3 epochs" in found.out
    assert "wrote" in found.err
    again = cli("train", "mlp", "--epochs", 3, "--folder", tmp_path / "run", "--json")
    report = slipstick.Report.from_json(again.out)
    assert report.value("network.parameters") == 4810
    assert len(report.breakdowns["epochs"].rows) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mlpp",), "no such network; got 'mlpp'; did you mean 'mlp'"),
        (("mlp", "--data", "cifarr"), "did you mean 'cifar10'"),
        (("mlp", "--rate", 0), "rate: "),
        (("mlp", "--start", "absent.safetensors"), "absent.safetensors: no such file"),
        (("alexnet",), "too small an image for this network"),
    ],
)
def test_errors(cli: Callable[..., Result], arguments: tuple[object, ...], message: str) -> None:
    found = cli("train", *arguments)
    assert found.code == 2
    assert message in found.err
    assert len(found.err.splitlines()) == 1
