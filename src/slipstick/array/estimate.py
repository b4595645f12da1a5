"""Estimates of systems that are arrays: an operator graph's inference, layer by layer, in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from slipstick.array import parts
from slipstick.array.findings import _findings
from slipstick.array.layer_cost import LayerCost, _bytes_a_cycle, _layer_cost, _move_bytes
from slipstick.array.matrix_products import _Move, only_products, products_of
from slipstick.array.parts import Events
from slipstick.array.weight_formats import _planned_weights, _weights_as_encoded
from slipstick.core.device_kinds import SRAMS, Array
from slipstick.core.encoding import Encoded
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.formats.accuracy_table import accuracy_metrics
from slipstick.formats.arithmetic.operation_costs import array_parts
from slipstick.formats.layer_patterns import DEFAULT
from slipstick.report.report import Metric, Report, Table

_PAPERS = ("li2021swis", "samajdar2020", "judd2016", "horowitz2014")
_COLUMNS = {
    "op": "", "kind": "", "format": "", "shifts": "", "MACs": "MAC", "cycles": "cycle", "time": "s", "bound": "",
    "used": "fraction", "DRAM": "B", "energy": "J",
}  # fmt: skip
_BITS = 8


@dataclass(frozen=True)
class ArrayRun:
    """Run of a workload on an array: the cost of every layer, the moves between layers, and their energy by part."""

    workload: Workload
    system: System
    plan: Plan
    layers: tuple[LayerCost, ...]
    moves: tuple[_Move, ...]

    @property
    def array(self) -> Array:
        """The array that is the system's device."""
        return self.system.device_as(Array)

    @property
    def move_cycles(self) -> float:
        """Cycles of moves between layers, in which only the DRAM works."""
        return sum(_move_bytes(move) * move.count for move in self.moves) / _bytes_a_cycle(self.system)

    @property
    def cycles(self) -> float:
        """Total cycles from the first layer to the last."""
        return sum(layer.total_cycles * layer.product.count for layer in self.layers) + self.move_cycles

    @property
    def time(self) -> float:
        """Time of the whole run [s]."""
        return self.cycles / self.array.clock

    @cached_property
    def events(self) -> Events:
        """Events of all layers: what the coefficients of data/array/energy.yaml multiply."""
        total: Events = {"dram": sum(_BITS * _move_bytes(move) * float(move.count) for move in self.moves)}
        for layer in self.layers:
            for name, number in layer.events.items():
                total[name] = total.get(name, 0.0) + number * layer.product.count
        return total

    @cached_property
    def coefficients(self) -> dict[str, float]:
        """Joules of each event, and of a byte of each memory; a memory's own `energy` goes before the table's."""
        joules = parts._energies(self.system.node)
        dram = self.system.main_memory.energy
        joules["dram"] = joules["dram"] if dram is None else dram / _BITS
        for name in SRAMS:
            memory = self.system.memory[name]
            spent = memory.energy
            joules[f"sram {name}"] = parts._sram_energy(memory.capacity, self.system.node) if spent is None else spent
        return joules

    def sram(self, name: str) -> float:
        """Bytes in and out of one memory."""
        return sum(layer.sram[name] * layer.product.count for layer in self.layers)

    def spent(self, coefficients: dict[str, float] | None = None) -> dict[str, float]:
        """Return the energy [J] by part: elements by event, memories by operand, DRAM."""
        joules = coefficients or self.coefficients
        inside = {name: number * joules[name] for name, number in self.events.items()}
        dram = inside.pop("dram")
        memories = {f"sram {name}": self.sram(name) * joules[f"sram {name}"] for name in SRAMS}
        return {**inside, **memories, "dram": dram}


def _array_run(
    workload: Workload, system: System, plan: Plan, encoded: Mapping[str, Encoded] | None = None
) -> ArrayRun:
    """Return the run of a workload on a system's array, with the cost of every layer, from which `estimate` reports.

    Parameters
    ----------
    encoded : weights by layer as they are, in place of the plan's formats.

    Errors
    ------
    SlipstickError for operations that an array does not run, and formats that it does not hold.
    """
    array = system.device_as(Array)
    operations = products_of(workload.ops, workload.batch)
    products = only_products(operations)
    weights = (
        _planned_weights(plan.formats.layers or DEFAULT, products, array)
        if encoded is None
        else _weights_as_encoded(encoded, products, array)
    )
    layers = tuple(_layer_cost(product, stored, system) for product, stored in zip(products, weights, strict=True))
    return ArrayRun(workload, system, plan, layers, tuple(part for part in operations if isinstance(part, _Move)))


def estimate(question: Question) -> Report:
    """Return cycles, time, traffic, energy and bytes of one inference of an operator graph on an array.

    A layer takes the longer of its cycles in the array and of its bytes at the DRAM's bandwidth. Activations have 8
    bits; weights are as ``plan.formats.layers`` says. Norms and activations are on the way out and take nothing. The
    report's detail is the ArrayRun: every layer costed, open to further questions.
    """
    workload, system = question.workload, question.system
    costed = _array_run(workload, system, question.plan)
    metrics = {**_metrics(costed), **accuracy_metrics(question.options, question.plan.formats.layers or DEFAULT)}
    traffic: Metric = metrics["dram"]["bytes"]
    bounds = {"roofline.dram": traffic.value / (system.main_memory.bandwidth or float("inf"))}
    bounds["roofline.compute"] = _busy(costed) / (costed.array.rows * costed.array.columns) / costed.array.clock
    return Report.of(
        question,
        metrics,
        {"ops": Table.of(_COLUMNS, [_row(layer, costed) for layer in costed.layers])},
        title=f"{workload.name} on {system.name}",
        bottleneck=_bottleneck(costed),
        papers=_PAPERS,
        facts=bounds,
        findings=_findings(costed.layers, system),
    ).with_detail(costed)


def _busy(run: ArrayRun) -> float:
    return sum(layer.busy * layer.product.count for layer in run.layers)


def _sources(run: ArrayRun) -> dict[str, str]:
    """Return the sources of an array's figures by unit, of what is counted, of the capacity, and "" of all others."""
    system, table = run.system, array_parts.entry("energy")
    counts = {"J": table.origins("energy", "sram"), "m2": table.origins("area")}
    return {
        "": f"{system.source}; closed forms of slipstick.array",
        "counted": "counted from layers, formats and the order of the loops",
        "capacity": system.source_of(f"memory.{system.main_memory_name}.capacity"),
        **{
            unit: f"counted events times data/array/energy.yaml: {text} (show array-parts)"
            for unit, text in counts.items()
        },
    }


def _metrics(run: ArrayRun) -> dict[str, Any]:
    sources = _sources(run)

    def metric(value: float, unit: str, note: str = "") -> Metric:
        counted = unit in ("B", "MAC")
        source = sources.get(unit, sources["counted" if counted else ""])
        return Metric(float(value), unit, "counted" if counted else "estimated", source, note)

    def group(values: dict[str, float], name: str, unit: str, note: str = "") -> dict[str, Any]:
        known = {part: metric(value, unit) for part, value in values.items() if value > 0}
        return {name: metric(sum(values.values()), unit, note), "parts": known}

    clock, samples, spent = run.array.clock, run.workload.batch, run.spent()
    within = sum(min(layer.total_cycles, layer.cycles) * layer.product.count for layer in run.layers)
    cycles = {"compute": within, "waiting_for_dram": run.cycles - within}
    macs = sum(layer.product.macs * layer.product.count for layer in run.layers)
    steps = sum(layer.steps * layer.product.count for layer in run.layers)
    area = parts._element_area(run.array, run.system.node)
    return {
        "time": {
            **group({name: value / clock for name, value in cycles.items()}, "step", "s"),
            "sample": metric(run.time / samples, "s"),
        },
        "cycles": group(cycles, "step", "cycle"),
        "throughput": {"samples": metric(samples / run.time, "sample/s")},
        "work": {
            "macs": metric(macs, "MAC"),
            "shifts": metric(
                sum(layer.shifts * layer.product.count for layer in run.layers) / steps, "", "mean over all groups"
            ),
        },
        "efficiency": {
            "utilisation": metric(
                _busy(run) / (run.cycles + len(run.layers)) / run.array.rows / run.array.columns,
                "fraction", "elements at work over all cycles",
            )
        },
        "memory": {
            **group(_resident(run), "peak", "B", "in DRAM"),
            "capacity": Metric(run.system.main_memory.capacity, "B", "given", sources["capacity"]),
            "weights": metric(sum(layer.stored.nbytes for layer in run.layers), "B", "packed, scales included"),
            "weights_int8": metric(sum(layer.product.weights for layer in run.layers), "B", "as bytes"),
        },
        "dram": group(_dram(run), "bytes", "B", "8 bit activations, packed weights"),
        "sram": group({name: run.sram(name) for name in SRAMS}, "bytes", "B", "read, written and filled"),
        "energy": {
            **group({name.replace(" ", "_"): value for name, value in spent.items()}, "step", "J", "no leakage"),
            "sample": metric(sum(spent.values()) / samples, "J"),
            "on_chip": metric(sum(spent.values()) - spent["dram"], "J", "without the DRAM"),
        },
        "area": {
            **group(area, "element", "m2", "one element: no memories, no wiring"),
            "multipliers": metric(
                (sum(area.values()) - area["register"]) * run.array.rows * run.array.columns,
                "m2", "all elements with their adders: no registers, no memories, no wiring",
            ),
        },
    }  # fmt: skip


def _resident(run: ArrayRun) -> dict[str, float]:
    """Return the bytes in DRAM: all weights, and the activations of the layer that reads and writes most."""
    live = (layer.product.inputs + layer.product.outputs + layer.product.shortcuts for layer in run.layers)
    return {"weights": sum(layer.stored.nbytes for layer in run.layers), "activations": float(max(live))}


def _dram(run: ArrayRun) -> dict[str, float]:
    names = ("inputs", "weights", "outputs", "shortcuts")
    moved = {name: sum(getattr(layer.traffic, name) * layer.product.count for layer in run.layers) for name in names}
    return {**moved, "other": sum(_move_bytes(move) * float(move.count) for move in run.moves)}


def _row(layer: LayerCost, run: ArrayRun) -> tuple[object, ...]:
    product, coefficients = layer.product, run.coefficients
    joules = sum(number * coefficients[name] for name, number in layer.events.items())
    joules += sum(moved * coefficients[f"sram {name}"] for name, moved in layer.sram.items())
    copies, cycles = product.count, layer.total_cycles * product.count
    return (
        product.name, product.kind, layer.stored.format, layer.effective_shifts, copies * product.macs, cycles,
        cycles / run.array.clock, layer.bound, layer.utilisation, copies * layer.traffic.total,
        copies * joules,
    )  # fmt: skip


def _bottleneck(run: ArrayRun) -> str:
    """Name the kind of layer, and its bottleneck, that takes most cycles."""
    shares: dict[tuple[str, str], float] = {("moves", "DRAM"): run.move_cycles}
    for layer in run.layers:
        key = (f"{layer.product.kind} layers", layer.bound)
        shares[key] = shares.get(key, 0.0) + layer.total_cycles * layer.product.count
    kind, bound = max(shares, key=lambda key: shares[key])
    return f"{kind}, bound by {bound}: {100 * shares[kind, bound] / run.cycles:.0f} % of the cycles"
