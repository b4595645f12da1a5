"""Every decomposition offered against an exhaustive search, 10^5 random groups for each (B, N, M, consecutive, alpha).

    python benchmarks/decompose_oracle.py [--groups 100000] [--bits 7 8] [--members 1 2 3 4 8 16]

The oracle knows the definition only: for every position set, every choice of nearest and second nearest values (of
the nearest alone with alpha 0), sum e^2 + alpha (sum e)^2. It shares no table and no code with the product, prunes
nothing, and takes a quarter of an hour. Half of the groups are spread evenly, half like weights. Exit code 1 for any
difference: of the cost, or of the cost that the returned values have.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import combinations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from slipstick.formats.decompose import LARGEST_SIGNED_GROUP, _decompose

ALPHAS = (0.0, 0.25, 1.0, 4.0)


@njit(cache=True)
def least_costs(codes: NDArray[np.int64], values: NDArray[np.int64], alpha: float) -> NDArray[np.float64]:
    """Return the least cost of each group [groups, M]; `values` [sets, 2**N] are what each set can represent."""
    groups, members = codes.shape
    found = np.full(len(codes), np.inf)
    choices = 1 << members if alpha > 0 else 1
    errors = np.empty((members, 2), np.int64)
    for group in range(groups):
        for some in range(values.shape[0]):
            for member in range(members):
                code = codes[group, member]
                magnitude, sign = abs(code), (-1 if code < 0 else 1)
                first, second = -1, -1  # nearest and second nearest, ties downwards: values ascend
                for place in range(values.shape[1]):
                    apart = abs(values[some, place] - magnitude)
                    if first < 0 or apart < abs(values[some, first] - magnitude):
                        first, second = place, first
                    elif second < 0 or apart < abs(values[some, second] - magnitude):
                        second = place
                errors[member, 0] = sign * (values[some, first] - magnitude)
                errors[member, 1] = sign * (values[some, second] - magnitude)
            for choice in range(choices):
                squares, total = 0, 0
                for member in range(members):
                    e = errors[member, choice >> member & 1]
                    squares += e * e
                    total += e
                cost = squares + alpha * (total * total)
                found[group] = min(found[group], cost)
    return found


def representable(bits: int, shifts: int, consecutive: bool) -> NDArray[np.int64]:
    windows = [range(low, low + shifts) for low in range(bits - shifts + 1)]
    sets = windows if consecutive else combinations(range(bits), shifts)
    return np.array(
        [sorted(sum(1 << p for j, p in enumerate(s) if mask >> j & 1) for mask in range(2**shifts)) for s in sets]
    )


def random_groups(count: int, bits: int, members: int, seed: int) -> NDArray[np.int64]:
    rng, top = np.random.default_rng(seed), 2**bits - 1
    even = rng.integers(-top, top + 1, (count // 2, members))
    bell = np.clip(np.rint(rng.normal(0, top / 6, (count - count // 2, members))), -top, top)
    return np.concatenate([even, bell.astype(np.int64)])


def differences(codes: NDArray[np.int64], bits: int, shifts: int, consecutive: bool, alpha: float) -> int:
    """Return in how many groups the cost, or that of the values returned, is not the least one."""
    found = _decompose(codes, bits=bits, shifts=shifts, consecutive=consecutive, alpha=alpha)
    least = least_costs(codes, representable(bits, shifts, consecutive), alpha)
    errors = (found.magnitudes - np.abs(codes)) * np.where(codes < 0, -1, 1)
    own = (errors**2).sum(axis=1) + alpha * errors.sum(axis=1) ** 2
    return int(((found.cost != least) | (own != least)).sum())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--groups", type=int, default=100_000)
    parser.add_argument("--bits", type=int, nargs="+", default=[7, 8])
    parser.add_argument("--members", type=int, nargs="+", default=[1, 2, 3, 4, 8, 16])
    asked = parser.parse_args()
    cases = wrong = 0
    started = time.perf_counter()
    for bits in asked.bits:
        for members in asked.members:
            for shifts in range(1, bits + 1):
                for consecutive in (False, True):
                    for alpha in ALPHAS:
                        if alpha and members > LARGEST_SIGNED_GROUP:
                            continue
                        codes = random_groups(asked.groups, bits, members, cases)
                        off = differences(codes, bits, shifts, consecutive, alpha)
                        cases, wrong = cases + 1, wrong + off
                        if off:
                            print(f"B={bits} N={shifts} M={members} {consecutive=} {alpha=}: {off} groups differ")
            print(
                f"B={bits} M={members}: {cases} cases, {wrong} differences, {time.perf_counter() - started:.0f} s",
                flush=True,
            )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
