"""Integer layers with weights: convolutions, depth-wise convolutions and dense layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import AnyArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.trained.integer.fixed_point import _rescale, _steps, code_limits, fixed_multipliers
from slipstick.trained.integer.integer_network import IntegerOperator, IntegerTensor, _Options
from slipstick.trained.integer.window_geometry import Sides, _span, window_slides

_SLAB = 2**22  # elements of windows laid out at once: 16 MiB
_SINGLE = 2.0**24  # whole numbers up to here have their own single-precision representation
INT32 = 2**31

Compute = Callable[..., AnyArray]


@dataclass(frozen=True, eq=False)
class _PreparedLayer:
    """Integer layer ready to run: weights minus zero point, filters last [kh, kw, channels, filters]."""

    weights: NDArray[np.int32]
    bias: NDArray[np.int32]
    multiplier: IntArray  # with the shift, of `fixed_point.multipliers`
    shift: IntArray
    x_zero: int
    zero: int
    low: int
    high: int
    options: _Options
    output: IntegerTensor

    @property
    def scaling(self) -> NDArray[np.int32]:
        """Requantisation per filter as the kernels take it: left shifts, multipliers and right shifts."""
        return np.stack([np.maximum(self.shift, 0), self.multiplier, np.maximum(-self.shift, 0)]).astype(np.int32)


def integer_layer(
    op: IntegerOperator,
    x: IntegerTensor,
    w: IntegerTensor,
    y: IntegerTensor,
    codes: AnyArray,
    bias: AnyArray | None,
) -> _PreparedLayer:
    """Return the layer that computes with these integer weights and bias, both in the file's layout."""
    weights = codes.T.reshape(1, 1, *codes.T.shape) if op.kind == "dense" else codes.transpose(1, 2, 3, 0)
    weights = weights.astype(np.int32) - np.int32(w.zero_points[0])
    filters = weights.shape[2] if op.kind == "depthwise" else weights.shape[3]
    multiplier, shift = fixed_multipliers(np.broadcast_to(_factors(op, x, w, y), filters))
    summand = np.zeros(filters, np.int32) if bias is None else bias.ravel().astype(np.int32)
    low, high = code_limits(y, op.options.activation)
    return _PreparedLayer(weights, summand, multiplier, shift, x.zero_point, y.zero_point, low, high, op.options, y)


def _factors(op: IntegerOperator, x: IntegerTensor, w: IntegerTensor, y: IntegerTensor) -> NDArray[np.float64]:
    """Return the requantisation factor of the sums of products; the file's single precision rounding is kept."""
    if w.dtype == np.uint8 or (op.kind == "dense" and w.scales.size == 1):
        return (x.scales * w.scales).astype(np.float64) / y.scale  # both single: the product is rounded to single
    return x.scale * w.scales.astype(np.float64) / y.scale


def _bound(made: _PreparedLayer, x: IntegerTensor, axes: tuple[int, ...]) -> float:
    """Return the largest magnitude of any partial sum; an error where it may overflow 32 bits."""
    info = np.iinfo(x.dtype)
    far = max(made.x_zero - info.min, info.max - made.x_zero)
    products = np.abs(made.weights.astype(np.float64)).sum(axis=axes).ravel() * far
    sums = (products + np.abs(made.bias.astype(np.float64))) * 2.0 ** np.maximum(made.shift, 0)
    if sums.max(initial=0) >= INT32:
        raise SlipstickError("sums of products may leave 32 bits", path=made.output.name)
    return float(products.max(initial=0))


def _matrix(made: _PreparedLayer, x: IntegerTensor) -> NDArray[Any]:
    """Return the weights [kh * kw * channels, filters] in a floating-point type that adds the products exactly.

    Every partial sum is a whole number below 2**24 (single) or 2**53 (double precision), in whatever order BLAS adds.
    """
    kind = np.float32 if _bound(made, x, (0, 1, 2)) < _SINGLE else np.float64
    return np.ascontiguousarray(made.weights.reshape(-1, made.weights.shape[3]), kind)


def _convolution(made: _PreparedLayer, x: IntegerTensor) -> Compute:
    """Return the integer convolution over all channels, as a function of the input's integer codes."""
    from slipstick.trained.integer.numba_kernels import _requantise

    matrix, scaling = _matrix(made, x), made.scaling

    def compute(codes: AnyArray) -> AnyArray:
        out = np.empty((len(codes), *made.output.shape[1:]), made.output.dtype)
        flat, written = out.reshape(-1, matrix.shape[1]), 0
        for rows in _windows(codes, made.weights.shape[:2], made.options, x, made.x_zero):
            sums = np.subtract(rows, made.x_zero, dtype=matrix.dtype) @ matrix
            block = flat[written : written + len(sums)]
            _requantise(sums, made.bias, scaling, made.zero, made.low, made.high, block)
            written += len(sums)
        return out

    return compute


def _dense(made: _PreparedLayer, x: IntegerTensor) -> Compute:
    """Return the integer dense layer, as a function of integer codes; unlike a convolution's, sums are rounded once."""
    matrix = _matrix(made, x)
    step = _steps(made.multiplier, made.shift, "single")

    def compute(codes: AnyArray) -> AnyArray:
        rows = np.subtract(codes.reshape(-1, len(matrix)), made.x_zero, dtype=matrix.dtype)
        sums = (rows @ matrix).astype(np.int64) + made.bias
        block = np.clip(_rescale(sums, step) + made.zero, made.low, made.high)
        return block.astype(made.output.dtype).reshape(len(codes), *made.output.shape[1:])

    return compute


def _windows(
    codes: AnyArray, kernel: tuple[int, ...], options: _Options, x: IntegerTensor, zero: int
) -> Iterator[AnyArray]:
    """Yield the im2col rows [positions, kh * kw * channels] of images in pieces; images are padded with `zero`."""
    (kh, kw), channels, (down, right) = kernel, codes.shape[3], options.stride
    if kh == kw == 1:  # nothing is added around
        yield codes[:, ::down, ::right].reshape(-1, channels)
        return
    for image in _laid_out(codes, (kh, kw), options, x, zero):
        some = max(1, _SLAB // (image.shape[1] * kh * kw * channels))
        for start in range(0, len(image), some):
            yield image[start : start + some].reshape(-1, kh * kw * channels)


def _laid_out(codes: AnyArray, kernel: tuple[int, int], options: _Options, x: IntegerTensor, zero: int) -> AnyArray:
    """Return a view [n, height, width, kh, kw, channels] of the window at each output position."""
    (kh, kw), (down, right), (tall, broad) = kernel, options.stride, options.dilation
    sides = window_slides(x.shape, kernel, options)
    (high, *_), (wide, *_) = sides
    framed = _padded(codes, sides, zero)
    view = np.lib.stride_tricks.sliding_window_view(framed, (_span(kh, tall), _span(kw, broad)), axis=(1, 2))
    view = view[:, ::down, ::right, :, ::tall, ::broad]
    return view[:, :high, :wide].transpose(0, 1, 2, 4, 5, 3)


def _padded(codes: AnyArray, sides: Sides, value: int) -> AnyArray:
    """Return images padded with `value`."""
    around = [(before, after) for _, before, after in sides]
    if not any(map(any, around)):
        return codes
    return np.pad(codes, [(0, 0), *around, (0, 0)], constant_values=value)


def _depthwise_convolution(made: _PreparedLayer, x: IntegerTensor) -> Compute:
    """Return the integer depth-wise convolution, as a function of the input's integer codes."""
    from slipstick.trained.integer.numba_kernels import _depthwise

    weights = np.ascontiguousarray(made.weights[..., 0])
    _bound(made, x, (0, 1))
    scaling = made.scaling
    times = weights.shape[2] // x.shape[3]
    sides = window_slides(x.shape, (weights.shape[0], weights.shape[1]), made.options)

    def compute(codes: AnyArray) -> AnyArray:
        out = np.empty((len(codes), *made.output.shape[1:]), made.output.dtype)
        block = _padded(codes if times == 1 else np.repeat(codes, times, axis=3), sides, made.x_zero)
        _depthwise(
            np.ascontiguousarray(block), weights, made.options.stride, made.options.dilation, made.x_zero,
            made.bias, scaling, made.zero, made.low, made.high, out,
        )  # fmt: skip
        return out

    return compute
