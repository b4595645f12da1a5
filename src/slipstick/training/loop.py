"""Training loop of any torch module on labelled images: seeded, and resumable bit for bit."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.trained.torch.batch_prediction import autocast, input_tensor
from slipstick.training import augmentation as augment
from slipstick.training import checkpoint
from slipstick.training.evaluation import _chosen_precision, evaluate
from slipstick.training.recipe import Epoch, History, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor, nn
    from torch.optim import SGD

    from slipstick.core.progress import Progress
    from slipstick.datasets.images import DataSet, Normal


class _Phases(Protocol):
    """Phases of a training, such as `error_injection.TrainingPhases`: called around the steps of every epoch."""

    def begin(self, epoch: int, steps: int) -> None:
        """Prepare the layers for an epoch, counted from 0, of so many steps."""

    def end(self, batches: Iterable[Tensor]) -> None:
        """Prepare the layers for validation; `batches` are those of the epoch, drawn anew."""


@dataclass(frozen=True, eq=False)
class _Run:
    """State that all epochs of a training share."""

    net: nn.Module
    data: DataSet
    normal: Normal
    recipe: Recipe
    optimiser: SGD
    progress: Progress
    teacher: nn.Module | None = None
    phases: _Phases | None = None

    @property
    def steps(self) -> int:
        """Steps per epoch; the last batch may be smaller; a single leftover image is dropped (batch norms need two)."""
        whole, rest = divmod(len(self.data.train), self.recipe.batch)
        return whole + (rest > 1 or not whole)


def train(
    net: nn.Module,
    data: DataSet,
    recipe: Recipe | None = None,
    *,
    normal: Normal | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
    teacher: nn.Module | None = None,
    phases: _Phases | None = None,
) -> History:
    """Train a network in place, and leave it in evaluation mode.

    Parameters
    ----------
    net : any module from images [n, c, h, w] to logits. Weights that are parametrised
        (`torch.nn.utils.parametrize`) are trained through what computes them.
    data : trained on its training images; the accuracy after each epoch is that on its test images.
    normal : how bytes become the network's inputs. Default: the data set's own mean and deviation.
    folder : keeps the state after every epoch. Called again with the same folder, a training that was stopped goes on
        from its last whole epoch and ends with the same weights, bit for bit, as one that was not.
    progress : called after every step with the steps done, their number, and a text.
    teacher : network whose outputs for the same images the trained one learns besides the labels (`_loss`).
    phases : what layers on approximate hardware compute in each epoch. Default: exact sums in all.

    Errors
    ------
    SlipstickError without training images, if the loss is no longer a number, and for a folder of another training.

    Examples
    --------
    >>> import torch
    >>> from slipstick.datasets import data_set
    >>> from slipstick.trained.torch import module
    >>> torch.manual_seed(0) and None
    >>> digits = data_set("digits")
    >>> history = train(module("mlp", digits), digits, Recipe(epochs=10))
    >>> history.accuracy > 0.8
    True
    """
    torch = require("torch", "torch")
    recipe = settled(recipe or Recipe())
    if not len(data.train):
        raise SlipstickError("has no training images", path=data.name)
    # with bf16 1.9 times as fast as the default memory format in fp32: ResNet-14, one core of an AMD EPYC
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = _optimiser(net, recipe)
    run = _Run(net, data, normal or data.normal, recipe, optimiser, progress or _silent, teacher, phases)
    history = checkpoint._restore(folder, net, optimiser, recipe, data.name) if folder else History()
    with torch.random.fork_rng(devices=[]):  # dropout draws from torch's own generator: leave the caller's as it was
        while len(history.epochs) < recipe.epochs and not history.accuracy >= recipe.until:
            history = History((*history.epochs, _epoch(run, history)))
            if folder:
                checkpoint._save(folder, net, optimiser, recipe, data.name, history)
    net.eval()
    return history


def settled(recipe: Recipe) -> Recipe:
    """Return the recipe with ``auto`` precision resolved on this machine, as its checkpoint states it."""
    return recipe.model_copy(update={"precision": _chosen_precision(recipe.precision)})


def _epoch(run: _Run, history: History) -> Epoch:
    """Train for one epoch; its randomness depends only on the seed and the epoch's number."""
    torch = require("torch", "torch")
    number, started, losses, seen = len(history.epochs), time.perf_counter(), 0.0, 0
    random = np.random.default_rng([run.recipe.seed, number])
    torch.manual_seed(int(random.integers(2**63)))
    run.net.train()
    order = random.permutation(len(run.data.train))
    if run.phases is not None:
        run.phases.begin(number, run.steps)
    for step in range(run.steps):
        before = number * run.steps + step
        for group in run.optimiser.param_groups:
            group["lr"] = run.recipe.rate_at(before, run.recipe.epochs * run.steps)
        which = order[step * run.recipe.batch : (step + 1) * run.recipe.batch]
        losses += _step(run, which, random) * len(which)
        seen += len(which)
        if not math.isfinite(losses):
            raise SlipstickError(
                f"the loss is not a number any more in epoch {number + 1}", path="recipe.rate", allowed="a lower rate"
            )
        run.progress(before + 1, run.recipe.epochs * run.steps, _said(number, run.recipe, history))
    if run.phases is not None:
        run.phases.end(_inputs(run, order, random))
    right = evaluate(run.net, run.data.test, run.normal, precision=_chosen_precision(run.recipe.precision))
    accuracy = float(right.mean()) if len(right) else math.nan
    return Epoch(losses / seen, accuracy, time.perf_counter() - started)


def _step(run: _Run, which: NDArray[np.int64], random: np.random.Generator) -> float:
    """Update the weights once by the mean gradient over the images `which`; return the mean loss before the update."""
    torch = require("torch", "torch")
    augmentation, loss = augment._kind(run.recipe.augment, run.data), 0.0
    run.optimiser.zero_grad()
    for piece in np.array_split(which, -(-len(which) // (run.recipe.chunk or len(which)))):
        images, labels = augment._batch(run.data.train, piece, augmentation, random)
        inputs = input_tensor(images, run.normal)
        with autocast(_chosen_precision(run.recipe.precision)):
            outputs = run.net(inputs)
        part = _loss(run, inputs, outputs.float(), torch.from_numpy(labels)) / len(which)
        part.backward()  # type: ignore[no-untyped-call]
        loss += float(part.detach())
    run.optimiser.step()
    return loss


def _loss(run: _Run, inputs: Tensor, outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the summed loss of some images: cross-entropy, with a teacher a tenth of it and distillation.

    Source: Hinton et al., arXiv 1503.02531, section 2: the divergence from the teacher's softened outputs, times the
    temperature squared. Temperature 4 and nine tenths are assumed.
    """
    torch = require("torch", "torch")
    functional = torch.nn.functional
    loss: Tensor = functional.cross_entropy(outputs, labels, label_smoothing=run.recipe.smoothing, reduction="sum")
    if run.teacher is None:
        return loss
    with torch.no_grad(), autocast(_chosen_precision(run.recipe.precision)):
        taught = run.teacher(inputs)
    soft, target = (outputs / 4).log_softmax(1), (taught.float() / 4).softmax(1)
    divergence = functional.kl_div(soft, target, reduction="sum") * 4**2
    return 0.1 * loss + 0.9 * divergence  # type: ignore[no-any-return]


def _inputs(run: _Run, order: NDArray[np.int64], random: np.random.Generator) -> Iterator[Tensor]:
    """Yield the inputs of an epoch's steps once more, augmented anew."""
    augmentation = augment._kind(run.recipe.augment, run.data)
    for step in range(run.steps):
        which = order[step * run.recipe.batch : (step + 1) * run.recipe.batch]
        yield input_tensor(augment._batch(run.data.train, which, augmentation, random)[0], run.normal)


def _optimiser(net: nn.Module, recipe: Recipe) -> SGD:
    """Return the SGD optimiser, with weight decay on weights but not on scales and biases."""
    torch = require("torch", "torch")
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": recipe.decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser: SGD = torch.optim.SGD(groups, lr=recipe.rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
    return optimiser


def _said(number: int, recipe: Recipe, history: History) -> str:
    last = f", test {history.accuracy:.2%}" if history.epochs else ""
    return f"epoch {number + 1}/{recipe.epochs}{last}"


def _silent(steps: int, total: int, text: str) -> None:
    """Progress callback that reports nothing."""
