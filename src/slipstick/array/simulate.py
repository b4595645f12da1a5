"""Bit-true simulation of a layer on the SWIS array, processing element by processing element and cycle by cycle.

Output stationary: activations enter each row from the left and move one element to the right a cycle, masks, signs and
positions of a filter enter its column from the top and move down. An element ANDs a group's activations with the masks
of one shared position (two for a double-shift element), adds them up, shifts once and accumulates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.array.format_steps import _array_arithmetic, _weight_steps
from slipstick.core.arrays import IntArray
from slipstick.core.device_kinds import Array, Element
from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.formats import format_of
from slipstick.formats.integer_rows import rows_of

_MAGNITUDE_BITS = 8
_LANES_A_CYCLE: dict[Element, int] = {"single-shift": 1, "double-shift": 2}  # positions that an element takes at once


@dataclass(frozen=True, eq=False)
class BitWeights:
    """Weights of one layer as signs, bit masks and shared shift positions, as the SWIS array reads them.

    `signs` [filters, groups, M] is 1 or -1, `masks` [filters, groups, M] has bit j where the j-th shared position is
    used, `positions` [filters, groups, N] are the shared positions; `shifts` [filters] of them count, the others are 0.
    """

    signs: IntArray
    masks: IntArray
    positions: IntArray
    shifts: IntArray


@dataclass(frozen=True, eq=False)
class SimulatedLayer:
    """Outputs of the array, [pixels, filters], and the number of its last cycle, counted from 0."""

    outputs: IntArray
    cycles: int


def _simulate_layer(activations: IntArray, weights: Encoded, array: Array) -> SimulatedLayer:
    """Return the exact integer outputs and the cycles of one layer, simulated on an array of SWIS elements.

    Multiply the outputs by the scales of inputs and weights for values. Filters run in the order in which they are
    encoded; `layer_pass` has the cycles in closed form.

    Parameters
    ----------
    activations : whole numbers [pixels, reduction], such as int8 codes less their zero point.
    weights : of every filter [filters, ...], as many as `reduction` each, in whole numbers.

    Errors
    ------
    SlipstickError for elements that are not SWIS elements, another dataflow than ``os``, weights that the elements make
    no use of, or of another size.

    Examples
    --------
    >>> array = Array(clock=5e8, rows=4, columns=4, group=4, element="single-shift")
    >>> weights = format_of("swis:3").encoding.encode(np.eye(8), {"scale": np.ones(8)})
    >>> layer = _simulate_layer(np.arange(16).reshape(2, 8), weights, array)
    >>> layer.outputs.tolist(), layer.cycles
    ([[0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 12, 13, 14, 15]], 23)
    """
    _check_simulated(array)
    reduction = rows_of(weights.shape)[1]
    if activations.ndim != 2 or activations.shape[1] != reduction:
        allowed = f"[pixels, {reduction}]"
        raise SlipstickError(
            "activations of another shape", path="activations", value=activations.shape, allowed=allowed
        )
    lanes = np.pad(activations, ((0, 0), (0, -reduction % array.group))).reshape(len(activations), -1, array.group)
    return simulate_bits(lanes, bit_weights(weights, array), array)


def bit_weights(weights: Encoded, array: Array) -> BitWeights:
    """Return encoded weights bit by bit, in groups of as many as an element has lanes, the last one filled with zeros.

    Errors
    ------
    SlipstickError for weights that the array's elements make no use of.
    """
    steps, used = _weight_steps(format_of(weights.encoding), array)
    if not used:
        path = "plan.formats.layers"
        raise SlipstickError(f"{array.element} elements make no use of it", path=path, value=weights.encoding.name)
    filters, reduction = rows_of(weights.shape)
    whole = weights.encoding.integers(weights).reshape(filters, reduction)
    groups = np.pad(whole, ((0, 0), (0, -reduction % array.group))).reshape(filters, -1, array.group)
    shifts = weights.side["shifts"].astype(np.int64) if "shifts" in weights.side else np.full(filters, steps)
    magnitudes = np.abs(groups)
    bits = np.bitwise_or.reduce(magnitudes, axis=2)[..., None] >> np.arange(_MAGNITUDE_BITS) & 1
    order = np.argsort(1 - bits, axis=2, kind="stable")[..., : int(shifts.max())]  # used positions first, ascending
    positions = np.where(np.take_along_axis(bits, order, axis=2) == 1, order, 0)
    counted = np.take_along_axis(bits, order, axis=2)
    masks = (magnitudes[..., None] >> positions[:, :, None, :] & counted[:, :, None, :]) << np.arange(order.shape[2])
    return BitWeights(np.where(groups < 0, -1, 1), masks.sum(axis=3), positions, shifts)


def simulate_bits(activations: IntArray, weights: BitWeights, array: Array) -> SimulatedLayer:
    """Return the outputs and cycles of a layer of `activations` [pixels, groups, M], simulated on bitwise weights.

    With `array.overlap`, the next fold enters behind the last one, and an element turns to it as soon as it is ready.

    Errors
    ------
    SlipstickError for elements that are not SWIS elements, or another dataflow than ``os``.
    """
    _check_simulated(array)
    folds = _folds(activations, weights, array)
    outputs, cycles = np.zeros((activations.shape[0], weights.signs.shape[0]), np.int64), 0
    for stream in [folds] if array.overlap else [[fold] for fold in folds]:
        cycles += _stream(activations, weights, stream, outputs, array)
    return SimulatedLayer(outputs, cycles - 1)


def _check_simulated(array: Array) -> None:
    """Raise SlipstickError unless the elements and the dataflow of an array are simulated."""
    if array.dataflow != "os":
        allowed = "os (output stationary)"
        raise SlipstickError("not simulated", path="system.device.dataflow", value=array.dataflow, allowed=allowed)
    if array.element not in _LANES_A_CYCLE:
        allowed = ", ".join(_LANES_A_CYCLE)
        raise SlipstickError("not a SWIS element", path="system.device.element", value=array.element, allowed=allowed)


@dataclass(frozen=True)
class _Fold:
    """Pixels and filters that the array works on at a time, and the cycles of its slowest filter's group."""

    top: int
    high: int
    left: int
    wide: int
    lockstep: int


def _folds(activations: IntArray, weights: BitWeights, array: Array) -> list[_Fold]:
    """Return the folds of a layer in the order in which they enter."""
    pixels, filters, rows, columns = activations.shape[0], weights.signs.shape[0], array.rows, array.columns
    cycles = _array_arithmetic(array).cycles(weights.shifts)
    return [
        _Fold(
            top, min(rows, pixels - top), left, min(columns, filters - left), int(cycles[left : left + columns].max())
        )
        for left in range(0, filters, columns)
        for top in range(0, pixels, rows)
    ]


def _stream(activations: IntArray, weights: BitWeights, folds: list[_Fold], outputs: IntArray, array: Array) -> int:
    """Send folds through the array one behind the other, add to `outputs`, and return the cycles.

    The last element's delay counts also where no pixel or filter uses it: its place delays the way out as well.
    """
    groups = activations.shape[1]
    high, wide, lockstep, top, left = (
        np.array([getattr(fold, name) for fold in folds]) for name in ("high", "wide", "lockstep", "top", "left")
    )
    ends = np.cumsum(groups * lockstep)
    cycles = int(ends[-1]) + array.rows + array.columns - 2
    rows, columns = (grid.ravel() for grid in np.indices((int(high.max()), int(wide.max()))))
    for cycle in range(cycles):
        step = cycle - rows - columns  # entered so many cycles ago, and is here now
        fold = np.searchsorted(ends, step, "right")
        inside = (step >= 0) & (step < ends[-1])
        fold = np.where(inside, fold, 0)
        inside &= (rows < high[fold]) & (columns < wide[fold])
        row, column, fold = rows[inside], columns[inside], fold[inside]
        group, phase = np.divmod(step[inside] - (ends[fold] - groups * lockstep[fold]), lockstep[fold])
        pixel, filters = top[fold] + row, left[fold] + column
        np.add.at(
            outputs, (pixel, filters), _elements(activations[pixel, group], weights, filters, group, phase, array)
        )
    return cycles


def _elements(
    activations: IntArray, weights: BitWeights, filters: IntArray, group: IntArray, phase: IntArray, array: Array
) -> IntArray:
    """Return the sums that elements add in one cycle, [elements], from their activations [elements, M]."""
    total = np.zeros(len(filters), np.int64)
    lanes = _LANES_A_CYCLE[array.element]
    for lane in range(lanes):
        place = phase * lanes + lane
        active = place < weights.shifts[filters]
        place = np.where(active, place, 0)
        gate = weights.masks[filters, group] >> place[:, None] & 1
        partial = (activations * weights.signs[filters, group] * gate).sum(axis=1)  # AND, sign, adder tree
        total += np.where(active, partial << weights.positions[filters, group, place], 0)
    return total
