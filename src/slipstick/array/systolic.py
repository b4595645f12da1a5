"""Cycles and words of a systolic array, in closed form, for three dataflows.

The cycles equal those of SCALE-Sim 3.0.0 (compute cycles, without stalls for DRAM) on every layer tried; see
tests/array. Source: Samajdar et al., "A systematic methodology for characterizing scalability of DNN accelerators using
SCALE-Sim", ISPASS 2020, section III; the closed forms are our own, fitted to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.device_kinds import Dataflow
from slipstick.core.errors import SlipstickError


@dataclass(frozen=True, eq=False)
class _ArrayPass:
    """Cycles of one layer on an array, and the words that enter or leave the array through its edges.

    `inputs` and `weights` are words read from SRAM, `outputs` words written, partial sums included; `utilisation` is
    the share of processing elements and cycles with a multiply-accumulate in them.
    """

    cycles: IntArray
    inputs: IntArray
    weights: IntArray
    outputs: IntArray
    utilisation: FloatArray


def _systolic_pass(
    pixels: ArrayLike, reduction: ArrayLike, filters: ArrayLike, rows: ArrayLike, columns: ArrayLike, dataflow: Dataflow
) -> _ArrayPass:
    """Return the systolic-array cycles and words of a matrix product [pixels, reduction] by [reduction, filters].

    With R rows and C columns of processing elements, P pixels, K products an output and F filters:

    * ``os``: outputs stay. ceil(P/R) ceil(F/C) (K + R + C - 2) - 1 cycles.
    * ``ws``: weights stay. ceil(K/R) ceil(F/C) (2R + C + P - 2) - 1.
    * ``is``: inputs stay. ceil(K/R) ceil(P/C) (2R + C + F - 2) - 1.

    Each term in brackets is one fold: filling, streaming and draining the array; SCALE-Sim counts from 0.

    Errors
    ------
    SlipstickError for an unknown dataflow, or sizes below 1.

    Examples
    --------
    >>> int(_systolic_pass(3136, 576, 64, 8, 8, "os").cycles)
    1850239
    """
    sizes = [np.asarray(size, np.int64) for size in (pixels, reduction, filters, rows, columns)]
    for name, size in zip(("pixels", "reduction", "filters", "rows", "columns"), sizes, strict=True):
        if (size < 1).any():
            raise SlipstickError("out of range", path=f"array.{name}", value=size.tolist(), allowed="from 1")
    if dataflow not in _FOLDS:
        raise SlipstickError("no such dataflow", path="array.dataflow", value=dataflow, allowed=list(_FOLDS))
    p, k, f, r, c = sizes
    cycles, inputs, weights, outputs = _FOLDS[dataflow](p, k, f, r, c)
    return _ArrayPass(cycles, inputs, weights, outputs, p * k * f / (cycles * r * c))


def _output_stationary(p: IntArray, k: IntArray, f: IntArray, r: IntArray, c: IntArray) -> tuple[IntArray, ...]:
    across, down = -(-f // c), -(-p // r)
    return down * across * (k + r + c - 2) - 1, p * k * across, f * k * down, p * f


def _weight_stationary(p: IntArray, k: IntArray, f: IntArray, r: IntArray, c: IntArray) -> tuple[IntArray, ...]:
    across, down = -(-f // c), -(-k // r)
    return down * across * (2 * r + c + p - 2) - 1, p * k * across, k * f, p * f * down


def _input_stationary(p: IntArray, k: IntArray, f: IntArray, r: IntArray, c: IntArray) -> tuple[IntArray, ...]:
    across, down = -(-p // c), -(-k // r)
    return down * across * (2 * r + c + f - 2) - 1, p * k, f * k * across, p * f * down


_FOLDS = {"os": _output_stationary, "ws": _weight_stationary, "is": _input_stationary}
