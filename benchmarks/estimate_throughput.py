"""Plans per second of the vectorised training model on the search space of Calculon (Isaev et al. 2023).

    python benchmarks/estimate_throughput.py [--plans N] [--check N]

The space: GPT-3 175B on 4,096 A100s, batch at most 1,536: tensor x pipeline x interleave x recomputation x optimiser
sharding x message pattern x regather x overlaps x offloads x microbatch x network assignment = 1,133,312 executions, as
`calculon loe ... -m -d` counts them. `benchmarks/search_rate.py` measures
Calculon itself on them. One process, one thread; the scalar path evaluates single plans and must agree to 1e-9.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import statistics
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402  after the thread limits

from slipstick.cluster.sweep.plans import Plans  # noqa: E402
from slipstick.cluster.training.training_setting import TrainingSetting  # noqa: E402
from slipstick.cluster.training.training_step import training_step  # noqa: E402
from slipstick.core.catalogue import resolve_system  # noqa: E402
from slipstick.core.plan import Plan  # noqa: E402
from slipstick.core.system import System  # noqa: E402
from slipstick.core.workload import Workload  # noqa: E402
from slipstick.networks.find_network import network  # noqa: E402

DEVICES, MAX_BATCH, SEQUENCE = 4096, 1536, 2048
EXECUTIONS = 1_133_312
CHUNK = 32_768
YES_NO = (True, False)


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def space(heads: int, layers: int, every_microbatch: bool = False) -> dict[int, dict[str, np.ndarray]]:
    """Return the columns of all plans, by global batch."""
    rows: dict[int, list[np.ndarray]] = {}
    for tp in (d for d in divisors(DEVICES) if heads % d == 0):
        for pp in (d for d in divisors(min(DEVICES // tp, layers)) if DEVICES % (tp * d) == 0 and layers % d == 0):
            dp = DEVICES // (tp * pp)
            batch = MAX_BATCH // dp * dp
            if batch:
                rows.setdefault(batch, []).append(_degree(tp, pp, dp, batch, layers, every_microbatch))
    return {batch: dict(zip(COLUMNS, np.concatenate(found).T, strict=True)) for batch, found in rows.items()}


COLUMNS = (
    "tp", "pp", "dp", "interleave", "recompute", "zero", "tp_pattern", "regather", "dp_overlap", "tp_overlap",
    "offload_weights", "offload_activations", "offload_optimizer", "microbatch", "tp_tier", "pp_tier", "dp_tier",
)  # fmt: skip


def _degree(tp: int, pp: int, dp: int, batch: int, layers: int, every_microbatch: bool) -> np.ndarray:
    """Return every execution with these degrees, in Calculon's order of loops."""
    # its count (-d with -m) stops at the first microbatch that divides: 7,474,752 with all of them
    microbatches = [d for d in divisors(batch // dp) if d * SEQUENCE % tp == 0][: None if every_microbatch else 1]
    tiers = [(0, 1) if degree > 1 else (0,) for degree in (tp, pp, dp)]
    found = []
    for interleave, recompute, zero, pattern in itertools.product(
        divisors(layers // pp) if pp > 1 else [1], (2, 1, 0), (1, 0) if dp > 1 else (0,), (0, 1, 2)
    ):
        axes = (
            [tp], [pp], [dp], [interleave], [recompute], [zero], [pattern],
            YES_NO if pattern == 2 and recompute != 2 else [False],
            YES_NO if dp > 1 else [False],
            (0, 1, 2) if tp > 1 else [0],
            YES_NO, [False] if recompute == 2 else YES_NO, YES_NO,
            microbatches, *tiers,
        )  # fmt: skip
        grid = np.meshgrid(*(np.asarray(axis, dtype=np.int64) for axis in axes), indexing="ij")
        found.append(np.stack([axis.ravel() for axis in grid], axis=1))
    return np.concatenate(found)


def setting_for(batch: int) -> tuple[Workload, System, TrainingSetting]:
    workload = Workload(network=network("gpt3-175b"), batch=batch, sequence=SEQUENCE)
    system = resolve_system(f"a100-sxm-80gb:{DEVICES}")
    plan = Plan.of("matmul=fp16,activations=fp16,attention=unfused,offload_weights=true")
    return workload, system, TrainingSetting.of(workload, system, plan)


def plans_of(columns: dict[str, np.ndarray], part: slice) -> Plans:
    chosen = {name: column[part] for name, column in columns.items()}
    chosen["sp"] = chosen["tp_pattern"] == 2
    return Plans.of_columns(len(chosen["tp"]), chosen)


def sweep(columns_by_batch: dict[int, dict[str, np.ndarray]]) -> tuple[float, int, float]:
    """Evaluate every plan in chunks; return (seconds, plans that fit, best time of those that fit)."""
    start, fitting, best = time.perf_counter(), 0, np.inf
    for batch, columns in columns_by_batch.items():
        workload, system, setting = setting_for(batch)
        room = system.main_memory.capacity
        for first in range(0, len(columns["tp"]), CHUNK):
            plans = plans_of(columns, slice(first, first + CHUNK))
            step = training_step(setting, plans)
            fits = (step.peak_memory <= room) & plans.possible(workload, system)
            fitting += int(fits.sum())
            if fits.any():
                best = min(best, float((step.time[fits] / batch).min()))
    return time.perf_counter() - start, fitting, best


def check(columns_by_batch: dict[int, dict[str, np.ndarray]], count: int) -> float:
    """Return the largest relative difference between single plans and the sweep."""
    random, worst = np.random.default_rng(0), 0.0
    for batch, columns in columns_by_batch.items():
        *_, setting = setting_for(batch)
        chosen = random.choice(len(columns["tp"]), size=min(count, len(columns["tp"])), replace=False)
        together = training_step(setting, plans_of({k: v[chosen] for k, v in columns.items()}, slice(None)))
        for place, index in enumerate(chosen):
            alone = training_step(setting, plans_of(columns, slice(index, index + 1)))
            worst = max(
                worst,
                abs(alone.time[0] / together.time[place] - 1),
                abs(alone.peak_memory[0] / together.peak_memory[place] - 1),
            )
    return worst


def one_estimate() -> float:
    """Return the median seconds of one estimate of the verb, once loaded."""
    from slipstick.cluster.training.estimate import estimate_training
    from slipstick.core.question import Question

    workload = Workload(network=network("gpt3-175b"), batch=1536, sequence=SEQUENCE)
    system, plan = (
        resolve_system(f"a100-sxm-80gb:{DEVICES}"),
        Plan.of("tp=8,pp=8,interleave=3,recompute=selective,sp=true"),
    )
    times = []
    for _ in range(21):
        start = time.perf_counter()
        estimate_training(Question(workload, system, plan))
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", type=int, default=0, help="at most so many of each batch (0: all)")
    parser.add_argument("--check", type=int, default=200, help="plans compared with the scalar path")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    decoder = network("gpt3-175b")
    columns = space(decoder.kinds[0].attention.query_heads, decoder.layers)
    total = sum(len(c["tp"]) for c in columns.values())
    assert total == EXECUTIONS, total
    if arguments.plans:
        columns = {batch: {k: v[: arguments.plans] for k, v in c.items()} for batch, c in columns.items()}
        total = sum(len(c["tp"]) for c in columns.values())
    worst = check(columns, arguments.check)
    assert worst <= 1e-9, worst
    print(f"scalar and vectorised path differ by at most {worst:.1e} (relative)")
    runs = [sweep(columns) for _ in range(arguments.repeat)]
    seconds = statistics.median(run[0] for run in runs)
    rate = total / seconds
    print(f"{total:,} plans in {seconds:.2f} s: {rate:,.0f} plans/s on one core")
    print(f"{runs[0][1]:,} are possible and fit into memory; the best takes {runs[0][2]:.4f} s a sample")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"one estimate: {1e3 * one_estimate():.2f} ms; peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
