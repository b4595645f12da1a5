"""Accuracy of a network whose first layer is light, amplitude-only masks in a Fourier plane, and what disturbs it.

    python benchmarks/optics_masks.py [--data mnist] [--epochs 8] [--seeds 1]

One line a goal: ``goal: NAME | reached VALUE | wanted BOUND | met`` or ``missed``. The masks are trained with the rest;
afterwards, on the same test images, they are shown frozen as drawn (only the rest trained), binary, shifted by one
frequency, and with images in eight planes of bits.
"""

from __future__ import annotations

import argparse

import torch

from slipstick.datasets import DataSet, data_set
from slipstick.trained.torch import module
from slipstick.training import Recipe, evaluate, train

GOALS = {"mnist": ("MNIST", 0.985, "none"), "cifar10-jpeg": ("CIFAR-10", 0.60, "crop-flip")}
STEEP = 1e3  # of a sigmoid: masks are on or off


def accuracy(net: torch.nn.Module, data: DataSet) -> float:
    return float(evaluate(net.eval(), data.test, data.normal).mean())


def disturbed(net: torch.nn.Module, data: DataSet) -> dict[str, float]:
    """Return the accuracy after each disturbance, nothing trained anew."""
    weight = net.masks.weight
    kept, results = weight.detach().clone(), {}
    with torch.no_grad():
        for name, changed in (
            ("binary masks", kept.sign() * STEEP),
            ("masks shifted by a frequency", kept.roll(1, -1)),
        ):
            weight.copy_(changed)
            results[name] = accuracy(net, data)
        weight.copy_(kept)
        net.masks.planes = 8
        results["images in eight planes of bits"] = accuracy(net, data)
        net.masks.planes = 0
    return results


def main() -> None:
    """Print the goals of a data set, and the accuracy after each disturbance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="mnist", choices=GOALS)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    name, bound, augment = GOALS[asked.data]
    data = data_set(asked.data)
    for seed in range(asked.seeds):
        recipe = Recipe(epochs=asked.epochs, seed=seed, augment=augment)
        torch.manual_seed(seed)
        net = module("fourier-cnn", data)
        history = train(net, data, recipe)
        reached, spent = accuracy(net, data), sum(epoch.seconds for epoch in history.epochs)
        verdict = "met" if reached >= bound else "missed"
        print(
            f"goal: {name}, masks trained, {len(data.test)} test images, seed {seed} | "
            f"reached {reached:.1%} in {spent:.0f} s | wanted >= {bound:.1%} | {verdict}",
            flush=True,
        )
        for disturbance, share in disturbed(net, data).items():
            print(f"measured: {name}, {disturbance}, nothing trained anew: {share:.1%}", flush=True)
        torch.manual_seed(seed)
        frozen = module("fourier-cnn", data)
        frozen.masks.weight.requires_grad_(False)
        train(frozen, data, recipe)
        print(f"measured: {name}, random masks, frozen, the rest trained: {accuracy(frozen, data):.1%}", flush=True)


if __name__ == "__main__":
    main()
