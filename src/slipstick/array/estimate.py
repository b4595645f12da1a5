"""Estimates of systems that are arrays: an operator graph's inference, layer by layer, in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from slipstick.array import parts
from slipstick.array.findings import findings
from slipstick.array.layer_cost import LayerCost, bytes_a_cycle, layer_cost, move_bytes
from slipstick.array.matrix_products import Move, only_products, products_of
from slipstick.array.parts import Events
from slipstick.array.weight_formats import held, held_encoded
from slipstick.core.device_kinds import SRAMS, Array
from slipstick.core.format import Encoded
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.formats.layer_patterns import DEFAULT
from slipstick.report.report import Metric, Report, Table

PAPERS = ("li2021swis", "samajdar2020", "judd2016", "horowitz2014")
COLUMNS = {
    "op": "", "kind": "", "format": "", "shifts": "", "MACs": "MAC", "cycles": "cycle", "time": "s", "bound": "",
    "used": "fraction", "DRAM": "B", "energy": "J",
}  # fmt: skip
_BITS = 8


@dataclass(frozen=True)
class Run:
    """A workload on an array: every layer costed, the moves between them, and what their energy is made of."""

    workload: Workload
    system: System
    plan: Plan
    layers: tuple[LayerCost, ...]
    moves: tuple[Move, ...]

    @property
    def array(self) -> Array:
        """The system's array."""
        return self.system.device_as(Array)

    @property
    def move_cycles(self) -> float:
        """Cycles in which only the DRAM works."""
        return sum(move_bytes(move) * move.count for move in self.moves) / bytes_a_cycle(self.system)

    @property
    def cycles(self) -> float:
        """Cycles from the first layer to the last."""
        return sum(layer.total_cycles * layer.product.count for layer in self.layers) + self.move_cycles

    @property
    def time(self) -> float:
        """Seconds."""
        return self.cycles / self.array.clock

    @cached_property
    def events(self) -> Events:
        """Events of all layers: what the coefficients of data/array/energy.yaml multiply."""
        total: Events = {"dram": sum(_BITS * move_bytes(move) * float(move.count) for move in self.moves)}
        for layer in self.layers:
            for name, number in layer.events.items():
                total[name] = total.get(name, 0.0) + number * layer.product.count
        return total

    @cached_property
    def coefficients(self) -> dict[str, float]:
        """Joules of each event, and of a byte of each memory; a memory's own `energy` goes before the table's."""
        found = parts.energies(self.system.node)
        dram = self.system.main_memory.energy
        found["dram"] = found["dram"] if dram is None else dram / _BITS
        for name in SRAMS:
            memory = self.system.memory[name]
            spent = memory.energy
            found[f"sram {name}"] = parts.sram_energy(memory.capacity, self.system.node) if spent is None else spent
        return found

    def sram(self, name: str) -> float:
        """Bytes in and out of one memory."""
        return sum(layer.sram[name] * layer.product.count for layer in self.layers)

    def spent(self, coefficients: dict[str, float] | None = None) -> dict[str, float]:
        """Return joules by part: elements by event, memories by operand, DRAM."""
        each = coefficients or self.coefficients
        inside = {name: number * each[name] for name, number in self.events.items()}
        dram = inside.pop("dram")
        memories = {f"sram {name}": self.sram(name) * each[f"sram {name}"] for name in SRAMS}
        return {**inside, **memories, "dram": dram}


def run(workload: Workload, system: System, plan: Plan, encoded: Mapping[str, Encoded] | None = None) -> Run:
    """Return a workload on a system's array with every layer costed: what `estimate` makes a report of.

    Parameters
    ----------
    encoded : weights by layer as they are, in place of the plan's formats.

    Errors
    ------
    SlipstickError for operations that an array does not run, and formats that it does not hold.
    """
    array = system.device_as(Array)
    found = products_of(workload.ops, workload.batch)
    products = only_products(found)
    weights = (
        held(plan.formats.formats or DEFAULT, products, array)
        if encoded is None
        else held_encoded(encoded, products, array)
    )
    layers = tuple(layer_cost(product, each, system) for product, each in zip(products, weights, strict=True))
    return Run(workload, system, plan, layers, tuple(part for part in found if isinstance(part, Move)))


def estimate(question: Question) -> Report:
    """Return cycles, time, traffic, energy and bytes of one inference of an operator graph on an array.

    A layer takes the longer of its cycles in the array and of its bytes at the DRAM's bandwidth. Activations have 8
    bits; weights are as ``plan.formats.formats`` says. Norms and activations are on the way out and take nothing.
    """
    workload, system = question.workload, question.system
    costed = run(workload, system, question.plan)
    metrics = _metrics(costed)
    traffic: Metric = metrics["dram"]["bytes"]
    bounds = {"roofline.dram": traffic.value / (system.main_memory.bandwidth or float("inf"))}
    bounds["roofline.compute"] = _busy(costed) / (costed.array.rows * costed.array.columns) / costed.array.clock
    return Report.of(
        question,
        metrics,
        {"ops": Table.of(COLUMNS, [_row(layer, costed) for layer in costed.layers])},
        title=f"{workload.name} on {system.name}",
        bottleneck=_bottleneck(costed),
        papers=PAPERS,
        facts=bounds,
        findings=findings(costed.layers, system),
    )


def _busy(done: Run) -> float:
    return sum(layer.busy * layer.product.count for layer in done.layers)


def _metrics(done: Run) -> dict[str, Any]:
    source = f"{done.system.source}; closed forms of slipstick.array"
    table = "counted in closed form, times data/array/energy.yaml"

    def metric(value: float, unit: str, note: str = "") -> Metric:
        return Metric(float(value), unit, "estimated", table if unit in ("J", "m2") else source, note)

    def group(values: dict[str, float], name: str, unit: str, note: str = "") -> dict[str, Any]:
        found = {part: metric(value, unit) for part, value in values.items() if value > 0}
        return {name: metric(sum(values.values()), unit, note), "parts": found}

    clock, samples, spent = done.array.clock, done.workload.batch, done.spent()
    within = sum(min(layer.total_cycles, layer.cycles) * layer.product.count for layer in done.layers)
    cycles = {"compute": within, "waiting_for_dram": done.cycles - within}
    macs = sum(layer.product.macs * layer.product.count for layer in done.layers)
    steps = sum(layer.steps * layer.product.count for layer in done.layers)
    area = parts.element_area(done.array, done.system.node)
    return {
        "time": {
            **group({name: value / clock for name, value in cycles.items()}, "step", "s"),
            "sample": metric(done.time / samples, "s"),
        },
        "cycles": group(cycles, "step", "cycle"),
        "throughput": {"samples": metric(samples / done.time, "sample/s")},
        "work": {
            "macs": metric(macs, "MAC"),
            "shifts": metric(
                sum(layer.shifts * layer.product.count for layer in done.layers) / steps, "", "mean over all groups"
            ),
        },
        "efficiency": {
            "utilisation": metric(
                _busy(done) / (done.cycles + len(done.layers)) / done.array.rows / done.array.columns,
                "fraction", "elements at work over all cycles",
            )
        },
        "memory": {
            **group(_resident(done), "peak", "B", "in DRAM"),
            "capacity": metric(done.system.main_memory.capacity, "B"),
            "weights": metric(sum(layer.held.storage for layer in done.layers), "B", "packed, scales included"),
            "weights_int8": metric(sum(layer.product.weights for layer in done.layers), "B", "as bytes"),
        },
        "dram": group(_dram(done), "bytes", "B", "8 bit activations, packed weights"),
        "sram": group({name: done.sram(name) for name in SRAMS}, "bytes", "B", "read, written and filled"),
        "energy": {
            **group({name.replace(" ", "_"): value for name, value in spent.items()}, "step", "J", "no leakage"),
            "sample": metric(sum(spent.values()) / samples, "J"),
            "on_chip": metric(sum(spent.values()) - spent["dram"], "J", "without the DRAM"),
        },
        "area": group(area, "element", "m2", "one element: no memories, no wiring"),
    }  # fmt: skip


def _resident(done: Run) -> dict[str, float]:
    """Return what the DRAM holds: all weights, and what the layer with most activations reads and writes."""
    live = (layer.product.inputs + layer.product.outputs + layer.product.beside for layer in done.layers)
    return {"weights": sum(layer.held.storage for layer in done.layers), "activations": float(max(live))}


def _dram(done: Run) -> dict[str, float]:
    names = ("inputs", "weights", "outputs", "beside")
    found = {name: sum(getattr(layer.traffic, name) * layer.product.count for layer in done.layers) for name in names}
    found["shortcuts"] = found.pop("beside")
    return {**found, "other": sum(move_bytes(move) * float(move.count) for move in done.moves)}


def _row(layer: LayerCost, done: Run) -> tuple[object, ...]:
    product, each = layer.product, done.coefficients
    joules = sum(number * each[name] for name, number in layer.events.items())
    joules += sum(moved * each[f"sram {name}"] for name, moved in layer.sram.items())
    copies, cycles = product.count, layer.total_cycles * product.count
    return (
        product.name, product.kind, layer.held.text, layer.effective_shifts, copies * product.macs, cycles,
        cycles / done.array.clock, layer.bound, layer.utilisation, copies * layer.traffic.total,
        copies * joules,
    )  # fmt: skip


def _bottleneck(done: Run) -> str:
    """Name the kind of layer, and what it waits for, that takes most cycles."""
    shares: dict[tuple[str, str], float] = {("moves", "DRAM"): done.move_cycles}
    for layer in done.layers:
        key = (f"{layer.product.kind} layers", layer.bound)
        shares[key] = shares.get(key, 0.0) + layer.total_cycles * layer.product.count
    kind, bound = max(shares, key=lambda key: shares[key])
    return f"{kind}, bound by {bound}: {100 * shares[kind, bound] / done.cycles:.0f} % of the cycles"
