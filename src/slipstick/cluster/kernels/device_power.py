"""Power model of a device under load: energies of its work, and powers that it draws beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import Field

from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.device_kinds import Accelerator
from slipstick.core.system import Memory, System
from slipstick.report.metric import Finding
from slipstick.tech.technology_tables import dram_generations

_CHECK = "power_is_known"


class _PowerShares(Entry):
    """Shares of a device's power limit that stand for what its system does not state."""

    chip: float = Field(
        ge=0, le=1, description="Share of the limit less idle power that clocks, instruction issue, registers, caches "
        "and vector units draw while kernels run",
    )  # fmt: skip
    reach: float = Field(
        gt=0, le=1, description="Share of the limit that idle power, matrix units and main memory draw at full rates"
    )
    idle: float = Field(ge=0, lt=1, description="Share of the limit that an idle device draws")
    memory: float = Field(ge=0, lt=1, description="Share of the limit that main memory draws at its full bandwidth")


power_shares = Catalogue(_PowerShares, "power", noun="table of power shares")


@dataclass(frozen=True)
class _PowerModel:
    """Power model of one device: energies of work, and powers that are drawn as long as a step lasts.

    Attributes
    ----------
    operation, byte : of a bf16 operation of the matrix units, and of a byte of main memory [J].
    sent : of a byte on the innermost link [J]; None where unknown.
    chip : power of the rest of the chip while it runs [W]; 0 where the limit is unknown.
    idle, limit : power without work, and the most that it draws [W]; None where unknown.
    derived : names of what was derived from the limit, because the system does not state it.
    """

    operation: float
    byte: float
    sent: float | None
    chip: float
    idle: float | None
    limit: float | None
    derived: tuple[str, ...]

    @classmethod
    def of(cls, system: System) -> _PowerModel | None:
        """Return the power model of a system's device; None where neither its limit nor its energies are known.

        The energy of an operation is what the limit leaves for it at the full bf16 rate, beside idle power and main
        memory at full bandwidth: ``(reach L - I - B e_byte) / R``, the rule of data/systems.
        """
        device, shares, limit = system.device_as(Accelerator), power_shares.entry("shares"), system.power
        idle = shares.idle * limit if system.idle_power is None and limit else system.idle_power
        byte = _byte_energy(system.main_memory, shares, limit)
        operation = device.energy
        if operation is None and limit and byte is not None:
            left = shares.reach * limit - (idle or 0.0) - byte * (system.main_memory.bandwidth or 0.0)
            operation = max(0.0, left) / device.matrix.get("bf16", max(device.matrix.values()))
        if operation is None or byte is None or not (limit or operation or byte):
            return None
        sent = next((tier.energy for tier in system.network.values()), 0.0)
        chip = shares.chip * (limit - (idle or 0.0)) if limit else 0.0
        return cls(operation, byte, sent, chip, idle, limit, tuple(_derived(system)) if limit else ())

    @property
    def note(self) -> str:
        """Remark on what was derived, or is missing, for the reader of a report; empty if nothing."""
        remarks = [f"{' and '.join(self.derived)} derived from the power limit"] if self.derived else []
        if self.limit is None:
            remarks.append(f"without clocks and caches{'' if self.idle else ' and idle power'}: power limit unknown")
        return ", ".join(remarks)


def _byte_energy(memory: Memory, shares: _PowerShares, limit: float | None) -> float | None:
    """Return the energy of a byte of main memory [J]: stated, of its DRAM generation, or its share of the limit."""
    if memory.energy is not None:
        return memory.energy
    generation = dram_generations.get(memory.technology) if memory.technology else None
    if generation is not None:
        return generation.energy
    return shares.memory * limit / memory.bandwidth if limit and memory.bandwidth else None


def _derived(system: System) -> Iterator[str]:
    """Yield the names of the quantities that a system leaves to its power limit."""
    memory = system.main_memory
    if system.idle_power is None:
        yield "idle power"
    if system.device_as(Accelerator).energy is None:
        yield "energy of operations"
    if memory.energy is None and dram_generations.get(memory.technology or "-") is None:
        yield "energy of memory"


def _power_findings(system: System) -> tuple[Finding, ...]:
    """Return the finding that a system's power is unknown, with what would suffice; none where it is known.

    Examples
    --------
    >>> from slipstick.core.catalogue import resolve_system
    >>> ours = {"name": "ours", "base": "dgx-h100", "power": None, "device": {"energy": None}}
    >>> [finding.path for finding in _power_findings(resolve_system(ours))]
    ['system.power']
    """
    if _PowerModel.of(system) is not None:
        return ()
    message = "no energy, nor a cost from the price: neither the power limit of a device nor the energies of an "
    message += "operation and of a byte of main memory are known; system.power alone suffices, such as 700 W"
    return (Finding(_CHECK, message, "system.power"),)
