"""Energy of one device: operations, bytes and messages by what each costs, and idle power for as long as it takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slipstick.core.system import System

FloatArray = NDArray[np.float64]


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


def energy(system: System, time: FloatArray, flops: FloatArray, traffic: FloatArray, sent: FloatArray) -> Energy:
    """Return the energy of one device that computes `flops`, moves `traffic` bytes of DRAM and sends `sent` bytes.

    The device's limit holds: what would exceed its thermal design power is cut in proportion, because its clock
    falls instead (and the measured kernel times already contain that).
    """
    link = max((tier.energy for tier in system.network.values()), default=0.0)
    compute = np.asarray(flops * system.compute.energy)
    memory = np.asarray(traffic * system.main_memory.energy)
    network = np.asarray(sent * link)
    idle = np.asarray(system.idle_power * time)
    active = compute + memory + network
    room = np.maximum(0.0, system.power * time - idle)
    share = np.minimum(1.0, room / np.maximum(active, 1e-300))
    return Energy(compute * share, memory * share, network * share, idle)
