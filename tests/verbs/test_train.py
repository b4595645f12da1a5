"""The verb and the command `train`: weights in a file, a Report, errors in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands import Result

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra: data)")

import torch

import slipstick
from decided import decided
from slipstick.core.errors import SlipstickError
from slipstick.trained.torch import load_net, module
from slipstick.trained.torch.safetensors_weights import save_weights
from slipstick.training import evaluate

pytestmark = pytest.mark.trains


def test_the_file_holds_what_was_reported(tmp_path: Path, training_seed: int) -> None:
    recipe = {"epochs": 4, "seed": training_seed}
    found = slipstick.train("mlp", "digits", recipe=recipe, out=tmp_path / "a" / "mlp.safetensors")
    net, normal, about = load_net(tmp_path / "a" / "mlp.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), found.detail.module.parameters(), strict=True))
    sure = decided(net, found.detail.data.test, normal)
    assert (evaluate(net, found.detail.data.test, normal) == found.detail.right)[sure].all()
    assert about["accuracy"] == found.detail.right.mean() == found.value("accuracy.test")
    assert about["recipe"]["epochs"] == 4
    assert found.value("accuracy.low") < found.detail.right.mean() < found.value("accuracy.high")
    assert slipstick.Report.from_json(found.json()) == found


GOOD: dict[str, Any] = {"net": "mlp", "classes": 10, "shape": [8, 8, 1], "normal": {"mean": [0], "deviation": [1]}}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "says not how to build its network"),
        ([], "says not how to build its network"),
        ({**GOOD, "shape": [8, 8]}, "says not how"),
        ({**GOOD, "classes": 1e9}, "says not how"),
        ({**GOOD, "normal": {"mean": [0], "deviation": [0]}}, "a mean and a deviation for 1 channels"),
        ({**GOOD, "net": "mpl"}, "did you mean 'mlp'"),
        ({**GOOD, "classes": 9}, "another shape"),
        ({**GOOD, "shape": [2**16, 2**16, 1]}, "another shape"),  # 2^38 weights
    ],
)
def test_headers_that_lie(tmp_path: Path, header: object, message: str) -> None:
    path = tmp_path / "x.safetensors"
    save_weights(module("mlp"), path, {} if header is None else {"slipstick": json.dumps(header)})
    with pytest.raises(SlipstickError, match=message):
        load_net(path)


def test_first_weights(tmp_path: Path) -> None:
    """No epoch: the weights are those that the seed or the file gives."""
    torch.manual_seed(3)
    wanted = module("mlp", slipstick.train("mlp", "digits", recipe={"epochs": 0}).detail.data)
    found = slipstick.train("mlp", "digits", recipe={"epochs": 0, "seed": 3}, out=tmp_path / "x.safetensors")
    other = slipstick.train("mlp", "digits", recipe={"epochs": 0}, start=tmp_path / "x.safetensors")
    for one in (found.detail.module, other.detail.module):
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
