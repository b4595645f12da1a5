"""A pool for a million vectors on one core: k-means and assignment, beside numpy's matrix product and scikit-learn.

    python benchmarks/pool_rate.py

The issue's goal is k-means of 1 M vectors of 8 weights to 64 in under 5 s on two cores; this runs on one.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy is imported: one core for all

import numpy as np  # noqa: E402

from slipstick.formats.kmeans import _assign, _fit  # noqa: E402

VECTORS, LENGTH, SIZE = 1_000_000, 8, 64
REPEATS = 3
BLOCK = 2**14


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def by_product(x: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """The nearest by numpy: blocks of the matrix product."""
    half = (pool**2).sum(axis=1) / 2
    return np.concatenate([(x[at : at + BLOCK] @ pool.T - half).argmax(axis=1) for at in range(0, len(x), BLOCK)])


def main() -> None:
    x = np.random.default_rng(0).normal(size=(VECTORS, LENGTH)).astype(np.float32)
    pool = x[:SIZE].copy()
    _fit(x[:1000], SIZE, rounds=2)  # compiled before it is timed
    same = float((_assign(x, pool) == by_product(x, pool)).mean())
    ours = statistics.median(seconds(lambda: _assign(x, pool)) for _ in range(REPEATS))
    plain = statistics.median(seconds(lambda: by_product(x, pool)) for _ in range(REPEATS))
    print(f"{platform.processor() or platform.machine()}, numpy {np.__version__}, one thread, median of {REPEATS}")
    print(f"assign: {VECTORS / ours / 1e6:.1f} M vectors/s, numpy {VECTORS / plain / 1e6:.1f} M; {same:.4%} the same")
    centres = [None]

    def ours_fit() -> None:
        centres[0] = _fit(x, SIZE)

    whole = statistics.median(seconds(ours_fit) for _ in range(REPEATS))
    left = float(((x - centres[0][_assign(x, centres[0])]) ** 2).sum() / (x**2).sum())
    print(f"k-means: {whole:.2f} s, {left:.4f} of the squares left")
    try:
        from sklearn.cluster import KMeans
    except ImportError:
        print("scikit-learn is not installed: no other k-means beside it")
        return
    theirs = KMeans(SIZE, n_init=1, max_iter=25, random_state=0)
    other = seconds(lambda: theirs.fit(x))
    print(f"scikit-learn, 25 rounds: {other:.2f} s, {theirs.inertia_ / float((x**2).sum()):.4f} left")


if __name__ == "__main__":
    main()
