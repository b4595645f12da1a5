"""Waveguides against correlators under an area limit, and what accumulation before the converters saves.

    python -m studies.correlator_shapes [--out FOLDER] [--quick]

PhotoFourier's current generation, whose constants are from memory, unverified; convolutions alone, one image; geometric
means over AlexNet, VGG-16 and ResNet-18. Guards are shared, so that every shape computes the same results.
"""

from __future__ import annotations

import math
from typing import Any

import altair as alt

import slipstick
from studies import _chart

SYSTEM = "photofourier-cg"
NETWORKS = ("alexnet", "vgg-16", "resnet-18")
CORRELATORS = (1, 2, 4, 8, 16, 32)
WAVEGUIDES = (64, 128, 192, 256, 384, 512, 768)
DEPTHS = (1, 2, 4, 8, 16, 32, 64)
LIMIT = 100e-6  # m2: the remembered limit of the chip, unverified
FIXED = {"dense": "skip", "guard": "shared"}
GROUPS = {"adcs": "ADCs", "input_dacs": "DACs", "weight_dacs": "DACs", "plane_modulators": "modulators"}
GROUPS |= {"input_modulators": "modulators", "weight_modulators": "modulators", "lasers": "lasers"}


def report(network: str, **device: Any) -> slipstick.Report:
    """Return the estimate of a network's convolutions with some fields of the device changed."""
    changes = {f"system.device.{name}": value for name, value in (FIXED | device).items()}
    return slipstick.estimate(network, SYSTEM, set=changes)


def shapes(
    correlators: tuple[int, ...] = CORRELATORS, waveguides: tuple[int, ...] = WAVEGUIDES
) -> list[dict[str, Any]]:
    """Return a row for each shape: area [m2], geometric means of the EDP [J s] and of images a second and a joule."""
    rows = []
    for count in correlators:
        for width in waveguides:
            found = [report(network, correlators=count, waveguides=width) for network in NETWORKS]
            rows.append(
                {
                    "correlators": count, "waveguides": width, "area": found[0].value("area.total"),
                    "edp": _mean(found, "edp.sample"), "rate": _mean(found, "throughput.samples"),
                    "per_joule": _mean(found, "efficiency.samples_per_joule"),
                }
            )  # fmt: skip
    return rows


def depths() -> list[dict[str, Any]]:
    """Return a row for each accumulation and group of parts: energy [J] of ResNet-18's convolutions."""
    rows = []
    for depth in DEPTHS:
        parts: dict[str, float] = {}
        for path, metric in report("resnet-18", accumulation=depth).flat().items():
            if path.startswith("energy.parts."):
                group = GROUPS.get(path.rpartition(".")[2], "SRAM")
                parts[group] = parts.get(group, 0.0) + metric.value
        rows += [{"accumulation": depth, "part": part, "energy": joules} for part, joules in parts.items()]
    return rows


def best(rows: list[dict[str, Any]], limit: float = LIMIT) -> dict[str, Any]:
    """Return the shape of least EDP under an area limit [m2]."""
    return min((row for row in rows if row["area"] <= limit), key=lambda row: row["edp"])


def _mean(reports: list[slipstick.Report], path: str) -> float:
    return math.exp(sum(math.log(found.value(path)) for found in reports) / len(reports))


def main() -> None:
    """Print the shapes and the energy over accumulation, and draw both."""
    options = _chart.arguments(__doc__)
    rows = shapes((4, 8, 16), (128, 256, 512)) if options.quick else shapes()
    print("correlators  waveguides  area mm2  images/s  images/J  EDP nJ s")
    for row in rows:
        cells = (row["area"] * 1e6, row["rate"], row["per_joule"], row["edp"] * 1e9)
        over = "" if row["area"] <= LIMIT else "  over the limit"
        print(f"{row['correlators']:11}  {row['waveguides']:10}" + "".join(f"  {cell:8.4g}" for cell in cells) + over)
    first = best(rows)
    print(f"least EDP under 100 mm2: {first['correlators']} correlators of {first['waveguides']} waveguides")
    title = "Under 100 mm2, eight correlators of 256 waveguides have the least energy-delay product"
    subtitle = "EDP of PhotoFourier CG (constants from memory, unverified), geometric mean of three networks"
    _chart.save(_chart.finish(heat_map(rows), title, subtitle), options.out, "correlator_shapes")
    title = "Sixteen shots before a conversion make the ADCs small; more saves little"
    subtitle = "Energy of ResNet-18's convolutions on PhotoFourier CG (constants from memory, unverified)"
    _chart.save(_chart.finish(bars(depths()), title, subtitle), options.out, "correlator_accumulation")


def heat_map(rows: list[dict[str, Any]]) -> Any:
    """Return a map of EDP over correlators and waveguides; shapes over the area limit are pale."""
    data = alt.Data(
        values=[
            {
                **row,
                "nanojoules": row["edp"] * 1e9,
                "text": f"{row['edp'] * 1e9:{',.0f' if row['edp'] > 1e-7 else '.3g'}}",
                "fits": row["area"] <= LIMIT,
            }
            for row in rows
        ]
    )
    across, up = (
        alt.X("waveguides:O", title="waveguides"),
        alt.Y("correlators:O", title="correlators", sort="descending"),
    )
    boxes = alt.Chart(data).mark_rect().encode(
        across, up,
        alt.Color("nanojoules:Q", scale=alt.Scale(type="log", scheme="blues", reverse=True), title="EDP [nJ s]"),
        opacity=alt.condition("datum.fits", alt.value(1.0), alt.value(0.25)),
    )  # fmt: skip
    words = alt.Chart(data).mark_text(fontSize=12).encode(
        across, up, text="text:N",
        color=alt.condition("datum.fits && datum.nanojoules < 300", alt.value("white"), alt.value(_chart.TEXT)),
    )  # fmt: skip
    return (boxes + words).properties(width=520, height=300)


def bars(rows: list[dict[str, Any]]) -> Any:
    """Return stacked bars of energy by group of parts over the accumulation."""
    order = ["modulators", "DACs", "ADCs", "SRAM", "lasers"]
    data = alt.Data(values=[{**row, "microjoules": row["energy"] * 1e6} for row in rows])
    return (
        alt.Chart(data)
        .mark_bar()
        .encode(
            alt.X("accumulation:O", title="shots before a conversion"),
            alt.Y("microjoules:Q", title="energy [uJ]", stack="zero"),
            alt.Color("part:N", scale=_chart.colours(order), sort=order, title=None),
        )
        .properties(width=520, height=300)
    )


if __name__ == "__main__":
    main()
