"""The technology tables of data/tech: logic nodes, DRAM generations, network generations, as SI floats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from slipstick.core import units
from slipstick.core.catalogue import DATA
from slipstick.core.errors import SlipstickError
from slipstick.core.files import load_yaml

Row = TypeVar("Row")


@dataclass(frozen=True)
class Law:
    """How voltage, clock and power of logic hang together [V]: nominal, threshold, margin above it, ceiling."""

    voltage: float
    threshold: float
    margin: float
    ceiling: float


@dataclass(frozen=True)
class Floorplan:
    """Shares of a die's area that cores and cache take, and of a device's power that the cores take."""

    cores: float
    cache: float
    power: float


@dataclass(frozen=True)
class Node:
    """One logic node, against 7 nm: area and power of the same logic, nominal clock, area of an SRAM bit.

    `energy` is that of one bf16 operation in the matrix units [J].
    """

    name: str
    area: float
    power: float
    frequency: float
    sram: float
    energy: float


@dataclass(frozen=True)
class DramGeneration:
    """One stack (HBM) or package (GDDR): bandwidth [B/s], capacity [B], energy [J/B].

    `device` is what arXiv 2407.14645 gives a whole device [B/s], if it names this generation.
    """

    name: str
    bandwidth: float
    capacity: float
    energy: float
    device: float | None


@dataclass(frozen=True)
class NetworkGeneration:
    """Links of one device: the technology of their constants, the tier they replace, bandwidth one way, energy."""

    name: str
    technology: str
    replaces: str
    bandwidth: float
    energy: float


def nodes() -> dict[str, Node]:
    """Return every logic node by name, the oldest first.

    Examples
    --------
    >>> nodes()["5nm"].area < nodes()["7nm"].area == 1.0
    True
    """
    return dict(_nodes())


def dram_generations() -> dict[str, DramGeneration]:
    """Return every DRAM generation by name, GDDR first.

    Examples
    --------
    >>> dram_generations()["hbm4"].bandwidth
    2048000000000.0
    """
    return dict(_dram())


def network_generations() -> dict[str, NetworkGeneration]:
    """Return every generation of links by name.

    Examples
    --------
    >>> network_generations()["ndr"].bandwidth
    50000000000.0
    """
    return dict(_network())


def node(name: str) -> Node:
    """Return the logic node of a name, or raise SlipstickError with those there are."""
    return _find(_nodes(), name, "technology node")


def dram_generation(name: str) -> DramGeneration:
    """Return the DRAM generation of a name, or raise SlipstickError with those there are."""
    return _find(_dram(), name, "DRAM generation")


def network_generation(name: str) -> NetworkGeneration:
    """Return the generation of links of a name, or raise SlipstickError with those there are."""
    return _find(_network(), name, "network generation")


@cache
def law() -> Law:
    """Return the constants of the voltage law."""
    return Law(**{key: _si(leaf, "V") for key, leaf in _table("logic")["law"].items()})


@cache
def floorplan() -> Floorplan:
    """Return the shares of a die."""
    return Floorplan(**{key: _si(leaf, "fraction") for key, leaf in _table("logic")["floorplan"].items()})


@cache
def _nodes() -> Mapping[str, Node]:
    wanted = {"area": "1", "power": "1", "frequency": "1", "sram": "1", "energy": "J/FLOP"}
    return {
        name: Node(name=name, **{key: _si(row[key], unit) for key, unit in wanted.items()})
        for name, row in _table("logic")["nodes"].items()
    }


@cache
def _dram() -> Mapping[str, DramGeneration]:
    wanted = {"bandwidth": "B/s", "capacity": "B", "energy": "J/B"}
    return {
        name: DramGeneration(
            name=name,
            device=_si(row["device"], "B/s") if "device" in row else None,
            **{key: _si(row[key], unit) for key, unit in wanted.items()},
        )
        for name, row in _table("dram")["generations"].items()
    }


@cache
def _network() -> Mapping[str, NetworkGeneration]:
    return {
        name: NetworkGeneration(
            name=name,
            technology=str(row["technology"]["value"]),
            replaces=str(row["replaces"]["value"]),
            bandwidth=_si(row["bandwidth"], "B/s"),
            energy=_si(row["energy"], "J/B"),
        )
        for name, row in _table("network")["generations"].items()
    }


def _table(name: str) -> dict[str, Any]:
    found: dict[str, Any] = load_yaml(DATA / "tech" / f"{name}.yaml")
    return found


def _si(leaf: Mapping[str, Any], unit: str) -> float:
    return units.parse(leaf["value"] if unit == "1" else f"{leaf['value']} {leaf['unit']}", unit)


def _find(table: Mapping[str, Row], name: str, noun: str) -> Row:
    wanted = "".join(name.split()).casefold()  # "3 nm" is 3nm
    for key, row in table.items():
        if key.casefold() == wanted:
            return row
    raise SlipstickError(f"no such {noun}", value=name, allowed=list(table))
