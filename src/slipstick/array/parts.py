"""Energy and area of an array's parts: the table of data/array/energy.yaml, and the events that it is multiplied by.

The energy of a layer is linear in the coefficients, sum of e_i n_i, so that nothing is counted again when one changes.
"""

from __future__ import annotations

import numpy as np

from slipstick.core import units
from slipstick.core.device_kinds import Array, Element
from slipstick.formats.arithmetic.operation_costs import ArrayParts, array_parts, element_parts

Events = dict[str, float]

_BITS, _SUM = 8, 32  # bits of an activation, and of an accumulator
_ACCESS = 8  # bytes of the access that the table gives


def _table() -> ArrayParts:
    return array_parts.entry("energy")


def _node_factor(node: str) -> float:
    """Return the energy of logic at a node over that of the table's node: data/tech, where both are.

    Errors
    ------
    SlipstickError for a node that data/tech does not have, or has no ratio to the table's node for.
    """
    own = _table().node
    if node in ("", own):
        return 1.0
    from slipstick.tech.technology_tables import nodes

    return nodes.entry(node).power / nodes.entry(own).power


def _energies(node: str = "") -> dict[str, float]:
    """Return the energy per event [J] by the event's name; ``dram`` is per bit.

    Examples
    --------
    >>> _energies()["add8"]
    3e-14
    """
    factor = _node_factor(node)
    return {name: value * (1.0 if name == "dram" else factor) for name, value in _table().energy.items()}


def _sram_energy(capacity: float, node: str = "") -> float:
    """Return the energy of one byte of a memory of `capacity` bytes [J/B], in accesses of 64 bits.

    Examples
    --------
    >>> round(_sram_energy(32 * 1024) * 1e12, 6)
    2.5
    """
    rows = _table().sram
    sizes = np.log([units.parse(size, "B") for size in rows])
    spent = np.log(list(rows.values()))
    return float(np.exp(np.interp(np.log(max(capacity, 1.0)), sizes, spent))) / _ACCESS * _node_factor(node)


def _element_events(element: Element, group: int, steps: float, cycles: float, shifts: float, bits: float) -> Events:
    """Return the events inside the elements of an array while it computes a layer: how often each part works.

    A group's activations are gated by the bits of one position, summed by a tree, shifted and accumulated. A
    double-shift element does so for two positions and adds one accumulation. A serial element shifts its accumulator by
    one place, which is a wire; a parallel one multiplies.

    Parameters
    ----------
    group : lanes of an element.
    steps : groups that all elements take in.
    cycles : cycles in which an element is at work, over all elements.
    shifts : positions that all groups take, over all elements: what `cycles` would be with one position a cycle.
    bits : of weights that enter the elements.

    Source: the element of arXiv 2103.01308 as recollected; Judd et al. 2016; Sharma et al. 2018.
    """
    tree = {"and": group * _BITS * shifts, "add8": (group - 1) * shifts}
    inside: dict[Element, Events] = {
        "single-shift": {**tree, "shift": shifts, "add32": cycles},
        "double-shift": {**tree, "shift": shifts, "add16": cycles, "add32": cycles},
        "serial": {**tree, "add32": cycles},
        "bit-fusion": {"multiply2": group * cycles, "add8": (group - 1) * cycles, "shift": cycles, "add32": cycles},
        "parallel": {"multiply8": group * cycles, "add16": (group - 1) * cycles, "add32": cycles},
    }
    registers = steps * group * _BITS + bits + cycles * _SUM  # activations and weights pass on, sums are rewritten
    return {**inside[element], "register": registers}


def _element_area(array: Array, node: str = "") -> dict[str, float]:
    """Return the area of one element by part [m2]; memories and the array's edges are not in it.

    Errors
    ------
    SlipstickError for another node than the table's.

    Examples
    --------
    >>> small, large = (Array(clock=5e8, rows=8, columns=8, element=e, group=4) for e in ("single-shift", "parallel"))
    >>> sum(_element_area(small).values()) < sum(_element_area(large).values())
    True
    """
    weight_bits = {"single-shift": 2, "double-shift": 3, "serial": 1, "bit-fusion": 2, "parallel": _BITS}[array.element]
    parts = element_parts(array.element, array.group)
    counts = {**parts, "register": array.group * (_BITS + weight_bits) + _SUM}
    table, factor = _table().area, _area_factor(node)
    return {name: count * factor * table[name] for name, count in counts.items()}


def _area_factor(node: str) -> float:
    own = _table().node
    if node in ("", own):
        return 1.0
    from slipstick.tech.technology_tables import nodes

    return nodes.entry(node).area / nodes.entry(own).area
