"""System: what computes the workload. One device's parts, how many devices, and the network that joins them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from slipstick.core import units
from slipstick.core.spec import Spec


class Compute(Spec):
    """The compute units of one device: dense peak rates, a multiply-accumulate counted as two operations."""

    cores: int = Field(gt=0)  # streaming multiprocessors, compute units, tensor cores: what a tile is scheduled on
    clock: units.Hertz
    matrix: dict[str, units.OperationsPerSecond]  # number format -> dense rate of the matrix units
    vector: dict[str, units.OperationsPerSecond]  # number format -> rate of the vector units
    energy: units.JoulesPerOperation = 0.0  # of one bf16 operation in the matrix units, without memory; 0 if unknown


class Memory(Spec):
    """One level of memory of one device."""

    capacity: units.Bytes
    bandwidth: units.BytesPerSecond | None = None  # None where nobody publishes it: kernel constants say what to use
    technology: str = ""
    latency: units.Seconds = 0.0
    energy: units.JoulesPerByte = 0.0


class Tier(Spec):
    """One level of the network: the devices that it joins, and one device's share of it."""

    technology: str  # names the link constants in data/collectives
    domain: int | None = Field(default=None, gt=0)  # devices joined, inner tiers included; None: all of the system
    bandwidth: units.BytesPerSecond  # one way, for each device
    energy: units.JoulesPerByte = 0.0


Dataflow = Literal["os", "ws", "is"]
Element = Literal["single-shift", "double-shift", "serial", "bit-fusion", "parallel"]
SRAMS = ("inputs", "weights", "outputs")  # the memories that an array reads and writes, by name


class Array(Spec):
    """A systolic array of processing elements: what a device computes with that has no other compute units.

    The names of dataflows and elements are explained in `slipstick.array.systolic` and `slipstick.array.bit_serial`.
    """

    rows: int = Field(gt=0, le=2**16)
    columns: int = Field(gt=0, le=2**16)
    dataflow: Dataflow = "os"  # what stays in the elements: outputs, weights or inputs
    element: Element
    group: int = Field(default=1, gt=0, le=2**10)  # weights that an element takes in at a time: its lanes
    overlap: bool = False  # the next fold enters while the last leaves; false: one after the other, as SCALE-Sim counts


class Calibration(Spec):
    """What measured rows say of a system: rates reached, over those that the model takes from its constants."""

    matmul: float = Field(default=1.0, gt=0)  # rate of the matrix units
    memory: float = Field(default=1.0, gt=0)  # bandwidth of the main memory
    network: float = Field(default=1.0, gt=0)  # bandwidth of every network tier
    source: str = ""


class System(Spec):
    """A machine: `devices` equal devices joined by `network`, the innermost tier first.

    Examples
    --------
    >>> gpu = System(
    ...     name="one", generation="generic", devices=1, power="300 W",
    ...     compute={"cores": 80, "clock": "1.5 GHz",
    ...              "matrix": {"fp16": "125 TFLOP/s"}, "vector": {"fp32": "15 TFLOP/s"}},
    ...     memory={"hbm": {"capacity": "32 GiB", "bandwidth": "900 GB/s"}},
    ... )
    >>> gpu.main_memory.bandwidth
    900000000000.0
    """

    name: str
    aliases: tuple[str, ...] = ()
    vendor: str = ""
    year: int | None = None
    generation: str = "generic"  # names the kernel constants in data/kernels
    devices: int = Field(default=1, gt=0)
    compute: Compute
    array: Array | None = None  # a device that is a systolic array, in place of the rates of `compute`
    memory: dict[str, Memory]
    host: Memory | None = None  # the host's memory as one device reaches it: for offloading
    network: dict[str, Tier] = Field(default_factory=dict)
    topology: str = ""  # how the devices are wired, link by link: a name in data/topologies, or a YAML file
    power: units.Watts  # of one device at full load (thermal design power), its share of the host excluded
    idle_power: units.Watts = 0.0
    overhead_power: units.Watts = 0.0  # host, network and cooling, for each device
    price: units.Dollars = 0.0  # of one device; 0 where no price is known
    rent: units.Dollars = 0.0  # for an hour of one device; 0: derived from the price
    area: units.SquareMetres | None = None
    calibration: Calibration = Calibration()  # written by `slipstick calibrate`
    node: str = ""  # technology node, a name in data/tech
    source: str = ""
    sources: dict[str, str] = Field(default_factory=dict)  # dotted path of a leaf -> its own source
    note: str = ""

    @model_validator(mode="after")
    def _levels_grow(self) -> System:
        if not self.memory:
            raise ValueError("a system needs at least one memory")
        absent = [name for name in SRAMS if name not in self.memory] if self.array else []
        if absent:
            raise ValueError(f"an array needs a memory for each of its operands: {', '.join(absent)} missing")
        if self.array and self.main_memory_name in SRAMS:
            raise ValueError("an array needs a main memory beside those of its operands, the largest of all")
        sizes = [tier.domain for tier in self.network.values() if tier.domain is not None]
        if sizes != sorted(sizes):
            raise ValueError("network tiers must be listed from the innermost (smallest domain) outwards")
        return self

    @property
    def kind(self) -> str:
        """Kind of device, as the table of engines names it: ``accelerator`` or ``array``."""
        return "array" if self.array else "accelerator"

    @property
    def main_memory(self) -> Memory:
        """The device's largest memory: where weights live."""
        return max(self.memory.values(), key=lambda memory: memory.capacity)

    @property
    def main_memory_name(self) -> str:
        """The name of `main_memory`, as dotted paths use it."""
        return max(self.memory, key=lambda name: self.memory[name].capacity)

    def scaled(self, devices: int) -> System:
        """Return the same system with another number of devices."""
        return self.model_copy(update={"devices": devices})

    def source_of(self, path: str) -> str:
        """Return where the number at a dotted path comes from."""
        return self.sources.get(path, self.source)
