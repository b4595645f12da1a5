"""Logic, memory and network from 12 nm to 1 nm: which of them training waits for.

An A100 with its die and power is built again at each node; then also with the DRAM, and with the network, that come
with it. Scaling per node and the study's DRAM and network figures are recollections of arXiv 2407.14645 (data/tech).

    python -m studies.node_sweep [--out FOLDER]
"""

from __future__ import annotations

from typing import Any

import altair as alt

import slipstick
from slipstick.core.spec import override
from slipstick.core.system import System
from slipstick.tech import derive
from studies import _chart

NODES = ("12nm", "10nm", "7nm", "5nm", "3nm", "2nm", "1.4nm", "1nm")
DRAM = {"12nm": 1.0, "10nm": 1.0, "7nm": 1.9, "5nm": 1.9, "3nm": 2.6, "2nm": 2.6, "1.4nm": 3.3, "1nm": 3.3}  # TB/s
NETWORK = {"12nm": 100, "10nm": 100, "7nm": 100, "5nm": 200, "3nm": 200, "2nm": 400, "1.4nm": 400, "1nm": 400}  # GB/s
WAYS = ("logic", "logic + memory", "logic + memory + network")
DEVICES, PLAN = 1024, "tp=8,dp=128,sp=true,zero=1"


def system(node: str, way: str) -> System:
    """Return the A100 at a node, with the memory and network that `way` names (else those of 7 nm's first figures)."""
    base = slipstick.system(f"dgx-a100:{DEVICES}")
    device = derive(base, node)
    memory = DRAM[node] if "memory" in way else DRAM["12nm"]
    network = NETWORK[node] if "network" in way else NETWORK["12nm"]
    outer = list(device.network)[-1]
    # the study gives a node of 8 devices so much to the outside; the node's own links scale alike
    inner = device.network["nvlink"].bandwidth * network / NETWORK["12nm"]
    changes = {
        "memory.hbm.bandwidth": f"{memory} TB/s",
        f"network.{outer}.bandwidth": f"{network / 8} GB/s",
        "network.nvlink.bandwidth": inner,
    }
    return override(device, changes, root="system")


def table(nodes: tuple[str, ...] = NODES) -> list[dict[str, Any]]:
    """Return a row for each node and way: seconds a step, and its largest part."""
    rows = []
    for way in WAYS:
        for node in nodes:
            report = slipstick.estimate("llama-2-7b", system(node, way), PLAN, phase="train", batch=1024, sequence=2048)
            rows.append({"node": node, "way": way, "step": report.value("time.step"), "bottleneck": report.bottleneck})
    return rows


def main() -> None:
    """Print the table and draw it."""
    options = _chart.arguments(__doc__)
    rows = table()
    for row in rows:
        print(f"{row['node']:6} {row['way']:26} {row['step']:6.3f} s  {row['bottleneck']}")
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=True, strokeWidth=2.5)
        .encode(
            x=alt.X("node:N", sort=list(NODES), title="technology node of the logic", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("step:Q", title="seconds a training step", scale=alt.Scale(zero=True)),
            color=alt.Color("way:N", scale=_chart.colours(list(WAYS)), title="what scales", sort=list(WAYS)),
        )
    )
    title = "Better logic alone stops paying near 5 nm: the network has to scale with it, then the memory"
    _chart.save(
        _chart.finish(chart, title, f"Llama-2 7B on {DEVICES:,} devices with an A100's die and power, {PLAN}"),
        options.out,
        "node_sweep",
    )


if __name__ == "__main__":
    main()
