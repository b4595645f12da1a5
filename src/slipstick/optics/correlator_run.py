"""Run of a network on correlators: counts, time, energy and area, as one object that reports and studies read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.spec import leaves
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.optics.correlator_cost import area_parts, energy_parts, full_power, shot_rate
from slipstick.optics.correlator_device import Correlator
from slipstick.optics.layer_shots import OpticalLayer, ShotCounts, Split, optical_layers, shot_counts
from slipstick.optics.link_budget import laser_power, loss_chain, sized_power
from slipstick.optics.receiver_noise import Receiver, needed_snr


@dataclass(frozen=True)
class CorrelatorRun:
    """Run of a workload on a system of correlators: layers in light with their counts, and those in electronics."""

    workload: Workload
    system: System
    layers: tuple[tuple[OpticalLayer, ShotCounts], ...]
    digital: tuple[OpticalLayer, ...]

    @property
    def device(self) -> Correlator:
        """The correlators that are the system's device."""
        return self.system.device_as(Correlator)

    @cached_property
    def counts(self) -> ShotCounts:
        """Counts of all layers in light."""
        return sum((counts for _, counts in self.layers), ShotCounts())

    @cached_property
    def values(self) -> dict[str, Any]:
        """Values of the device and its memories, as `slipstick.optics.correlator_cost` takes them."""
        return device_values(self.system)

    @cached_property
    def light_time(self) -> float:
        """Time of all shots [s]."""
        return float(self.counts.steps / shot_rate(self.values))

    @property
    def digital_time(self) -> float:
        """Time of the layers in electronics [s], which run behind those in light."""
        units = self.device.electronics
        return sum(layer.macs for layer in self.digital) / (units.macs * units.clock) if units else 0.0

    @property
    def time(self) -> float:
        """Time of the whole run [s]."""
        return self.light_time + self.digital_time

    @cached_property
    def energy(self) -> dict[str, float]:
        """Energy of the run [J] by part; the DRAM where its energy is known."""
        parts = self._energy_of(self.counts, self.light_time)
        units, dram = self.device.electronics, self.system.main_memory.energy
        if units:
            parts["electronics"] = sum(layer.macs for layer in self.digital) * units.energy
        if dram is not None:
            parts["dram"] = self.dram_bytes * dram
        return parts

    def _energy_of(self, counts: ShotCounts, seconds: float) -> dict[str, float]:
        numbers = {
            "steps": counts.steps, "inputs": counts.inputs, "weights": counts.weights, "conversions": counts.conversions
        }  # fmt: skip
        return {name: float(joules) for name, joules in energy_parts(self.values, numbers, seconds).items()}

    def layer_energy(self, counts: ShotCounts) -> float:
        """Return the energy [J] of a layer in light, by its counts."""
        return sum(self._energy_of(counts, self.layer_time(counts)).values()) if counts.steps else 0.0

    def layer_time(self, counts: ShotCounts) -> float:
        """Return the time [s] of a layer in light, by its counts."""
        return float(counts.steps / shot_rate(self.values))

    @property
    def peak_bytes(self) -> float:
        """Bytes in the main memory: all weights, and the activations of the layer that reads and writes most."""
        layers = [*(layer for layer, _ in self.layers), *self.digital]
        live = max((layer.bytes_in + layer.bytes_out for layer in layers), default=0)
        return float(sum(layer.weights for layer in layers) + live)

    @property
    def dram_bytes(self) -> float:
        """Bytes at the DRAM's pins: all weights once, the network's input and its result."""
        layers = [*(layer for layer, _ in self.layers), *self.digital]
        if not layers:
            return 0.0
        return float(sum(layer.weights for layer in layers) + layers[0].bytes_in + layers[-1].bytes_out)

    @property
    def losses(self) -> dict[str, float]:
        """Losses [dB] of the light from laser to detector, by name."""
        return {name: float(loss) for name, loss in loss_chain(self.values).items()}

    @property
    def receiver(self) -> Receiver:
        """Receiver of one detector, in the bandwidth of its shots."""
        detector, rin = self.device.detector, 10 ** (self.device.light.rin / 10)  # decibels of a power
        return Receiver(
            detector.responsivity, detector.noise * 1e-12, rin, shot_rate(self.values) / 2
        )  # pA are 1e-12 A

    @property
    def detected(self) -> float:
        """Optical power [W] at a detector of the last plane."""
        loss = sum(self.losses.values())
        return float(self.values["light.power"] * self.device.light.efficiency / 10 ** (loss / 10))

    @property
    def needed(self) -> float | None:
        """Laser power [W, electrical] of a waveguide for the bits of the converters; None: the lasers are too noisy."""
        power = self.receiver.power(needed_snr(self.device.adc_bits, self.device.accumulation))
        return None if power is None else float(laser_power(power, self.losses, self.device.light.efficiency))

    @cached_property
    def area(self) -> dict[str, float]:
        """Area [m2] by part."""
        return {name: float(area) for name, area in area_parts(self.values).items()}

    @cached_property
    def power(self) -> dict[str, float]:
        """Power [W] by part with every part at work in every cycle, memories not counted."""
        return {name: float(watts) for name, watts in full_power(self.values).items()}


def device_values(system: System) -> dict[str, Any]:
    """Return the values of a system of correlators by dotted path, with the laser power of a waveguide and its SRAM.

    Errors
    ------
    SlipstickError for memories without an energy of a byte.
    """
    device, memory = system.device_as(Correlator), system.memory
    values: dict[str, Any] = {name: value for name, value in leaves(device).items() if isinstance(value, int | float)}
    values.setdefault("light.power", sized_power(values))
    for name in ("activations", "weights"):
        if memory[name].energy is None:
            message = "unknown: shots read it in every cycle"
            raise SlipstickError(message, path=f"system.memory.{name}.energy", allowed="such as 0.05 pJ/B")
        values[f"sram.{name}"] = memory[name].energy
    values["sram.bytes"] = memory["activations"].capacity + memory["weights"].capacity * device.correlators
    return values


def work_split(device: Correlator) -> Split:
    """Return the work of correlators at one time: channels, filters, signs, shots added up, shots of one input."""
    inputs = device.parallel_inputs * device.wavelengths
    filters = device.correlators // device.parallel_inputs
    return Split(inputs, filters, device.signs, device.accumulation, device.reuse)


def correlator_run(workload: Workload, system: System) -> CorrelatorRun:
    """Return the run of a workload on a system of correlators, every layer counted.

    Errors
    ------
    SlipstickError for operations that correlators do not run, and kernels whose rows exceed the signal.

    Examples
    --------
    >>> from slipstick.core.catalogue import resolve_system
    >>> from slipstick.core.workload import Phase
    >>> from slipstick.networks import network
    >>> workload = Workload(network=network("resnet-8"), phase=Phase.INFER, sequence=1)
    >>> correlator_run(workload, resolve_system("photofourier-cg")).counts.steps
    5204
    """
    device = system.device_as(Correlator)
    digital, light = [], []
    for layer in optical_layers(workload.ops):
        place = {"pointwise": device.pointwise, "dense": device.dense}.get(layer.kind, "light")
        if place == "electronics":
            digital.append(layer)
        elif place == "light":
            light.append((layer, shot_counts(layer, device.layout, work_split(device))))
    return CorrelatorRun(workload, system, tuple(light), tuple(digital))
