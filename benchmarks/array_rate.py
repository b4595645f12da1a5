"""Milliseconds a layer of `estimate` on an array, and of the closed form alone, beside SCALE-Sim's seconds.

    python benchmarks/array_rate.py [--rounds 15]

The networks take turns, so that a busy machine slows all of them alike; medians are printed. SCALE-Sim 3.0.0 needed
282.4 s for ResNet-18's conv2_1a on the 8x8 array (theory of issue 3, section 4.2); that layer's closed form is timed.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from slipstick import estimate  # noqa: E402  after the thread limits
from slipstick.array.layer_cycles import _layer_pass  # noqa: E402
from slipstick.core.device_kinds import Array  # noqa: E402

SCALESIM = 282.4  # s
TARGET = 2.0  # ms a layer
NETWORKS = ("mobilenet-v2", "resnet-18", "resnet-50", "vgg-16")


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    layers = {name: len(estimate(name, "swis-8x8").breakdowns["ops"].rows) for name in NETWORKS}  # and warm up
    taken: dict[str, list[float]] = {name: [] for name in (*NETWORKS, "closed form")}
    for _ in range(rounds):
        for name in NETWORKS:
            taken[name].append(seconds(lambda name=name: estimate(name, "swis-8x8", "formats=int3")) / layers[name])
        one = lambda: _layer_pass(3136, 576, 64, 8, Array(clock=5e8, rows=8, columns=8, element="parallel"))  # noqa: E731
        taken["closed form"].append(seconds(one))
    print(f"{platform.machine()}, one thread, median of {rounds} rounds, networks in turn")
    middle = {name: 1e3 * statistics.median(found) for name, found in taken.items()}
    for name in NETWORKS:
        print(f"  {name:13} {middle[name]:.4f} ms a layer of a whole report of {layers[name]} layers")
    ratio = 1e3 * SCALESIM / middle["closed form"]
    print(
        f"  conv2_1a      {middle['closed form']:.4f} ms for 1,850,239 cycles: {ratio:,.0f} x SCALE-Sim's {SCALESIM} s"
    )
    worst = max(middle[name] for name in NETWORKS)
    met = "met" if worst <= TARGET else "missed"
    print(f"  slowest network: {worst:.3f} ms a layer, at most {TARGET} ms wanted: {met}")


if __name__ == "__main__":
    main()
