"""What bounds each matrix product of a layer, in prefill and in decode, over the batch: compute, L2, DRAM or latency;
and where the products lie under the roofline of their device.

    python -m studies.gemm_bounds [--out FOLDER] [--quick]
"""

from __future__ import annotations

from typing import Any

import altair as alt

import slipstick
from slipstick.core.device_kinds import Accelerator
from studies import _chart

TITLES = {"llama-2-13b": "Llama-2 13B", "llama-3.1-70b": "Llama-3.1 70B"}
MODELS = {"llama-2-13b": 1, "llama-3.1-70b": 8}  # network -> devices that share each product (tensor parallelism)
SYSTEMS = {"a100-sxm-80gb": "A100", "h100-sxm-80gb": "H100", "b200-sxm-180gb": "B200"}
PHASES = ("prefill", "decode")
PROMPT = 200  # tokens, as in the inference study of arXiv 2407.14645
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
BOUNDS = {"compute": "compute", "l2": "L2", "dram": "DRAM", "latency": "latency"}
PALETTE = (_chart.BLUE, _chart.ORANGE, _chart.GREEN, _chart.RED)
NAMES = {
    "attention.core": "attention (scores, values)",
    "attention.qkv": "queries, keys, values",
    "head.logits": "logits",
}
NAMES |= {"attention.out": "attention output", "mlp.gate_up": "MLP gate and up", "mlp.down": "MLP down"}


def table(
    models: tuple[str, ...] = tuple(MODELS),
    systems: tuple[str, ...] = tuple(SYSTEMS),
    batches: tuple[int, ...] = BATCHES,
) -> list[dict[str, Any]]:
    """Return a row for each product of a layer and of the output, by network, system, phase and batch: its bound, its
    intensity [FLOP/B of DRAM] and its rate [FLOP/s]."""
    rows = []
    for model in models:
        for system in systems:
            for phase in PHASES:
                for batch in batches:
                    here = {"model": model, "system": system, "phase": phase, "batch": batch}
                    rows += [{**here, **op} for op in _products(model, system, phase, batch)]
    return rows


def _products(model: str, system: str, phase: str, batch: int) -> list[dict[str, Any]]:
    degree = MODELS[model]
    asked: dict[str, Any] = {"phase": phase, "batch": batch, "sequence": PROMPT}
    if phase == "decode":
        asked["output"] = 2
    found = slipstick.ops(model, f"{system}:{degree}", f"tp={degree}", **asked).breakdowns["ops"]
    names = [column.name for column in found.columns]
    ops = [dict(zip(names, cells, strict=True)) for cells in found.rows]
    return [
        {
            "op": NAMES[op["op"]], "bound": BOUNDS[op["bound"]], "intensity": op["flops"] / op["traffic"],
            "rate": op["flops"] / op["time"],
        }
        for op in ops if op["kind"] in ("matmul", "attention")
    ]  # fmt: skip


def main() -> None:
    """Print how many products each bound holds, and draw the map and the rooflines."""
    options = _chart.arguments(__doc__)
    rows = table(batches=(1, 16, 512) if options.quick else BATCHES)
    for model in MODELS:
        for system, name in SYSTEMS.items():
            for phase in PHASES:
                here = [r for r in rows if (r["model"], r["system"], r["phase"]) == (model, system, phase)]
                counts = [f"{bound} {sum(row['bound'] == bound for row in here):2}" for bound in BOUNDS.values()]
                print(f"{model:14} {name} {phase:8}", ", ".join(counts))
    title = "Decode waits for DRAM until the batch is in the hundreds; prefill's large products compute"
    subtitle = f"bf16, prompts of {PROMPT} tokens; Llama-2 13B on one device, Llama-3.1 70B shared by 8 (tp=8)"
    _chart.save(_chart.finish(heat_map(rows), title, subtitle), options.out, "gemm_bounds")
    title = "Decode climbs the slope with its batch; attention stays where it is"
    subtitle = f"Llama-2 13B on one device, bf16, prompts of {PROMPT} tokens, batches 1 to {max(BATCHES)}"
    one = [row for row in rows if row["model"] == "llama-2-13b"]
    _chart.save(_chart.finish(rooflines(one), title, subtitle), options.out, "gemm_roofline")


def heat_map(rows: list[dict[str, Any]]) -> Any:
    """Return a map of bounds: products over batches, a panel for each network and phase (rows) and device (columns)."""
    lines = []
    for model in MODELS:
        for phase in PHASES:
            panels = [_map(rows, model, phase, system) for system in SYSTEMS]
            lines.append(alt.hconcat(*panels, spacing=12))
    return alt.vconcat(*lines, spacing=12)


def _map(rows: list[dict[str, Any]], model: str, phase: str, system: str) -> Any:
    here = [r for r in rows if (r["model"], r["phase"], r["system"]) == (model, phase, system)]
    left, top = system == next(iter(SYSTEMS)), (model, phase) == (next(iter(MODELS)), PHASES[0])
    bottom = (model, phase) == (list(MODELS)[-1], PHASES[-1])
    x = alt.X("batch:O", title="batch [requests]" if bottom else None)
    y = alt.Y("op:N", sort=[row["op"] for row in here], title=[TITLES[model], phase] if left else None)
    panel = (
        alt.Chart(alt.Data(values=here))
        .mark_rect(stroke="white")
        .encode(
            x=x.axis(labelAngle=0, labels=bottom, ticks=bottom),
            y=y.axis(labels=left, ticks=left, labelLimit=220, titleFontWeight="bold"),
            color=alt.Color(
                "bound:N",
                scale=_chart.colours(list(BOUNDS.values()), PALETTE),
                sort=list(BOUNDS.values()),
                title="bound by",
            ),
        )
        .properties(width=270, height=120)
    )
    return panel.properties(title=alt.Title(SYSTEMS[system], fontSize=13, anchor="middle")) if top else panel


def rooflines(rows: list[dict[str, Any]]) -> Any:
    """Return the products' rates over their intensities, under the peak and the DRAM slope of each device."""
    return alt.hconcat(*(_roofline(rows, system) for system in SYSTEMS), spacing=18)


def _roofline(rows: list[dict[str, Any]], name: str) -> Any:
    system = slipstick.system(name)
    peak, bandwidth = system.device_as(Accelerator).matrix["bf16"], system.main_memory.bandwidth or 0.0
    first = name == next(iter(SYSTEMS))
    here = [
        {**r, "TFLOP/s": r["rate"] / 1e12, "kind": f"{r['phase']}, {_kind(r['op'])}"}
        for r in rows
        if r["system"] == name
    ]
    ends = (0.5, peak / bandwidth, 2e4)
    roof = [{"intensity": at, "TFLOP/s": min(peak, at * bandwidth) / 1e12} for at in ends]
    x = alt.X(
        "intensity:Q", scale=alt.Scale(type="log", domain=[0.5, 2e4], nice=False), title="intensity [FLOP/byte of DRAM]"
    )
    y = alt.Y(
        "rate:Q", scale=alt.Scale(type="log", domain=[0.5, 4000], nice=False), title="rate [TFLOP/s]" if first else None
    )
    kinds = [f"{phase}, {kind}" for phase in PHASES for kind in ("weights", "attention")]
    palette = (_chart.BLUE, _chart.SKY, _chart.RED, _chart.ORANGE)
    points = alt.Chart(alt.Data(values=[{**r, "rate": r["TFLOP/s"]} for r in here])).mark_point(
        filled=True, size=42, opacity=0.75
    )
    points = points.encode(
        x=x.axis(values=[1, 10, 100, 1000, 10000], format="~s"),
        y=y.axis(values=[1, 10, 100, 1000], format="~s", labels=first),
        color=alt.Color("kind:N", scale=_chart.colours(kinds, palette), sort=kinds, title="product"),
        shape=alt.Shape(
            "kind:N",
            scale=alt.Scale(domain=kinds, range=["circle", "square", "triangle-up", "diamond"]),
            sort=kinds,
            title="product",
        ),
    )
    lines = alt.Chart(alt.Data(values=[{"intensity": r["intensity"], "rate": r["TFLOP/s"]} for r in roof]))
    lines = lines.mark_line(color=_chart.TEXT, strokeWidth=1.5).encode(x="intensity:Q", y="rate:Q")
    words = f"{SYSTEMS[name]}: {peak / 1e12:,.0f} TFLOP/s, {bandwidth / 1e12:.2f} TB/s"
    return (lines + points).properties(width=290, height=300, title=alt.Title(words, fontSize=13, anchor="middle"))


def _kind(op: str) -> str:
    return "attention" if op == NAMES["attention.core"] else "weights"


if __name__ == "__main__":
    main()
