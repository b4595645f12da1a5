"""Architecture points a second of correlators: the vectorised estimate of `search`, on one thread.

    python benchmarks/optics_architecture_rate.py [--points 2000000] [--rounds 3]

Correlators by waveguides by accumulation by bits by guard by the power of converters, for AlexNet, VGG-16 and
ResNet-18, in chunks as the search cuts a space; the slowest network decides. Each round counts all shots anew. The
figures of a point are those of its Report (tests/optics/test_architecture_sweep.py). Rates are per second of CPU time,
which is the wall clock's on a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402  after the thread limits

from slipstick import estimate  # noqa: E402
from slipstick.core.plan import Plan  # noqa: E402
from slipstick.core.question import Question  # noqa: E402
from slipstick.optics.architecture_sweep import ARCHITECTURES, _count_table  # noqa: E402
from slipstick.optics.correlator_run import CorrelatorRun  # noqa: E402

WANTED = 2e6  # points/s
CHUNK = 65_536  # points: as the search cuts a space
NETWORKS = ("alexnet", "vgg-16", "resnet-18")
AXES: dict[str, tuple[Any, ...]] = {
    "correlators": tuple(range(1, 33)),
    "waveguides": (64, 128, 192, 256, 384, 512),
    "accumulation": (1, 2, 4, 8, 16, 32),
    "guard": ("none", "full"),
    "dac_bits": tuple(range(4, 10)),
    "adc_bits": tuple(range(4, 10)),
    "converter_factor": tuple(np.geomspace(0.1, 2.0, 25)),
}


def points_a_second(network: str, points: int) -> float:
    """Return the rate of one pass over `points` points of the space, table of counts included."""
    base = estimate(network, "photofourier-cg").detail
    assert isinstance(base, CorrelatorRun)
    question = Question(base.workload, base.system, Plan())
    axes = {f"system.device.{name}": values for name, values in AXES.items()}
    sizes = [len(values) for values in axes.values()]
    points = min(points, int(np.prod(sizes)))
    _count_table.cache_clear()
    started = time.process_time()
    for first in range(0, points, CHUNK):
        places = np.unravel_index(np.arange(first, min(first + CHUNK, points)), sizes)
        ARCHITECTURES.columns(question, axes, places)
    return points / (time.process_time() - started)


def main() -> None:
    """Print the rate of each network, and the goal's line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{platform.machine()}, one thread, best of {options.rounds} rounds of {options.points:,} points")
    rates = {name: max(points_a_second(name, options.points) for _ in range(options.rounds)) for name in NETWORKS}
    for name, rate in rates.items():
        print(f"  {name:10} {rate / 1e6:.2f} M points/s")
    slowest = min(rates.values())
    met = "met" if slowest >= WANTED else "missed"
    print(f"goal: architecture points of correlators | reached {slowest / 1e6:.2f} M/s | wanted >= 2 M/s | {met}")


if __name__ == "__main__":
    main()
