"""Estimates of correlators: time, energy by part, area and the figures of merit of a network's inference in light."""

from __future__ import annotations

import math
from typing import Any

from slipstick.core.question import Question
from slipstick.core.spec import leaves
from slipstick.core.system import System
from slipstick.optics.correlator_cost import CMOS
from slipstick.optics.correlator_run import CorrelatorRun, correlator_run
from slipstick.optics.layer_shots import OpticalLayer, ShotCounts, layer_tilings
from slipstick.optics.link_budget import sized_power
from slipstick.optics.photonic_pictures import cost_pictures
from slipstick.optics.receiver_noise import effective_bits
from slipstick.report.report import Finding, Metric, Report, Table

_PAPERS = ("li2023photofourier",)
_COLUMNS = {
    "op": "", "kind": "", "tiling": "", "MACs": "MAC", "shots": "", "time": "s", "lit": "fraction", "energy": "J",
}  # fmt: skip
_MEMORY = "from memory"  # how the source of an unverified constant begins
_SHOWN = 4  # constants that a finding names
_MM2 = 1e6  # mm2 of a m2


def estimate(question: Question) -> Report:
    """Return time, energy, area and figures of merit of one inference of an operator graph on correlators.

    Pools, norms and activations are electronic and are not counted. The report's detail is the CorrelatorRun.

    Errors
    ------
    SlipstickError for operations that correlators do not run, and kernels whose rows exceed the signal.
    """
    run = correlator_run(question.workload, question.system)
    rows = [_row(layer, counts, run) for layer, counts in run.layers]
    return Report.of(
        question,
        _metrics(run),
        {"ops": Table.of(_COLUMNS, rows)},
        title=f"{question.workload.name} on {question.system.name}",
        bottleneck=_bottleneck(run),
        papers=_PAPERS,
        findings=tuple(_findings(run)),
    ).with_detail(run, lambda: cost_pictures(run.energy, run.area, run.losses))


def unverified_constants(system: System) -> list[str]:
    """Return the paths of a system's constants that are from memory, unverified, below ``device``.

    Examples
    --------
    >>> from slipstick.core.catalogue import resolve_system
    >>> "adc.power" in unverified_constants(resolve_system("photofourier-cg"))
    True
    """
    paths = [f"device.{path}" for path in leaves(system.device)]
    return [path.removeprefix("device.") for path in paths if system.sources.get(path, "").startswith(_MEMORY)]


def _metrics(run: CorrelatorRun) -> dict[str, Any]:
    system, samples = run.system, run.workload.batch
    closed = f"{system.source}; closed forms of slipstick.optics"

    def metric(value: float, unit: str, note: str = "", origin: Any = "estimated") -> Metric:
        return Metric(
            float(value), unit, origin, "counted from layers and tilings" if origin == "counted" else closed, note
        )

    def group(values: dict[str, float], name: str, unit: str, note: str = "") -> dict[str, Any]:
        known = {part: metric(value, unit) for part, value in values.items() if value > 0}
        return {name: metric(sum(values.values()), unit, note), "parts": known}

    energy, area, counts = run.energy, run.area, run.counts
    joules, square = sum(energy.values()), sum(area.values())
    seconds, per_sample = run.time, run.time / samples
    layers = [*(layer for layer, _ in run.layers), *run.digital]
    times = {"light": run.light_time, "electronics": run.digital_time}
    no_dram = "" if "dram" in energy else "without the DRAM, whose energy is not known"
    return {
        "time": {**group(times, "step", "s"), "sample": metric(per_sample, "s")},
        "cycles": {"step": metric(counts.steps, "cycle", "shots one behind the other", "counted")},
        "throughput": {
            "samples": metric(samples / seconds, "sample/s"),
            "per_area": metric(samples / seconds / square / _MM2, "sample/s/mm2"),
        },
        "work": {
            "macs": metric(sum(layer.macs for layer in layers), "MAC", "", "counted"),
            "shots": metric(counts.shots, "", "of all correlators", "counted"),
            "conversions": metric(counts.conversions, "", "to digital", "counted"),
            "pixels": metric(counts.inputs, "", "of inputs that are modulated", "counted"),
            "taps": metric(counts.weights, "", "of weights that are modulated", "counted"),
        },
        "efficiency": {
            "samples_per_joule": metric(samples / joules, "sample/J", "samples a second a watt"),
            "utilisation": metric(_lit(counts, run), "fraction", "waveguides of inputs that are lit"),
        },
        "memory": _memory(run, layers, metric),
        "dram": {"bytes": metric(run.dram_bytes, "B", "weights once, input and result", "counted")},
        "energy": {**group(energy, "step", "J", no_dram), "sample": metric(joules / samples, "J")},
        "edp": {"sample": metric(joules / samples * per_sample, "J s", "energy times delay of a sample")},
        "power": {
            "mean": metric(joules / seconds, "W"),
            "full": metric(sum(run.power.values()), "W", "every part in every cycle, memories not counted"),
        },
        "area": {
            **group(area, "total", "m2", "photonics and electronics, no routing"),
            "cmos": metric(sum(area[name] for name in CMOS), "m2"),
        },
        "light": {
            "waveguide": metric(run.values["light.power"], "W", "electrical, of the laser for one waveguide"),
            "sized": metric(sized_power(run.values), "W", "by the loss chain and the detector's sensitivity"),
            "loss": metric(sum(run.losses.values()), "dB", "from laser to detector"),
            **_noise(run, metric),
        },
    }  # fmt: skip


def _noise(run: CorrelatorRun, metric: Any) -> dict[str, Any]:
    """Return the figures of noise: ratio of a shot, bits of a conversion, the laser power that the ADC's bits need."""
    snr = run.receiver.snr(run.detected)
    known = {
        "detected": metric(run.detected, "W", "optical, at a detector of the last plane"),
        "snr": metric(snr, "dB", "of a shot of full scale: shot, amplifier and laser noise; for @correlator:snr="),
        "bits": metric(_bits(run), "bit", "effective, of a conversion"),
    }
    return known if run.needed is None else known | {"needed": metric(run.needed, "W", "for the bits of the ADC")}


def _bits(run: CorrelatorRun) -> float:
    return max(0.0, effective_bits(run.receiver.snr(run.detected) + 10 * math.log10(run.device.accumulation)))


def _memory(run: CorrelatorRun, layers: list[OpticalLayer], metric: Any) -> dict[str, Any]:
    weights = sum(layer.weights for layer in layers)
    capacity = run.system.main_memory.capacity
    return {
        "peak": metric(run.peak_bytes, "B", "in the main memory, 8 bits each", "counted"),
        "capacity": Metric(capacity, "B", "given", run.system.source),
        "weights": metric(weights, "B", "8 bits each", "counted"),
    }


def _lit(counts: ShotCounts, run: CorrelatorRun) -> float:
    """Return the share of waveguides of inputs that are lit, over all cycles."""
    device = run.device
    offered = counts.steps * device.waveguides * device.parallel_inputs * device.wavelengths / device.reuse
    return min(1.0, counts.inputs / offered) if offered else 0.0


def _row(layer: OpticalLayer, counts: ShotCounts, run: CorrelatorRun) -> tuple[object, ...]:
    tiling = layer_tilings(layer, run.device.layout)[0]
    text = f"{tiling.mode} {tiling.kernel_rows}/{tiling.rows}" + f" x{tiling.packed}" * (tiling.packed > 1)
    return (
        layer.name, layer.kind, text, layer.macs, counts.shots, run.layer_time(counts), _lit(counts, run),
        run.layer_energy(counts),
    )  # fmt: skip


def _bottleneck(run: CorrelatorRun) -> str:
    """Name the part that takes most energy, and the kind of layer that takes most of the time."""
    shares = {"layers in electronics": run.digital_time}
    for layer, counts in run.layers:
        name = f"{layer.kind} layers"
        shares[name] = shares.get(name, 0.0) + run.layer_time(counts)
    slow, hungry = max(shares, key=lambda name: shares[name]), max(run.energy, key=lambda name: run.energy[name])
    share = run.energy[hungry] / sum(run.energy.values())
    return f"{slow}: {100 * shares[slow] / run.time:.0f} % of the time; {hungry}: {100 * share:.0f} % of the energy"


def _findings(run: CorrelatorRun) -> list[Finding]:
    """Return what a reader of the figures must know: constants from memory, a DRAM left out, inexact tiling."""
    findings = []
    unverified = unverified_constants(run.system)
    if unverified:
        names = ", ".join(unverified[:_SHOWN]) + ", ..." * (len(unverified) > _SHOWN)
        message = f"{len(unverified)} constants of the device are from memory, unverified: {names}"
        findings.append(Finding("unverified_constants", message, "system.device"))
    if run.system.main_memory.energy is None:
        message = f"{run.dram_bytes:.3g} B at the DRAM's pins have no energy and take no time: its energy is not known"
        findings.append(Finding("dram_left_out", message, f"system.memory.{run.system.main_memory_name}.energy"))
    bits, converted = _bits(run), run.device.adc_bits
    if bits < converted:
        needed = (
            "the lasers' own noise allows no more" if run.needed is None else f"they need {1e3 * run.needed:.3g} mW"
        )
        power = f"{1e3 * run.values['light.power']:.3g} mW a waveguide"
        message = f"noise leaves {bits:.1f} of the {converted} bits of a conversion at {power}; {needed}"
        findings.append(Finding("noise_above_converters", message, "system.device.light.power"))
    padded = [layer.name for layer, _ in run.layers if any(layer.geometry.padding[1])]
    if run.device.guard == "none" and padded:
        message = f"pixels at the ends of rows are wrong in {len(padded)} layers, the first is {padded[0]}: no guards"
        findings.append(Finding("edge_effect", message, "system.device.guard"))
    return findings
