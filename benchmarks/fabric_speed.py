"""Speed of the fabric simulators beside what ASTRA-sim 2.0 took on such a machine (theory, section 3.1).

    python benchmarks/fabric_speed.py

One thread; medians of interleaved repetitions, compilation excluded. The issue asks for: a ring all-reduce of 64 MiB
among 512 nodes in 0.1 s, among 4,096 in 2 s (folded), 0.6 M messages a second one by one.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable

from slipstick.fabric import builders
from slipstick.fabric.collectives import hierarchical
from slipstick.fabric.collectives.by_name import collective_schedule
from slipstick.fabric.flows import run
from slipstick.fabric.symmetry import folded_all_reduce
from slipstick.fabric.tasks import lower
from slipstick.fabric.topology_file import resolve_topology

GIB, MIB = 2.0**30, 2.0**20
SPEED, DELAY = 50 * GIB, 500e-9
REPEATS = 5


def folded(count: int) -> float:
    topology = builders.ring(count, SPEED, DELAY)
    return run(folded_all_reduce("ring", topology, 64 * MIB), topology).time


def whole_ring(count: int) -> float:
    topology = builders.ring(count, SPEED, DELAY)
    return run(lower(collective_schedule("all_reduce", "ring", count), topology, 64 * MIB), topology, "messages").time


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    topology = builders.ring(512, SPEED, DELAY)
    dag = lower(collective_schedule("all_reduce", "ring", 512), topology, 64 * MIB)
    switch = builders.switch(128, SPEED, DELAY)
    hops = lower(collective_schedule("all_reduce", "direct", 128), switch, 64 * MIB)
    mesh = resolve_topology("wafer-mesh")
    wafer = lower(hierarchical.all_reduce(4, 5, both_orders=True), mesh, 64 * MIB)
    work: dict[str, tuple[Callable[[], object], str]] = {
        "ring of 512, folded: graph and run": (lambda: folded(512), "asked 0.1 s; ASTRA-sim 0.84 s"),
        "ring of 4,096, folded": (lambda: folded(4096), "asked 2 s"),
        "ring of 512, message by message, all": (lambda: whole_ring(512), "ASTRA-sim 0.84 s"),
        "  of these the run alone": (lambda: run(dag, topology, "messages"), f"{int((dag.size > 0).sum()):,} messages"),
        "switch of 128, direct": (lambda: run(hops, switch, "messages"), "ASTRA-sim 0.18 s, with its set-up"),
        "wafer-wide 2D ring, flows": (lambda: run(wafer, mesh), f"{int((wafer.size > 0).sum()):,} flows"),
    }
    for task, _ in work.values():
        task()
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(REPEATS):
        for name, (task, _) in work.items():
            times[name].append(seconds(task))
    print(f"{platform.machine()}, Python {platform.python_version()}, one thread, median of {REPEATS}")
    for name, (_, note) in work.items():
        print(f"{name:40s} {statistics.median(times[name]):8.4f} s   {note}")
    alone = statistics.median(times["  of these the run alone"])
    print(f"one by one: {(dag.size > 0).sum() / alone / 1e6:.2f} M messages/s (asked 0.6, ASTRA-sim 0.62)")


if __name__ == "__main__":
    main()
