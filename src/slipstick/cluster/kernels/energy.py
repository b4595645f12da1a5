"""Energy of one device [J]: operations, bytes and messages times their unit energies, and its powers times time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.cluster.kernels.device_power import _PowerModel
from slipstick.core.arrays import FloatArray
from slipstick.core.device_kinds import Accelerator
from slipstick.core.system import System
from slipstick.tech import operation_energy


@dataclass(frozen=True)
class _DeviceEnergy:
    """Energy of one device over one step [J], by part.

    Attributes
    ----------
    parts : by what spends it: compute and memory; network, chip (clocks, caches, instructions) and idle where known.
    hosts : its share of hosts, network and fans, outside `parts`; None where their power is unknown.
    note : remark on what was derived from the power limit, or is missing; empty if nothing.
    """

    parts: dict[str, FloatArray]
    hosts: FloatArray | None
    note: str = ""

    @property
    def total(self) -> FloatArray:
        """Total energy of the known parts [J], without hosts."""
        return np.asarray(sum(self.parts.values()))

    @property
    def drawn(self) -> FloatArray:
        """Total energy with hosts, where their power is known [J]: what the electricity meter of a rack counts."""
        return self.total if self.hosts is None else self.total + self.hosts

    @property
    def scope(self) -> str:
        """Remark on what the total covers, with what was derived."""
        hosts = "devices; of their hosts unknown" if self.hosts is None else "devices and their share of hosts"
        return f"{hosts}; {self.note}" if self.note else hosts

    @classmethod
    def of(
        cls, system: System, format: str, time: FloatArray, flops: FloatArray, traffic: FloatArray, sent: FloatArray
    ) -> _DeviceEnergy | None:
        """Return the energy of a device that computes `flops`, moves `traffic` [B] and sends `sent` [B] in `time` [s].

        ``E = min(L t, I t + c (L - I) t + e_op F + e_byte D + e_link S)`` with the limit L and the idle power I; the
        share c of clocks, instruction issue, registers and caches is that of data/power (ours, calibrated there).

        An operation in another `format` than bf16 costs as much less as the device is faster in it: its matrix units
        draw about the same power in every format that they were built for. Messages are charged at the innermost tier,
        where tensor parallelism keeps nearly all of them.

        The device's limit holds: what would exceed its thermal design power is cut in proportion, because its clock
        falls instead (and the measured kernel times already contain that).

        None where neither the limit nor the energies of an operation and of a byte are known. A part of the network or
        of idle power that is unknown is left out.
        """
        power = _PowerModel.of(system)
        if power is None:
            return None
        matrix = system.device_as(Accelerator).matrix
        active = {
            "compute": np.asarray(flops * operation_energy(power.operation, matrix, format)),
            "memory": np.asarray(traffic * power.byte),
        }
        if power.sent is not None:
            active["network"] = np.asarray(sent * power.sent)
        if power.limit:
            active["chip"] = np.asarray(power.chip * time)
        idle = {} if power.idle is None else {"idle": np.asarray(power.idle * time)}
        share = _under_limit(power.limit, time, np.asarray(sum(active.values())), idle.get("idle", 0.0))
        hosts = None if system.overhead_power is None else np.asarray(system.overhead_power * time)
        return cls({**{name: joules * share for name, joules in active.items()}, **idle}, hosts, power.note)


def _under_limit(limit: float | None, time: FloatArray, active: FloatArray, idle: FloatArray | float) -> FloatArray:
    """Return the share of the `active` joules that the power limit [W] allows in `time`; all if it is unknown."""
    if limit is None:
        return np.ones_like(active)
    room = np.maximum(0.0, limit * time - idle)
    return np.asarray(np.minimum(1.0, room / np.maximum(active, 1e-300)))
