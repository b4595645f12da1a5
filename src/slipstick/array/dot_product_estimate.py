"""Estimates of dot-product arrays: time, energy and area of a network in stochastic, approximate or analog formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slipstick.array.dot_product_array import DotProductArray
from slipstick.array.dot_product_layer import DotProductLayer, _dot_product_layer
from slipstick.array.layer_cost import _move_bytes
from slipstick.array.matrix_products import _Move, only_products, products_of
from slipstick.array.parts import _energies, _sram_energy
from slipstick.core.device_kinds import SRAMS
from slipstick.core.question import Question
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.formats import format_of
from slipstick.formats.accuracy_table import accuracy_metrics
from slipstick.formats.layer_patterns import PatternLayer, formats_of
from slipstick.report.report import Finding, Metric, Report, Table

_BITS = 8
_COLUMNS = {
    "op": "", "kind": "", "format": "", "MACs": "MAC", "cycles": "cycle", "time": "s", "bound": "", "used": "fraction",
    "DRAM": "B", "energy": "J",
}  # fmt: skip


@dataclass(frozen=True)
class DotProductRun:
    """Run of a workload on dot-product arrays: the cost of every layer, and the moves between layers."""

    workload: Workload
    system: System
    layers: tuple[DotProductLayer, ...]
    moves: tuple[_Move, ...]

    @property
    def move_bytes(self) -> float:
        """Bytes of operations without products, which cross the DRAM's pins alone."""
        return sum(_move_bytes(move) * float(move.count) for move in self.moves)

    @property
    def cycles(self) -> float:
        """Total cycles from the first layer to the last, moves included."""
        bandwidth = self.system.main_memory.bandwidth
        moving = (
            0.0 if bandwidth is None else self.move_bytes * self.system.device_as(DotProductArray).clock / bandwidth
        )
        return sum(layer.total_cycles * layer.product.count for layer in self.layers) + moving

    @property
    def time(self) -> float:
        """Time of the whole run [s]."""
        return self.cycles / self.system.device_as(DotProductArray).clock

    def joules(self, layer: DotProductLayer) -> dict[str, float]:
        """Return the energy of a layer [J] by part: products where it is known, memories by operand, DRAM."""
        parts = {} if layer.products is None else {"products": layer.products}
        for name, moved in layer.sram.items():
            memory = self.system.memory[name]
            spent = memory.energy
            parts[f"sram_{name}"] = moved * (
                _sram_energy(memory.capacity, self.system.node) if spent is None else spent
            )
        return {**parts, "dram": layer.traffic.total * self._dram_energy}

    @property
    def _dram_energy(self) -> float:
        """Energy of one byte at the DRAM's pins [J/B]."""
        own = self.system.main_memory.energy
        return _energies(self.system.node)["dram"] * _BITS if own is None else own

    @property
    def unknown_energy(self) -> tuple[DotProductLayer, ...]:
        """Layers of whose products the energy is unknown: that of the run is unknown, too."""
        return tuple(layer for layer in self.layers if layer.products is None)

    def spent(self) -> dict[str, float]:
        """Return the energy of the run [J] by part; without that of products of which it is unknown."""
        total = {"dram": self.move_bytes * self._dram_energy}
        for layer in self.layers:
            for name, joules in self.joules(layer).items():
                total[name] = total.get(name, 0.0) + joules * layer.product.count
        return total


def _run(workload: Workload, system: System, formats: str) -> DotProductRun:
    """Return the run of a workload with its layers in the formats of the text."""
    operations = products_of(workload.ops, workload.batch)
    products = only_products(operations)
    texts = formats_of(
        formats, [PatternLayer(product.name, product.kind) for product in products], path="plan.formats.layers"
    )
    layers = [
        _dot_product_layer(product, format_of(text), system) for product, text in zip(products, texts, strict=True)
    ]
    moves = tuple(part for part in operations if isinstance(part, _Move))
    return DotProductRun(workload, system, tuple(layers), moves)


def estimate(question: Question) -> Report:
    """Return cycles, time, traffic, energy and area of one inference of an operator graph on dot-product arrays.

    The report's detail is the DotProductRun: every layer costed, open to further questions.

    Errors
    ------
    SlipstickError for operations that an array does not run, and formats of another arithmetic.
    """
    device, planned = question.system.device_as(DotProductArray), question.plan.formats.layers
    run = _run(question.workload, question.system, f"{device.format};{planned}" if planned else device.format)
    rows = [_row(layer, run) for layer in run.layers]
    return Report.of(
        question,
        {**_metrics(run), **accuracy_metrics(question.options, planned or device.format)},
        {"ops": Table.of(_COLUMNS, rows)},
        title=f"{question.workload.name} on {question.system.name}",
        bottleneck=_bottleneck(run),
        papers=("horowitz2014",),
        findings=_findings(run),
    ).with_detail(run)


def _metrics(run: DotProductRun) -> dict[str, Any]:
    system, spent, samples = run.system, run.spent(), run.workload.batch
    sources = sorted({layer.form.arithmetic.cost(layer.form.encoding).source for layer in run.layers})
    closed = f"{system.source}; closed forms of slipstick.array"

    def metric(value: float, unit: str, note: str = "") -> Metric:
        counted = unit in ("B", "MAC")
        energy = f"{'; '.join(sources)}; memories: data/array/energy.yaml"
        source = "counted from layers and formats" if counted else energy if unit == "J" else closed
        return Metric(float(value), unit, "counted" if counted else "estimated", source, note)

    macs = sum(layer.product.macs * layer.product.count for layer in run.layers)
    total, weights = sum(spent.values()), sum(layer.nbytes for layer in run.layers)
    live = max(layer.product.inputs + layer.product.outputs + layer.product.shortcuts for layer in run.layers)
    busy = sum(layer.used * layer.cycles * layer.product.count for layer in run.layers)
    return {
        "time": {"step": metric(run.time, "s"), "sample": metric(run.time / samples, "s")},
        "cycles": {"step": metric(run.cycles, "cycle")},
        "throughput": {"samples": metric(samples / run.time, "sample/s")},
        "work": {"macs": metric(macs, "MAC")},
        "efficiency": {"utilisation": metric(busy / run.cycles, "fraction", "cells at work, over all cycles")},
        "memory": {
            "peak": metric(weights + live, "B", "in DRAM"),
            "capacity": Metric(system.main_memory.capacity, "B", "given", system.source),
            "weights": metric(weights, "B", "packed, scales included"),
        },
        "dram": {"bytes": metric(_dram_bytes(run), "B", "8 bit activations, packed weights")},
        "sram": {"bytes": metric(sum(_sram_bytes(run, name) for name in SRAMS), "B", "read, written and filled")},
        "energy": {
            **({"memories": metric(total, "J", "that of the products is unknown")} if run.unknown_energy else {
                "step": metric(total, "J", "no leakage, no input converters"),
                "sample": metric(total / samples, "J"),
                "on_chip": metric(total - spent["dram"], "J", "without the DRAM"),
            }),
            "parts": {name: metric(joules, "J") for name, joules in spent.items() if joules},
        },
        **_area(run, closed),
    }  # fmt: skip


def _dram_bytes(run: DotProductRun) -> float:
    return sum(layer.traffic.total * layer.product.count for layer in run.layers) + run.move_bytes


def _sram_bytes(run: DotProductRun, name: str) -> float:
    return sum(layer.sram[name] * layer.product.count for layer in run.layers)


def _area(run: DotProductRun, source: str) -> dict[str, Any]:
    """Return the area of all multipliers, that of the largest format; nothing where one is unknown."""
    device = run.system.device_as(DotProductArray)
    areas = [layer.form.arithmetic.cost(layer.form.encoding).area for layer in run.layers]
    known = [area for area in areas if area is not None]
    if len(known) < len(areas):
        return {}
    cells = device.rows * device.columns * device.arrays
    value = Metric(max(known) * cells, "m2", "estimated", source, "multipliers alone: no memories, no wiring")
    return {"area": {"multipliers": value}}


def _row(layer: DotProductLayer, run: DotProductRun) -> tuple[object, ...]:
    product, copies = layer.product, layer.product.count
    cycles = layer.total_cycles * copies
    return (
        product.name, product.kind, layer.form.name, copies * product.macs, cycles,
        cycles / run.system.device_as(DotProductArray).clock, layer.bound, layer.used, copies * layer.traffic.total,
        None if layer.products is None else copies * sum(run.joules(layer).values()),
    )  # fmt: skip


def _bottleneck(run: DotProductRun) -> str:
    """Name the kind of layer, and its bottleneck, that takes most cycles."""
    shares: dict[tuple[str, str], float] = {}
    for layer in run.layers:
        key = (layer.product.kind, layer.bound)
        shares[key] = shares.get(key, 0.0) + layer.total_cycles * layer.product.count
    kind, bound = max(shares, key=lambda key: shares[key])
    return f"{kind} layers, bound by {bound}: {100 * shares[kind, bound] / run.cycles:.0f} % of the cycles"


def _findings(run: DotProductRun) -> tuple[Finding, ...]:
    """Return the findings of layers of unknown energy, and of those that an array sums in parts and that saturate."""
    return (*_unknown_energy(run), *_sums_in_parts(run))


def _unknown_energy(run: DotProductRun) -> tuple[Finding, ...]:
    if not run.unknown_energy:
        return ()
    costs = {layer.form.name: layer.form.arithmetic.cost(layer.form.encoding) for layer in run.unknown_energy}
    reasons = "; ".join(dict.fromkeys(cost.source for cost in costs.values()))
    message = f"energy unknown, of {len(run.unknown_energy)} layers in {', '.join(costs)}: {reasons}"
    return (Finding("energy_unknown", message, "plan.formats.layers"),)


def _sums_in_parts(run: DotProductRun) -> tuple[Finding, ...]:
    rows = run.system.device_as(DotProductArray).rows
    split = [
        layer.product.name
        for layer in run.layers
        if layer.product.reduction > rows and layer.form.stand_in.kind == "poisson"
    ]
    if not split:
        return ()
    message = (
        f"{len(split)} layers have more inputs than the array's {rows} rows, the first is {split[0]}: their parts are "
        "added as numbers, and saturate less than one column over all inputs, with which accuracy is measured"
    )
    return (Finding("sums_in_parts", message, "system.device.rows"),)
