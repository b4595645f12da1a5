"""Energy of one device: operations, bytes and messages by what each costs, and idle power for as long as it takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.system import System
from slipstick.tech import operation_energy


@dataclass(frozen=True)
class Energy:
    """Joules of one device over a step, by what spends them."""

    compute: FloatArray
    memory: FloatArray
    network: FloatArray
    idle: FloatArray

    @property
    def total(self) -> FloatArray:
        """All joules."""
        return self.compute + self.memory + self.network + self.idle


def energy(
    system: System, format: str, time: FloatArray, flops: FloatArray, traffic: FloatArray, sent: FloatArray
) -> Energy:
    """Return the energy of one device that computes `flops`, moves `traffic` bytes of DRAM and sends `sent` bytes.

    An operation in another `format` than bf16 costs as much less as the device is faster in it: its matrix units draw
    about the same power in every format that they were built for. Messages are charged at the innermost tier, where
    tensor parallelism keeps nearly all of them.

    The device's limit holds: what would exceed its thermal design power is cut in proportion, because its clock
    falls instead (and the measured kernel times already contain that).
    """
    link = next((tier.energy for tier in system.network.values()), 0.0)
    compute = np.asarray(flops * operation_energy(system.compute.energy, system.compute.matrix, format))
    memory = np.asarray(traffic * system.main_memory.energy)
    network = np.asarray(sent * link)
    idle = np.asarray(system.idle_power * time)
    active = compute + memory + network
    room = np.maximum(0.0, system.power * time - idle)
    share = np.minimum(1.0, room / np.maximum(active, 1e-300))
    return Energy(compute * share, memory * share, network * share, idle)
