"""Recomputation and memory: Korthikanti's four models with no, selective and full recomputation, with and without
sequence parallelism, in the paper's plans (2205.05198, table 3): memory by part, and seconds of a step.

The crosses are the paper's measured steps (table 5, as embedded in Calculon's validation).

    python -m studies.recomputation [--out FOLDER] [--quick]
"""

from __future__ import annotations

from typing import Any

import altair as alt

import slipstick
from studies import _chart

MODELS = {  # model -> name, devices, plan, batch: table 3 of the paper
    "GPT 22B": ("gpt-22b", 8, "tp=8,microbatch=4", 4),
    "GPT-3 175B": ("gpt3-175b", 64, "tp=8,pp=8,interleave=3", 64),
    "GPT 530B": ("mt-nlg-530b", 280, "tp=8,pp=35,interleave=3", 280),
    "GPT 1T": ("gpt-1t", 512, "tp=8,pp=64", 512),
}
WAYS = {
    "none": "recompute=none",
    "none + sp": "recompute=none,sp=true",
    "selective": "recompute=selective",
    "selective + sp": "recompute=selective,sp=true",
    "full": "recompute=full",
    "full + sp": "recompute=full,sp=true",
}
PUBLISHED = {  # s, table 5 of the paper
    "GPT 22B": {"full": 1.42, "selective + sp": 1.10},
    "GPT-3 175B": {"full": 18.13, "selective + sp": 13.75},
    "GPT 530B": {"full": 49.05, "selective + sp": 37.83},
    "GPT 1T": {"full": 94.42, "selective + sp": 71.49},
}
SOFTWARE = (
    "attention=unfused,tp_pattern=p2p_rs_ag,dp_overlap=false,matmul=fp16,activations=fp16,others=off"  # data/validation
)
PARTS = ("weights", "gradients", "optimizer", "activations", "other")
GIB = 2.0**30


def table(models: dict[str, tuple[str, int, str, int]] = MODELS) -> list[dict[str, Any]]:
    """Return a row for each model and way: seconds a step, GiB by part on the fullest stage and of the device."""
    rows = []
    for label, (model, devices, plan, batch) in models.items():
        for way, how in WAYS.items():
            report = slipstick.estimate(
                model, f"a100-sxm-80gb:{devices}", f"{plan},{how},{SOFTWARE}", phase="train", batch=batch, sequence=2048
            )
            memory = {part: report.value(f"memory.parts.{part}") / GIB for part in PARTS[:-1]}
            memory["other"] = report.value("memory.peak") / GIB - sum(memory.values())
            capacity = report.value("memory.capacity") / GIB
            row = {"model": label, "way": way, "step": report.value("time.step"), "capacity": capacity, **memory}
            rows.append({**row, "published": PUBLISHED[label].get(way)})
    return rows


def total(row: dict[str, Any]) -> float:
    """Return GiB of all parts."""
    return float(sum(row[part] for part in PARTS))


def main() -> None:
    """Print the table and draw memory by part above the steps."""
    options = _chart.arguments(__doc__)
    rows = table({"GPT 22B": MODELS["GPT 22B"]} if options.quick else MODELS)
    for row in rows:
        published = f"  published {row['published']:6.2f} s" if row["published"] else ""
        print(
            f"{row['model']:11} {row['way']:15} {row['step']:6.2f} s {total(row):6.1f} GiB "
            f"({row['activations']:6.1f} activations){published}"
        )
    models = list(dict.fromkeys(row["model"] for row in rows))
    panels = [alt.vconcat(memory_chart(rows, m, m == models[0]), step_chart(rows, m, m == models[0])) for m in models]
    chart = alt.hconcat(*panels, spacing=14)
    title = (
        "Selective recomputation with sequence parallelism (sp) fits every model, in 3/4 of full recomputation's time"
    )
    devices = ", ".join(f"{model}: {MODELS[model][1]} devices" for model in models)
    subtitle = f"A100 80 GB, the plans of Korthikanti et al. ({devices}); dashed: the device's memory"
    _chart.save(_chart.finish(chart, title, subtitle), options.out, "recomputation")


def memory_chart(rows: list[dict[str, Any]], model: str, first: bool) -> Any:
    """Return memory by part, stacked, with the line of what the device has."""
    here = [row for row in rows if row["model"] == model]
    long = [
        {"way": row["way"], "part": part, "GiB": row[part], "order": place}
        for row in here
        for place, part in enumerate(PARTS)
    ]
    top = max(total(row) for row in rows)
    y = alt.Y("sum(GiB):Q", title="memory of the fullest device [GiB]" if first else None)
    y = y.scale(domain=[0, 1.04 * top], nice=False).axis(labels=first, ticks=first)
    bars = (
        alt.Chart(alt.Data(values=long))
        .mark_bar()
        .encode(
            x=alt.X("way:N", sort=list(WAYS), title=None, axis=alt.Axis(labels=False, ticks=False)),
            y=y,
            color=alt.Color("part:N", scale=_chart.colours(PARTS, PALETTE), sort=list(PARTS), title="part"),
            order="order:Q",
        )
    )
    capacity = here[0]["capacity"]
    line = alt.Chart(alt.Data(values=[{"y": capacity}])).mark_rule(strokeDash=[6, 4], color="black", strokeWidth=1.5)
    words = line.mark_text(align="right", dy=-7, dx=-4, fontSize=12).encode(
        x=alt.value(190), y="y:Q", text=alt.value(f"{capacity:.0f} GiB")
    )
    return (bars + line.encode(y="y:Q") + words).properties(width=190, height=260, title=_name(model))


PALETTE = (_chart.BLUE, _chart.SKY, _chart.GREEN, _chart.ORANGE, _chart.GREY)


def _name(model: str) -> Any:
    return alt.Title(model, fontSize=13, anchor="middle", offset=6, frame="group")


def step_chart(rows: list[dict[str, Any]], model: str, first: bool) -> Any:
    """Return seconds of a step, with the paper's measured steps as crosses."""
    here = [row for row in rows if row["model"] == model]
    base = alt.Chart(alt.Data(values=here)).encode(
        x=alt.X("way:N", sort=list(WAYS), title=None, axis=alt.Axis(labelAngle=-45))
    )
    y = alt.Y("step:Q", title="training step [s]" if first else None)
    bars = base.mark_bar(color="#bbbbbb").encode(y=y)
    cross = base.transform_filter("isValid(datum.published)").mark_point(
        shape="cross", color=_chart.RED, filled=True, size=70, opacity=1
    )
    cross = cross.encode(y="published:Q", shape=alt.Shape("key:N", title=None, scale=alt.Scale(range=["cross"])))
    cross = cross.transform_calculate(key="'published step'")
    return (bars + cross).properties(width=190, height=130)


if __name__ == "__main__":
    main()
