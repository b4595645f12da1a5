"""Speed of training steps with injected errors over plain fp32 steps of torch, and quality of the models of errors.

    python benchmarks/injection_speed.py [--repeats 15] [--epochs 4] [--only speed|quality]

One thread. Candidate and baseline take turns; a figure is the smallest of three medians of the thread's own processor
time. The layer is that of `approximate_speed.py`. Quality is that of ResNet-8 on digits after `--epochs` epochs of
`adapt --method inject`: R^2 of the worst layer, which is named, and the R^2 that a perfect model would have there.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from layer_timing import LAYER, Run, goal, leaves, operands, plain_step, seconds, step, stepped

from slipstick import adapt
from slipstick.compress.adapt_options import CalibrationImages, Retraining
from slipstick.datasets import data_set
from slipstick.formats import format_of
from slipstick.trained.torch import module
from slipstick.training import Recipe, train
from slipstick.training.approximate_layers import _LayerProduct
from slipstick.training.injected_sums import _Errors, _TrainedSums

STOCHASTIC, TABLE, ANALOG = "int8@stochastic:length=32", "int8@mul7u_09Y", "int8@analog:rows=64,adc_bits=6"
STEPS: dict[str, tuple[str, _Errors, float | None]] = {  # format, model, and bound of a step over the plain one
    "type 1, by the sum": (STOCHASTIC, "sum", 2.6),
    "type 1, with what is fixed": (STOCHASTIC, "sum+fixed", 2.6),
    "type 2, by the channel": (TABLE, "channel", 1.2),
    "type 2, with what is fixed": (TABLE, "channel+fixed", 1.2),
    "type 3, by the operands": (TABLE, "operands", None),
}
QUALITIES = "R2 of mean {:.3f} of {:.3f}, of deviation {:.3f} of {:.3f}; explained {:.3f}, fixed {:.3f}"
R2 = 0.95  # wanted of predicted over measured mean and deviation, by bins of the sum


def injected(text: str, errors: _Errors) -> Run:
    """Return a forward and backward pass with injected errors, calibrated on the layer's own operands first."""
    (a, b), (_, w, window, arithmetic) = leaves(LAYER, text), operands(LAYER, text)
    product = _LayerProduct(format_of(f"{text.partition('@')[0]}@{arithmetic.name}"), window)
    sums, scale, unit = _TrainedSums(len(w.elements), 1, errors), torch.tensor(1.0), torch.tensor([1 / product.full[1]])
    sums.computes, sums.every = "inject", 10**9
    return stepped(a, b, lambda: sums(a, b, product, scale, unit))


def speed(repeats: int) -> None:
    """Print the goals of a step's time."""
    candidates = {name: injected(text, errors) for name, (text, errors, _) in STEPS.items()}
    exact = {"exact stochastic": step(LAYER, STOCHASTIC), "exact table": step(LAYER, TABLE)}
    times = seconds({"plain": plain_step(LAYER)} | candidates | exact, repeats)
    note = f" of a plain step of {times['plain'] * 1e3:.2f} ms"
    for name, (_, _, bound) in STEPS.items():
        ratio = times[name] / times["plain"]
        if bound is None:
            print(f"  {name}: {ratio:.2f}{note}, no bound")
        else:
            goal(f"injection, {name}, training step", ratio, bound, note)
    for name in exact:
        print(f"  {name} step: {times[name] / times['plain']:.2f}{note}")


def quality(epochs: int) -> None:
    """Print the goals of the models' quality, of ResNet-8 on digits."""
    digits = data_set("digits")
    torch.manual_seed(0)
    net = module("resnet-8", digits)
    train(net, digits, Recipe(epochs=5, seed=1))
    for text in ("int8@stochastic:length=32,count=or2", TABLE, ANALOG):
        errors: Any = "sum+fixed" if text == ANALOG else "auto"  # by the channel nothing follows the sum
        retraining = Retraining(epochs=epochs, method="inject", errors=errors)
        report = adapt(net, text, digits, calibration=CalibrationImages(correct=False), retraining=retraining)
        rows, training = report.breakdowns["error models"].rows, report.metrics["training"]
        for row in rows:
            print(f"  {row[0]:24} type {row[1]}", QUALITIES.format(*row[3:9]))
        for part in ("error_mean", "error_deviation"):
            metric: Any = training[part]  # type: ignore[index]
            name = f"R2 of {part.replace('_', ' ')}, {text}"
            goal(name, metric.value, R2, f" ({metric.source}; {metric.note})", least=True)
        fixed = [float(row[8]) for row in rows]
        print(f"  fixed at channel and place, of what the model leaves: {min(fixed):.0%} to {max(fixed):.0%}")


def main() -> None:
    """Print every goal, or those of one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15, help="runs of a median")
    parser.add_argument("--epochs", type=int, default=4, help="of the training whose models are rated")
    parser.add_argument("--only", choices=("speed", "quality"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.only != "quality":
        speed(options.repeats)
    if options.only != "speed":
        quality(options.epochs)


if __name__ == "__main__":
    main()
