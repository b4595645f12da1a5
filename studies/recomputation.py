"""Recomputation and memory: Korthikanti's four models with none, selective and full recomputation, with and without
sequence parallelism (2205.05198, figures 1 and 7, table 5).

    python -m studies.recomputation [--out FOLDER]
"""

from __future__ import annotations

from typing import Any

import altair as alt

import slipstick
from studies import _chart

MODELS = {  # model -> devices, plan, batch: table 3 of the paper
    "GPT 22B": ("gpt-22b", 8, "tp=8,microbatch=4", 4),
    "GPT-3 175B": ("gpt3-175b", 64, "tp=8,pp=8,interleave=3", 64),
    "GPT 530B": ("GPT 530B", 280, "tp=8,pp=35,interleave=3", 280),
    "GPT 1T": ("GPT 1008B", 512, "tp=8,pp=64", 512),
}
WAYS = {
    "none": "recompute=none,tp_pattern=p2p_rs_ag",
    "sequence parallel": "recompute=none,sp=true",
    "selective + sp": "recompute=selective,sp=true",
    "full": "recompute=full,tp_pattern=p2p_rs_ag",
}
PARTS = ("weights", "gradients", "optimizer", "activations")
GIB, CAPACITY = 2.0**30, 80.0


def table(models: dict[str, tuple[str, int, str, int]] = MODELS) -> list[dict[str, Any]]:
    """Return a row for each model and way: seconds a step and GiB by part on the fullest stage."""
    rows = []
    for label, (model, devices, plan, batch) in models.items():
        for way, how in WAYS.items():
            report = slipstick.estimate(
                model, f"a100-sxm-80gb:{devices}", f"{plan},{how},attention=unfused,matmul=fp16,activations=fp16",
                phase="train", batch=batch, sequence=2048,
            )  # fmt: skip
            memory = {part: report.value(f"memory.parts.{part}") / GIB for part in PARTS}
            rows.append({"model": label, "way": way, "step": report.value("time.step"), **memory})
    return rows


def main() -> None:
    """Print the table and draw memory by part."""
    options = _chart.arguments(__doc__)
    rows = table()
    for row in rows:
        total, kept = sum(row[part] for part in PARTS), row["activations"]
        print(f"{row['model']:11} {row['way']:18} {row['step']:7.2f} s {total:6.1f} GiB ({kept:6.1f} activations)")
    long = [
        {"model": row["model"], "way": row["way"], "part": part, "GiB": row[part], "order": place}
        for row in rows
        for place, part in enumerate(PARTS)
    ]
    base = alt.Chart(alt.Data(values=long))
    bars = base.mark_bar().encode(
        x=alt.X("way:N", sort=list(WAYS), title=None, axis=alt.Axis(labelAngle=-35)),
        y=alt.Y("sum(GiB):Q", title="GiB a device, fullest stage"),
        color=alt.Color("part:N", scale=_chart.colours(list(PARTS)), title=None),
        order="order:Q",
    )
    line = base.mark_rule(strokeDash=[6, 4], color="#D55E00").encode(y=alt.datum(CAPACITY))
    chart = (
        (bars + line)
        .properties(width=150, height=320)
        .facet(column=alt.Column("model:N", sort=list(MODELS), title=None))
    )
    chart = chart.properties(
        title=alt.Title(
            "Selective recomputation with sequence parallelism fits where nothing else but full does",
            subtitle="dashed: the 80 GiB of an A100",
        )
    )
    chart = chart.configure(background="white", font="sans-serif").configure_title(anchor="start", fontSize=16)
    _chart.save(chart.configure_view(stroke=None), options.out, "recomputation")


if __name__ == "__main__":
    main()
