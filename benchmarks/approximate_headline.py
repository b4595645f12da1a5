"""Trainings on stochastic arithmetic: ours and by error injection, against naive exact emulation in torch; one run.

    python benchmarks/approximate_headline.py [--lengths 32 64 ...] [--steps 40] [--epochs 5] [--part network]

Naive: every cycle of a stream is a convolution of bits in torch, positive and negative weights side by side, clamped
and added up, as an emulation is first written; its sums are ours, bit for bit, and its backward pass is ours. One
thread, fp32, the thread's own processor time. Layer: that of the theory's section 6 on operands of a trained network
(`layer_timing`). Network: TinyConv, batch 32, CIFAR-10 (JPEG copies), a training of a few epochs whole but for the
naive one, of which some steps are measured and multiplied. One line a goal, ``goal: NAME | reached VALUE | wanted
BOUND | met``; the exit status is 0 either way.

The paper's "up to 18X" (Li et al., arXiv 2304.04125, abstract) is injection with exact last epochs over exact training.
If these epochs are as slow as the exact training, no injection is faster than 1 / f, f their share: 5 with a fifth.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from layer_timing import LAYER, goal, leaves, operands, plain_step, seconds, step, stepped
from numpy.typing import NDArray
from torch.nn.functional import conv2d, pad

from slipstick.core.window import WholeNumbers, Window
from slipstick.datasets import DataSet, Normal, data_set
from slipstick.formats import format_of
from slipstick.formats.arithmetic.bit_streams import _levels, _numbers, _seed_numbers
from slipstick.formats.arithmetic.stochastic import Stochastic
from slipstick.trained.torch import module
from slipstick.training import Recipe, train
from slipstick.training.approximate_layers import _LayerProduct
from slipstick.training.error_injection import TrainingPhases, _TrainedSums
from slipstick.training.parametrization import attach

AIMS = {32: 12.0, 128: 15.0}  # exact training steps over naive ones, at least
PAPER = 18.0
PARTS = ("layer", "network")
BATCH = 32
LAYERS = ("conv1", "conv2", "conv3", "classifier")


def naive_sums(
    arithmetic: Stochastic, inputs: WholeNumbers, weights: WholeNumbers, window: Window
) -> NDArray[np.float32]:
    """Return a layer's sums for inputs that are not negative, cycle by cycle: a convolution of bits for each."""
    length, counted = arithmetic.length, float(arithmetic.counted or 0)
    levels = torch.from_numpy(_levels(inputs, length).astype(np.float32))
    levels = pad(levels, [*window.padding[1], *window.padding[0]])
    factors = torch.from_numpy(_levels(weights, length).astype(np.float32))
    signs = torch.from_numpy(np.sign(weights.elements).astype(np.float32))
    states = []
    for role, shape in (("input", levels.shape[1:]), ("weight", factors.shape[1:])):
        numbers = _numbers(arithmetic.generator, length, role)  # type: ignore[arg-type]
        places = np.arange(int(np.prod(shape))).reshape(shape)
        rows = _seed_numbers(arithmetic.generator, places, role, len(numbers))  # type: ignore[arg-type]
        states.append(torch.from_numpy(numbers[rows].astype(np.float32)))
    total: Any = 0.0
    for cycle in range(length):
        bits = (levels > states[0][..., cycle]).float()
        weight = (factors > states[1][..., cycle]).float()
        both = torch.cat([weight * (signs > 0), weight * (signs < 0)])
        positive, negative = conv2d(bits, both, stride=window.stride).clamp_(max=counted).chunk(2, dim=1)
        total = total + (positive - negative)
    return np.asarray(total.numpy() * np.float32(inputs.full * weights.full / length), np.float32)


def naively() -> Any:
    """Return a context in which layers of stochastic arithmetic compute their sums naively."""
    return patch.object(Stochastic, "read_layer", lambda *given: (naive_sums(*given), None))


def injected_step(shape: tuple[int, int, int, int, int, int], text: str, errors: Any = "sum") -> Any:
    """Return a training step of a layer by its error model, which is fitted beforehand."""
    (a, b), (_, w, window, arithmetic) = leaves(shape, text), operands(shape, text)
    product = _LayerProduct(format_of(f"int8@{arithmetic.name}"), window)
    sums = _TrainedSums(len(w.elements), 2, errors)
    sums.computes, sums.every = "inject", 10**9
    return stepped(a, b, lambda: sums(a, b, product, torch.tensor(1.0), torch.tensor([1 / product.full[1]])))


def layer_goals(lengths: list[int], repeats: int) -> None:
    """Print steps of one layer: naive, ours and by injection, over torch's plain step."""
    base = plain_step(LAYER)
    for length in lengths:
        text = f"int8@stochastic:length={length}"
        x, w, window, arithmetic = operands(LAYER, text)
        assert isinstance(arithmetic, Stochastic)
        if not np.array_equal(naive_sums(arithmetic, x, w, window), arithmetic.layer_sums(x, w, window)):
            print(f"goal: naive sums, L={length} | not run: they are not ours")
            continue
        with naively():
            naive = step(LAYER, text)
            slow = seconds({"plain": base, "naive": naive}, 1)
        times = seconds({"plain": base, "exact": step(LAYER, text), "injected": injected_step(LAYER, text)}, repeats)
        shares = {"naive": slow["naive"] / slow["plain"]} | {
            name: times[name] / times["plain"] for name in ("exact", "injected")
        }
        told = ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
        print(f"  L={length}: training step of the layer over torch's plain one: {told}", flush=True)
        if length in AIMS:
            ratio = shares["naive"] / shares["exact"]
            goal(f"exact training step over the naive one, L={length}, layer", ratio, AIMS[length], least=True)
    times = seconds(
        {"plain": base, "1": injected_step(LAYER, "int8@stochastic:length=32"),
         "2": injected_step(LAYER, "int8@mul7u_09Y", "channel")},
        repeats,
    )  # fmt: skip
    for kind, bound in (("1", 2.6), ("2", 1.2)):
        goal(f"injection of type {kind}, training step over the plain one", times[kind] / times["plain"], bound)


def training(data: DataSet, length: int, method: str, epochs: int) -> float:
    """Return the seconds of a whole training of TinyConv, validation and calibration among them."""
    torch.manual_seed(0)
    net = module("tiny-conv", data)
    if length:
        forms = {name: format_of(f"int8@stochastic:length={length}") for name in LAYERS}
        attach(net, forms, sides={name: {"scale": np.float32([4 / 127])} for name in LAYERS})
    phases = TrainingPhases(net, LAYERS if length else None, method, epochs)  # type: ignore[arg-type]
    recipe = Recipe(epochs=epochs, batch=BATCH, precision="fp32", augment="none", rate=0.01)
    start = time.thread_time()
    train(net, data, recipe, normal=Normal((0.0,) * 3, (1.0,) * 3), phases=phases)
    return time.thread_time() - start


def network_goals(lengths: list[int], steps: int, epochs: int) -> None:
    """Print whole trainings of TinyConv."""
    cifar = data_set("cifar10-jpeg")
    data = DataSet(cifar.name, cifar.train.some(steps * BATCH), cifar.test.some(BATCH), cifar.classes)
    few = DataSet(cifar.name, cifar.train.some(2 * BATCH), cifar.test.some(0), cifar.classes)
    float_seconds, saved = training(data, 0, "exact", epochs), []
    for length in lengths:
        with naively():
            naive = statistics.median(training(few, length, "exact", 1) / 2 for _ in range(3)) * steps * epochs
        exact = training(data, length, "exact", epochs)
        tuned, injected = (training(data, length, method, epochs) for method in ("inject+finetune", "inject"))
        print(
            f"  TinyConv, L={length}, {epochs} epochs of {steps} steps: float {float_seconds:.1f} s, naive exact "
            f"{naive:.0f} s (by 6 steps; {naive / exact:.1f} times ours), ours exact {exact:.1f} s, "
            f"inject+finetune {tuned:.1f} s, inject {injected:.1f} s",
            flush=True,
        )
        saved.append((length, tuned < exact, exact / tuned))
        share = -(-epochs // 5) / epochs
        goal(
            f"injection and exact last epochs over naive exact training, L={length}, TinyConv", naive / tuned, PAPER,
            f" (with naive last epochs at most {1 / share:.0f})", least=True,
        )  # fmt: skip
    first = next((length for length, saves, _ in saved if saves), None)
    told = ", ".join(f"L={length}: {ratio:.2f}" for length, _, ratio in saved)
    print(f"  our exact training over inject+finetune: {told}; injection saves time from L={first}")


def main() -> None:
    """Print a line for each goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=int, nargs="+", default=[32, 64, 128, 256], help="cycles of a stream")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS, help="both by default")
    parser.add_argument("--steps", type=int, default=40, help="training steps of an epoch")
    parser.add_argument("--epochs", type=int, default=5, help="epochs of a training")
    parser.add_argument("--repeats", type=int, default=5, help="runs of a median")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if "layer" in options.part:
        layer_goals(options.lengths, options.repeats)
    if "network" in options.part:
        network_goals(options.lengths, options.steps, options.epochs)


if __name__ == "__main__":
    main()
