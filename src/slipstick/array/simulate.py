"""The SWIS array, processing element by processing element and cycle by cycle, on whole numbers.

Output stationary: activations enter each row from the left and move one element to the right a cycle, masks, signs and
positions of a filter enter its column from the top and move down. An element ANDs a group's activations with the masks
of one shared position (two for a double-shift element), adds them up, shifts once and accumulates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.array.bit_serial import group_cycles
from slipstick.core.arrays import IntArray
from slipstick.core.device_kinds import Element
from slipstick.core.errors import SlipstickError


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


def simulate(
    activations: IntArray, weights: BitWeights, rows: int, columns: int, element: Element, *, overlap: bool = False
) -> Simulated:
    """Run a layer of `activations` [pixels, groups, M] on an array of `rows` by `columns` elements.

    With `overlap`, the next fold enters behind the last one, and an element turns to it as soon as it is done.

    Errors
    ------
    SlipstickError for an element that is no SWIS element.
    """
    if element not in ("single-shift", "double-shift"):
        raise SlipstickError(
            "not a SWIS element", path="array.element", value=element, allowed=["single-shift", "double-shift"]
        )
    folds = _folds(activations, weights, rows, columns, element)
    outputs, cycles = np.zeros((activations.shape[0], weights.signs.shape[0]), np.int64), 0
    for some in [folds] if overlap else [[fold] for fold in folds]:
        cycles += _stream(activations, weights, some, outputs, rows + columns - 2, element)
    return Simulated(outputs, cycles - 1)


@dataclass(frozen=True)
class _Fold:
    """What the array works on at a time: its pixels, its filters, and the cycles of its slowest filter's group."""

    top: int
    high: int
    left: int
    wide: int
    lockstep: int


def _folds(activations: IntArray, weights: BitWeights, rows: int, columns: int, element: Element) -> list[_Fold]:
    pixels, filters = activations.shape[0], weights.signs.shape[0]
    each = group_cycles(weights.shifts, element)
    return [
        _Fold(top, min(rows, pixels - top), left, min(columns, filters - left), int(each[left : left + columns].max()))
        for left in range(0, filters, columns)
        for top in range(0, pixels, rows)
    ]


def _stream(
    activations: IntArray, weights: BitWeights, folds: list[_Fold], outputs: IntArray, delay: int, element: Element
) -> int:
    """Send folds through the array one behind the other, add to `outputs`, and return the cycles.

    `delay` is that of the last element: those that no pixel or filter uses delay the way out as well.
    """
    groups = activations.shape[1]
    ends = np.cumsum([groups * fold.lockstep for fold in folds])
    cycles = int(ends[-1]) + delay
    for cycle in range(cycles):
        for row in range(max(fold.high for fold in folds)):
            for column in range(max(fold.wide for fold in folds)):
                step = cycle - row - column  # what entered so many cycles ago is here now
                if not 0 <= step < ends[-1]:
                    continue
                fold = folds[int(np.searchsorted(ends, step, "right"))]
                if row >= fold.high or column >= fold.wide:
                    continue
                step -= int(ends[folds.index(fold)]) - groups * fold.lockstep
                group, phase = divmod(step, fold.lockstep)
                pixel, filter_ = fold.top + row, fold.left + column
                outputs[pixel, filter_] += _element(activations[pixel, group], weights, filter_, group, phase, element)
    return cycles


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
