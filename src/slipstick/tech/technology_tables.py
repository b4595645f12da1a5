"""The technology tables of data/tech: logic nodes and their scaling, DRAM and link generations, as SI floats."""

from __future__ import annotations

from pydantic import Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.spec import Spec


class Law(Spec):
    """Voltage law of logic: power P ~ V^2 f, clock f ~ (V - Vt)^2 / V (DeepFlow, arXiv 2211.03309)."""

    voltage: units.Volts = Field(description="Nominal supply voltage")
    threshold: units.Volts = Field(description="Threshold voltage of the transistors")
    margin: units.Volts = Field(description="Least distance of the supply voltage from the threshold")
    ceiling: units.Volts = Field(description="Highest supply voltage")


class _Floorplan(Spec):
    """Floorplan of a die: area shares of cores and cache, and the cores' share of the device's power."""

    cores: units.Share = Field(description="Share of the area that cores take")
    cache: units.Share = Field(description="Share of the area that cache takes")
    power: units.Share = Field(description="Share of the device's power that cores take where energies are unknown")


class _Scaling(Entry):
    """Laws that hold for logic of every node: the voltage law, and the division of a die."""

    law: Law = Field(description="Voltage law of logic")
    floorplan: _Floorplan = Field(description="Division of one die; memory and link interfaces do not shrink")


class LogicNode(Entry):
    """Logic node: area, power and clock relative to 7 nm; its name is the foundries', not a length."""

    area: units.Ratio = Field(description="Area of the same logic, over that at 7 nm")
    power: units.Ratio = Field(description="Power of the same logic at the same clock, over that at 7 nm")
    frequency: units.Ratio = Field(description="Clock at nominal voltage, over that at 7 nm")
    sram: units.Ratio = Field(description="Area of one bit of SRAM, over that at 7 nm")
    energy: units.JoulesPerOperation = Field(
        description="Energy of one dense bf16 operation in the matrix units, with registers, memories and clock"
    )


class DramGeneration(Entry):
    """One stack (HBM) or package (GDDR) of DRAM beside an accelerator."""

    bandwidth: units.BytesPerSecond = Field(description="Bandwidth of one stack or package")
    capacity: units.Bytes = Field(description="Capacity of one stack or package")
    energy: units.JoulesPerByte = Field(description="Energy of DRAM and interface together")
    device: units.BytesPerSecond | None = Field(
        default=None, description="Bandwidth that arXiv 2407.14645 gives a whole device, if it names this generation"
    )


class NetworkGeneration(Entry):
    """Network generation: bandwidth and properties of one device's links."""

    technology: str = Field(description="Link technology whose constants hold (slipstick list collectives)")
    replaces: str = Field(description="Tier that it can stand for: scale-up inside a node, scale-out between nodes")
    bandwidth: units.BytesPerSecond = Field(description="Bandwidth of all links of a device, one way")
    energy: units.JoulesPerByte = Field(description="Energy of sending")


scaling = Catalogue(_Scaling, "tech/scaling", noun="law of scaling")
nodes = Catalogue(LogicNode, "tech/logic.yaml", group="nodes", noun="technology node")
dram_generations = Catalogue(DramGeneration, "tech/dram.yaml", group="generations", noun="DRAM generation")
network_generations = Catalogue(NetworkGeneration, "tech/network.yaml", group="generations", noun="network generation")
