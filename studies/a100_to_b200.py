"""Training of GPT-3 175B from A100 to B200: how much faster, and which change buys how much.

Every system runs the fastest plan that fits its memory, out of a grid over tp, pp, microbatch, interleave,
recomputation and sequence parallelism. The factors between the first and the last system are Shapley values in logs:
each is switched on in every order, and the ratios are averaged, so that their product is the whole. The paper's
abstract says about 35x (arXiv 2407.14645); its systems are known to us from recollection only, and nothing here is
fitted to it.

    python -m studies.a100_to_b200 [--out FOLDER] [--quick]
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import altair as alt

import slipstick
from slipstick.cluster.kernels.chip import Chip
from slipstick.core.device_kinds import Accelerator
from slipstick.core.spec import override
from slipstick.core.system import System
from slipstick.report.report import Report
from studies import _chart
from studies._search import fastest

MODEL, DEVICES, SEQUENCE = "gpt3-175b", 1024, 2048
BATCH, LARGE_BATCH = 1024, 4096  # sequences: 2 and 8 million tokens
SYSTEMS = {  # system of the study -> the narrowest format of its matrix units that training uses, batch
    "a100-hdr": ("bf16", BATCH),
    "h100-ndr": ("fp8", BATCH),
    "h100-nvs": ("fp8", BATCH),
    "h200-nvs-l": ("fp8", LARGE_BATCH),
    "b200-ndr": ("nvfp4", BATCH),
    "b200-nvs": ("nvfp4", BATCH),
    "b200-nvs-l": ("nvfp4", LARGE_BATCH),
}
FIRST, LAST = "a100-hdr", "b200-nvs-l"
PUBLISHED = 35.0  # abstract of arXiv 2407.14645
FACTORS = {  # factor -> what is switched from A100 to B200
    "compute": "cores, clock, caches; bf16",
    "precision": "nvfp4 in place of bf16",
    "memory": "180 GiB, 7.7 TB/s; batch 4,096",
    "network": "NVLink beyond the node",
}
SOFTWARE = "tp_overlap=ring,pp_overlap=true"  # the same on every system: messages overlapped as NeMo's recipes do
Switched = frozenset[str]


@cache
def run(name: str, format_: str, batch: int) -> tuple[Report, str]:
    """Return the report of the fastest plan of a named system, and that plan."""
    found = fastest(MODEL, slipstick.system(f"{name}:{DEVICES}"), batch, SEQUENCE, f"matmul={format_},{SOFTWARE}")
    return found.report, found.plan


def table() -> list[dict[str, Any]]:
    """Return a row for each system: speed-up over the first, MFU, and the plan that reaches it."""
    rows: list[dict[str, Any]] = []
    for name, (format_, batch) in SYSTEMS.items():
        report, plan = run(name, format_, batch)
        speed = report.value("throughput.tokens")
        rows.append({"system": name, "format": format_, "batch": batch, "plan": plan, "tokens/s": speed})
        rows[-1] |= {"mfu": report.value("efficiency.mfu"), "speed-up": speed / rows[0]["tokens/s"]}
    return rows


def between(switched: Switched) -> System:
    """Return the first system with some parts of the last one in their place.

    An A100 whose precision is switched gets 4-bit units at the B200's ratio of rates, with the measured efficiency of
    its own bf16 products: nobody has measured such a device.
    """
    old, new = (slipstick.system(f"{name}:{DEVICES}") for name in (FIRST, LAST))
    chip, dram = (new if part in switched else old for part in ("compute", "memory"))
    matrix, narrow = dict(chip.device_as(Accelerator).matrix), SYSTEMS[LAST][0]
    rates = new.device_as(Accelerator).matrix
    matrix[narrow] = matrix["bf16"] * rates[narrow] / rates["bf16"]
    memory = {name: part for name, part in chip.memory.items() if name != chip.main_memory_name}
    mixed = chip.model_copy(
        update={
            "name": "+".join([FIRST, *sorted(switched)]),
            "device": chip.device.model_copy(update={"matrix": matrix}),
            "memory": {dram.main_memory_name: dram.main_memory, **memory},
            "network": (new if "network" in switched else old).network,
        }
    )
    # where no L2 bandwidth is published the model takes it from the DRAM's: here it belongs to the chip
    return override(mixed, {"memory.l2.bandwidth": Chip.of(chip).l2_bandwidth}, root="system")


@cache
def rate(switched: Switched) -> float:
    """Return tokens per second of the fastest plan with these factors switched."""
    format_ = SYSTEMS[LAST if "precision" in switched else FIRST][0]
    batch = SYSTEMS[LAST if "memory" in switched else FIRST][1]
    found = fastest(MODEL, between(switched), batch, SEQUENCE, f"matmul={format_},{SOFTWARE}")
    return found.report.value("throughput.tokens")


def shares() -> dict[str, float]:
    """Return by how much each factor multiplies the rate, averaged over all orders of switching them."""
    logs = dict.fromkeys(FACTORS, 0.0)
    orders = list(itertools.permutations(FACTORS))
    for order in orders:
        for place, factor in enumerate(order):
            before, after = frozenset(order[:place]), frozenset(order[: place + 1])
            logs[factor] += math.log(rate(after) / rate(before)) / len(orders)
    return {factor: math.exp(value) for factor, value in logs.items()}


def peaks() -> float:
    """Return the ratio of the dense peaks of the last and the first system, each in its format."""
    first, last = (slipstick.system(name).device_as(Accelerator).matrix[SYSTEMS[name][0]] for name in (FIRST, LAST))
    return last / first


def main() -> None:
    """Print both tables and draw them."""
    options = _chart.arguments(__doc__)
    rows = table()
    for row in rows:
        print(f"{row['system']:11} {row['format']:6} {row['speed-up']:5.1f} x  MFU {row['mfu']:.2f}  {row['plan']}")
    print(f"ratio of dense peaks: {peaks():.1f} x; published: about {PUBLISHED:.0f} x")
    charts, finding = [systems_chart(rows)], ""
    if not options.quick:
        parts = shares()
        print("by factor:", ", ".join(f"{name} {value:.2f} x ({FACTORS[name]})" for name, value in parts.items()))
        charts, finding = [*charts, waterfall(parts)], f"; {_larger(parts)}"
    title = f"From A100 to B200, GPT-3 175B trains {rows[-1]['speed-up']:.0f} times faster{finding}"
    subtitle = (
        f"{DEVICES:,} devices, sequences of {SEQUENCE:,}, each system with its fastest plan that fits; -l: batch "
        f"{LARGE_BATCH:,} instead of {BATCH:,}"
    )
    _chart.save(_chart.finish(alt.hconcat(*charts, spacing=44), title, subtitle), options.out, "a100_to_b200")


def _larger(parts: Mapping[str, float]) -> str:
    first, second, *_ = sorted(parts, key=lambda name: -parts[name])
    return f"{first} and {second} buy most of it"


def systems_chart(rows: list[dict[str, Any]]) -> Any:
    """Return bars of the speed-up of each system, with the published figure and the ratio of peaks as marks."""
    data = [{**row, "label": f"{row['system']}\n{row['format']}"} for row in rows]
    order = [row["label"] for row in data]
    axis = "training speed over a100-hdr [times]"
    x = alt.X("label:N", sort=order, title=None, axis=alt.Axis(labelAngle=0, labelExpr="split(datum.label, '\\n')"))
    bars = alt.Chart(alt.Data(values=data)).mark_bar(color=_chart.BLUE).encode(x=x, y=alt.Y("speed-up:Q", title=axis))
    text = bars.mark_text(dy=-8, color=_chart.TEXT, fontSize=12).encode(text=alt.Text("speed-up:Q", format=".1f"))
    published = _chart.mark(PUBLISHED, f"published: about {PUBLISHED:.0f} (abstract of arXiv 2407.14645)", axis)
    words = f"dense peaks, {SYSTEMS[LAST][0]} over {SYSTEMS[FIRST][0]}: {peaks():.1f}"
    bound = _chart.mark(peaks(), words, axis, colour=_chart.FAINT, below=True)
    return (bars + text + bound + published).properties(width=600, height=360)


def waterfall(parts: Mapping[str, float]) -> Any:
    """Return the factors as steps on a logarithmic axis, from 1 to the whole."""
    steps, reached = [], 1.0
    for name, value in parts.items():
        steps.append({"factor": name, "from": reached, "to": reached * value, "text": f"x {value:.2f}", "kind": "part"})
        reached *= value
    steps.append({"factor": "all", "from": 1.0, "to": reached, "text": f"x {reached:.1f}", "kind": "all"})
    top = max(step["to"] for step in steps)
    scale = alt.Scale(type="log", domain=[1, 1.3 * top], nice=False)
    bars = (
        alt.Chart(alt.Data(values=steps))
        .mark_bar()
        .encode(
            x=alt.X("factor:N", sort=[s["factor"] for s in steps], title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("from:Q", scale=scale, title="contribution, averaged over all orders [times]").axis(
                values=[1, 2, 4, 8, 16, 32]
            ),
            y2="to:Q",
            color=alt.Color("kind:N", scale=_chart.colours(["part", "all"], [_chart.ORANGE, _chart.BLUE]), legend=None),
        )
    )
    text = bars.mark_text(dy=-8, color=_chart.TEXT, fontSize=12).encode(
        y="to:Q", text="text:N", color=alt.value("#222")
    )
    return (bars + text).properties(width=330, height=360)


if __name__ == "__main__":
    main()
