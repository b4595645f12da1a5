"""Inference against DRAM generation: Llama-2 13B on two devices, batch 1, 200 tokens in and 200 out.

DRAM bandwidth grows, compute, L2 and NVLink stay those of an A100: latency saturates where cores, kernel starts and
all-reduces set the pace. The study's bandwidths are recollections of arXiv 2407.14645 (data/tech); beyond HBM4 they are
multiples.

    python -m studies.inference_and_dram [--out FOLDER] [--quick]
"""

from __future__ import annotations

from typing import Any

import altair as alt

import slipstick
from slipstick.tech.technology_tables import dram_generations
from studies import _chart

MODEL, DEVICES, PROMPT, OUTPUT = "llama-2-13b", 2, 200, 200
GENERATIONS = {"gddr6": 0.6e12}  # B/s of a device, which has no row of its own (arXiv 2407.14645, recollection)
GENERATIONS |= {name: dram_generations.entry(name).device or 0.0 for name in ("hbm2", "hbm2e", "hbm3", "hbm4")}
GENERATIONS |= {f"{times} x hbm4": times * GENERATIONS["hbm4"] for times in (2, 4, 8)}
PARTS = {  # part of a step -> the legend's word
    "projections": "weights' products", "head": "output head", "attention": "attention", "elementwise": "elementwise",
    "tensor_parallel": "all-reduces", "launch": "kernel starts", "overhead": "overhead",
}  # fmt: skip


def table(generations: dict[str, float] = GENERATIONS) -> list[dict[str, Any]]:
    """Return a row for each generation: seconds of the request, of one step by part, and of reading the weights."""
    network = slipstick.network(MODEL)
    read = 2.0 * (network.active_parameters - network.embedding_parameters) / DEVICES  # bf16
    rows = []
    for name, bandwidth in generations.items():
        report = slipstick.estimate(
            MODEL, f"a100-sxm-80gb:{DEVICES}", f"tp={DEVICES}", phase="decode", batch=1, sequence=PROMPT, output=OUTPUT,
            set={"system.memory.hbm.bandwidth": bandwidth},
        )  # fmt: skip
        parts = {part: metric.value for part, metric in report.group("time.parts").items()}
        row = {"dram": name, "bandwidth": bandwidth, "request": report.value("time.request"), "parts": parts}
        rows.append({**row, "step": report.value("time.step"), "weights": read / bandwidth})
    return rows


def main() -> None:
    """Print the table and draw one step by part."""
    options = _chart.arguments(__doc__)
    chosen = ("gddr6", "hbm2e", "hbm4", "8 x hbm4") if options.quick else tuple(GENERATIONS)
    rows = table({name: GENERATIONS[name] for name in chosen})
    for row in rows:
        print(
            f"{row['dram']:9} {row['bandwidth'] / 1e12:5.1f} TB/s  request {row['request']:6.3f} s  token "
            f"{1e3 * row['step']:6.2f} ms; the weights at the DRAM's full rate {1e3 * row['weights']:6.2f} ms"
        )
    title = "Faster DRAM pays up to about 7 TB/s a device; then cores, kernel starts and all-reduces set the pace"
    subtitle = [
        f"Llama-2 13B, bf16, {DEVICES} devices with an A100's compute, L2 and NVLink, batch 1, {PROMPT} tokens in, "
        f"{OUTPUT} out",
        "numbers: the whole request; white marks: the weights read once at the DRAM's full rate",
    ]
    _chart.save(_chart.finish(picture(rows), title, subtitle), options.out, "inference_and_dram")


def picture(rows: list[dict[str, Any]]) -> Any:
    """Return one generated token by part over the generations, with the time of reading the weights as marks."""
    labels = {row["dram"]: f"{row['dram'].upper().replace('X', 'x')}\n{row['bandwidth'] / 1e12:.3g}" for row in rows}
    long = [
        {"dram": labels[row["dram"]], "part": words, "ms": 1e3 * row["parts"].get(part, 0.0), "order": place}
        for row in rows
        for place, (part, words) in enumerate(PARTS.items())
    ]
    x = alt.X(
        "dram:N", sort=list(labels.values()), title="DRAM of a device: generation and bandwidth [TB/s]",
        axis=alt.Axis(labelAngle=0, labelExpr="split(datum.label, '\\n')"),
    )  # fmt: skip
    names = list(PARTS.values())
    bars = (
        alt.Chart(alt.Data(values=long))
        .mark_bar()
        .encode(
            x=x,
            y=alt.Y("sum(ms):Q", title="one generated token [ms]"),
            color=alt.Color("part:N", scale=_chart.colours(names), sort=names, title="part"),
            order="order:Q",
        )
    )
    whole = [{"dram": labels[r["dram"]], "ms": 1e3 * r["step"], "text": f"{r['request']:.2f} s"} for r in rows]
    text = (
        alt.Chart(alt.Data(values=whole))
        .mark_text(dy=-9, fontSize=12, color=_chart.TEXT)
        .encode(x=x, y="ms:Q", text="text:N")
    )
    least = [{"dram": labels[r["dram"]], "ms": 1e3 * r["weights"]} for r in rows]
    ticks = alt.Chart(alt.Data(values=least)).mark_tick(thickness=2.5, size=44, color="white").encode(x=x, y="ms:Q")
    return (bars + ticks + text).properties(width=720, height=360)


if __name__ == "__main__":
    main()
