"""Images a second of training ResNet-14 on CIFAR-10's shape: memory formats and number formats, one or more threads.

    python benchmarks/training_rate.py [--threads 1] [--rounds 5] [--net resnet-14]

The variants take turns, so that a busy machine slows all of them alike; medians of steps of 128 images are printed.
What `slipstick.training.train` does is the last one; the baseline is torch's default, fp32 in the order NCHW.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from typing import Any

import torch

from slipstick.trained.torch import module

BATCH = 128
STEPS = 5  # of a variant in a round


def variant(name: str, *, last: bool) -> tuple[Any, Any, Any]:
    """Return a network, its inputs and its optimiser, in one of two memory formats."""
    torch.manual_seed(0)
    how = torch.channels_last if last else torch.contiguous_format
    net = module(name, classes=10, shape=(32, 32, 3)).to(memory_format=how)
    inputs = torch.randn(BATCH, 3, 32, 32).to(memory_format=how)
    return net, inputs, torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, nesterov=True)


def steps(net: Any, inputs: Any, optimiser: Any, *, half: bool) -> float:
    """Return the seconds of a step."""
    labels = torch.arange(BATCH) % 10
    started = time.perf_counter()
    for _ in range(STEPS):
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            outputs = net(inputs)
        torch.nn.functional.cross_entropy(outputs.float(), labels).backward()
        optimiser.step()
    return (time.perf_counter() - started) / STEPS


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--net", default="resnet-14")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    kinds = {(last, half): variant(asked.net, last=last) for last in (False, True) for half in (False, True)}
    taken: dict[tuple[bool, bool], list[float]] = {kind: [] for kind in kinds}
    for number in range(asked.rounds + 1):
        for kind, parts in kinds.items():
            seconds = steps(*parts, half=kind[1])
            if number:  # the first round warms up
                taken[kind].append(seconds)
    print(f"{asked.net}, {platform.machine()}, torch {torch.__version__}, {asked.threads} threads")
    baseline = statistics.median(taken[False, False])
    for (last, half), found in taken.items():
        middle = statistics.median(found)
        label = f"{'bf16' if half else 'fp32'} {'channels last' if last else 'NCHW'}"
        print(f"  {label:19} {BATCH / middle:6.0f} images/s, {baseline / middle:.2f} x the baseline")


if __name__ == "__main__":
    main()
