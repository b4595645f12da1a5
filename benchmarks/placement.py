"""How long placement of Inception-V3 takes until it is proved: two and four devices of a DGX-1.

    python benchmarks/placement.py

The issue asks for a proof on 2 devices in 10 s, and for 4 devices in 60 s with the gap stated. Two threads.
"""

from __future__ import annotations

import os
import platform
import time

from slipstick import place

LIMIT = 60.0


def main() -> None:
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, batch 64, limit {LIMIT:g} s")
    for phase in ("infer", "train"):
        for devices in (2, 4):
            started = time.perf_counter()
            report = place("inception-v3", f"dgx1-v100:{devices}", phase=phase, batch=64, time_limit=LIMIT)
            took = time.perf_counter() - started
            print(
                f"{phase}, {devices} devices, {len(report.detail.instance.problem.names)} operators: {took:.1f} s,"
                f" speed-up {report.value('speedup.placement'):.3f}, at most {report.value('speedup.bound'):.3f},"
                f" gap {100 * report.value('gap'):.1f} %, {report.detail.schedule.status},"
                f" replayed in {report.detail.replayed() / report.value('time.step'):.5f} of it",
                flush=True,
            )


if __name__ == "__main__":
    main()
