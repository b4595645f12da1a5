"""Inference against DRAM generation: Llama-2 13B on two devices, batch 1, 200 tokens in and 200 out.

DRAM bandwidth grows, L2 and NVLink stay those of an A100: latency saturates where they set the pace. The study's
bandwidths are recollections of arXiv 2407.14645.

    python -m studies.inference_and_dram [--out FOLDER]
"""

from __future__ import annotations

from typing import Any

import altair as alt

import slipstick
from studies import _chart

GENERATIONS = {  # name -> TB/s of a device
    "GDDR6": 0.6, "HBM2": 1.0, "HBM2E": 1.9, "HBM3": 2.6, "HBM4": 3.3,
    "2 x HBM4": 6.6, "4 x HBM4": 13.2, "8 x HBM4": 26.4,
}  # fmt: skip
PARTS = ("projections", "attention", "head", "elementwise", "tensor_parallel", "launch", "overhead")


def table(generations: dict[str, float] = GENERATIONS) -> list[dict[str, Any]]:
    """Return a row for each generation: seconds of the request and of one step, by part."""
    rows = []
    for name, bandwidth in generations.items():
        report = slipstick.estimate(
            "llama-2-13b", "a100-sxm-80gb:2", "tp=2", phase="decode", batch=1, sequence=200, output=200,
            set={"system.memory.hbm.bandwidth": f"{bandwidth} TB/s"},
        )  # fmt: skip
        parts = {part: metric.value for part, metric in report.group("time.parts").items()}
        rows.append({"dram": name, "TB/s": bandwidth, "request": report.value("time.request"), "parts": parts})
    return rows


def main() -> None:
    """Print the table and draw one step by part."""
    options = _chart.arguments(__doc__)
    rows = table()
    for row in rows:
        print(f"{row['dram']:9} {row['TB/s']:5.1f} TB/s  request {row['request']:6.3f} s")
    long = [
        {
            "dram": f"{r['dram']}\n{r['TB/s']}",
            "part": part.replace("_", " "),
            "ms": 1e3 * value,
            "order": PARTS.index(part),
        }
        for r in rows
        for part, value in r["parts"].items()
        if part in PARTS
    ]
    names = [part.replace("_", " ") for part in PARTS]
    chart = (
        alt.Chart(alt.Data(values=long))
        .mark_bar()
        .encode(
            x=alt.X(
                "dram:N",
                sort=[f"{r['dram']}\n{r['TB/s']}" for r in rows],
                title="DRAM generation and bandwidth of a device [TB/s]",
                axis=alt.Axis(labelAngle=0, labelExpr="split(datum.label, '\\n')"),
            ),
            y=alt.Y("ms:Q", title="ms a generated token"),
            color=alt.Color("part:N", scale=_chart.colours(names), sort=names, title=None),
            order="order:Q",
        )
    )
    title = "Faster DRAM pays until the L2, kernel starts and all-reduces set the pace"
    subtitle = "Llama-2 13B, two devices with an A100's compute, L2 and NVLink, batch 1, 200 tokens in, 200 out"
    _chart.save(_chart.finish(chart, title, subtitle, width=720), options.out, "inference_and_dram")


if __name__ == "__main__":
    main()
