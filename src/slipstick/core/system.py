"""System: the machine that runs a workload: a kind of device with its memories, their number, and their network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import Field, model_validator

from slipstick.core import units
from slipstick.core.device import AnyDevice, Device
from slipstick.core.device_kinds import Accelerator, Array, Host
from slipstick.core.errors import SlipstickError
from slipstick.core.site import Reliability, Site
from slipstick.core.spec import Spec

D = TypeVar("D", bound=Device)


class Memory(Spec):
    """One level of the memory hierarchy of one device: capacity [B] and bandwidth [B/s]."""

    capacity: units.Bytes = Field(description="Bytes that it holds")
    bandwidth: units.BytesPerSecond | None = Field(
        default=None, description="Peak bandwidth; unknown: the kernel constants say what to use"
    )
    technology: str = Field(default="", description="DRAM generation, a name in data/tech (slipstick list tech)")
    latency: units.Seconds | None = Field(default=None, description="Latency of one access")
    energy: units.JoulesPerByte | None = Field(default=None, description="Energy of one byte read or written")


class Tier(Spec):
    """One level of the network: the number of devices that it joins, and its bandwidth per device."""

    technology: str = Field(
        description="Kind of link, whose measured latencies are in data/collectives (slipstick list collectives)"
    )
    domain: int | None = Field(
        default=None, gt=0, description="Devices that it joins, those of inner tiers included; null: all of the system"
    )
    bandwidth: units.BytesPerSecond = Field(description="Bandwidth one way, for each device")
    energy: units.JoulesPerByte | None = Field(default=None, description="Energy of one byte sent")


class Calibration(Spec):
    """Calibration factors fitted to measurements: reached rates over the rates that the model assumes."""

    matmul: float = Field(default=1.0, gt=0, description="Ratio of the matrix units' rate")
    memory: float = Field(default=1.0, gt=0, description="Ratio of the main memory's bandwidth")
    network: float = Field(default=1.0, gt=0, description="Ratio of the bandwidth of every network tier")
    source: str = Field(default="", description="File of measured rows that the ratios were fitted to")


class System(Spec):
    """A machine: `devices` equal devices joined by `network`, the innermost tier first; an unknown value is None.

    Examples
    --------
    >>> gpu = System(
    ...     name="one", power="300 W",
    ...     device={"kind": "accelerator", "cores": 80, "clock": "1.5 GHz",
    ...             "matrix": {"fp16": "125 TFLOP/s"}, "vector": {"fp32": "15 TFLOP/s"}},
    ...     memory={"hbm": {"capacity": "32 GiB", "bandwidth": "900 GB/s"}},
    ... )
    >>> gpu.main_memory.bandwidth, gpu.price
    (900000000000.0, None)
    """

    name: str = Field(description="Name, as the catalogue and reports call the system")
    aliases: tuple[str, ...] = Field(default=(), description="Other names of the same system")
    vendor: str = Field(default="", description="Company that makes the device")
    year: int | None = Field(default=None, description="Year of the device's release")
    generation: str = Field(
        default="generic", description="Measured kernel efficiencies, a name in data/kernels (slipstick list kernels)"
    )
    devices: int = Field(default=1, gt=0, description="Number of devices")
    device: AnyDevice = Field(description="Computing device, all alike; its `kind` says what other fields there are")
    memory: dict[str, Memory] = Field(description="Memories of one device by name; weights live in the largest")
    host: Memory | None = Field(default=None, description="Host's memory as one device reaches it, for offloading")
    network: dict[str, Tier] = Field(
        default_factory=dict, description="Network tiers by name, from the innermost outwards"
    )
    topology: str = Field(
        default="", description="Wiring of the devices, link by link: a name in data/topologies, or a YAML file"
    )
    power: units.PositiveWatts | None = Field(
        default=None, description="Power limit (thermal design power) of one device, its share of the host excluded"
    )
    idle_power: units.Watts | None = Field(default=None, description="Power of one device without work")
    overhead_power: units.Watts | None = Field(
        default=None, description="Power of host, network and fans, for each device; cooling of the building is its PUE"
    )
    price: units.Dollars | None = Field(default=None, description="Purchase price of one device")
    rent: units.DollarsPerHour | None = Field(
        default=None, description="Rent of one device for an hour; unknown: derived from the price"
    )
    site: Site = Field(default=Site(), description="Prices, carbon and cooling of the building")
    reliability: Reliability = Field(default=Reliability(), description="Failures and checkpoints of a long run")
    area: units.SquareMetres | None = Field(default=None, description="Die area of one device")
    calibration: Calibration = Field(
        default=Calibration(), description="Ratios fitted to measured rows by slipstick calibrate"
    )
    node: str = Field(default="", description="Technology node, a name in data/tech (slipstick list tech)")
    source: str = Field(default="", description="Source of every number that has none of its own")
    sources: dict[str, str] = Field(default_factory=dict, description="Sources of single numbers, by dotted path")
    note: str = Field(default="", description="Remark for the reader")

    @model_validator(mode="before")
    @classmethod
    def _say_what_was_renamed(cls, data: Any) -> Any:
        renamed: dict[str, type[Device]] = {"compute": Accelerator, "array": Array}
        for group, kind in renamed.items() if isinstance(data, Mapping) else ():
            if group in data:
                fields = ", ".join(f"{name}: ..." for name in kind.model_fields if name != "kind")
                name = kind.model_fields["kind"].default
                raise ValueError(f"`{group}:` is now written `device: {{kind: {name}, {fields}}}`")
        return data

    @model_validator(mode="after")
    def _parts_fit_together(self) -> System:
        if self.device.stated and not self.memory:
            raise ValueError("a system needs at least one memory")
        missing = "; ".join(self.device.check(self))
        if missing:
            raise ValueError(missing)
        if self.power is not None and self.idle_power is not None and self.idle_power > self.power:
            raise ValueError(f"idle_power ({self.idle_power:g} W) is above power ({self.power:g} W)")
        sizes = [tier.domain for tier in self.network.values() if tier.domain is not None]
        if sizes != sorted(sizes):
            raise ValueError("network tiers must be listed from the innermost (smallest domain) outwards")
        return self

    def device_as(self, kind: type[D]) -> D:
        """Return the device if it is of a kind such as `Accelerator`, typed so that its fields can be read.

        Errors
        ------
        SlipstickError if the device is of another kind.

        Examples
        --------
        >>> from slipstick.core.catalogue import resolve_system
        >>> resolve_system("swis-8x8").device_as(Array).rows
        8
        """
        if isinstance(self.device, kind):
            return self.device
        expected_kind = kind.model_fields["kind"].default
        raise SlipstickError(
            f"{self.name} is no {expected_kind}", path="system.device.kind", value=self.device.kind,
            allowed=[str(expected_kind)],
        )  # fmt: skip

    @property
    def main_memory(self) -> Memory:
        """The device's largest memory, which holds the weights."""
        return max(self.memory.values(), key=lambda memory: memory.capacity)

    @property
    def main_memory_name(self) -> str:
        """The name of `main_memory`, as dotted paths use it."""
        return max(self.memory, key=lambda name: self.memory[name].capacity)

    def scaled(self, devices: int) -> System:
        """Return the same system with another number of devices."""
        return self.model_copy(update={"devices": devices})

    def source_of(self, path: str) -> str:
        """Return the source of the number at a dotted path: its own, or else that of the whole system."""
        return self.sources.get(path, self.source)


THIS_MACHINE = System(name="this machine", device=Host(), memory={}, source="nothing is stated of it")
