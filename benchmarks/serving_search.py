"""Seconds of a serving search of 100,000 points with two conditions, on one core.

    python benchmarks/serving_search.py

Llama-3.1-70B on eight H100s in decode: every division of the devices by tensor, pipeline and data parallelism, batches
from 1 to 256, prompts and outputs of several lengths; and a mixture of experts, whose division is part of the space.
Prints one line a goal; the exit code is 0 whether it is met or not.
"""

from __future__ import annotations

import os
import platform
import resource
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(variable, "1")

from slipstick import search  # noqa: E402  after the thread limits

CONDITIONS = "time.first_token < 500 ms and time.per_token < 30 ms"
BOUND = 2.0  # s
AXES = {"batch": "1..256+1", "sequence": "128..8192", "output": "64..512+64"}


def seconds_of(network: str, **axes: str) -> tuple[float, int]:
    started = time.perf_counter()
    frontier = search(
        network, "h100-sxm:8", minimize="cost.million_tokens", subject_to=CONDITIONS, phase="decode", **axes
    )
    seconds = time.perf_counter() - started
    print(f"{network}: {frontier.tried:,} points in {seconds:.2f} s, {len(frontier.points):,} meet the conditions")
    print(f"  the cheapest: {frontier.words(int(frontier.pareto['index'][0]))}")
    return seconds, frontier.tried


def main() -> None:
    print(f"{platform.machine()}, one thread")
    seconds_of("llama-3.1-8b", batch="8", sequence="512", output="128")  # imports, and tables read from files
    seconds, points = seconds_of("llama-3.1-70b", **AXES)
    verdict = "met" if seconds <= BOUND and points >= 100_000 else "missed"
    print(f"goal: serving_search | reached {seconds:.2f} s for {points:,} points | wanted <= {BOUND:.0f} s | {verdict}")
    seconds_of("mixtral-8x7b", batch="1..256+8", sequence="128..8192", output="64..512+64")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
