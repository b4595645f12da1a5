"""Training of GPT-3 175B from A100 to B200: how much faster, and which change buys how much.

Every system runs its fastest plan that fits its memory. The waterfall changes one thing at a time, in every order
(Shapley): devices and their memory, number format, network, batch. The paper's abstract says about 35x (arXiv
2407.14645); its systems are known to us from recollection only, and our figure is not fitted to it.

    python -m studies.a100_to_b200 [--out FOLDER]
"""

from __future__ import annotations

import itertools
import math
from functools import cache

import altair as alt

import slipstick
from studies import _chart

DEVICES, SEQUENCE = 1024, 2048
BATCH, LARGE_BATCH = 1024, 4096
SYSTEMS = {  # system of the study -> the narrowest format of its matrix units that training uses, batch
    "a100-hdr": ("bf16", BATCH),
    "h100-ndr": ("fp8", BATCH),
    "h100-nvs": ("fp8", BATCH),
    "h200-nvs-l": ("fp8", LARGE_BATCH),
    "b200-ndr": ("nvfp4", BATCH),
    "b200-nvs": ("nvfp4", BATCH),
    "b200-nvs-l": ("nvfp4", LARGE_BATCH),
}
PUBLISHED = 35.0  # abstract of arXiv 2407.14645
FACTORS = ("devices", "format", "network", "batch")


@cache
def tokens_per_second(system: str, format_: str, batch: int) -> float:
    """Return the rate of the fastest plan that fits."""
    plan = {
        "tp": "auto", "pp": "auto", "microbatch": "auto", "recompute": "auto", "sp": True, "zero": 1, "matmul": format_,
        "tp_overlap": "ring", "pp_overlap": True,
    }  # fmt: skip
    report = slipstick.estimate("gpt3-175b", f"{system}:{DEVICES}", plan, phase="train", batch=batch, sequence=SEQUENCE)
    return report.value("throughput.tokens")


def speedups() -> dict[str, float]:
    """Return each system's speed-up over the first."""
    base = tokens_per_second("a100-hdr", "bf16", BATCH)
    return {name: tokens_per_second(name, *how) / base for name, how in SYSTEMS.items()}


def shares() -> dict[str, float]:
    """Return by how much each factor multiplies the rate from a100-hdr to b200-nvs-l, averaged over all orders."""

    def rate(changed: frozenset[str]) -> float:
        chip = "b200" if "devices" in changed else "a100"
        network = "nvs" if "network" in changed else ("ndr" if chip == "b200" else "hdr")
        system = "a100-hdr" if (chip, network) == ("a100", "hdr") else f"{chip}-{network}"
        format_ = "nvfp4" if "format" in changed else "bf16"
        return tokens_per_second(*_variant(system, format_), LARGE_BATCH if "batch" in changed else BATCH)

    logs = dict.fromkeys(FACTORS, 0.0)
    orders = list(itertools.permutations(FACTORS))
    for order in orders:
        done: frozenset[str] = frozenset()
        for factor in order:
            after = done | {factor}
            logs[factor] += math.log(rate(after) / rate(done)) / len(orders)
            done = after
    return {factor: math.exp(value) for factor, value in logs.items()}


def _variant(system: str, format_: str) -> tuple[str, str]:
    """Return the system and format of one step; an A100 has no 4-bit units and no NVLink switch beyond the node."""
    if system == "a100-nvs":
        system = "a100-hdr"
    return system, "bf16" if system.startswith("a100") else format_


def main() -> None:
    """Print both tables and draw them."""
    options = _chart.arguments(__doc__)
    gains, parts = speedups(), shares()
    for name, gain in gains.items():
        print(f"{name:12} {gain:6.1f} x")
    print("of the last, by factor:", ", ".join(f"{name} {value:.2f} x" for name, value in parts.items()))
    rows = [{"system": name, "speed-up": gain} for name, gain in gains.items()]
    bars = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(color=_chart.COLOURS[0])
        .encode(
            x=alt.X("system:N", sort=list(gains), title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("speed-up:Q", title="training speed over a100-hdr"),
        )
    )
    text = bars.mark_text(dy=-8, color=_chart.TEXT).encode(text=alt.Text("speed-up:Q", format=".1f"))
    line = alt.Chart(alt.Data(values=[{"y": PUBLISHED}])).mark_rule(strokeDash=[6, 4], color="#D55E00").encode(y="y:Q")
    label = line.mark_text(align="left", dx=4, dy=-7, color="#D55E00").encode(
        x=alt.value(0), text=alt.value("published: about 35x (abstract of arXiv 2407.14645)")
    )
    last = list(gains)[-1]
    chart = _chart.finish(
        bars + text + line + label,
        f"From A100 to B200, GPT-3 175B trains {gains[last]:.0f} times faster",
        f"{DEVICES:,} devices, fastest plan that fits; {', '.join(f'{k} {v:.1f}x' for k, v in parts.items())}",
        width=700,
    )
    _chart.save(chart, options.out, "a100_to_b200")


if __name__ == "__main__":
    main()
