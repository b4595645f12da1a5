"""Energy and area of single arithmetic operations, and of the processing elements built from them, at 45 nm."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.device_kinds import Element

_ACTIVATION_BITS = 8


class _OperationCost(Entry):
    """Cost of one arithmetic operation of a number format, without memory."""

    energy: units.Joules = Field(description="Energy of one operation at 45 nm and 0.9 V")


class ArrayParts(Entry):
    """Energy and area of the components of an array, at one technology node."""

    node: str = Field(description="Technology node at which the table holds")
    energy: dict[str, units.Joules] = Field(description="Energy of one event; dram: of one bit")
    sram: dict[str, units.Joules] = Field(
        description="Energy of one access of 64 bits, by the size of the memory; between the sizes by powers"
    )
    area: dict[str, units.SquareMetres] = Field(description="Area of one part; register: of one bit")


operation_costs = Catalogue(_OperationCost, "formats/operations.yaml", noun="arithmetic operation")
array_parts = Catalogue(ArrayParts, "array", noun="table of array parts")


def _operation_energy(name: str) -> tuple[float, str]:
    """Return (joules, source) of one arithmetic operation of ``data/formats/operations.yaml``."""
    cost = operation_costs.entry(name)
    return cost.energy, cost.sources["energy"]


def element_parts(element: Element, lanes: int) -> Mapping[str, float]:
    """Return the numbers of gates, adders, shifters and multipliers per processing element, without registers.

    Parameters
    ----------
    lanes : weights that the element multiplies at a time.

    Sources: Li et al., arXiv 2103.01308, as recollected; Judd et al., MICRO 2016; Sharma et al., ISCA 2018.
    """
    parts: dict[Element, Mapping[str, float]] = {
        "single-shift": {"and": lanes * _ACTIVATION_BITS, "add8": lanes - 1, "shift": 1, "add32": 1},
        "double-shift": {
            "and": 2 * lanes * _ACTIVATION_BITS, "add8": 2 * (lanes - 1), "shift": 2, "add16": 1, "add32": 1,
        },
        "serial": {"and": lanes * _ACTIVATION_BITS, "add8": lanes - 1, "add32": 1},
        "bit-fusion": {"multiply2": lanes, "add8": lanes - 1, "shift": 1, "add32": 1},
        "parallel": {"multiply8": lanes, "add16": lanes - 1, "add32": 1},
    }  # fmt: skip
    return parts[element]


def _multiplier_area(element: Element) -> float:
    """Return the area [m2] of a single-lane processing element, without its registers."""
    area = array_parts.entry("energy").area
    return sum(count * area[name] for name, count in element_parts(element, 1).items())
