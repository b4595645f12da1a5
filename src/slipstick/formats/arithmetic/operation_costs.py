"""Energy and area of single arithmetic operations and of the elements that are made of them, at 45 nm."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from slipstick.core import units
from slipstick.core.catalogue import DATA
from slipstick.core.device_kinds import Element
from slipstick.core.files import load_yaml

_OPERATIONS = DATA / "formats" / "operations.yaml"
_PARTS = DATA / "array" / "energy.yaml"
_ACTIVATION_BITS = 8


@functools.cache
def operation_energy(name: str) -> tuple[float, str]:
    """Return (joules, source) of one arithmetic operation of ``data/formats/operations.yaml``."""
    row: dict[str, Any] = load_yaml(_OPERATIONS)[name]
    return units.parse(f"{row['value']} {row['unit']}", "J"), str(row["source"])


@functools.cache
def _part_area(name: str) -> float:
    """Return the area [m2] of one part of an element (an adder, a gate) of ``data/array/energy.yaml``."""
    row: dict[str, Any] = load_yaml(_PARTS)["area"][name]
    return units.parse(f"{row['value']} {row['unit']}", "m2")


def element_parts(element: Element, lanes: int) -> Mapping[str, float]:
    """Return the numbers of gates, adders, shifters and multipliers in one processing element, without registers.

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


def multiplier_area(element: Element) -> float:
    """Return the area [m2] of an element of one lane without its registers."""
    return sum(count * _part_area(name) for name, count in element_parts(element, 1).items())
