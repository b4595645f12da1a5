"""Points per second of the exhaustive search beside Calculon's, how far it is from its floor, and its memory.

    python benchmarks/search_rate.py [--million 10] [--rounds 7] [--calculon DIR]

Every valid (tp, pp, dp, microbatch, interleave, recompute, sequence, ZeRO) plan of GPT-3 175B on 4,096 A100s, over
and over (the first run, which loads modules and tables, stands alone) and by turns with Calculon's own search of that
network on those devices; the medians. Then the operations of one point, counted while the model runs, and the same
space widened to the asked size. Rates are per second of CPU time, all threads together, which is the wall clock's on a
quiet machine; both tools are timed so.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402  after the thread limits
from calculon_rate import HOW, PeerRun, calculon_run  # noqa: E402
from count_operations import Count, counted  # noqa: E402

from slipstick import Space, estimate, search  # noqa: E402  all else is loaded by the first search, and timed with it

SYSTEM = "a100-sxm-80gb:4096"
AXES = "tp=1|2|4|8|16|32,pp=1|2|3|4|6|8|12|16|24|32|48|96,microbatch=1|2|3|4|6|8|12|16,tp_overlap=none|ring|pipe,"
AXES += "interleave=1|2|3|4|6|8|12|16|24|48|96,recompute=none|selective|full,sp=true|false,zero=0|1|2|3,"
AXES += "matmul=fp16,activations=fp16,others=off"
BATCH, SEQUENCE = 1536, 2048
WANTED = 1.5e6  # points/s on one core
PARTS = 2  # of Calculon's search in each round: some thousands of its executions
CHUNK = 65_536  # points: as the search cuts a space
# Calculon's own best of its 39,007 executions at batch 1536 that can win (caa4b11, a100_80g.json): 3.829 s by its model
PEER_BEST = "tp=8,pp=4,microbatch=3,interleave=24,recompute=selective,sp=true,zero=1,tp_overlap=ring,"
PEER_BEST += "matmul=fp16,activations=fp16,others=off"


def goal(name: str, reached: str, wanted: str, met: bool) -> None:
    print(f"goal: {name} | reached {reached} | wanted {wanted} | {'met' if met else 'missed'}", flush=True)


def beside_the_peers_best() -> None:
    plan = estimate("gpt3-175b", SYSTEM, PEER_BEST, batch=BATCH, sequence=SEQUENCE)
    print(f"Calculon's best plan, re-estimated by us: {plan.value('time.step'):.3f} s a step ({PEER_BEST})")


def rate_of(space: Space, report: bool = False) -> float:
    """Return the points that a search tries in a second of CPU time; with `report`, print what it found."""
    started, wall = time.process_time(), time.perf_counter()
    found = search("gpt3-175b", space, batch=BATCH, sequence=SEQUENCE)
    seconds, wall = time.process_time() - started, time.perf_counter() - wall
    if report:
        print(f"{found.tried:,} points in {seconds:.2f} s of CPU time ({wall:.2f} s): {found.tried / seconds:,.0f}/s")
        best = found.best().value("time.step")
        print(f"  {len(found.points):,} are possible and fit; best {best:.3f} s a step:")
        print(f"  {found.words(int(found.pareto['index'][0]))}")
        print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB", flush=True)
    return found.tried / seconds


def by_turns(space: Space, folder: Path | None, rounds: int) -> tuple[list[float], list[PeerRun]]:
    """Return our points a second of every round, and Calculon's run after it."""
    ours: list[float] = []
    peers: list[PeerRun] = []
    for place in range(rounds):
        ours.append(rate_of(space))
        if folder is not None:
            peers.append(calculon_run(folder, PARTS, PARTS * place))
    return ours, peers


def beside_calculon(rate: float, runs: list[PeerRun], why: str) -> None:
    """Print Calculon's executions a second, or why it was not run."""
    if not runs:
        print(f"goal: Calculon in the same run | not run: {why}")
        return
    rates = [run.executions / run.seconds for run in runs]
    executions, seconds = sum(run.executions for run in runs), sum(run.seconds for run in runs)
    print(
        f"Calculon: {executions:,} executions in {seconds:.0f} s, {executions / seconds:,.0f}/s; {spread(rates)} runs"
    )
    middle = statistics.median(rates)
    goal("Calculon in the same run", f"{middle:,.0f} executions/s on one core", "a measurement", True)
    print(f"  our points are {rate / middle:,.0f} times as many a second as its executions")


def spread(rates: list[float]) -> str:
    return f"median {statistics.median(rates):,.0f}/s, {min(rates):,.0f} to {max(rates):,.0f} of {len(rates)}"


def operations_of(space: Space) -> tuple[Count, int, int]:
    """Return the operations of evaluating a whole space, the bytes that it must move, and its possible points.

    The space is cut as the search does. The bytes are the places of a point on the axes, read, and its figures, written
    (8 B each). Counted and plain figures must be equal.
    """
    from slipstick.cluster.training.training_columns import TRAINING
    from slipstick.exploration.points import Task

    task = Task("gpt3-175b", space, {"batch": BATCH, "sequence": SEQUENCE})
    inner = [path for path in space.axes if path.removeprefix("plan.") in TRAINING.fields]
    axes = {path.removeprefix("plan."): space.axes[path] for path in inner}
    question = task.question(0, without=inner)
    sizes = [len(values) for values in axes.values()]
    total, needed, possible = Count(), 0, 0
    for first in range(0, len(space), CHUNK):
        index = np.arange(first, min(first + CHUNK, len(space)))
        places = np.unravel_index(index, sizes)
        figures, plain = TRAINING.columns(question, axes, places), len(index)
        same, count = counted(lambda places=places: TRAINING.columns(question, axes, places))  # type: ignore[misc]
        for path, values in figures.items():
            assert np.array_equal(values, same[path], equal_nan=True), path
        for field in ("floating", "others", "bytes", "calls"):
            setattr(total, field, getattr(total, field) + getattr(count, field))
        needed += 8 * plain * (len(places) + len(figures))
        possible += int(np.isfinite(figures["time.step"]).sum())
    return total, needed, possible


def core_speed() -> tuple[float, float]:
    """Return the operations/s of one core on doubles in its caches (NumPy's sum of two arrays), and its copy in B/s."""
    first, second, result = np.ones(2048), np.ones(2048), np.empty(2048)
    adds = statistics.median(_seconds(lambda: np.add(first, second, out=result), 2000) for _ in range(9))
    source, copy = np.ones(2**23), np.empty(2**23)
    copies = statistics.median(_seconds(lambda: np.copyto(copy, source), 3) for _ in range(9))
    return 2048 / adds, 2 * source.nbytes / copies


def _seconds(function: object, times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        function()  # type: ignore[operator]
    return (time.perf_counter() - started) / times


def floor(space: Space, rate: float) -> None:
    """Print the operations and bytes of a point, the rate that this core could reach with them, and the distance."""
    count, needed, possible = operations_of(space)
    points = len(space)
    adds, copies = core_speed()
    floating, others = count.floating / points, count.others / points
    print(f"a point needs {floating:.0f} floating point operations, {others:.0f} of whole numbers and truth values,")
    print(f"  and {needed / points:.0f} B of places and figures; its arrays move {count.bytes / points:,.0f} B")
    print(f"  (a mean over all, of which {possible:,} are possible and pay nearly all of it; sorts are not counted)")
    print(f"  this core: {adds / 1e9:.2f} G additions/s of doubles in cache, copies {copies / 1e9:.1f} GB/s")
    least = max(floating / adds, needed / points / copies)
    every = max((floating + others) / adds, count.bytes / points / copies)
    print(f"  floor of the floating point operations and of places and figures: {1 / least:,.0f} points/s")
    print(f"  floor of every operation and of every byte of its arrays: {1 / every:,.0f} points/s")
    print(f"the measured rate is 1/{1 / least / rate:.1f} of the first floor, 1/{1 / every / rate:.1f} of the second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--million", type=float, default=10.0, help="points of the second, widened space; 0: none")
    parser.add_argument("--rounds", type=int, default=7, help="searches whose median counts")
    parser.add_argument("--calculon", type=Path, help="folder of a clone of Calculon, to be measured beside")
    arguments = parser.parse_args()
    print(f"{platform.machine()}, one thread; load of the machine {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    space = Space.of(system=SYSTEM, plan=AXES)
    first = rate_of(space, report=True)
    folder, why = arguments.calculon, HOW
    if folder is not None:
        try:
            calculon_run(folder, 0, 0)
        except RuntimeError as error:
            folder, why = None, f"{arguments.calculon}: {error}; {HOW}"
    ours, peers = by_turns(space, folder, arguments.rounds)
    rate = statistics.median(ours)
    print(f"the same search again: {spread(ours)}")
    bound = f">= {WANTED / 1e6} M points/s"
    goal("search rate on one core", f"{rate / 1e6:.2f} M points/s", bound, rate >= WANTED)
    name = "search rate of a process's first search, which loads modules and tables"
    goal(name, f"{first / 1e6:.2f} M points/s", bound, first >= WANTED)
    beside_calculon(rate, peers, why)
    beside_the_peers_best()
    floor(space, rate)
    if steps := int(arguments.million * 1e6 / len(space)):
        speeds = [f"{1.5 + place / 100:.2f} TB/s" for place in range(steps)]
        rate_of(Space.of(system=SYSTEM, plan=AXES, fields={"system.memory.hbm.bandwidth": speeds}), report=True)


if __name__ == "__main__":
    main()
