"""Cycles and words of a layer on an array of processing elements, serial or parallel, in closed form.

The reduction of a layer becomes a walk over its groups, each of which takes the cycles that the array's arithmetic asks
for its number of shifts; their sum stands in place of the reduction length in the closed forms of
`slipstick.array.systolic`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from slipstick.array.format_steps import _array_arithmetic
from slipstick.array.systolic import _ArrayPass, _systolic_pass
from slipstick.core.device_kinds import Array, Dataflow


def _layer_pass(pixels: int, reduction: int, filters: int, shifts: ArrayLike, array: Array) -> _ArrayPass:
    """Return the cycles and words of a product [pixels, reduction] by [reduction, filters] with `shifts` per filter.

    With R rows and C columns of elements that take M = `array.group` weights at a time, G = ceil(K / M) groups of an
    output and c cycles for one group of a filter:

    * ``os``: a column works on a filter, a row on a pixel; the filters of one fold advance in lockstep, so that each
      fold takes the c of its slowest filter. sum over folds of ceil(P/R) (G c + R + C - 2), less 1.
    * ``ws``: a row keeps a group of weights, for c cycles a pixel. sum of ceil(G/R) (P c + 2R + C - 2), less 1.
    * ``is``: a row keeps a group of inputs. ceil(G/R) ceil(P/C) (sum of c + 2R + C - 2) - 1.

    With `array.overlap` the next fold enters the array while the last leaves it, so that R + C - 2 (or 2R + C - 2)
    counts once. Order the filters by their shifts. Words count activations and weights, whatever their bits;
    `utilisation` is the share of elements and cycles in which one is at work.

    Parameters
    ----------
    shifts : of all filters, or one for each, [filters].

    Examples
    --------
    >>> serial, swis = (
    ...     Array(clock=5e8, rows=8, columns=8, group=4, element=element) for element in ("serial", "single-shift")
    ... )
    >>> slow, fast = _layer_pass(3136, 576, 64, 8, serial), _layer_pass(3136, 576, 64, 3, swis)
    >>> round(float(slow.cycles / fast.cycles), 2)
    2.61
    """
    rows, columns, dataflow = array.rows, array.columns, array.dataflow
    group_cycles = np.broadcast_to(_array_arithmetic(array).cycles(shifts), (filters,))
    steps = -(-reduction // array.group)
    words = _systolic_pass(pixels, reduction, filters, rows, columns, dataflow)
    written = _systolic_pass(
        pixels, steps, filters, rows, columns, dataflow
    ).outputs  # one partial sum a fold of groups
    slowest = np.maximum.reduceat(group_cycles, np.arange(0, filters, columns))
    if dataflow == "os":
        streams = -(-pixels // rows) * steps * slowest
        folds = -(-pixels // rows)
    elif dataflow == "ws":
        streams = -(-steps // rows) * pixels * slowest
        folds = -(-steps // rows)
    else:
        streams = -(-steps // rows) * -(-pixels // columns) * group_cycles.sum(keepdims=True)
        folds = -(-steps // rows) * -(-pixels // columns)
    entries = 1 if array.overlap else folds * len(streams)
    cycles = np.asarray(streams.sum() + entries * _fill_cycles(rows, columns, dataflow) - 1, np.int64)  # counted from 0
    used = pixels * steps * group_cycles.sum() / ((cycles + 1) * rows * columns)
    return _ArrayPass(cycles, words.inputs, words.weights, written, np.asarray(used))


def _fill_cycles(rows: int, columns: int, dataflow: Dataflow) -> int:
    """Return the fill and drain cycles of one fold, excluding the streaming of its operands."""
    return rows + columns - 2 + (0 if dataflow == "os" else rows)
