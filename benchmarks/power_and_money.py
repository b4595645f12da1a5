"""Power of a node by its load, and what a whole training run takes: each figure beside what was measured or published.

python benchmarks/power_and_money.py
"""

from __future__ import annotations

from typing import Any

import slipstick
from slipstick import Report

NODE = "dgx-h100"
LOADS: dict[str, dict[str, Any]] = {
    "decode, 8 sequences": {"phase": "decode", "batch": 8, "sequence": 1024},
    "decode, 512 sequences": {"phase": "decode", "batch": 512, "sequence": 1024},
    "training, 4096 tokens": {"phase": "train", "batch": 64, "sequence": 4096},
    "prefill, 64 prompts": {"phase": "prefill", "batch": 64, "sequence": 4096},
}
SAID, MEASURED, INTENSIVE = (
    5.4,
    8.4,
    0.76 * 10.2,
)  # kW: before; at most (2412.08602); in intensive training (2506.14551)
OWN = {
    "name": "mine", "power": "250 W", "memory": {"dram": {"capacity": "64 GiB", "bandwidth": "1 TB/s"}},
    "device": {"kind": "accelerator", "cores": 64, "clock": "1 GHz", "matrix": {"bf16": "100 TFLOP/s"}, "vector": {}},
}  # fmt: skip


def goal(name: str, reached: str, bound: str, met: bool) -> None:
    print(f"goal: {name} | reached {reached} | wanted {bound} | {'met' if met else 'missed'}")


def kilowatts() -> dict[str, float]:
    """Return the power of a node of eight H100 [kW] by its load, hosts included."""
    reports = {name: slipstick.estimate("llama-2-13b", NODE, **load) for name, load in LOADS.items()}
    return {name: 8e-3 * report.value("energy.power_per_device") for name, report in reports.items()}


def whole_run(tokens: str, **changes: Any) -> Report:
    return slipstick.estimate(
        "llama-3.1-70b", f"{NODE}:256", batch=1024, sequence=8192, training_tokens=tokens, set=changes
    )


def main() -> None:
    drawn = kilowatts()
    for name, power in drawn.items():
        print(f"Llama-2 13B on {NODE}, {name}: {power:.2f} kW")
    values = [power for name, power in drawn.items() if name != "decode, 8 sequences"]
    reached = f"{min(values):.2f} to {max(values):.2f} kW"
    within = min(values) > SAID and max(values) <= MEASURED
    goal("a busy node of H100 draws what its load says", reached, f"{SAID} to {MEASURED} kW", within)
    training = drawn["training, 4096 tokens"]
    goal("intensive training", f"{training:.2f} kW", f"{INTENSIVE:.2f} kW +-10 %", abs(training / INTENSIVE - 1) < 0.1)
    light = drawn["decode, 8 sequences"] / training
    goal("a light decode draws less than training", f"{light:.2f} x", "at most 0.85 x", light <= 0.85)
    own = slipstick.estimate("llama-3.1-8b", OWN, phase="decode", batch=4)
    least = min(metric.value for path, metric in own.flat().items() if path.startswith("energy"))
    goal("a device of which only the limit is known", f"least figure {least:.3g}", "above 0", least > 0)
    report = whole_run("1T", **{"system.rent": "2.5 USD/h"})
    print("1 T tokens of Llama-3.1 70B on 256 H100 at 2.5 USD/h:")
    for name, metric in report.flat().items():
        if name.startswith(("run.", "cost.")):
            print(f"  {name:20} {metric.text:>14}  {metric.note}")
    lost = 1 - report.value("run.goodput")
    goal("goodput of 256 devices", f"{100 * lost:.2f} % lost", "above 0, below 3 %", 0 < lost < 0.03)
    print("energy, H100 under every load of a real service: not run, no such machine here")


if __name__ == "__main__":
    main()
