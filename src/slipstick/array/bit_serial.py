"""Bit-serial processing elements: cycles that a group of weights takes, and a layer's cycles on an array of them.

The reduction of a layer becomes a walk over its groups, each of which takes the cycles of its own number of shifts; the
sum stands in place of the reduction length in the closed forms of `slipstick.array.systolic`. The elements are those of
SWIS (Li et al., arXiv 2103.01308) as we recollect them, and its baselines.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.array.systolic import Pass, run
from slipstick.core.device_kinds import Dataflow, Element
from slipstick.core.errors import SlipstickError

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
    raise SlipstickError("no such element", path="array.element", value=element, allowed=get_args(Element))


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
    dataflow: Dataflow = "os",
    overlap: bool = False,
) -> Pass:
    """Return cycles and words of a layer whose filters take `shifts` each.

    With G = ceil(K / group) groups of an output and c cycles for one group of a filter:

    * ``os``: a column works on a filter, a row on a pixel; the filters of one fold advance in lockstep, so that each
      fold takes the c of its slowest filter. sum over folds of ceil(P/R) (G c + R + C - 2), less 1.
    * ``ws``: a row keeps a group of weights, for c cycles a pixel. sum of ceil(G/R) (P c + 2R + C - 2), less 1.
    * ``is``: a row keeps a group of inputs. ceil(G/R) ceil(P/C) (sum of c + 2R + C - 2) - 1.

    Order the filters by their shifts. Words count activations and weights, whatever their bits; `utilisation` is the
    share of elements and cycles in which one is at work.

    Parameters
    ----------
    group : weights that share their positions and one step of the array.
    shifts : of all filters, or one for each, [filters].
    overlap : the next fold enters the array while the last leaves it, so that R + C - 2 (or 2R + C - 2) counts once.

    Examples
    --------
    >>> serial = layer(3136, 576, 64, 8, 8, group=4, shifts=8, element="serial")
    >>> swis = layer(3136, 576, 64, 8, 8, group=4, shifts=3, element="single-shift")
    >>> round(float(serial.cycles / swis.cycles), 2)
    2.61
    """
    each = np.broadcast_to(group_cycles(shifts, element), (filters,))
    steps = -(-reduction // group)
    words = run(pixels, reduction, filters, rows, columns, dataflow)
    written = run(pixels, steps, filters, rows, columns, dataflow).outputs  # one partial sum a fold of groups
    slowest = np.maximum.reduceat(each, np.arange(0, filters, columns))
    if dataflow == "os":
        streams = -(-pixels // rows) * steps * slowest
        folds = -(-pixels // rows)
    elif dataflow == "ws":
        streams = -(-steps // rows) * pixels * slowest
        folds = -(-steps // rows)
    else:
        streams = -(-steps // rows) * -(-pixels // columns) * each.sum(keepdims=True)
        folds = -(-steps // rows) * -(-pixels // columns)
    entries = 1 if overlap else folds * len(streams)
    cycles = np.asarray(streams.sum() + entries * filling(rows, columns, dataflow) - 1, np.int64)  # counted from 0
    used = pixels * steps * each.sum() / ((cycles + 1) * rows * columns)
    return Pass(cycles, words.inputs, words.weights, written, np.asarray(used))


def filling(rows: int, columns: int, dataflow: Dataflow) -> int:
    """Return the cycles in which a fold fills the array and leaves it: what it takes beside its stream."""
    return rows + columns - 2 + (0 if dataflow == "os" else rows)
