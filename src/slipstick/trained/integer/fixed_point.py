"""Fixed-point scaling by a 31-bit multiplier and a shift, rounded as TensorFlow Lite rounds.

Sources: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018, section 2.2; the code of TensorFlow Lite (`kernels/internal/common.h`, `quantization_util.cc`).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import IntArray
from slipstick.core.errors import SlipstickError
from slipstick.trained.integer.integer_network import Activation, IntegerTensor

_Rounding = Literal["double", "single"]
BITS = 31  # of a multiplier: what 32 bits hold beside the sign


def fixed_multipliers(scales: NDArray[np.float64] | float) -> tuple[IntArray, IntArray]:
    """Return fixed-point multipliers in [2**30, 2**31) and shifts with scale = multiplier * 2**(shift - 31).

    Scales below 2**-32 become 0, as there.

    Errors
    ------
    SlipstickError for a scale of 2**31 or more.

    Examples
    --------
    >>> fixed_multipliers(np.array([0.75, 1.0]))
    (array([1610612736, 1073741824]), array([0, 1]))
    """
    scales = np.asarray(scales, np.float64)
    if not (scales < 1 << BITS).all():
        raise SlipstickError("a factor between scales beyond 32 bits", value=float(scales.max()))
    mantissa, shift = np.frexp(scales)
    multiplier = np.floor(mantissa * 2.0**BITS + 0.5).astype(np.int64)
    full = multiplier == 1 << BITS
    multiplier, shift = np.where(full, multiplier // 2, multiplier), shift.astype(np.int64) + full
    tiny = shift < -BITS
    return np.where(tiny, 0, multiplier), np.where(tiny, 0, shift)


def _steps(multiplier: IntArray, shift: IntArray, rounding: _Rounding = "double") -> IntArray:
    """Return the scaling by multiplier * 2**(shift - 31) as seven numbers [7, ...] that `_rescale` applies in turn.

    "double" rounds the product's upper half first (a half upwards), then what the shift leaves (a half away from
    zero): convolutions, additions and means. "single" rounds once (a half upwards): dense layers.
    """
    none = np.zeros_like(shift)
    if rounding == "single":
        down = BITS - shift
        return np.stack([none, multiplier, (none + 1) << (down - 1), down, none, none, none])
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    half, away = ((none + 1) << right) >> 1, np.where(right > 0, 1, 0)
    return np.stack([left, multiplier, none + (1 << (BITS - 1)), none + BITS, half, away, right])


def _rescale(values: Any, step: IntArray) -> IntArray:
    """Return the integer values scaled and rounded by `_steps`; the arrays broadcast.

    Examples
    --------
    >>> step = _steps(*fixed_multipliers(np.array(0.3)))
    >>> _rescale(np.array([10, -10, 15]), step)
    array([ 3, -3,  5])
    """
    left, multiplier, nudge, down, half, away, right = step
    high = ((np.asarray(values, np.int64) << left) * multiplier + nudge) >> down
    scaled: IntArray = (high + half - (high < 0) * away) >> right
    return scaled


def code_limits(tensor: IntegerTensor, activation: Activation = "none") -> tuple[int, int]:
    """Return the least and the largest integer code that a fused activation function lets through."""
    least, most = int(np.iinfo(tensor.dtype).min), int(np.iinfo(tensor.dtype).max)
    low, high = {"none": (None, None), "relu": (0, None), "relu_n1_to_1": (-1, 1), "relu6": (0, 6)}[activation]
    if low is not None:
        least = max(least, _code(tensor, low))
    if high is not None:
        most = min(most, _code(tensor, high))
    return least, most


def _code(tensor: IntegerTensor, real: float) -> int:
    with np.errstate(over="ignore"):
        ratio = float(np.float32(real) / np.float32(tensor.scale))
    ratio = min(max(ratio, -(2.0**BITS)), 2.0**BITS)  # beyond any code
    return tensor.zero_point + int(math.copysign(math.floor(abs(ratio) + 0.5), ratio))  # a half goes away from zero
