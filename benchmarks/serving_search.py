"""Seconds of a serving search of 100,000 points with two conditions, on one core.

    python benchmarks/serving_search.py

Llama-3.1-70B on eight H100s in decode: every division of the devices by tensor, pipeline and data parallelism, batches
of 8 to 1,024, prompts and outputs of several lengths; and a mixture of experts, whose division is part of the space.
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
POINTS = 100_000  # possible ones
AXES = {"batch": "8..1024+8", "sequence": "128..8192", "output": "32..1024+32"}


def seconds_of(network: str, plan: str = "", **axes: str) -> tuple[float, int]:
    """Return the seconds of a search under the conditions, and the number of its points that are possible and fit."""
    asked = {"phase": "decode", "plan": plan, "minimize": "cost.million_tokens", **axes}
    possible = len(search(network, "h100-sxm:8", **asked).points)
    started = time.perf_counter()
    frontier = search(network, "h100-sxm:8", subject_to=CONDITIONS, **asked)
    seconds = time.perf_counter() - started
    print(f"{network}: {frontier.tried:,} points in {seconds:.2f} s, of which {possible:,} are possible and fit;")
    print(f"  {len(frontier.points):,} meet the conditions: {frontier.words(int(frontier.pareto['index'][0]))}")
    return seconds, possible


def main() -> None:
    print(f"{platform.machine()}, one thread")
    seconds_of("llama-3.1-8b", batch="8", sequence="512", output="128")  # imports, and tables read from files
    seconds, points = seconds_of("llama-3.1-70b", **AXES)
    verdict = "met" if seconds <= BOUND and points >= POINTS else "missed"
    print(f"goal: serving_search | reached {seconds:.2f} s for {points:,} points | wanted <= {BOUND:.0f} s | {verdict}")
    seconds_of("mixtral-8x7b", batch="1..256+8", sequence="128..8192", output="64..512+64")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
