"""Training: seeded, resumed bit for bit, in chunks, through parametrisations; and what evaluation says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra: data)")

import torch

from slipstick.datasets import DataSet, Images, data_set
from slipstick.trained.torch import module
from slipstick.training import Recipe, evaluate, predict, train
from slipstick.training.checkpoint import FILE

pytestmark = pytest.mark.trains
DIGITS = data_set("digits")
FEW = DataSet("few", DIGITS.train.take(slice(200)), DIGITS.test.take(slice(50)), DIGITS.classes, mirrors=False)
QUICK = Recipe(epochs=3, batch=64, rate=0.05)  # 4 steps an epoch of them


def fresh(name: str = "resnet-8", seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return module(name, DIGITS)


def same(one: Any, other: Any) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


class Halved(torch.nn.Module):
    """A parametrisation: the weights are half of what is trained."""

    def forward(self, x: Any) -> Any:
        return x / 2


class Noisy(torch.nn.Module):
    """Layers that draw random numbers while training."""

    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Dropout(0.3), module("mlp", DIGITS))

    def forward(self, x: Any) -> Any:
        return self.net(x)


def build(kind: str, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    if kind == "dropout":
        return Noisy()
    net = fresh(seed=seed)
    if kind == "parametrised":
        torch.nn.utils.parametrize.register_parametrization(net.layer2[0].conv1, "weight", Halved())
    return net


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_digits_are_learnt(precision: str, training_seed: int) -> None:
    recipe = Recipe(epochs=4, rate=0.05, precision=precision, seed=training_seed)
    net = fresh(seed=training_seed)
    history = train(net, DIGITS, recipe)
    assert history.accuracy > 0.85  # 0.91 to 0.97 in ten trainings; a nearest neighbour reaches 0.96, chance 0.1
    assert history.epochs[-1].loss < history.epochs[0].loss / 4  # a seventh to a tenth
    right = evaluate(net, DIGITS.test, DIGITS.normal, precision=recipe.precision)
    assert right.mean() == history.accuracy
    assert history.epochs_to(history.accuracy) is not None
    assert history.epochs_to(1.1) is None


def test_the_seed_decides(tmp_path: Path, training_seed: int) -> None:
    nets = [fresh(seed=training_seed) for _ in range(3)]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for net, seed in zip(nets, (0, 0, 1), strict=True):
        train(net, FEW, Recipe(epochs=1, seed=seed))
    assert same(nets[0], nets[1])
    assert not same(nets[0], nets[2])
    assert torch.equal(torch.get_rng_state(), before)  # the caller's random numbers are the caller's


@pytest.mark.parametrize("kind", ["plain", "dropout", "parametrised"])
@pytest.mark.parametrize("stop", [1, 5, 10])
def test_a_stopped_training_ends_as_if_it_had_not_been(
    tmp_path: Path, kind: str, stop: int, training_seed: int
) -> None:
    whole, stopped, resumed, again = (build(kind, training_seed) for _ in range(4))
    recipe = QUICK.model_copy(update={"seed": training_seed})
    wanted = train(whole, FEW, recipe)

    def interrupt(done: int, total: int, text: str) -> None:
        assert total == 3 * 4
        if done == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(stopped, FEW, recipe, folder=tmp_path, progress=interrupt)
    assert (tmp_path / FILE).exists() == (stop > 4)
    found = train(resumed, FEW, recipe, folder=tmp_path)
    assert same(whole, resumed)
    assert [(e.loss, e.accuracy) for e in found.epochs] == [(e.loss, e.accuracy) for e in wanted.epochs]
    assert train(again, FEW, recipe, folder=tmp_path) == found  # a finished one is only read
    assert same(again, whole)


def test_parametrised_weights_are_trained_through(tmp_path: Path) -> None:
    net = build("parametrised")
    before = net.layer2[0].conv1.parametrizations.weight.original.detach().clone()
    train(net, FEW, Recipe(epochs=1), folder=tmp_path)
    after = net.layer2[0].conv1.parametrizations.weight.original
    assert not torch.equal(before, after)
    assert torch.equal(net.layer2[0].conv1.weight, after / 2)


def test_chunks_give_the_gradient_of_the_batch(training_seed: int) -> None:
    """Without batch norms a batch in chunks is the batch: the same sums but for their rounding."""
    nets = []
    for chunk in (None, 50):
        net = fresh("mlp", training_seed)
        recipe = Recipe(epochs=2, batch=200, chunk=chunk, augment="none", precision="fp32", seed=training_seed)
        train(net, DIGITS, recipe)
        nets.append(net)
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_a_single_image_left_over_does_not_stop_batch_norms() -> None:
    """129 images in batches of 64: tiny-conv ends in batch norms of one value a channel."""
    few = DataSet("few", DIGITS.train.take(slice(129)), FEW.test, DIGITS.classes)
    steps: list[int] = []
    train(fresh("tiny-conv"), few, Recipe(epochs=2, batch=64), progress=lambda done, total, text: steps.append(total))
    assert steps == [4] * 4


def test_a_checkpoint_of_another_training(tmp_path: Path) -> None:
    train(fresh("mlp"), DIGITS, Recipe(epochs=1), folder=tmp_path)
    with pytest.raises(SlipstickError, match="a training with another rate, seed: name another folder"):
        train(fresh("mlp"), DIGITS, Recipe(epochs=1, rate=0.3, seed=4), folder=tmp_path)
    with pytest.raises(SlipstickError, match="tensors missing"):
        train(fresh(), DIGITS, Recipe(epochs=1), folder=tmp_path)
    (tmp_path / FILE).write_bytes(b"broken")
    with pytest.raises(SlipstickError, match="not a safetensors file"):
        train(fresh("mlp"), DIGITS, Recipe(epochs=1), folder=tmp_path)
    from slipstick.trained.torch.safetensors_weights import save_weights

    save_weights(fresh("mlp"), tmp_path / FILE)
    with pytest.raises(SlipstickError, match="not a checkpoint of a training"):
        train(fresh("mlp"), DIGITS, Recipe(epochs=1), folder=tmp_path)


def test_divergence_is_said() -> None:
    with pytest.raises(SlipstickError, match="not a number any more in epoch 1"):
        train(fresh("mlp"), DIGITS, Recipe(epochs=1, rate=1e30))


def test_no_training_images() -> None:
    nothing = DataSet("x", DIGITS.train.take(slice(0)), DIGITS.test, DIGITS.classes)
    with pytest.raises(SlipstickError, match="x: has no training images"):
        train(fresh("mlp"), nothing)


def test_evaluation_leaves_the_network_as_it_was() -> None:
    net = fresh().train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    outputs = predict(net, DIGITS.test, DIGITS.normal)
    assert outputs.shape == (360, 10)
    right = evaluate(net, DIGITS.test, DIGITS.normal)
    assert (right == (outputs.argmax(1) == DIGITS.test.labels)).all()
    assert net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert evaluate(net, DIGITS.test.take(slice(0)), DIGITS.normal).shape == (0,)


def test_rates_rise_and_fall() -> None:
    recipe = Recipe(rate=0.4, warmup=0.2)
    rates = np.array([recipe.rate_at(step, 50) for step in range(50)])
    assert rates.argmax() == 9
    assert rates.max() == 0.4
    assert (np.diff(rates[:10]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()
    assert Recipe(warmup=0).rate_at(0, 1) == 0.1


def test_shifts_and_mirrors_move_pixels_and_nothing_else() -> None:
    from slipstick.training.augmentation import _batch

    images = np.arange(1, 65, dtype=np.uint8).reshape(1, 8, 8, 1).repeat(500, 0)
    data, random = Images(images, np.zeros(500, np.int64)), np.random.default_rng(0)
    found, _ = _batch(data, np.arange(500), "crop-flip", random)
    padded = np.pad(images[0], ((1, 1), (1, 1), (0, 0)))
    windows = [padded[y : y + 8, x : x + 8] for y in range(3) for x in range(3)]
    allowed = {window.tobytes() for w in windows for window in (w, w[:, ::-1])}
    assert {image.tobytes() for image in found} == allowed
    cropped, _ = _batch(data, np.arange(500), "crop", random)
    assert {image.tobytes() for image in cropped} == {window.tobytes() for window in windows}
