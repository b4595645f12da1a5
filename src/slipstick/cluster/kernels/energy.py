"""Energy of one device [J]: operations, bytes and messages times their unit energies, and idle power times time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.device_kinds import Accelerator
from slipstick.core.system import System
from slipstick.tech import operation_energy


@dataclass(frozen=True)
class _DeviceEnergy:
    """Energy of one device over one step [J], by part.

    Attributes
    ----------
    parts : by what spends it: compute and memory, network and idle where known.
    hosts : its share of hosts, network and cooling, outside `parts`; None where their power is unknown.
    """

    parts: dict[str, FloatArray]
    hosts: FloatArray | None

    @property
    def total(self) -> FloatArray:
        """Total energy of the known parts [J], without hosts."""
        return np.asarray(sum(self.parts.values()))

    @classmethod
    def of(
        cls, system: System, format: str, time: FloatArray, flops: FloatArray, traffic: FloatArray, sent: FloatArray
    ) -> _DeviceEnergy | None:
        """Return the energy of a device that computes `flops`, moves `traffic` [B] and sends `sent` [B] in `time` [s].

        An operation in another `format` than bf16 costs as much less as the device is faster in it: its matrix units
        draw about the same power in every format that they were built for. Messages are charged at the innermost tier,
        where tensor parallelism keeps nearly all of them.

        The device's limit holds: what would exceed its thermal design power is cut in proportion, because its clock
        falls instead (and the measured kernel times already contain that).

        None where the system does not say what an operation or a byte of its main memory costs: nothing else makes a
        total. A part of the network or of idle power that is unknown is left out.
        """
        device, main = system.device_as(Accelerator), system.main_memory
        if device.energy is None or main.energy is None:
            return None
        active = {
            "compute": np.asarray(flops * operation_energy(device.energy, device.matrix, format)),
            "memory": np.asarray(traffic * main.energy),
        }
        link = next((tier.energy for tier in system.network.values()), 0.0)
        if link is not None:
            active["network"] = np.asarray(sent * link)
        idle = {} if system.idle_power is None else {"idle": np.asarray(system.idle_power * time)}
        share = _under_power(system, time, np.asarray(sum(active.values())), idle.get("idle", 0.0))
        hosts = None if system.overhead_power is None else np.asarray(system.overhead_power * time)
        return cls({**{name: joules * share for name, joules in active.items()}, **idle}, hosts)


def _under_power(system: System, time: FloatArray, active: FloatArray, idle: FloatArray | float) -> FloatArray:
    """Return the share of the `active` joules that the thermal design power allows in `time`; all if it is unknown."""
    if system.power is None:
        return np.ones_like(active)
    room = np.maximum(0.0, system.power * time - idle)
    return np.asarray(np.minimum(1.0, room / np.maximum(active, 1e-300)))
