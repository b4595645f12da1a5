"""Methods of training on approximate hardware: test accuracy of ResNet-8 on digits after each, several seeds.

    python benchmarks/training_methods.py [--formats TEXT] [--epochs N] [--seeds N]

One line a method: accuracy after retraining on the hardware, its mean, and the smallest time per epoch (wall clock: a
busy neighbour counts). The network is trained as float for five epochs first.
"""

from __future__ import annotations

import argparse
from typing import Any, get_args

import torch

from slipstick import adapt
from slipstick.compress.adapt_options import CalibrationImages, Method, Retraining
from slipstick.datasets import data_set
from slipstick.trained.torch import module
from slipstick.training import Recipe, train


def main() -> None:
    """Print a line for each method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--formats", default="int8@stochastic:length=32,accumulate=or2")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=4)
    asked = parser.parse_args()
    torch.manual_seed(0)
    digits = data_set("digits")
    net = module("resnet-8", digits)
    train(net, digits, Recipe(epochs=5, seed=1))
    for method in get_args(Method):
        reports = [
            adapt(
                net, asked.formats, digits, calibration=CalibrationImages(correct=False),
                retraining=Retraining(epochs=asked.epochs, method=method, seed=seed),
            )
            for seed in range(asked.seeds)
        ]  # fmt: skip
        accuracies = [float(report.detail.after.mean()) for report in reports]
        trees: list[Any] = [report.metrics["training"] for report in reports]
        seconds = min(tree["epoch"].value for tree in trees)
        before, untrained = (float(right.mean()) for right in (reports[0].detail.before, reports[0].detail.rounded))
        print(
            f"{method}: {sum(accuracies) / len(accuracies):.2%} ({', '.join(f'{share:.2%}' for share in accuracies)}), "
            f"float {before:.2%}, untrained on hardware {untrained:.2%}, {seconds:.2f} s an epoch",
            flush=True,
        )


if __name__ == "__main__":
    main()
