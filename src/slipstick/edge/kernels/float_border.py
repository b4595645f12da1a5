"""Border between real numbers and codes: tables with which no core computes in floating point."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from slipstick.edge.kernels.kernel import Kernel
from slipstick.edge.layers import DequantizeLayer, QuantizeLayer

_INFINITY = 0x7F80_0000  # bits of single precision's


def _thresholds(layer: QuantizeLayer) -> NDArray[np.int32]:
    """Return the smallest single-precision number that gets each code above the least, as ordered bits.

    Ordered bits are a number's bits where it is positive, and its bits with all but the sign flipped where it is not:
    they compare as whole numbers. Found by bisection over all numbers with the runner's own arithmetic. A code that no
    number reaches has a threshold beyond infinity.
    """
    codes = np.arange(layer.least + 1, layer.most + 1)
    low = np.full(codes.size, -_INFINITY - 1, np.int64)  # ordered bits of minus infinity
    high = np.full(codes.size, _INFINITY + 1, np.int64)
    while (low < high).any():
        middle = (low + high) >> 1
        reached = (_codes(np.minimum(middle, _INFINITY), layer) >= codes) | (middle > _INFINITY)
        low, high = np.where(reached | (low >= high), low, middle + 1), np.where(reached, middle, high)
    return low.astype(np.int32)


def _codes(ordered: NDArray[np.int64], layer: QuantizeLayer) -> NDArray[np.float64]:
    """Return the codes of numbers given by ordered bits, as `slipstick.trained.integer` quantises."""
    bits = ordered.astype(np.int32)
    values = np.where(bits < 0, bits ^ np.int32(2**31 - 1), bits).view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = values / np.float32(layer.scale)
        away = np.trunc(ratio) + np.where(np.abs(ratio - np.trunc(ratio)) >= 0.5, np.sign(ratio), 0)
    away = np.nan_to_num(away.astype(np.float64), posinf=1e30, neginf=-1e30)
    codes: NDArray[np.float64] = np.clip(away + layer.zero_point, layer.least, layer.most)
    return codes


def _values(layer: DequantizeLayer) -> NDArray[np.uint32]:
    """Return the bits of the single-precision number of each code, -128 first."""
    codes = np.arange(-128, 128)
    with np.errstate(over="ignore"):
        return (np.float64(layer.scale) * (codes - layer.zero_point)).astype(np.float32).view(np.uint32)


def _quantize_fields(layer: QuantizeLayer, names: Mapping[str, str]) -> dict[str, str]:
    no_number = min(max(layer.zero_point, layer.least), layer.most)
    codes = {"least": layer.least, "most": layer.most, "not_a_number": no_number}
    return {"size": str(layer.size), "thresholds": names["thresholds"]} | {
        key: str(code) for key, code in codes.items()
    }


def _dequantize_fields(layer: DequantizeLayer, names: Mapping[str, str]) -> dict[str, str]:
    return {"size": str(layer.size), "values": names["values"]}


QUANTIZE = Kernel(
    "nn_quantize_f32",
    "nn_quantize",
    ("quantize",),
    {"c": ("nn_quantize_f32.c",)},
    applies=lambda layer: True,
    pack=lambda layer: {"thresholds": _thresholds(layer)},
    fields=_quantize_fields,
    struct_bytes=12,  # as in nn.h
)
DEQUANTIZE = Kernel(
    "nn_dequantize_f32",
    "nn_dequantize",
    ("dequantize",),
    {"c": ("nn_dequantize_f32.c",)},
    applies=lambda layer: True,
    pack=lambda layer: {"values": _values(layer)},
    fields=_dequantize_fields,
    struct_bytes=8,
)
