"""Power, energy, time and area of correlators: pure functions of a device's values, floats or arrays of them.

Values are those of `Correlator` by their dotted paths (``dac.power``), SI units. So the same functions serve a report,
a sweep over architectures and a draw of uncertain constants.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Values = Mapping[str, Any]  # by dotted path below the device: floats, or arrays that broadcast
Costs = dict[str, Any]  # by part

_SRAM = 256 * 2**10  # bytes that `sram_area` holds for


def part_counts(v: Values) -> Costs:
    """Return the numbers of parts: modulators by what they set, detectors, converters, lenses, lasers' waveguides.

    Inputs are modulated once for all correlators of other filters; photocurrents of the correlators of one filter are
    added before its converters. Source: PhotoFourier's dataflow, as recollected.
    """
    lights = v["wavelengths"] * 1.0
    inputs = v["waveguides"] * v["parallel_inputs"] * lights
    weights = v["taps"] * v["correlators"] * lights
    planes = v["waveguides"] * v["correlators"] * 1.0
    return {
        "inputs": inputs,
        "weights": weights,
        "plane": planes * v["remodulated"],
        "detectors": planes * (1 + v["remodulated"]),
        "adcs": planes / v["parallel_inputs"],
        "lenses": 2.0 * v["correlators"],
        "lit": inputs + weights,
    }


def _conversion_energy(v: Values) -> tuple[Any, Any]:
    """Return the energies [J] of one conversion to analog and one to digital, at the device's own bits.

    That of a DAC is in proportion to its bits, that of an ADC to 2^bits (Walden's figure of merit); neither depends on
    the rate, which is power in proportion to the rate.
    """
    to_analog = v["dac.power"] / v["dac.rate"] * v["dac_bits"] / v["dac.bits"]
    to_digital = v["adc.power"] / v["adc.rate"] * np.exp2(v["adc_bits"] - v["adc.bits"] * 1.0)
    return to_analog * v["converter_factor"], to_digital * v["converter_factor"]


def full_power(v: Values, counts: Costs | None = None) -> Costs:
    """Return the power [W] by part with every part at work in every cycle, converters at the rate of the clock.

    `counts` are those of `part_counts`, where they are at hand.
    """
    counts = counts or part_counts(v)
    to_analog, to_digital = _conversion_energy(v)
    rate = shot_rate(v)
    return {
        "lasers": counts["lit"] * v["light.power"],
        "input_modulators": counts["inputs"] * v["modulator.power"],
        "weight_modulators": counts["weights"] * v["modulator.power"],
        "plane_modulators": counts["plane"] * v["modulator.power"],
        "input_dacs": counts["inputs"] * to_analog * rate / v["reuse"],
        "weight_dacs": counts["weights"] * to_analog * rate,
        "adcs": counts["adcs"] * to_digital * rate / v["accumulation"],
    }


def shot_rate(v: Values) -> Any:
    """Return the shots per second of one correlator: half the clock, unless the plane between the lenses is held."""
    return v["clock"] / (2.0 - v["pipelined"])


def energy_parts(v: Values, counts: Values, seconds: Any) -> Costs:
    """Return the energy [J] by part of a run: lasers and modulators for all of its time, converters by conversion.

    With `gated`, modulators and converters of dark samples are off, and no result is converted that nobody reads;
    without it, every one works in every cycle.

    Parameters
    ----------
    v : the device's values, with ``sram.activations`` and ``sram.weights``, energies of a byte [J/B].
    counts : steps, inputs, weights and conversions of `ShotCounts`.
    seconds : time of the run in light [s].
    """
    parts = part_counts(v)
    power = full_power(v, parts)
    to_analog, to_digital = _conversion_energy(v)
    gated, steps = v["gated"] * 1.0, counts["steps"]
    all_inputs, all_weights = parts["inputs"] * steps / v["reuse"], parts["weights"] * steps
    every = {"inputs": all_inputs, "weights": all_weights, "conversions": parts["adcs"] * steps / v["accumulation"]}
    worked = {name: gated * counts[name] + (1 - gated) * number for name, number in every.items()}
    on = {name: gated * counts[name] / every[name] + (1 - gated) for name in ("inputs", "weights")}
    return {
        "lasers": power["lasers"] * seconds,
        "input_modulators": power["input_modulators"] * seconds * on["inputs"],
        "weight_modulators": power["weight_modulators"] * seconds * on["weights"],
        "plane_modulators": power["plane_modulators"] * seconds,
        "input_dacs": worked["inputs"] * to_analog,
        "weight_dacs": worked["weights"] * to_analog,
        "adcs": worked["conversions"] * to_digital,
        "sram_inputs": worked["inputs"] * v["sram.activations"] * v["dac_bits"] / 8.0,  # bits of a byte
        "sram_weights": worked["weights"] * v["sram.weights"] * v["dac_bits"] / 8.0,
        "sram_outputs": 2.0 * worked["conversions"] * v["sram.activations"] * v["adc_bits"] / 8.0,  # read and written
    }


def area_parts(v: Values) -> Costs:
    """Return the area [m2] by part; ``photonic`` parts and those of the CMOS chiplet are told apart by `CMOS`.

    A lens grows with the waveguides before it by `lens.growth`; waveguides are as long as the lens is deep, whose area
    is theirs.
    """
    counts = part_counts(v)
    lens = v["lens.area"] * (v["waveguides"] / v["lens.waveguides"]) ** v["lens.growth"]
    modulators = counts["inputs"] + counts["weights"] + counts["plane"]
    return {
        "modulators": modulators * v["modulator.area"],
        "detectors": counts["detectors"] * v["detector.area"],
        "lenses": counts["lenses"] * lens,
        "lasers": v["correlators"] * v["light.lasers"] * v["light.area"],
        "dacs": (counts["inputs"] + counts["weights"]) * v["dac.area"],
        "adcs": counts["adcs"] * v["adc.area"],
        "sram": v["sram.bytes"] / _SRAM * v["sram_area"],
    }


CMOS = ("dacs", "adcs", "sram")  # parts of `area_parts` on the electronic chiplet
