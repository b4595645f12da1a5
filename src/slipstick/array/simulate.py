"""The SWIS array, processing element by processing element and cycle by cycle, on whole numbers.

Output stationary: activations enter each row from the left and move one element to the right a cycle, masks, signs and
positions of a filter enter its column from the top and move down. An element ANDs a group's activations with the masks
of one shared position (two for a double-shift element), adds them up, shifts once and accumulates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slipstick.array.bit_serial import group_cycles
from slipstick.core.errors import SlipstickError
from slipstick.core.system import Element

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BitWeights:
    """Weights as the array reads them.

    `signs` [filters, groups, M] is 1 or -1, `masks` [filters, groups, M] has bit j where the j-th shared position is
    used, `positions` [filters, groups, N] are the shared positions; `shifts` [filters] of them count, the others are 0.
    """

    signs: IntArray
    masks: IntArray
    positions: IntArray
    shifts: IntArray


@dataclass(frozen=True, eq=False)
class Simulated:
    """What the array wrote, [pixels, filters], and the number of its last cycle, counted from 0."""

    outputs: IntArray
    cycles: int


def simulate(activations: IntArray, weights: BitWeights, rows: int, columns: int, element: Element) -> Simulated:
    """Run a layer of `activations` [pixels, groups, M] on an array of `rows` by `columns` elements.

    Errors
    ------
    SlipstickError for an element that is no SWIS element.
    """
    if element not in ("single-shift", "double-shift"):
        raise SlipstickError(
            "not a SWIS element", path="array.element", value=element, allowed=["single-shift", "double-shift"]
        )
    pixels, filters = activations.shape[0], weights.signs.shape[0]
    outputs, cycles = np.zeros((pixels, filters), np.int64), 0
    for left in range(0, filters, columns):
        chosen = slice(left, min(left + columns, filters))
        part = BitWeights(
            weights.signs[chosen], weights.masks[chosen], weights.positions[chosen], weights.shifts[chosen]
        )
        lockstep = int(group_cycles(part.shifts, element).max())
        for top in range(0, pixels, rows):
            block = slice(top, min(top + rows, pixels))
            outputs[block, chosen], took = _fold(activations[block], part, rows, columns, lockstep, element)
            cycles += took
    return Simulated(outputs, cycles - 1)


def _fold(
    activations: IntArray, weights: BitWeights, rows: int, columns: int, lockstep: int, element: Element
) -> tuple[IntArray, int]:
    """Return the sums of one fold and its cycles, the last element's last accumulation and its way out included."""
    high, groups, _ = activations.shape
    wide = len(weights.shifts)
    sums = np.zeros((high, wide), np.int64)
    steps = groups * lockstep
    taken = 0
    for cycle in range(steps + rows + columns - 2):  # elements that no pixel or filter uses delay the way out as well
        for row in range(high):
            for column in range(wide):
                step = cycle - row - column  # what entered so many cycles ago is here now
                if 0 <= step < steps:
                    group, phase = divmod(step, lockstep)
                    sums[row, column] += _element(activations[row, group], weights, column, group, phase, element)
        taken += 1
    return sums, taken


def _element(activations: IntArray, weights: BitWeights, filter_: int, group: int, phase: int, element: Element) -> int:
    """Return what one element adds in one cycle."""
    lanes = 2 if element == "double-shift" else 1
    total = 0
    for lane in range(lanes):
        place = phase * lanes + lane
        if place >= weights.shifts[filter_]:
            continue
        gate = weights.masks[filter_, group] >> place & 1
        partial = int((activations * weights.signs[filter_, group] * gate).sum())  # AND, sign, adder tree
        total += partial << int(weights.positions[filter_, group, place])
    return total
