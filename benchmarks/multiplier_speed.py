"""Approximate multipliers: exact sums of a layer over torch's fp32 convolution of the same shape, on one thread.

    python benchmarks/multiplier_speed.py [--shapes] [--repeats N]

One line a goal, ``goal: NAME | reached VALUE | wanted BOUND | met``. The layer is batch 16, 64 to 64 channels, 3 by
3, 16 by 16, with operands of a trained network (`layer_timing`). A ratio is the smallest of three medians in the
thread's own seconds, so that a busy neighbour does not count. ``--shapes`` adds twelve other layers of small networks:
the geometric mean of their ratios, the worst named. ``SLIPSTICK_KERNELS=avx2`` or ``portable`` measures other kernels.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
if os.environ.get("SLIPSTICK_KERNELS") == "avx2":  # torch gets no wider instructions either
    os.environ |= {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}

import torch
from layer_timing import AVX2_FACTOR, LAYER, forward, goal, plain, plain_step, seconds, shape_goals, step

GOALS = {  # ratio to the fp32 convolution: native, portable; from the project's goals
    "mul8s_1L2H (rank 1)": ("int8@mul8s_1L2H", 0.7, 60.0),
    "mul7u_09Y": ("int8@mul7u_09Y", 2.5, 60.0),
    "mul8s_1KVL": ("int8@mul8s_1KVL", 5.0, 60.0),
    "mul8u_FTA": ("int9@mul8u_FTA", 5.0, 60.0),
    "mul8u_185Q (any 8 bit table)": ("int9@mul8u_185Q", 5.0, 60.0),
}


def main() -> None:
    """Print a line for each goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", action="store_true", help="measure twelve other layers too")
    parser.add_argument("--repeats", type=int, default=15, help="runs of a median")
    options = parser.parse_args()
    torch.set_num_threads(1)
    mode = os.environ.get("SLIPSTICK_KERNELS") or "native"
    for name, (text, native, portable) in GOALS.items():
        bound = portable if mode == "portable" else native * (AVX2_FACTOR if mode == "avx2" else 1)
        times = seconds({"plain": plain(LAYER, text), "ours": forward(LAYER, text)}, options.repeats)
        goal(f"{name}, {mode}", times["ours"] / times["plain"], bound)
        if mode == "native":
            steps = seconds({"plain": plain_step(LAYER, text), "ours": step(LAYER, text)}, options.repeats)
            print(f"  training step: {steps['ours'] / steps['plain']:.2f}")
        if options.shapes:
            shape_goals(f"{name}, {mode}", text, bound, options.repeats)


if __name__ == "__main__":
    main()
