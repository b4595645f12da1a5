"""Run the tests that train a network as other processors would run them, and with other seeds.

`make test-processors`, or `python benchmarks/every_processor.py [--seeds 10] [--only avx2] [-- pytest's arguments]`.
Which network a training ends with depends on the order of its sums, and so on the instruction set, on the number of
threads, and on the seed. A test marked `trains` asks for what holds for all of them. A line for each setting:

    oneDNN with SSE4.1       397 passed   0 failed    98 s   ONEDNN_MAX_CPU_ISA=SSE41

A setting can only take instructions away: run it on the newest processor at hand.
A setting took 40 to 150 s on a core of an AMD EPYC that others were using, of two threads 500 s.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
OLD = {
    "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Nehalem", "NUMBA_CPU_NAME": "nehalem", "SLIPSTICK_TEST_BF16": "0",
}  # fmt: skip
SETTINGS: dict[str, dict[str, str]] = {
    "as it is": {},
    "two threads": {"OMP_NUM_THREADS": "2"},
    "torch without vectors": {"ATEN_CPU_CAPABILITY": "default"},
    "torch with AVX2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "oneDNN with SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "oneDNN with AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "no products in bf16": {"SLIPSTICK_TEST_BF16": "0"},
    "a processor of 2008": OLD,
    "two threads of 2008": {**OLD, "OMP_NUM_THREADS": "2"},
}
VARIED = {name for environment in SETTINGS.values() for name in environment} | {"SLIPSTICK_TEST_SEED"}


SEEDLESS = ("test_docs.py", "test_doctests.py", "test_examples.py")  # they run as a reader would run them


def settings(seeds: int) -> dict[str, dict[str, str]]:
    """Return what is set in the environment for each run: processors with seed 0, then other seeds on this one."""
    return SETTINGS | {f"seed {seed}": {"SLIPSTICK_TEST_SEED": str(seed)} for seed in range(1, seeds)}


def pytest(environment: dict[str, str], arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run pytest on the marked tests in a process of its own, with one thread unless the environment says otherwise."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "trains", "-p", "no:cacheprovider", "--tb=no", *arguments]
    surroundings = {name: value for name, value in os.environ.items() if name not in VARIED}
    surroundings |= {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)


def marked_files(arguments: list[str]) -> list[str]:
    """Return the files that hold marked tests, so that they are looked for once."""
    listed = pytest({}, ["--collect-only", *arguments]).stdout
    return sorted({line.partition("::")[0] for line in listed.splitlines() if "::" in line})


def run(environment: dict[str, str], arguments: list[str]) -> tuple[dict[str, int], list[str]]:
    """Run the marked tests; return the counts by outcome, and what failed."""
    done = pytest(environment, arguments)
    lines = done.stdout.splitlines() or [""]
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|skipped|error)", lines[-1])}
    failures = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    if done.returncode and not failures:
        failures = [*lines[-3:], *done.stderr.splitlines()[-3:]]
    return counts, failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="training seeds, the first of them 0")
    parser.add_argument("--only", default="", help="settings whose name holds this text")
    parser.add_argument("arguments", nargs="*", help="passed on to pytest")
    asked, worst = parser.parse_args(), 0
    files = marked_files(asked.arguments)
    for name, environment in settings(asked.seeds).items():
        if asked.only not in name:
            continue
        started = time.perf_counter()
        heeds = [file for file in files if "SLIPSTICK_TEST_SEED" not in environment or not file.endswith(SEEDLESS)]
        counts, failures = run(environment, [*heeds, *(word for word in asked.arguments if word.startswith("-"))])
        wrong = counts.get("failed", 0) + counts.get("error", 0)
        shown = " ".join(f"{key}={value}" for key, value in environment.items())
        seconds = time.perf_counter() - started
        print(f"{name:24s}{counts.get('passed', 0):4d} passed{wrong:4d} failed{seconds:6.0f} s   {shown}", flush=True)
        print(*(f"    {line}" for line in failures), sep="\n", end="\n" if failures else "", flush=True)
        worst = max(worst, int(bool(failures)))
    return worst


if __name__ == "__main__":
    sys.exit(main())
