"""Estimates of photonic arrays: time, energy by part and area of a network's inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slipstick.core.question import Question
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.optics.layer_shots import OpticalLayer, optical_layers
from slipstick.optics.photonic_array import PhotonicArray, array_cycles
from slipstick.optics.photonic_pictures import cost_pictures
from slipstick.report.report import Finding, Metric, Report, Table

_COLUMNS = {"op": "", "kind": "", "MACs": "MAC", "cycles": "cycle", "time": "s", "used": "fraction", "energy": "J"}
_MM2 = 1e6  # mm2 of a m2


@dataclass(frozen=True)
class PhotonicArrayRun:
    """Run of a workload on a photonic array: its layers, each with its cycles."""

    workload: Workload
    system: System
    layers: tuple[tuple[OpticalLayer, float], ...]

    @property
    def device(self) -> PhotonicArray:
        """The photonic array that is the system's device."""
        return self.system.device_as(PhotonicArray)

    @property
    def cycles(self) -> float:
        """Cycles of all layers."""
        return sum(cycles for _, cycles in self.layers)

    @property
    def time(self) -> float:
        """Time of the whole run [s]."""
        return self.cycles / self.device.clock

    @property
    def energy(self) -> dict[str, float]:
        """Energy of the run [J] by part, every part at work in every cycle."""
        return {name: watts * self.time for name, watts in self.device.power_parts.items()}


def photonic_array_run(workload: Workload, system: System) -> PhotonicArrayRun:
    """Return the run of a workload on a photonic array, every layer costed.

    Errors
    ------
    SlipstickError for operations that an array of light does not run.
    """
    device = system.device_as(PhotonicArray)
    layers = [layer for layer in optical_layers(workload.ops) if device.dense == "light" or layer.kind != "dense"]
    return PhotonicArrayRun(workload, system, tuple((layer, array_cycles(layer, device)) for layer in layers))


def estimate(question: Question) -> Report:
    """Return time, energy, area and figures of merit of one inference of an operator graph on a photonic array.

    Pools, norms and activations are electronic and are not counted, nor is a DRAM. The report's detail is the run.
    """
    run = photonic_array_run(question.workload, question.system)
    device = run.device
    watts = sum(device.power_parts.values())
    rows = [
        (layer.name, layer.kind, layer.macs, cycles, cycles / device.clock, layer.macs / (cycles * device.products),
         watts * cycles / device.clock)
        for layer, cycles in run.layers
    ]  # fmt: skip
    message = f"weights and activations of {question.workload.network.name} cross no DRAM: none is known"
    return Report.of(
        question,
        _metrics(run),
        {"ops": Table.of(_COLUMNS, rows)},
        title=f"{question.workload.name} on {question.system.name}",
        bottleneck=_bottleneck(run),
        papers=("shiflett2021albireo",),
        findings=(Finding("dram_left_out", message, "system.memory"),),
    ).with_detail(run, lambda: cost_pictures(run.energy, device.area_parts))


def _metrics(run: PhotonicArrayRun) -> dict[str, Any]:
    device, samples, seconds = run.device, run.workload.batch, run.time
    closed = f"{run.system.source}; closed forms of slipstick.optics"

    def metric(value: float, unit: str, note: str = "", origin: Any = "estimated") -> Metric:
        return Metric(float(value), unit, origin, "counted from layers" if origin == "counted" else closed, note)

    def group(values: dict[str, float], name: str, unit: str, note: str = "") -> dict[str, Any]:
        return {
            name: metric(sum(values.values()), unit, note),
            "parts": {k: metric(v, unit) for k, v in values.items()},
        }

    joules, area = sum(run.energy.values()), device.area_parts
    macs = sum(layer.macs for layer, _ in run.layers)
    weights = sum(layer.weights for layer, _ in run.layers)
    live = max((layer.bytes_in + layer.bytes_out for layer, _ in run.layers), default=0)
    return {
        "time": {"step": metric(seconds, "s"), "sample": metric(seconds / samples, "s")},
        "cycles": {"step": metric(run.cycles, "cycle")},
        "throughput": {
            "samples": metric(samples / seconds, "sample/s"),
            "per_area": metric(samples / seconds / sum(area.values()) / _MM2, "sample/s/mm2"),
        },
        "work": {"macs": metric(macs, "MAC", "", "counted")},
        "efficiency": {
            "samples_per_joule": metric(samples / joules, "sample/J", "samples a second a watt"),
            "utilisation": metric(macs / (run.cycles * device.products), "fraction", "products used, over all cycles"),
        },
        "memory": {
            "peak": metric(weights + live, "B", "in the main memory, 8 bits each", "counted"),
            "capacity": Metric(run.system.main_memory.capacity, "B", "given", run.system.source),
        },
        "energy": {
            **group(run.energy, "step", "J", "without a DRAM, of which nothing is known"),
            "sample": metric(joules / samples, "J"),
        },
        "edp": {"sample": metric(joules / samples * seconds / samples, "J s", "energy times delay of a sample")},
        "power": group(device.power_parts, "full", "W", "every part in every cycle"),
        "area": group(area, "total", "m2"),
    }


def _bottleneck(run: PhotonicArrayRun) -> str:
    """Name the kind of layer that takes most of the time, and the part that takes most energy."""
    shares: dict[str, float] = {}
    for layer, cycles in run.layers:
        shares[layer.kind] = shares.get(layer.kind, 0.0) + cycles
    slow, hungry = max(shares, key=lambda kind: shares[kind]), max(run.energy, key=lambda name: run.energy[name])
    busy, part = shares[slow] / run.cycles, run.energy[hungry] / sum(run.energy.values())
    return f"{slow} layers: {100 * busy:.0f} % of the time; {hungry}: {100 * part:.0f} % of the energy"
