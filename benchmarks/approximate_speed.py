"""Speed of exact emulation of approximate arithmetic over plain fp32 layers of torch: every goal, one line each.

    python benchmarks/approximate_speed.py [--repeats 15] [--part stochastic ...]

One thread. Candidate and baseline take turns; a figure is the smallest of three medians of the thread's own processor
time, which a busy neighbour disturbs less than the wall clock, on operands of a trained network (`layer_timing`). A
goal is a line ``goal: NAME | reached VALUE | wanted BOUND | met``; what this machine cannot run says so. The exit
status is 0 either way. Parts: stochastic streams here, analog arrays and multipliers in the scripts beside it;
`approximate_exactness.py` has the comparison with slow references, `approximate_headline.py` whole trainings.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch
from layer_timing import AVX2_FACTOR, LAYER, forward, goal, operands, plain, plain_step, seconds, shape_goals, step

from slipstick.formats.arithmetic import stochastic_layer as kernels
from slipstick.formats.arithmetic.kernels.native_library import native_library
from slipstick.formats.arithmetic.stochastic import Stochastic

PARTS = ("stochastic", "shapes", "paths", "analog", "multipliers")
STEP, PORTABLE = 3.0, 8.0  # goals over the plain layer: a training step, and the forward pass in numba
TEXT = "int8@stochastic:length=32"
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
    double best = 0, hertz = 0;
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
        if (clock > hertz) hertz = clock;
    }
    for (int i = 1; i < 12; i++) a[0] = _mm512_xor_si512(a[0], a[i]);
    printf("%.2f %.3g %d\\n", best, hertz, _mm512_reduce_add_epi32(a[0]) & 1);
}
"""


def logic_rate() -> tuple[float, float] | None:
    """Return 512 bit logic operations a cycle and the clock [Hz], by a chain of additions; None: cannot be built."""
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "rate.c"), Path(folder, "rate")
        source.write_text(RATE)
        try:
            subprocess.run(["cc", "-O2", "-march=native", "-o", program, source], check=True, capture_output=True)
            words = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
        except (OSError, subprocess.CalledProcessError):
            return None
        return float(words[0]), float(words[1])


def processor() -> str:
    """Return the processor's name as the system gives it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def in_another_process(repeats: int, **environment: str) -> dict[str, float] | None:
    """Return the ratios of the layer under other settings, which a process reads when it starts."""
    command = [sys.executable, __file__, "--repeats", str(repeats), "--ratios"]
    ran = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    return None if ran.returncode else json.loads(ran.stdout.splitlines()[-1])


def ratios(repeats: int) -> dict[str, float]:
    """Return forward pass and training step of stochastic arithmetic over 32 cycles, over the plain ones."""
    runs = {"plain": plain(LAYER), "forward": forward(LAYER, TEXT), "plain step": plain_step(LAYER)}
    times = seconds(runs | {"step": step(LAYER, TEXT)}, repeats)
    return {"forward": times["forward"] / times["plain"], "step": times["step"] / times["plain step"]}


def stochastic(repeats: int, rate: tuple[float, float] | None, bound: float) -> None:
    """Print the goals of stochastic arithmetic on the layer of the theory's section 6."""
    texts = {name: f"int8@stochastic:{text}" for name, text in (
        ("or L=32", "length=32"), ("or L=64", "length=64"), ("or L=128", "length=128"), ("or2", "length=32,count=or2"),
        ("or3", "length=32,count=or3"),
    )}  # fmt: skip
    times = seconds({"plain": plain(LAYER)} | {name: forward(LAYER, text) for name, text in texts.items()}, repeats)
    base, note = times["plain"], f" of a convolution of {times['plain'] * 1e3:.2f} ms"
    goal("stochastic or, L=32, forward", times["or L=32"] / base, bound, note)
    goal("stochastic or, L=64, forward", times["or L=64"] / base, 2 * bound if bound == FOUR else 6.0, note)
    goal("stochastic or, L=128, forward", times["or L=128"] / base, 4 * bound if bound == FOUR else 12.0, note)
    goal("stochastic or2 over or", times["or2"] / times["or L=32"], 1.8)
    goal("stochastic or3 over or", times["or3"] / times["or L=32"], 2.8)
    if rate is not None:
        floor = multiply_words(LAYER) / (rate[0] * rate[1])
        print(f"  floor, logic alone: {floor * 1e3:.2f} ms; forward {times['or L=32'] / floor:.2f} of it")
    names = ("or L=32", "or L=64", "or L=128", "or2")
    steps = seconds({"plain": plain_step(LAYER)} | {name: step(LAYER, texts[name]) for name in names}, repeats)
    goal("stochastic or, L=32, training step, derivative exp(-s)", steps["or L=32"] / steps["plain"], STEP)
    others = "; ".join(f"{name} {steps[name] / steps['plain']:.2f}" for name in names[1:])
    print(f"  training steps of others, of {steps['plain'] * 1e3:.2f} ms: {others}")


def multiply_words(shape: tuple[int, int, int, int, int, int]) -> float:
    """Return the products of a layer's words in 512 bits: those of weights that are not 0, 16 images at a time."""
    x, w, window, _ = operands(shape, TEXT)
    rows, columns = window.output(
        (x.elements.shape[2], x.elements.shape[3]), (w.elements.shape[2], w.elements.shape[3])
    )
    return float((w.elements != 0).sum() * rows * columns * len(x.elements) / 16)


def other_paths(repeats: int, bound: float) -> None:
    """Print the goals of the portable kernels and of AVX2 alone."""
    portable = in_another_process(repeats, SLIPSTICK_KERNELS="portable")
    narrow = in_another_process(
        repeats, SLIPSTICK_KERNELS="avx2", ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2"
    )
    if portable is None or narrow is None:
        print("goal: stochastic on other paths | not run: the process ended with an error")
        return
    goal("stochastic or, L=32, forward, portable (numba)", portable["forward"], PORTABLE)
    goal("stochastic or, L=32, forward, AVX2 alone (torch too)", narrow["forward"], AVX2_FACTOR * bound)
    goal("stochastic or, L=32, training step, AVX2 alone", narrow["step"], AVX2_FACTOR * STEP)


def beside(script: str, *arguments: str, **environment: str) -> None:
    """Run a script of this folder; it prints its own lines."""
    sys.stdout.flush()
    command = [sys.executable, str(Path(__file__).with_name(script)), *arguments]
    if subprocess.run(command, env={**os.environ, **environment}, check=False).returncode:
        print(f"goal: {script} {environment} | not run: the process ended with an error")


FOUR, TWO = 1.5, 2.5  # goals of the forward pass, with four and with two logic operations a cycle


def main() -> None:
    """Print every goal of the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="runs of a median")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS, help="parts to run; all by default")
    parser.add_argument("--ratios", action="store_true", help="print the ratios of one layer as JSON, and nothing else")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.ratios:
        print(json.dumps(ratios(options.repeats)))
        return
    rate = logic_rate()
    told = "not measured" if rate is None else f"{rate[0]:.1f} at {rate[1] / 1e9:.2f} GHz"
    native = native_library("stochastic", partial(kernels._agrees, Stochastic)) is not None
    print(
        f"{processor()}; 512 bit logic operations a cycle: {told}; native kernels: {native}; torch {torch.__version__}"
    )
    bound = FOUR if rate is not None and rate[0] > 3 else TWO
    if "stochastic" in options.part:
        stochastic(options.repeats, rate, bound)
    if "shapes" in options.part:
        shape_goals("stochastic or, L=32, forward", TEXT, bound, options.repeats)
        shape_goals("stochastic or, L=32, training step", TEXT, STEP, options.repeats, training=True)
    if "paths" in options.part:
        other_paths(options.repeats, bound)
    if "analog" in options.part:
        beside("analog_speed.py", "--repeats", str(options.repeats))
    if "multipliers" in options.part:
        for mode, extra in (("native", ["--shapes"]), ("avx2", []), ("portable", [])):
            beside("multiplier_speed.py", "--repeats", str(options.repeats), *extra, SLIPSTICK_KERNELS=mode)


if __name__ == "__main__":
    main()
