"""Groups decomposed a second on one core, beside the exhaustive numpy search: SWIS, M = 4, and a whole MobileNetV2.

    python benchmarks/decompose_rate.py

The issue asks for 10 M groups/s at M = 4, N = 3, and for MobileNetV2 (3.47 M weights) in 0.3 s.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable

import numpy as np

from slipstick.formats.decompose import _decompose, _position_sets

GROUPS = 1_000_000
ORACLE_GROUPS = 20_000
MOBILENET_V2 = 3_469_760 // 4  # weights of its convolutions and its classifier, in groups of four
REPEATS = 7


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def oracle(codes: np.ndarray, shifts: int) -> np.ndarray:
    """Every set, every weight's nearest value: the definition, in numpy."""
    least = np.full(len(codes), np.inf)
    magnitudes = np.abs(codes)
    for positions in _position_sets(8, shifts):
        values = np.array([sum(1 << p for j, p in enumerate(positions) if m >> j & 1) for m in range(2**shifts)])
        least = np.minimum(least, (np.abs(values - magnitudes[..., None]).min(axis=-1) ** 2).sum(axis=-1))
    return least


def main() -> None:
    codes = np.clip(np.rint(np.random.default_rng(0).normal(0, 30, (GROUPS, 4))), -127, 127).astype(np.int8)
    few = codes[:ORACLE_GROUPS]
    print(f"{platform.processor() or platform.machine()}, numpy {np.__version__}, one thread, median of {REPEATS}")
    for shifts, alpha in ((2, 0.0), (3, 0.0), (4, 0.0), (3, 1.0), (4, 1.0)):
        _decompose(few, shifts=shifts, alpha=alpha)  # compiled before it is timed
        ours, plain, whole = [], [], []
        for _ in range(REPEATS):  # interleaved
            ours.append(seconds(lambda s=shifts, a=alpha: _decompose(codes, shifts=s, alpha=a)))
            plain.append(seconds(lambda s=shifts: oracle(few, s)))
            whole.append(seconds(lambda s=shifts, a=alpha: _decompose(codes[:MOBILENET_V2], shifts=s, alpha=a)))
        rate, base = GROUPS / statistics.median(ours), ORACLE_GROUPS / statistics.median(plain)
        print(
            f"N={shifts} alpha={alpha:g}: {rate / 1e6:6.1f} M groups/s, exhaustive numpy (alpha=0) {base / 1e6:.3f} M,"
            f" {rate / base:.0f} x; MobileNetV2 {statistics.median(whole):.3f} s"
        )


if __name__ == "__main__":
    main()
