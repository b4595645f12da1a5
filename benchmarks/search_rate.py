"""Points per second of the exhaustive search, and its memory at ten million points.

    python benchmarks/search_rate.py [--million 10]

Every valid (tp, pp, dp, microbatch, interleave, recompute, sequence, ZeRO) plan of GPT-3 175B on 4,096 A100s, beside
Calculon's 263 executions/s on one core (theory note, section 3); then the same space widened to the asked size.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(variable, "1")

from slipstick import Space, estimate, search  # noqa: E402  after the thread limits

PEER_RATE = 263.0
AXES = "tp=1|2|4|8|16|32,pp=1|2|3|4|6|8|12|16|24|32|48|96,microbatch=1|2|3|4|6|8|12|16,tp_overlap=none|ring|pipe,"
AXES += "interleave=1|2|3|4|6|8|12|16|24|48|96,recompute=none|selective|full,sp=true|false,zero=0|1|2|3,"
AXES += "matmul=fp16,activations=fp16,others=off"
BATCH, SEQUENCE = 1536, 2048
# Calculon's own best of its 39,007 executions at batch 1536 that can win (caa4b11, a100_80g.json): 3.829 s by its model
PEER_BEST = "tp=8,pp=4,microbatch=3,interleave=24,recompute=selective,sp=true,zero=1,tp_overlap=ring,"
PEER_BEST += "matmul=fp16,activations=fp16,others=off"


def beside_the_peers_best() -> None:
    plan = estimate("gpt3-175b", "a100-sxm-80gb:4096", PEER_BEST, batch=BATCH, sequence=SEQUENCE)
    print(f"Calculon's best plan, re-estimated by us: {plan.value('time.step'):.3f} s a step ({PEER_BEST})")


def timed(space: Space) -> None:
    started = time.perf_counter()
    found = search("gpt3-175b", space, batch=BATCH, sequence=SEQUENCE)
    seconds = time.perf_counter() - started
    rate = found.tried / seconds
    best = found.best()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    faster = rate / PEER_RATE
    print(f"{found.tried:,} points in {seconds:.2f} s: {rate:,.0f}/s on one core, {faster:,.0f} x Calculon's 263/s")
    print(f"  {len(found.points):,} are possible and fit; best {best.value('time.step'):.3f} s a step:")
    print(f"  {found.words(int(found.pareto['index'][0]))}")
    print(f"  peak memory {peak:.2f} GiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", type=float, default=10.0, help="points of the second, widened space")
    arguments = parser.parse_args()
    print(f"{platform.machine()}, one thread")
    space = Space.of(system="a100-sxm-80gb:4096", plan=AXES)
    timed(space)
    beside_the_peers_best()
    steps = max(1, int(arguments.million * 1e6 / len(space)))
    speeds = [f"{1.5 + place / 100:.2f} TB/s" for place in range(steps)]
    timed(Space.of(system="a100-sxm-80gb:4096", plan=AXES, fields={"system.memory.hbm.bandwidth": speeds}))


if __name__ == "__main__":
    main()
