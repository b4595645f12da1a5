"""Logic, memory and network from 12 nm to 1 nm: which of them the training of a 7B network waits for.

An A100 is built again at each node with its die and power (`slipstick.tech.derive`); then it gets the DRAM, and then
also the links, that come with the node, outside of that power. Scaling per node and the DRAM and network axes are
recollections of arXiv 2407.14645 (data/tech); which generation comes with which node is assumed.

    python -m studies.node_sweep [--out FOLDER] [--quick]
"""

from __future__ import annotations

from functools import cache
from typing import Any

import altair as alt

import slipstick
from slipstick.core.spec import override
from slipstick.core.system import System
from slipstick.report.report import Report
from slipstick.tech import derive
from slipstick.tech.technology_tables import dram_generations, network_generations
from studies import _chart
from studies._search import fastest

MODEL, DEVICES, BATCH, SEQUENCE = "gpt-7.5b", 1024, 1024, 2048
NODES = {  # node -> DRAM, links inside and between the servers
    "12nm": ("hbm2", "nvlink3", "ndr-x8"),
    "10nm": ("hbm2", "nvlink3", "ndr-x8"),
    "7nm": ("hbm2e", "nvlink3", "ndr-x8"),
    "5nm": ("hbm2e", "nvlink4", "xdr-x8"),
    "3nm": ("hbm3", "nvlink4", "xdr-x8"),
    "2nm": ("hbm3", "nvlink5", "gdr-x8"),
    "1.4nm": ("hbm4", "nvlink5", "gdr-x8"),
    "1nm": ("hbm4", "nvlink6", "gdr-x8"),
}
WAYS = ("logic alone", "logic and memory", "logic, memory and network")
BOUNDS = ("compute", "memory", "network", "bubble and host")
FIXED = "tp=8,dp=128,sp=true,zero=1,others=off"  # a plan that is kept while the hardware changes
SOFTWARE = "matmul=bf16"


def system(node: str, way: str) -> System:
    """Return the A100 at a node, with memory and links of that node where `way` names them, else of the first."""
    memory, inner, outer = NODES["12nm"]
    if "memory" in way:
        memory = NODES[node][0]
    if "network" in way:
        inner, outer = NODES[node][1:]
    changes: dict[str, object] = {"memory.hbm.bandwidth": dram_generations.entry(memory).device}
    for tier, name in (("nvlink", inner), ("infiniband", outer)):
        changes |= {
            f"network.{tier}.{key}": getattr(network_generations.entry(name), key)
            for key in ("technology", "bandwidth")
        }
    return override(derive(slipstick.system(f"dgx-a100:{DEVICES}"), node), changes, root="system")


@cache
def table(nodes: tuple[str, ...] = tuple(NODES)) -> list[dict[str, Any]]:
    """Return a row for each way and node: seconds of a step by bound, the fastest plan, seconds in the fixed plan."""
    rows: list[dict[str, Any]] = []
    for way in WAYS:
        for node in nodes:
            machine = system(node, way)
            found = fastest(MODEL, machine, BATCH, SEQUENCE, SOFTWARE)
            kept = slipstick.estimate(MODEL, machine, f"{FIXED},{SOFTWARE}", batch=BATCH, sequence=SEQUENCE)
            parts = by_bound(found.report)
            row = {"way": way, "node": node, "step": found.report.value("time.step"), "plan": found.plan, **parts}
            rows.append({**row, "bound": max(parts, key=lambda name: parts[name]), "fixed": kept.value("time.step")})
    return rows


def by_bound(report: Report) -> dict[str, float]:
    """Return the seconds of a step by what they wait for: kernels by their own bounds, exposed messages, the rest."""
    ops = report.breakdowns["ops"]
    names = [column.name for column in ops.columns]
    kernels = [dict(zip(names, cells, strict=True)) for cells in ops.rows]
    spent = {
        bound: sum(k["time"] * k["count"] for k in kernels if (k["bound"] == "compute") is bound)
        for bound in (True, False)
    }
    parts = {name: metric.value for name, metric in report.group("time.parts").items()}
    busy = sum(parts.get(name, 0.0) for name in ("forward", "backward", "recompute"))
    compute = busy * spent[True] / sum(spent.values())
    network = sum(value for name, value in parts.items() if name.endswith("_parallel"))
    memory = busy - compute + parts["optimizer"]
    return {
        "compute": compute,
        "memory": memory,
        "network": network,
        "bubble and host": sum(parts.values()) - busy - parts["optimizer"] - network,
    }


def main() -> None:
    """Print the table and draw it."""
    options = _chart.arguments(__doc__)
    rows = table(("12nm", "5nm", "1nm") if options.quick else tuple(NODES))
    for row in rows:
        parts = ", ".join(f"{name} {row[name]:.3f}" for name in BOUNDS)
        print(
            f"{row['way']:26} {row['node']:6} {row['step']:6.3f} s ({parts}), "
            f"fixed plan {row['fixed']:6.3f} s  {row['plan']}"
        )
    chart = alt.hconcat(*(panel(rows, way) for way in WAYS), spacing=14)
    old = "5nm" if options.quick else "3nm"
    gains = [_step(rows, way, old) / _step(rows, way, "1nm") for way in WAYS]
    title = (
        f"From {old.removesuffix('nm')} to 1 nm, logic alone buys {gains[0]:.1f}x, with memory {gains[1]:.1f}x, with "
        f"memory and network {gains[2]:.1f}x"
    )
    subtitle = (
        f"GPT 7.5B, batch {BATCH:,}, {DEVICES:,} devices with an A100's die and power; bars: the fastest plan; "
        f"black marks: the plan {FIXED}"
    )
    _chart.save(_chart.finish(chart, title, subtitle), options.out, "node_sweep")


def _step(rows: list[dict[str, Any]], way: str, node: str) -> float:
    return next(float(row["step"]) for row in rows if (row["way"], row["node"]) == (way, node))


def panel(rows: list[dict[str, Any]], way: str) -> Any:
    """Return the steps over the nodes, stacked by bound, with the fixed plan's as marks."""
    here = [row for row in rows if row["way"] == way]
    first = way == WAYS[0]
    long = [
        {"node": row["node"].removesuffix("nm"), "bound": bound, "s": row[bound], "order": place}
        for row in here
        for place, bound in enumerate(BOUNDS)
    ]
    order = [row["node"].removesuffix("nm") for row in here]
    x = alt.X("node:N", sort=order, title="technology node of the logic [nm]", axis=alt.Axis(labelAngle=0))
    y = alt.Y("sum(s):Q", title="training step [s]" if first else None).scale(
        domain=[0, 1.05 * max(r["fixed"] for r in rows)], nice=False
    )
    y = y.axis(labels=first, ticks=first)
    palette = (_chart.BLUE, _chart.ORANGE, _chart.GREEN, _chart.GREY)
    colour = alt.Color("bound:N", scale=_chart.colours(BOUNDS, palette), sort=list(BOUNDS), title="waits for")
    bars = alt.Chart(alt.Data(values=long)).mark_bar().encode(x=x, y=y, color=colour, order="order:Q")
    marks = [{"node": row["node"].removesuffix("nm"), "fixed": row["fixed"], "key": "fixed plan"} for row in here]
    ticks = (
        alt.Chart(alt.Data(values=marks))
        .mark_tick(thickness=2.5, size=22, opacity=1)
        .encode(x=x, y="fixed:Q", fill=alt.Fill("key:N", scale=alt.Scale(range=["black"]), title=None))
    )
    return (bars + ticks).properties(
        width=270, height=330, title=alt.Title(way, fontSize=13, anchor="middle", frame="group")
    )


if __name__ == "__main__":
    main()
