"""Bit-serial processing elements: cycles that a group of weights takes, and a layer's cycles on an array of them.

The reduction of a layer becomes a walk over its groups, each of which takes the cycles of its own number of shifts; the
sum stands in place of the reduction length in the closed forms of `slipstick.array.systolic`. The elements are those of
SWIS (Li et al., arXiv 2103.01308) as we recollect them, and its baselines.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.array.systolic import Pass, run
from slipstick.core.errors import SlipstickError

Element = Literal["single-shift", "double-shift", "serial", "bit-fusion", "parallel"]
_BRICK = 2  # bits of each operand in BitFusion's smallest multiplier (Sharma et al., ISCA 2018, section III)
_OPERAND = 8  # bits of an activation


def group_cycles(shifts: ArrayLike, element: Element) -> NDArray[np.int64]:
    """Return the cycles in which one processing element multiplies and adds one group of weights.

    * ``single-shift``: one shared position a cycle, N cycles.
    * ``double-shift``: two, ceil(N/2) cycles.
    * ``serial``: every one of `shifts` bits, zeros too (Stripes: Judd et al., MICRO 2016); 8 for 8 bit weights.
    * ``bit-fusion``: as many 2 bit by 2 bit products as 8 by N bits have, one a cycle and lane.
    * ``parallel``: one multiplier a weight, 1 cycle.

    Examples
    --------
    >>> group_cycles([1, 2, 3, 4], "double-shift").tolist()
    [1, 1, 2, 2]
    """
    count = np.asarray(shifts, np.int64)
    if (count < 1).any() or (count > _OPERAND).any():
        raise SlipstickError("out of range", path="array.shifts", value=count.tolist(), allowed="1 to 8")
    if element in ("single-shift", "serial"):
        return count
    if element == "double-shift":
        return -(-count // 2)
    if element == "bit-fusion":
        return _OPERAND // _BRICK * -(-count // _BRICK)
    if element == "parallel":
        return np.ones_like(count)
    raise SlipstickError(
        "no such element", path="array.element", value=element, allowed=["single-shift", "double-shift", "serial",
        "bit-fusion", "parallel"]
    )  # fmt: skip


def layer(
    pixels: int,
    reduction: int,
    filters: int,
    rows: int,
    columns: int,
    *,
    group: int,
    shifts: ArrayLike,
    element: Element,
) -> Pass:
    """Return cycles and words of a layer, output stationary, whose filters take `shifts` each.

    A column of processing elements works on one filter and a row on one pixel; the filters of one fold advance in
    lockstep, so each fold takes the cycles of its slowest filter: order the filters by their shifts. An element takes
    `group` activations in at a time; words count activations and weights, whatever their bits.

    Parameters
    ----------
    group : weights that share their positions and one step of the array.
    shifts : of all filters, or one for each, [filters].

    Examples
    --------
    >>> serial = layer(3136, 576, 64, 8, 8, group=4, shifts=8, element="serial")
    >>> swis = layer(3136, 576, 64, 8, 8, group=4, shifts=3, element="single-shift")
    >>> round(float(serial.cycles / swis.cycles), 2)
    2.61
    """
    each = np.broadcast_to(group_cycles(shifts, element), (filters,))
    steps = -(-reduction // group)
    folds = [int(each[left : left + columns].max()) for left in range(0, filters, columns)]
    one = [run(pixels, steps * cycles, min(columns, filters), rows, columns, "os") for cycles in folds]
    # every fold's count starts from 0 in SCALE-Sim's convention; the whole layer's does so once
    cycles = np.asarray(sum(int(part.cycles) + 1 for part in one) - 1, np.int64)
    words = run(pixels, reduction, filters, rows, columns, "os")
    used = pixels * steps * each.sum() / (cycles * rows * columns)
    return Pass(cycles, words.inputs, words.weights, words.outputs, np.asarray(used))
