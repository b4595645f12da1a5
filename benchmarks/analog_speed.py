"""Analog arrays: exact sums of a layer, and its training step, over torch's fp32 layer of the same shape, one thread.

    python benchmarks/analog_speed.py [--repeats 15]

Arrays of 128 rows with calibrated converters of 6 bits, gradients masked where a converter clips. One line a goal,
``goal: NAME | reached VALUE | wanted BOUND | met``; lines without a goal are for information. A figure is the smallest
of three medians in the thread's own processor time, candidate and baseline in turn, on operands of a trained network
(`layer_timing`). The exit status is 0 either way.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

import numpy as np
import torch
from layer_timing import AVX2_FACTOR, LAYER, forward, goal, operands, plain, plain_step, seconds, shape_goals, step

from slipstick.core.window import WholeNumbers
from slipstick.formats.arithmetic.analog import Analog

DIFFERENTIAL = "int8@analog:rows=128,adc_bits=6"
SEPARATE = f"{DIFFERENTIAL},columns=separate"
OTHERS = ("rows=9,adc_bits=4", "rows=32,adc_bits=6", "rows=64,adc_bits=6", "rows=576,adc_bits=8")  # for information
FORWARD, COLUMNS, STEP = 1.4, 1.6, 1.6  # goals, over the plain layer


def ratios(repeats: int) -> dict[str, float]:
    """Return forward passes and training steps on the layer of the theory's section 6, over the plain ones."""
    times = seconds(
        {
            "plain": plain(LAYER), "forward": forward(LAYER, DIFFERENTIAL), "separate": forward(LAYER, SEPARATE),
            "plain step": plain_step(LAYER), "step": step(LAYER, DIFFERENTIAL),
            "separate step": step(LAYER, SEPARATE),
        },
        repeats,
    )  # fmt: skip
    return {
        name: times[name] / times["plain step" if "step" in name else "plain"]
        for name in ("forward", "separate", "step", "separate step")
    } | {"ms": times["plain"] * 1e3}


def clipped_share(text: str) -> float:
    """Return the share of a layer's conversions that clip, of arrays of 128 rows, by sums written out in numpy."""
    x, w, window, arithmetic = operands(LAYER, text)
    assert isinstance(arithmetic, Analog)
    few = WholeNumbers(x.elements[:2], x.full)
    converter = arithmetic.converter(few, w)
    patches = window.patches(few.elements, (w.elements.shape[2], w.elements.shape[3])).transpose(0, 2, 3, 1, 4, 5)
    taps = patches.reshape(-1, w.elements[0].size).astype(np.float32)
    columns = w.elements.reshape(len(w.elements), -1).astype(np.float32)
    clipped = []
    for part in (columns,) if converter.signed else (np.maximum(columns, 0), np.maximum(-columns, 0)):
        for first in range(0, taps.shape[1], arithmetic.rows):
            array = slice(first, first + arithmetic.rows)
            clipped.append(np.abs(taps[:, array] @ part[:, array].T) * converter.inverse > converter.top)
    return float(np.mean(clipped))


def main() -> None:
    """Print a line for each goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="runs of a median")
    parser.add_argument("--ratios", action="store_true", help="print the ratios of one layer as JSON, and nothing else")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.ratios:
        print(json.dumps(ratios(options.repeats)))
        return
    found = ratios(options.repeats)
    note = f" of a convolution of {found['ms']:.2f} ms"
    goal("analog R=128, forward", found["forward"], FORWARD, note)
    goal("analog R=128, separate columns, forward", found["separate"], COLUMNS, note)
    goal("analog R=128, training step", found["step"], STEP, f" ({clipped_share(DIFFERENTIAL):.1%} of sums clip)")
    print(
        f"  separate columns, training step: {found['separate step']:.2f} ({clipped_share(SEPARATE):.1%} of sums clip)"
    )
    texts = {text: f"int8@analog:{text}" for text in OTHERS}
    times = seconds(
        {"plain": plain(LAYER)} | {name: forward(LAYER, text) for name, text in texts.items()}, options.repeats
    )
    print("  forward of others: " + "; ".join(f"{name} {times[name] / times['plain']:.2f}" for name in texts))
    shape_goals("analog R=128, forward", DIFFERENTIAL, FORWARD, options.repeats)
    shape_goals("analog R=128, training step", DIFFERENTIAL, STEP, options.repeats, training=True)
    environment = {
        **os.environ,
        "SLIPSTICK_KERNELS": "avx2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    }
    command = [sys.executable, __file__, "--repeats", str(options.repeats), "--ratios"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        print("goal: analog, AVX2 alone | not run: the process ended with an error")
        return
    narrow = json.loads(ran.stdout.splitlines()[-1])
    for name, bound in (("forward", FORWARD), ("separate", COLUMNS), ("step", STEP)):
        goal(f"analog R=128, {name}, AVX2 alone (torch too)", narrow[name], AVX2_FACTOR * bound)


if __name__ == "__main__":
    main()
