"""What bounds each matrix product of a layer, in prefill and in decode, over the batch: compute, L2, DRAM or latency.

python -m studies.gemm_bounds [--out FOLDER]
"""

from __future__ import annotations

from typing import Any

import altair as alt

import slipstick
from studies import _chart

MODEL, PROMPT = "llama-2-13b", 512
SYSTEMS = ("a100-sxm-80gb", "h100-sxm-80gb", "b200-sxm-180gb")
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
BOUNDS = ("compute", "l2", "dram", "latency")


def table(systems: tuple[str, ...] = SYSTEMS, batches: tuple[int, ...] = BATCHES) -> list[dict[str, Any]]:
    """Return a row for each matrix product of a layer, system, phase and batch, with its bound."""
    rows = []
    for system in systems:
        for phase in ("prefill", "decode"):
            for batch in batches:
                found = slipstick.ops(MODEL, f"{system}:1", "tp=1", phase=phase, batch=batch, sequence=PROMPT, output=2)
                names = [column.name for column in found.columns]
                for cells in found.rows:
                    op = dict(zip(names, cells, strict=True))
                    if op["kind"] in ("matmul", "attention"):
                        here = {"system": system, "phase": phase, "batch": batch}
                        rows.append({**here, "op": op["op"], "bound": op["bound"]})
    return rows


def main() -> None:
    """Print how many products each bound holds, and draw the map."""
    options = _chart.arguments(__doc__)
    rows = table()
    for system in SYSTEMS:
        for phase in ("prefill", "decode"):
            here = [row for row in rows if row["system"] == system and row["phase"] == phase]
            counts = {bound: sum(row["bound"] == bound for row in here) for bound in BOUNDS}
            print(f"{system:16} {phase:8}", ", ".join(f"{bound} {count}" for bound, count in counts.items()))
    ops = list(dict.fromkeys(row["op"] for row in rows))
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_rect(stroke="white")
        .encode(
            x=alt.X("batch:O", title="batch", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("op:N", sort=ops, title=None),
            color=alt.Color("bound:N", scale=_chart.colours(list(BOUNDS)), title="bound"),
        )
        .properties(width=240, height=150)
        .facet(
            column=alt.Column("system:N", sort=list(SYSTEMS), title=None),
            row=alt.Row("phase:N", sort=["prefill", "decode"], title=None),
        )
        .properties(
            title=alt.Title(
                "Decode waits for DRAM until the batch is large; prefill computes",
                subtitle=f"{MODEL}, one device, prompts of {PROMPT} tokens, bf16",
            )
        )
        .configure(background="white", font="sans-serif")
        .configure_title(anchor="start", fontSize=16)
    )
    _chart.save(chart, options.out, "gemm_bounds")


if __name__ == "__main__":
    main()
