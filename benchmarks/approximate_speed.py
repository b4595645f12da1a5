"""Speed of exact emulation of approximate arithmetic against plain fp32 layers of torch, and its exactness.

    python benchmarks/approximate_speed.py [--repeats 15]

One thread. Candidate and baseline take turns; a figure is the smallest of three medians of the thread's own processor
time, which a busy neighbour disturbs less than the wall clock. A goal is a line ``goal: NAME | reached VALUE | wanted
BOUND | met``; what this machine cannot run says so. The exit status is 0 either way.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch

from slipstick.core.window import WholeNumbers, Window
from slipstick.formats import format_of
from slipstick.formats.arithmetic import stochastic_layer as kernels
from slipstick.formats.arithmetic.kernels.native_library import native_library
from slipstick.formats.arithmetic.stochastic import Stochastic
from slipstick.formats.arithmetic.stochastic_oracle import _stochastic_oracle
from slipstick.training.approximate_layers import _ExactForward, _LayerProduct

LAYER = (16, 64, 64, 3, 16, 1)  # images, channels, filters, kernel, side, stride: the theory's section 6
SHAPES = {  # inputs of the networks that the studies train: their layers with the most products
    "TinyConv 1": (16, 3, 32, 5, 32, 1), "TinyConv 2": (16, 32, 32, 5, 16, 1), "TinyConv 3": (16, 32, 64, 5, 8, 1),
    "ResNet-8 1": (16, 16, 16, 3, 32, 1), "ResNet-8 2": (16, 32, 32, 3, 16, 1), "ResNet-8 down": (16, 16, 32, 3, 32, 2),
    "ResNet-14 3": (16, 64, 64, 3, 8, 1), "ResNet-18 14x14": (16, 256, 256, 3, 14, 1),
    "ResNet-18 7x7": (16, 512, 512, 3, 7, 1), "MobileNet depth-wise": (16, 64, 0, 3, 14, 1),
    "MobileNet 1x1": (16, 128, 128, 1, 14, 1), "1x1 7x7": (16, 256, 256, 1, 7, 1),
}  # fmt: skip
RATE = """
#include <immintrin.h>
#include <stdio.h>
#include <time.h>
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}
int main(void) {
    __m512i a[12], x = _mm512_set1_epi32(7), y = _mm512_set1_epi32(3);
    for (int i = 0; i < 12; i++) a[i] = _mm512_set1_epi32(i);
    double best = 0;
    for (int r = 0; r < 5; r++) {
        double start = now();
        for (long i = 0; i < 5000000; i++) {
#pragma GCC unroll 12
            for (int j = 0; j < 12; j++) a[j] = _mm512_ternarylogic_epi32(a[j], x, y, 0xF8);
            __asm__ volatile("" : "+v"(x), "+v"(y));
        }
        double logic = 12 * 5e6 / (now() - start);
        start = now();
        unsigned long z = 1;
        for (long i = 0; i < 50000000; i++) __asm__ volatile("add %0, %0" : "+r"(z));
        double clock = 5e7 / (now() - start);
        if (logic / clock > best) best = logic / clock;
    }
    for (int i = 1; i < 12; i++) a[0] = _mm512_xor_si512(a[0], a[i]);
    printf("%.2f %d\\n", best, _mm512_reduce_add_epi32(a[0]) & 1);
}
"""


def operands(shape: tuple[int, ...]) -> tuple[WholeNumbers, WholeNumbers, Window]:
    """Return inputs behind a ReLU and weights of about the spread of a trained layer, as whole numbers."""
    images, channels, filters, kernel, side, stride = shape
    random, groups = np.random.default_rng(1), 1 if filters else channels
    x = np.clip(np.rint(random.normal(0, 35, (images, channels, side, side))), 0, 127).astype(np.int16)
    taps = (filters or channels, channels // groups, kernel, kernel)
    w = np.clip(np.rint(random.normal(0, 9, taps)), -127, 127).astype(np.int16)
    pad = (kernel // 2, kernel // 2)
    return WholeNumbers(x, 128), WholeNumbers(w, 128), Window((stride, stride), (pad, pad), groups=groups)


def forward(shape: tuple[int, ...], text: str) -> Callable[[], object]:
    """Return a forward pass on whole numbers, as training hands them over."""
    x, w, window = operands(shape)
    arithmetic = format_of(f"int8@{text}").arithmetic
    return lambda: arithmetic.layer_sums(x, w, window)


def plain(shape: tuple[int, ...]) -> Callable[[], object]:
    """Return torch's fp32 convolution of the same shape."""
    x, w, window = operands(shape)
    a, b = (torch.from_numpy(part.elements.astype(np.float32)) for part in (x, w))

    def run() -> object:
        with torch.inference_mode():
            return torch.nn.functional.conv2d(
                a, b, stride=window.stride, padding=tuple(pad[0] for pad in window.padding), groups=window.groups
            )

    return run


def step(shape: tuple[int, ...], text: str | None) -> Callable[[], object]:
    """Return a forward and backward pass from float tensors, plain (None) or on an arithmetic."""
    x, w, window = operands(shape)
    a, b = (torch.from_numpy(part.elements.astype(np.float32) / 128).requires_grad_() for part in (x, w))
    scale, unit = torch.tensor(1.0), torch.tensor([1 / 128])
    product = None if text is None else _LayerProduct(format_of(f"int8@{text}"), window)
    ones = torch.ones(1)

    def run() -> object:
        a.grad = b.grad = None
        if product is None:
            y = torch.nn.functional.conv2d(a, b, padding=tuple(pad[0] for pad in window.padding), groups=window.groups)
        else:
            y = _ExactForward.apply(a, b, product, scale, unit)
        y.backward(ones.expand_as(y))
        return a.grad

    return run


def seconds(candidates: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the smallest of three medians of each candidate's processor time [s]; candidates take turns."""
    best = dict.fromkeys(candidates, np.inf)
    for run in candidates.values():
        run()
    for _ in range(3):
        times: dict[str, list[float]] = {name: [] for name in candidates}
        for _ in range(repeats):
            for name, run in candidates.items():
                start = time.thread_time()
                run()
                times[name].append(time.thread_time() - start)
        for name, measured in times.items():
            best[name] = min(best[name], statistics.median(measured))
    return best


def goal(name: str, reached: float, bound: float, text: str = "") -> None:
    """Print a goal's line."""
    verdict = "met" if reached <= bound else "missed"
    print(f"goal: {name} | reached {reached:.2f}{text} | wanted <= {bound:.2f} | {verdict}", flush=True)


def logic_operations() -> float | None:
    """Return the 512 bit logic operations of a cycle, against a chain of additions; None where they cannot be built."""
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "rate.c"), Path(folder, "rate")
        source.write_text(RATE)
        try:
            subprocess.run(["cc", "-O2", "-march=native", "-o", program, source], check=True, capture_output=True)
            return float(subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()[0])
        except (OSError, subprocess.CalledProcessError):
            return None


def in_another_process(repeats: int, **environment: str) -> dict[str, float] | None:
    """Return the ratios of the layer under other settings, which a process reads when it starts."""
    command = [sys.executable, __file__, "--repeats", str(repeats), "--ratios"]
    ran = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    return None if ran.returncode else json.loads(ran.stdout.splitlines()[-1])


def ratios(repeats: int) -> dict[str, float]:
    """Return forward pass and training step of stochastic arithmetic over 32 cycles, over the plain ones."""
    text = "stochastic:length=32"
    times = seconds(
        {
            "plain": plain(LAYER), "forward": forward(LAYER, text), "plain step": step(LAYER, None),
            "step": step(LAYER, text),
        },
        repeats,
    )  # fmt: skip
    return {"forward": times["forward"] / times["plain"], "step": times["step"] / times["plain step"]}


def stochastic(repeats: int, four: bool) -> None:
    """Print the goals of stochastic arithmetic on the layer of the theory's section 6."""
    texts = {name: f"stochastic:{text}" for name, text in (
        ("or L=32", "length=32"), ("or L=64", "length=64"), ("or L=128", "length=128"), ("or2", "length=32,count=or2"),
        ("or3", "length=32,count=or3"),
    )}  # fmt: skip
    times = seconds({"plain": plain(LAYER)} | {name: forward(LAYER, text) for name, text in texts.items()}, repeats)
    base, double = times["plain"], 1 if four else 2
    note = f" of a convolution of {base * 1e3:.2f} ms"
    goal("stochastic or, L=32, forward", times["or L=32"] / base, 1.5 if four else 2.5, note)
    goal("stochastic or, L=64, forward", times["or L=64"] / base, 3.0 * double, note)
    goal("stochastic or, L=128, forward", times["or L=128"] / base, 6.0 * double, note)
    goal("stochastic or2 over or", times["or2"] / times["or L=32"], 1.8)
    goal("stochastic or3 over or", times["or3"] / times["or L=32"], 2.8)
    steps = ratios(repeats)
    goal("stochastic or, L=32, training step, derivative exp(-s)", steps["step"], 3.0)


def other_paths(repeats: int, four: bool) -> None:
    """Print the goals of the portable kernels and of AVX2 alone."""
    bound = 1.5 if four else 2.5
    portable = in_another_process(repeats, SLIPSTICK_KERNELS="portable")
    narrow = in_another_process(
        repeats, SLIPSTICK_KERNELS="avx2", ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2"
    )
    if portable is None or narrow is None:
        print("goal: stochastic on other paths | not run: the process ended with an error")
        return
    goal("stochastic or, L=32, forward, portable (numba)", portable["forward"], 8.0)
    goal("stochastic or, L=32, forward, AVX2 alone (torch too)", narrow["forward"], 3 * bound)
    goal("stochastic or, L=32, training step, AVX2 alone", narrow["step"], 3 * 3.0)


def shapes(repeats: int, four: bool) -> None:
    """Print the forward pass on the shapes of other networks, their geometric mean and the worst."""
    found: dict[str, float] = {}
    for name, shape in SHAPES.items():
        times = seconds({"plain": plain(shape), "or": forward(shape, "stochastic:length=32")}, max(3, repeats // 3))
        found[name] = times["or"] / times["plain"]
        print(f"  {name:22} {found[name]:6.2f} of {times['plain'] * 1e3:.3f} ms")
    worst, mean = max(found, key=found.__getitem__), statistics.geometric_mean(found.values())
    bound = 1.7 * (1.5 if four else 2.5)
    goal("stochastic or, L=32, twelve shapes", mean, bound, f" (worst {worst}: {found[worst]:.2f})")


def exactness() -> None:
    """Print whether 10**5 outputs of every way of counting are those of the slow reference."""
    x, w, window = operands((13, 4, 8, 3, 32, 1))
    for text in (
        "length=32",
        "length=64,count=or2",
        "length=128,count=or3",
        "length=32,generator=sobol,seeds=separate",
    ):
        arithmetic = format_of(f"int8@stochastic:{text}").arithmetic
        sums = arithmetic.layer_sums(x, w, window)
        different = int((sums != _stochastic_oracle(arithmetic, x, w, window)).sum())
        goal(f"outputs that differ from the reference, {text}", different, 0, f" of {sums.size:,}")


def multipliers(repeats: int) -> None:
    """Print the goals of table products: of this machine's kernels on all layers, then of the other kernels on one."""
    script = [sys.executable, str(Path(__file__).with_name("multiplier_speed.py")), "--rounds", str(repeats)]
    sys.stdout.flush()
    for kernels_, extra in (("native", ["--shapes"]), ("avx2", []), ("portable", [])):
        environment = {**os.environ, "SLIPSTICK_KERNELS": kernels_}
        ran = subprocess.run([*script, *extra], env=environment, check=False)
        if ran.returncode:
            print(f"goal: multipliers, {kernels_} | not run: the process ended with an error")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15, help="runs of a median")
    parser.add_argument("--ratios", action="store_true", help="print the ratios of one layer as JSON, and nothing else")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.ratios:
        print(json.dumps(ratios(options.repeats)))
        return
    logic = logic_operations()
    print(f"512 bit logic operations a cycle: {'not measured' if logic is None else f'{logic:.1f}'}")
    native = native_library("stochastic", partial(kernels._agrees, Stochastic)) is not None
    print(f"native kernels: {native}; torch {torch.__version__}")
    four = logic is not None and logic > 3  # bounds are told for two and for four a cycle
    stochastic(options.repeats, four)
    other_paths(options.repeats, four)
    shapes(options.repeats, four)
    exactness()
    multipliers(options.repeats)


if __name__ == "__main__":
    main()
