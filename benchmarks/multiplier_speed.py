"""Approximate multipliers: exact sums of a layer over torch's fp32 convolution of the same shape, on one thread.

    python benchmarks/multiplier_speed.py [--shapes] [--rounds N]

One line a goal, ``goal: NAME | reached VALUE | wanted BOUND | met``. The layer is batch 16, 64 to 64 channels, 3 by
3, 16 by 16, inputs of a ReLU. A ratio is the smallest of three medians of interleaved pairs, in the thread's own
seconds, so that a busy neighbour does not count. ``--shapes`` adds twelve other layers of small networks: the
geometric mean of their ratios, the worst named. ``SLIPSTICK_KERNELS=avx2`` or ``portable`` measures other kernels.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")
if os.environ.get("SLIPSTICK_KERNELS") == "avx2":  # torch gets no wider instructions either
    os.environ |= {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}

import numpy as np
import torch

from slipstick.core.window import WholeNumbers, Window
from slipstick.formats import format_of

GOALS = {  # ratio to the fp32 convolution: native, portable; from the project's goals
    "mul8s_1L2H (rank 1)": ("int8@mul8s_1L2H", 0.7, 60.0),
    "mul7u_09Y": ("int8@mul7u_09Y", 2.5, 60.0),
    "mul8s_1KVL": ("int8@mul8s_1KVL", 5.0, 60.0),
    "mul8u_FTA": ("int9@mul8u_FTA", 5.0, 60.0),
    "mul8u_185Q (any 8 bit table)": ("int9@mul8u_185Q", 5.0, 60.0),
}
AVX2_FACTOR = 3.0  # at most, without wider instructions
SHAPES_FACTOR = 1.7  # geometric mean of the other shapes over the first, at most
Shape = tuple[int, int, int, int, int, int, int]  # batch, channels, filters, kernel, size, stride, groups
LAYER: Shape = (16, 64, 64, 3, 16, 1, 1)
SHAPES: dict[str, Shape] = {
    "TinyConv 1": (16, 3, 32, 5, 32, 1, 1), "TinyConv 2": (16, 32, 32, 5, 16, 1, 1),
    "TinyConv 3": (16, 32, 64, 5, 8, 1, 1), "ResNet-8 16": (16, 16, 16, 3, 32, 1, 1),
    "ResNet-8 16 to 32, stride 2": (16, 16, 32, 3, 32, 2, 1), "ResNet-8 64": (16, 64, 64, 3, 8, 1, 1),
    "ResNet-18 128": (4, 128, 128, 3, 14, 1, 1), "ResNet-18 512": (4, 512, 512, 3, 7, 1, 1),
    "MobileNet depth-wise": (16, 128, 128, 3, 14, 1, 128), "MobileNet depth-wise, stride 2": (16, 64, 64, 3, 28, 2, 64),
    "MobileNet 1x1 14": (16, 128, 128, 1, 14, 1, 1), "MobileNet 1x1 7": (16, 256, 256, 1, 7, 1, 1),
}  # fmt: skip


def pair(text: str, shape: Shape) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return our sums and torch's convolution of one layer, as functions to time."""
    batch, channels, filters, kernel, size, stride, groups = shape
    form, draw = format_of(text), np.random.default_rng(0)
    full = form.encoding.full_scale
    kind = np.int8 if full == 128 else np.int16
    x = np.maximum(draw.normal(0, full / 3, (batch, channels, size, size)), 0).clip(0, full - 1).astype(kind)
    w = draw.normal(0, full / 4, (filters, channels // groups, kernel, kernel)).clip(1 - full, full - 1).astype(kind)
    pad = kernel // 2
    window = Window((stride, stride), ((pad, pad), (pad, pad)), groups=groups)
    inputs, weights = WholeNumbers(x, full), WholeNumbers(w, full)
    images, filters_ = torch.from_numpy(x.astype(np.float32)), torch.from_numpy(w.astype(np.float32))
    return (
        lambda: form.arithmetic.layer_sums(inputs, weights, window),
        lambda: torch.nn.functional.conv2d(images, filters_, stride=stride, padding=pad, groups=groups),
    )


def ratio(text: str, shape: Shape, rounds: int) -> float:
    """Return the smallest of three medians of ours over torch's time, pairs interleaved."""
    ours, plain = pair(text, shape)
    medians = []
    with torch.no_grad():
        ours(), plain()
        for _ in range(3):
            shares = [timed(ours) / timed(plain) for _ in range(rounds)]
            medians.append(statistics.median(shares))
    return min(medians)


def timed(function: Callable[[], object]) -> float:
    start = time.thread_time()
    function()
    return time.thread_time() - start


def goal(name: str, reached: float, bound: float) -> None:
    print(f"goal: {name} | reached {reached:.2f} | wanted <= {bound:.2f} | {'met' if reached <= bound else 'missed'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", action="store_true", help="measure twelve other layers too")
    parser.add_argument("--rounds", type=int, default=15, help="pairs in a median")
    options = parser.parse_args()
    torch.set_num_threads(1)
    mode = os.environ.get("SLIPSTICK_KERNELS") or "native"
    for name, (text, native, portable) in GOALS.items():
        bound = portable if mode == "portable" else native * (AVX2_FACTOR if mode == "avx2" else 1)
        first = ratio(text, LAYER, options.rounds)
        goal(f"{name}, {mode}", first, bound)
        if options.shapes:
            others = {shape: ratio(text, sizes, options.rounds) for shape, sizes in SHAPES.items()}
            worst = max(others, key=lambda shape: others[shape])
            mean = statistics.geometric_mean(others.values())
            goal(f"{name}, {mode}, mean of 12 shapes (worst {worst}, {others[worst]:.2f})", mean, bound * SHAPES_FACTOR)


if __name__ == "__main__":
    main()
