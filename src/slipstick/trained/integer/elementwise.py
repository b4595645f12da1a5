"""Integer operators without weights, as functions of quantised values: lookup tables, additions, pools, means."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import AnyArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.trained.integer.fixed_point import BITS, _rescale, _steps, code_limits, fixed_multipliers
from slipstick.trained.integer.integer_network import IntegerOperator, IntegerTensor
from slipstick.trained.integer.softmax import _softmax
from slipstick.trained.integer.weighted_layers import Compute, _padded
from slipstick.trained.integer.window_geometry import _span, window_slides

_FACTOR = 2.0**22  # times a difference of 8-bit codes, this fills 32 bits
_SHIFT = 20  # bits that ADD gains before it scales: TensorFlow Lite's `add.cc`


def _codes(tensor: IntegerTensor) -> IntArray:
    """Return the 256 integer codes of an 8-bit type, in the order of their bytes."""
    return np.arange(256).astype(np.uint8).view(tensor.dtype).astype(np.int64)


def _bytes(codes: AnyArray) -> NDArray[np.uint8]:
    return np.ascontiguousarray(codes).view(np.uint8)


def _clipped(values: AnyArray, y: IntegerTensor, bounds: tuple[int, int]) -> AnyArray:
    clipped: AnyArray = np.clip(values, *bounds).astype(y.dtype)
    return clipped


def _looked_up(table: AnyArray) -> Compute:
    def compute(codes: AnyArray) -> AnyArray:
        results: AnyArray = table[_bytes(codes)]
        return results

    return compute


def quantize(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> Compute:
    """Return the function that requantises to another scale: from integer codes, or from real numbers."""
    x = tensors[0]
    if x.dtype == np.float32:
        return lambda values: _from_real(values, y)
    step = _steps(*_moderate(x.scale / y.scale, y))
    return _looked_up(_clipped(_rescale(_codes(x) - x.zero_point, step) + y.zero_point, y, code_limits(y)))


def _moderate(factor: float, y: IntegerTensor) -> tuple[IntArray, IntArray]:
    """Return a multiplier and a shift with which products of integer codes stay within 32 bits."""
    if not factor < _FACTOR:
        raise SlipstickError("an output scale too small for its input", path=y.name, value=y.scale)
    return fixed_multipliers(factor)


def _from_real(values: AnyArray, y: IntegerTensor) -> AnyArray:
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = values.astype(np.float32) / np.float32(y.scale)
        away = np.trunc(ratio) + np.where(np.abs(ratio - np.trunc(ratio)) >= 0.5, np.sign(ratio), 0)  # C's round
    return _clipped(np.nan_to_num(away) + y.zero_point, y, code_limits(y))


def dequantize(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> Compute:
    """Return the dequantisation of a tensor as a function: integer codes to scale x (code - zero point), in fp32."""
    x = tensors[0]
    with np.errstate(over="ignore"):
        return _looked_up((np.float64(x.scale) * (_codes(x) - x.zero_point)).astype(np.float32))


def prelu(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> Compute:
    """Return the PReLU function of integer codes: negative inputs are multiplied by a slope per channel."""
    slopes = np.array(tensors[1].values, np.float32).ravel()

    def compute(values: AnyArray) -> AnyArray:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.where(values >= 0, values, values * slopes)

    return compute


def add_scalings(tensors: list[IntegerTensor], y: IntegerTensor) -> list[tuple[IntArray, IntArray]]:
    """Return multiplier and shift of both summands, shifted left by 20 bits before, and of their sum.

    Errors
    ------
    SlipstickError for an output scale too small to add to.
    """
    twice = 2 * max(tensor.scale for tensor in tensors)
    factor = twice / ((1 << _SHIFT) * y.scale)
    if not factor < 1:
        raise SlipstickError("an output scale too small to add to", path=y.name, value=y.scale)
    return [*(fixed_multipliers(tensor.scale / twice) for tensor in tensors), fixed_multipliers(factor)]


def add(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> Compute:
    """Return the function that adds two tensors of integer codes, by a table over all pairs of codes."""
    *summands, total = add_scalings(tensors, y)
    parts = [
        _rescale((_codes(tensor) - tensor.zero_point) << _SHIFT, _steps(*scaling))
        for tensor, scaling in zip(tensors, summands, strict=True)
    ]
    sums = _rescale(parts[0][:, None] + parts[1], _steps(*total))
    table = _clipped(sums + y.zero_point, y, code_limits(y, op.options.activation)).ravel()

    def compute(left: AnyArray, right: AnyArray) -> AnyArray:
        results: AnyArray = table[_bytes(left).astype(np.uint16) << 8 | _bytes(right)]
        return results

    return compute


def reshape(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> Compute:
    """Return the function that gives a tensor of integer codes another shape."""
    return lambda codes: codes.reshape(len(codes), *y.shape[1:])


def pad(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> Compute:
    """Return the function that pads a tensor of integer codes with its zero point."""
    around = [(int(before), int(after)) for before, after in tensors[1].values]
    return lambda codes: np.pad(codes, around, constant_values=y.zero_point)


def mean_scaling(x: IntegerTensor, y: IntegerTensor) -> tuple[int, int]:
    """Return multiplier and shift of a mean over height and width: the count is divided into the multiplier.

    Source: TensorFlow Lite's `reference/reduce.h`.
    """
    count = x.shape[1] * x.shape[2]
    _moderate(max(x.scale / y.scale, 1) * count, y)  # a sum of so many codes has 32 bits, scaled and not
    multiplier, shift = (int(part) for part in fixed_multipliers(x.scale / y.scale))
    up = min(count.bit_length() - 1, 32, BITS + shift)
    return (multiplier << up) // count, shift - up


def mean(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> Compute:
    """Return the mean over height and width as a function of integer codes."""
    x = tensors[0]
    count = x.shape[1] * x.shape[2]
    multiplier, shift = mean_scaling(x, y)
    step = _steps(np.array(multiplier), np.array(shift))

    def compute(codes: AnyArray) -> AnyArray:
        sums = codes.sum(axis=(1, 2), dtype=np.int64) - x.zero_point * count
        return _clipped(_rescale(sums, step) + y.zero_point, y, code_limits(y)).reshape(len(codes), *y.shape[1:])

    return compute


def pool(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> Compute:
    """Return the average (halves rounded away from zero) or maximum pool over integer codes, padding left out."""
    x, bounds = tensors[0], code_limits(y, op.options.activation)
    sides = window_slides(x.shape, op.options.window, op.options)
    largest = op.kind == "max_pool"
    empty = int(np.iinfo(x.dtype).min) if largest else 0
    join: Callable[..., Any] = np.maximum if largest else np.add

    def compute(codes: AnyArray) -> AnyArray:
        framed = _padded(codes.astype(np.int32), sides, empty)
        total = np.full((len(codes), *y.shape[1:]), empty, np.int32)
        for part in _parts(framed, op, sides):
            join(total, part, out=total)
        return _clipped(total if largest else _divided(total, counts), y, bounds)

    ones = _padded(np.ones((1, *x.shape[1:3], 1), np.int32), sides, 0)
    counts = sum(part.astype(np.int32) for part in _parts(ones, op, sides))
    return compute


def _parts(framed: AnyArray, op: IntegerOperator, sides: Any) -> Any:
    """Yield, for each position inside the window, the pixels at that position in all windows."""
    (high, *_), (wide, *_) = sides
    (down, right), (tall, broad) = op.options.stride, op.options.window
    for i, j in itertools.product(range(tall), range(broad)):
        yield framed[:, i : i + _span(high, down) : down, j : j + _span(wide, right) : right]


def _divided(total: AnyArray, count: Any) -> AnyArray:
    mean: AnyArray = np.sign(total) * ((np.abs(total) + count // 2) // count)
    return mean


OPERATORS: dict[str, Callable[[IntegerOperator, list[IntegerTensor], IntegerTensor], Compute]] = {
    "quantize": quantize, "dequantize": dequantize, "prelu": prelu, "add": add, "reshape": reshape, "pad": pad,
    "mean": mean, "average_pool": pool, "max_pool": pool, "softmax": _softmax,
}  # fmt: skip
