"""Training with weights held in formats: what is rounded, what gradients see, how much of the loss it recovers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")

import torch

from adapt_calls import attach_text, hold
from decided import decided
from slipstick.cli import run
from slipstick.compress import layer_formats as formats_by_layer
from slipstick.compress.activation_bits import right_by_bits
from slipstick.core.errors import SlipstickError
from slipstick.datasets import DataSet, data_set
from slipstick.formats import Pool, Swis, format_of
from slipstick.formats.packed_file import read_packed, stored_bytes
from slipstick.trained.network import WeightLayer
from slipstick.trained.torch import module
from slipstick.trained.torch.saved_file import load_net
from slipstick.trained.torch.torch_network import TorchNetwork
from slipstick.training import Recipe, evaluate, predict, train
from slipstick.training.parametrization import detach, encoded_weights

pytestmark = pytest.mark.trains
RANGE_IMAGES = 1024  # training images that find the ranges of activations


def weight_layers(net: torch.nn.Module) -> dict[str, WeightLayer]:
    return {layer.name: layer for layer in TorchNetwork("net", net).layers()}


def layer_formats(net: torch.nn.Module, text: str) -> dict:
    return formats_by_layer.layer_formats(TorchNetwork("net", net), text)


def test_patterns_choose_layers() -> None:
    net = module("resnet-8", classes=10, shape=(32, 32, 3))
    layers = weight_layers(net)
    forms = attach_text(net, "swis:2;first=fp32;last=int8:axis=0")
    names = list(layers)
    assert names[0] not in forms
    assert forms[names[-1]].name == "int8:axis=0"
    assert forms[names[1]].name.startswith("swis:2")
    with pytest.raises(SlipstickError, match="no layer fits"):
        attach_text(net, "swis:2;nothing=int8")


def loss(net: torch.nn.Module, data: DataSet) -> float:
    """Return the mean cross-entropy of the training images: what training lowers, and less noisy than accuracy."""
    outputs = torch.from_numpy(predict(net, data.train, data.normal))
    return float(torch.nn.functional.cross_entropy(outputs, torch.from_numpy(data.train.labels)))


def test_training_recovers_what_rounding_lost(training_seed: int) -> None:
    digits = data_set("digits")
    torch.manual_seed(training_seed)
    net = module("mlp", digits)
    recipe = Recipe(epochs=8, precision="fp32", augment="none", seed=training_seed)
    train(net, digits, recipe)
    plain = loss(net, digits)
    attach_text(net, "truncate:1")
    rounded = loss(net, digits)
    train(net, digits, recipe.model_copy(update={"rate": 0.05}))
    detach(net)
    again = loss(net, digits)
    assert rounded > 5 * plain  # 0.04 and 0.8 to 1.0 in ten trainings
    assert again < rounded - 0.7 * (rounded - plain)  # 0.12 to 0.15


def test_one_pool_serves_all_layers_but_the_ends() -> None:
    net = module("resnet-8", classes=10, shape=(32, 32, 3))
    forms = attach_text(net, "pool:size=16")
    names = list(weight_layers(net))
    assert [forms[name].name for name in (names[0], names[-1])] == ["int8:axis=0"] * 2
    inner = [name for name in names[1:-1] if forms[name].name.startswith("pool")]
    assert len(inner) == len(names) - 2
    directions: list[np.ndarray] = []
    for name in inner:
        rows = np.moveaxis(net.get_submodule(name).weight.detach().numpy(), 1, -1).reshape(-1, 8)
        rows = rows[np.abs(rows).max(axis=1) > 0]
        for row in rows / np.abs(rows).max(axis=1, keepdims=True):
            if not any(np.abs(row - other).max() < 1e-5 for other in directions):
                directions.append(row)
                assert len(directions) <= 16, "whatever the filters' scales"
    assert len(directions) > 1


@pytest.mark.parametrize("name", ["resnet-8", "mobilenet-v2"])
def test_kernels_go_into_the_pool_depthwise_ones_too(name: str) -> None:
    torch.manual_seed(2)
    net = module(name, classes=10, shape=(32, 32, 3))
    text = "pool:size=64,vector=9,kind=xy"
    forms, layers = layer_formats(net, text), weight_layers(net)
    ends = {next(iter(layers)), next(reversed(layers))}
    for key, form in forms.items():
        taps = tuple(net.get_submodule(key).weight.shape[2:])
        assert form == (format_of(text) if taps == (3, 3) and key not in ends else format_of("int8:axis=0")), key
    assert name == "resnet-8" or any(forms[key].name == text for key in layers if layers[key].kind == "depthwise")
    hold(net, forms)
    pools = [one.side["pool"] for one in encoded_weights(net).values() if one.encoding == format_of(text).encoding]
    assert len(pools) > 1
    assert all((pool == pools[0]).all() for pool in pools)


def bytes_of(net: torch.nn.Module, forms: dict) -> int:
    """All weights as a file has them, with 4 bytes of a weight that has no format."""
    plain = [net.get_submodule(name).weight.numel() * 4 for name in weight_layers(net) if name not in forms]
    return stored_bytes(encoded_weights(net)) + sum(plain)


def small() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3), torch.nn.Conv2d(16, 24, 3), torch.nn.Conv2d(24, 24, 3, groups=24),
        torch.nn.Conv2d(24, 16, 1), torch.nn.Flatten(), torch.nn.Linear(16, 4),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("pool:size=64", {"z"}),
        ("pool:size=64,vector=9,kind=xy", {"xy"}),
        ("pool:size=64;depthwise=pool:size=16,vector=9,kind=xy;first=fp32", {"z", "xy"}),
    ],
)
def test_a_budget_is_kept_and_more_bytes_never_lose_more(text: str, kinds: set[str]) -> None:
    with pytest.raises(SlipstickError, match=r"budget: no pool fits; got 1; allowed: from \d+ \(pool") as caught:
        attach_text(small(), text, budget=1)
    least = int(str(caught.value).partition("from ")[2].split()[0])
    before, sizes = np.inf, set()
    for budget in (least, least + 300, least + 1000, 2 * least, 10**6):
        net = small()
        plain = {name: net.get_submodule(name).weight.detach().numpy().copy() for name in weight_layers(net)}
        forms = attach_text(net, text, budget=budget)
        assert {form.encoding.kind for form in forms.values() if isinstance(form.encoding, Pool)} == kinds
        assert {name: type(form.encoding) for name, form in forms.items()} == {
            name: type(form.encoding) for name, form in layer_formats(small(), text).items()
        }, "the same layers are in pools"
        assert bytes_of(net, forms) <= budget
        shares = [
            ((net.get_submodule(name).weight.detach().numpy() - plain[name]) ** 2).reshape(len(plain[name]), -1).sum(1)
            / (plain[name] ** 2).reshape(len(plain[name]), -1).sum(1)
            for name in forms
        ]
        lost = np.concatenate(shares).sum()
        assert lost <= before * (1 + 1e-6)
        before = lost
        sizes.add(tuple(sorted({form.name for form in forms.values()})))
        if budget == least:
            assert bytes_of(net, forms) == budget
    assert len(sizes) > 1, "a larger budget is used"


def test_a_budget_needs_a_pool() -> None:
    for text in ("swis:2", "fp32", "last=pool:size=64"):
        with pytest.raises(SlipstickError, match="budget: no layer is in a pool; got 5000"):
            attach_text(small(), text, budget=5000)


def test_given_shifts_are_held() -> None:
    net = small()
    forms = layer_formats(net, "swis:3")
    shifts = {"1": np.arange(24) % 4 + 1}
    weight = net[1].weight.detach().numpy().copy()
    hold(net, forms, sides={name: {"shifts": counts} for name, counts in shifts.items()})
    kept = Swis(3).decode(Swis(3).encode(np.moveaxis(weight, 1, -1), {"shifts": shifts["1"]}))
    np.testing.assert_array_equal(net[1].weight.detach().numpy(), np.moveaxis(kept, -1, 1))


def test_an_epochs_encoding_is_that_of_its_beginning_and_goes_on_where_it_stopped(
    tmp_path: Path, training_seed: int
) -> None:
    digits = data_set("digits")
    recipe = Recipe(epochs=3, rate=0.05, precision="fp32", augment="none", seed=training_seed)

    def held() -> torch.nn.Module:
        torch.manual_seed(4 + training_seed)
        net = module("mlp", digits)
        attach_text(net, "swis:2", policy="epoch")
        return net

    behind = {}

    def note(done: int, total: int, text: str) -> None:
        if done == total * 2 // 3:  # the last step of the second of three epochs
            behind["fc1"] = net.fc1.parametrizations.weight.original.detach().numpy().copy()

    net = held()
    whole = train(net, digits, recipe, progress=note)
    np.testing.assert_array_equal(net.fc1.weight.detach().numpy(), Swis(2).round(behind["fc1"]))
    assert (net.fc1.parametrizations.weight.original.detach().numpy() != behind["fc1"]).any()
    assert evaluate(net, digits.test, digits.normal).mean() == whole.accuracy, "what was scored is what is kept"

    def interrupt(done: int, total: int, text: str) -> None:
        if done == total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(held(), digits, recipe, folder=tmp_path, progress=interrupt)
    for _ in range(2):  # a finished one is only read
        resumed = held()
        assert train(resumed, digits, recipe, folder=tmp_path).accuracy == whole.accuracy
        for name, weight in {"fc1": net.fc1.weight, "fc2": net.fc2.weight}.items():
            assert torch.equal(resumed.get_submodule(name).weight, weight)


def test_the_command_retrains_what_train_wrote(
    tmp_path: Path, training_seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    net, out, seed = tmp_path / "mlp.safetensors", tmp_path / "small.safetensors", str(training_seed)
    assert run(["train", "mlp", "--data", "digits", "--epochs", "4", "--seed", seed, "--out", str(net)]) == 0
    capsys.readouterr()
    formats = "swis:1;fc1=truncate:1"  # truncated, the first layer is lost, and retraining has something to win
    asked = ["adapt", str(net), "--format", formats, "--data", "digits", "--retrain", "3", "--rate", "0.05"]
    asked += ["--out", str(out), "--json", "--packed", str(tmp_path / "packed"), "--activations", "8,2", "--seed", seed]
    assert run(asked) == 0
    report = json.loads(capsys.readouterr().out)
    answer, table = report["metrics"], report["breakdowns"]["bits of activations"]["rows"]
    assert [row[0] for row in table] == [8, 2]
    assert table[0][1] == pytest.approx(answer["accuracy"]["after"]["value"], abs=0.02)
    assert answer["accuracy"]["rounded"]["value"] < answer["accuracy"]["after"]["value"] - 0.1
    assert answer["weights"]["compression"]["value"] > 2
    kept_net, normal, about = load_net(out)
    assert about["formats"] == formats
    for name, held in read_packed(tmp_path / "packed").items():
        weight = kept_net.get_submodule(name).weight.detach().numpy()
        np.testing.assert_array_equal(held.values, weight)
    digits = data_set("digits")
    unsure = 1e-6 + (~decided(kept_net, digits.test, normal)).mean()
    right = evaluate(kept_net, digits.test, normal).mean()
    assert right == pytest.approx(answer["accuracy"]["after"]["value"], abs=unsure)
    drawn = np.random.default_rng(training_seed).permutation(len(digits.train))[:RANGE_IMAGES]
    curve = right_by_bits(kept_net, digits.test, digits.train.take(drawn), normal, [8, 2])
    for bits, share in table:  # a rounded activation may fall to the other side by a rounding of its sum
        assert share == pytest.approx(curve[bits].mean(), abs=unsure + 2 / len(digits.test))


def test_layers_in_fp32_are_scored_and_have_no_packed_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = tmp_path / "mlp.safetensors"
    assert run(["train", "mlp", "--data", "digits", "--epochs", "1", "--out", str(net)]) == 0
    capsys.readouterr()
    assert run(["adapt", str(net), "--format", "fp32", "--data", "digits", "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)["metrics"]
    assert metrics["accuracy"]["change"]["value"] == 0
    assert "weights" not in metrics
