"""A Report as a picture, for the README: where the time of a training step goes, and what fills the memory.

Llama-3.1 70B on 64 H100s, everything that the plan may choose left to slipstick.

    python -m studies.report_picture [--out docs/assets]
"""

from __future__ import annotations

from typing import Any

import altair as alt

import slipstick
from slipstick.core import units
from slipstick.report.report import Report
from studies import _chart

ASKED: dict[str, Any] = {"phase": "train", "batch": 256, "sequence": 8192}
SMALL = 0.03  # of a bar: parts below are drawn together
WIDTH, HEIGHT, MIDDLE = 700, 92, 64  # pixels of one bar's picture, and where the bar lies in it


def report() -> Report:
    """Return the report that is drawn."""
    return slipstick.estimate("llama-3.1-70b", "dgx-h100:64", **ASKED)


def parts(found: Report, group: str) -> list[dict[str, Any]]:
    """Return the parts of `time` or `memory` as rows: name, value, where it starts; the small ones together."""
    everything = dict(found.group(f"{group}.parts"))
    whole = sum(metric.value for metric in everything.values())
    large = {name: metric.value for name, metric in everything.items() if metric.value >= SMALL * whole}
    rows = [{"part": name.replace("_", " "), "value": value} for name, value in large.items()]
    rest = whole - sum(large.values())
    unit = next(iter(everything.values())).unit
    rows += [{"part": "the rest", "value": rest}] if rest > 0 else []
    start = 0.0
    for row in rows:
        words = units.format_quantity(row["value"], unit)
        row |= {"start": start, "end": start + row["value"], "text": words, "label": f"{row['part']}\n{words}"}
        start = row["end"]
    return rows


def bar(found: Report, group: str, total: str, scale: float, axis: str) -> Any:
    """Return one stacked bar; `scale` is the SI value of one unit of its axis, `total` the metric of the whole."""
    rows = parts(found, group)
    data = [{**row, "start": row["start"] / scale, "end": row["end"] / scale} for row in rows]
    for row in data:
        row["middle"] = (row["start"] + row["end"]) / 2
    limit = max(data[-1]["end"], found.value("memory.capacity") / scale if group == "memory" else 0.0)
    x = alt.X("start:Q", title=axis, scale=alt.Scale(domain=[0, limit * 1.02], nice=False)).axis(grid=False)
    names = [row["part"] for row in data]
    palette = [*_chart.COLOURS[: len(names) - 1], _chart.GREY] if names[-1] == "the rest" else _chart.COLOURS
    base = alt.Chart(alt.Data(values=data))
    bars = base.mark_bar(stroke="white", height=44).encode(
        x=x,
        x2="end:Q",
        y=alt.value(MIDDLE),
        color=alt.Color("part:N", scale=_chart.colours(names, palette), legend=None),
    )
    words = base.mark_text(fontSize=12, lineBreak="\n", dy=-46, color=_chart.TEXT, baseline="middle").encode(
        y=alt.value(MIDDLE)
    )
    marks = [bars, words.encode(x="middle:Q", text="label:N")]
    if group == "memory":
        room = alt.Chart(alt.Data(values=[{"x": found.value("memory.capacity") / scale}]))
        marks.append(room.mark_rule(strokeDash=[6, 4], color="black", strokeWidth=1.5).encode(x="x:Q"))
        word = f"capacity\n{found['memory.capacity'].text}"
        marks.append(
            room.mark_text(align="right", dx=-6, lineBreak="\n", fontSize=12).encode(
                x="x:Q", y=alt.value(MIDDLE), text=alt.value(word)
            )
        )
    title = alt.Title(f"{group}: {found[total].text}", fontSize=14, anchor="start", offset=2)
    return alt.layer(*marks).properties(width=WIDTH, height=HEIGHT, title=title)


def main() -> None:
    """Print the report's table and draw it."""
    options = _chart.arguments(__doc__)
    found = report()
    print("\n".join(found.table().splitlines()[:24]))
    time = bar(found, "time", "time.step", 1.0, "a training step [s]")
    memory = bar(found, "memory", "memory.peak", 2.0**30, "memory of the fullest device [GiB]")
    plan = slipstick.Plan.of(found.inputs["plan"]).parallel
    chosen = f"tp={plan.tp}, pp={plan.pp}, dp={plan.dp}, microbatch={plan.microbatch}, recompute={plan.recompute}"
    subtitle = (
        f"batch {ASKED['batch']}, sequence {ASKED['sequence']:,}; fastest plan that fits: {chosen}; "
        f"{found['throughput.tokens'].text}, MFU {found['efficiency.mfu'].text}"
    )
    chart = _chart.finish(
        alt.vconcat(time, memory, spacing=18).resolve_scale(color="independent"), found.title, subtitle
    )
    _chart.save(chart, options.out, "readme")


if __name__ == "__main__":
    main()
