"""Estimates of mixed arrays: each layer on the array that multiplies its number format, one layer after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from slipstick.array import dot_product_estimate
from slipstick.array import estimate as digital_estimate
from slipstick.array.dot_product_array import DotProductArray
from slipstick.array.matrix_products import only_products, products_of
from slipstick.array.mixed_arrays import MixedArrays
from slipstick.core.catalogue import systems
from slipstick.core.device_kinds import Array
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.system import System
from slipstick.formats.accuracy_table import accuracy_metrics
from slipstick.formats.layer_patterns import DEFAULT, PatternLayer, formats_of
from slipstick.report.report import Metric, Report, Table

_COLUMNS = {
    "op": "", "kind": "", "format": "", "array": "", "MACs": "MAC", "time": "s", "bound": "", "DRAM": "B",
    "energy": "J",
}  # fmt: skip
_ENERGY = "energy.step"


@dataclass(frozen=True)
class _ArrayCosts:
    """Estimate of a whole network in one format on one of the arrays: the rows of its layers, and its Report."""

    array: str
    report: Report

    def row(self, place: int) -> Mapping[str, Any]:
        """Return the row of a layer, by the names of the columns."""
        table = self.report.breakdowns["ops"]
        return dict(zip((column.name for column in table.columns), table.rows[place], strict=True))

    def beside(self, column: str, path: str) -> float:
        """Return what a figure of the whole has beside its layers' column: moves between layers."""
        names = [known.name for known in self.report.breakdowns["ops"].columns]
        rows = self.report.breakdowns["ops"].rows
        return self.report.value(path) - sum(float(str(row[names.index(column)])) for row in rows)


def estimate(question: Question) -> Report:
    """Return time, energy and area of one inference of an operator graph whose layers run on arrays of several kinds.

    The area is that of the arrays that some layer runs on.

    Errors
    ------
    SlipstickError for a format that none of the arrays multiplies, and for arrays that are no systems of the catalogue.
    """
    device, formats = question.system.device_as(MixedArrays), question.plan.formats.layers or DEFAULT
    products = only_products(products_of(question.workload.ops, question.workload.batch))
    layers = [PatternLayer(product.name, product.kind) for product in products]
    texts = formats_of(formats, layers, path="plan.formats.layers")
    arrays = [_array_system(name) for name in device.arrays]
    costs = {text: _costs(question, arrays, text) for text in dict.fromkeys(texts)}
    taken = [
        min(costs[text], key=lambda cost, place=place: float(cost.row(place)["energy"]))  # type: ignore[misc]
        for place, text in enumerate(texts)
    ]
    rows = [cost.row(place) for place, cost in enumerate(taken)]
    table = [
        tuple({**row, "format": text, "array": cost.array}[name] for name in _COLUMNS)
        for row, text, cost in zip(rows, texts, taken, strict=True)
    ]
    return Report.of(
        question,
        {**_metrics(question, taken, rows), **accuracy_metrics(question.options, formats)},
        {"ops": Table.of(_COLUMNS, table)},
        title=f"{question.workload.name} on {question.system.name}",
        bottleneck=_bottleneck(rows, taken),
        papers=("horowitz2014",),
    )


def _array_system(name: str) -> System:
    """Return one array's system.

    Errors
    ------
    SlipstickError for a system that is none, or whose device is no array.
    """
    system = systems.entry(name)
    if not isinstance(system.device, Array | DotProductArray):
        raise SlipstickError(
            "no array", path="system.device.arrays", value=name, allowed="arrays and dot-product arrays"
        )
    return system


def _costs(question: Question, arrays: list[System], text: str) -> list[_ArrayCosts]:
    """Return the costs of the network in one format on each array that multiplies it, where the energy is known.

    Errors
    ------
    SlipstickError where none does, with the reasons.
    """
    costs, reasons = [], []
    for system in arrays:
        engine = digital_estimate if isinstance(system.device, Array) else dot_product_estimate
        asked = replace(question, system=system, plan=Plan.of({"formats.layers": text}), options={})
        try:
            report = engine.estimate(asked)
        except SlipstickError as error:
            reasons.append(f"{system.name}: {error.message}")
            continue
        if _ENERGY in report:
            costs.append(_ArrayCosts(system.name, report))
        else:
            reasons.append(f"{system.name}: its energy is unknown")
    if not costs:
        message = f"none of the arrays multiplies it ({'; '.join(reasons)})"
        raise SlipstickError(message, path="plan.formats.layers", value=text)
    return costs


def _metrics(question: Question, taken: list[_ArrayCosts], rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    first, samples = taken[0], question.workload.batch
    sources = "; ".join(dict.fromkeys(cost.report[_ENERGY].source for cost in taken))
    closed = "closed forms of slipstick.array, layer by layer"

    def total(column: str, path: str) -> float:
        return sum(float(row[column]) for row in rows) + first.beside(column, path)

    time, energy, dram = total("time", "time.step"), total("energy", _ENERGY), total("DRAM", "dram.bytes")
    off_chip = (first.report.value(_ENERGY) - first.report.value("energy.on_chip")) / first.report.value("dram.bytes")
    memory = max((cost.report for cost in taken), key=lambda report: report.value("memory.peak"))
    return {
        "time": {
            "step": Metric(time, "s", "estimated", closed, "one layer after the other"),
            "sample": Metric(time / samples, "s", "estimated", closed),
        },
        "throughput": {"samples": Metric(samples / time, "sample/s", "estimated", closed)},
        "work": {"macs": first.report["work.macs"]},
        "memory": {"peak": memory["memory.peak"], "capacity": first.report["memory.capacity"]},
        "dram": {"bytes": Metric(dram, "B", "counted", "counted from layers and formats")},
        "energy": {
            "step": Metric(energy, "J", "estimated", sources, "no leakage, no input converters"),
            "sample": Metric(energy / samples, "J", "estimated", sources),
            "on_chip": Metric(energy - dram * off_chip, "J", "estimated", sources, "without the DRAM"),
        },
        **_area(taken),
    }


def _area(taken: list[_ArrayCosts]) -> dict[str, Any]:
    """Return the area of the arrays at work; nothing where that of one is unknown."""
    areas: dict[str, float] = {}
    for cost in taken:
        if "area.multipliers" not in cost.report:
            return {}
        areas[cost.array] = max(areas.get(cost.array, 0.0), cost.report.value("area.multipliers"))
    note = f"of {', '.join(areas)}: no registers, no memories, no wiring"
    return {"area": {"multipliers": Metric(sum(areas.values()), "m2", "estimated", "as of the arrays alone", note)}}


def _bottleneck(rows: list[Mapping[str, Any]], taken: list[_ArrayCosts]) -> str:
    """Name the array that takes most of the time."""
    times: dict[str, float] = {}
    for row, cost in zip(rows, taken, strict=True):
        times[cost.array] = times.get(cost.array, 0.0) + float(row["time"])
    slowest = max(times, key=lambda name: times[name])
    return f"layers on {slowest}: {100 * times[slowest] / sum(times.values()):.0f} % of the time"
