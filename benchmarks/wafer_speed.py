"""Speed of training steps on the wafer: one iteration, and a thousand strategies.

    python benchmarks/wafer_speed.py

One thread; compilation excluded. The issue asks for a whole 3D iteration on 20 nodes in 1 s (every layer told apart),
and for 1,000 strategies in 60 s. The thousand: 18 ways to divide 20 nodes, 1 to 40 microbatches, five fabrics.
"""

from __future__ import annotations

import platform
import statistics
import time
from itertools import product

from slipstick.engines.fred_paper import FABRICS, _end_to_end, cases
from slipstick.engines.question import ask
from slipstick.engines.wafer_job import _job_for
from slipstick.engines.wafer_training import SWEEP_RUNS
from slipstick.fabric.strategies import strategies
from slipstick.fabric.topology_file import resolve_topology
from slipstick.fabric.training.iteration import simulate

REPEATS = 5
REPLICA = 40  # samples, as in the paper's sweep
MICROBATCHES = (1, 2, 4, 5, 8, 10, 20, 40, 1, 2, 4, 5)  # divisors of it, some again: 1,080 in all
MOST = 1000


def main() -> None:
    print(f"{platform.machine()}, Python {platform.python_version()}, one thread")
    for name, fabric in product(cases.names(), ("mesh", "fred-d")):
        tasks = len(_end_to_end(name, fabric).tasks.dag)
        times = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            _end_to_end(name, fabric)
            times.append(time.perf_counter() - started)
        print(f"{name:16} on {fabric:7} {statistics.median(times):7.3f} s   {tasks:,} tasks (asked 1 s)")
    topologies = [resolve_topology(f"wafer-{fabric}") for fabric in FABRICS]
    started, done = time.perf_counter(), 0
    for count, topology, strategy in list(product(MICROBATCHES, topologies, strategies(20)))[:MOST]:
        plan = f"gradients=bf16,zero=2,microbatch={REPLICA // count}"
        question = ask("turing-nlg-17b", "wafer-mesh", plan, verb="simulate", batch=REPLICA * strategy.dp)
        simulate(_job_for(question)(strategy), topology, most=SWEEP_RUNS)
        done += 1
    print(f"{done:,} strategies: {time.perf_counter() - started:.1f} s (asked 60 s)")


if __name__ == "__main__":
    main()
