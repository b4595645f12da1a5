"""Checks of each kind of operator against its tensors, made before an untrusted file runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.trained.integer.integer_network import IntegerNetwork, IntegerOperator, IntegerTensor
from slipstick.trained.integer.window_geometry import window_slides

_CODES = (np.dtype(np.int8), np.dtype(np.uint8))
FLOAT = np.dtype(np.float32)
_LARGEST = 2**26  # elements of a padded image, and of the windows of one row: 64 MiB in 8 bits
_AREA = 2**16  # pixels of a window: a pool over a whole image of 256 x 256
_ADDED = 4096  # pixels that a PAD may add on a side

_Rule = Callable[[IntegerOperator, list[IntegerTensor | None], IntegerTensor], None]


def _check(network: IntegerNetwork) -> None:
    """Check the order of the operators, and that each fits its tensors.

    Errors
    ------
    SlipstickError, its path the operator's place and kind, for the first that does not fit.
    """
    ready = {network.input}
    _flow(network.tensors[network.input], "input")
    for place, op in enumerate(network.operators):
        path = f"operators.{place}.{op.kind}"
        _order(network, op, ready, path)
        inputs = [network.tensors[index] if index >= 0 else None for index in op.inputs]
        output = network.tensors[op.output]
        _flow(output, path)
        try:
            _RULES[op.kind](op, inputs, output)
        except SlipstickError as error:
            raise SlipstickError(error.message, path=path, value=error.value, allowed=error.allowed) from None
        ready.add(op.output)
    if network.output not in ready or not network.operators:
        raise SlipstickError("no operator writes the output", path="output", value=network.output)


def _order(network: IntegerNetwork, op: IntegerOperator, ready: set[int], path: str) -> None:
    if op.output in ready:
        raise SlipstickError("a tensor written twice", path=path, value=op.output)
    for index in op.inputs:
        if index >= 0 and index not in ready and network.tensors[index].data is None:
            raise SlipstickError("reads a tensor that nothing has written", path=path, value=index)


def _flow(tensor: IntegerTensor, path: str) -> None:
    if tensor.data is not None:
        raise SlipstickError("a constant is written", path=path, value=tensor.name)
    if not tensor.shape or tensor.shape[0] != 1:
        raise SlipstickError("not the shape of one image or row", path=path, value=tensor.shape, allowed="1 first")


def _need(holds: bool, message: str, value: object = None) -> None:
    if not holds:
        raise SlipstickError(message, value=value)


def _flowing(inputs: list[IntegerTensor | None], count: int) -> list[IntegerTensor]:
    """Return the first `count` inputs, checked to be run-time tensors while all other inputs are constants."""
    computed = [tensor for tensor in inputs if tensor is not None and tensor.data is None]
    in_front = all(tensor is other for tensor, other in zip(computed, inputs, strict=False))
    _need(len(computed) == count and in_front, f"does not read {count} computed tensors, in front", len(computed))
    return computed


def _constant(inputs: list[IntegerTensor | None], place: int, kind: str) -> IntegerTensor:
    tensor = inputs[place] if place < len(inputs) else None
    if tensor is None or tensor.data is None:
        raise SlipstickError(f"no constant {kind}")
    return tensor


def _coded(*tensors: IntegerTensor) -> None:
    """Check that all tensors are 8-bit of one type, with one quantisation scale per tensor."""
    for tensor in tensors:
        _need(
            tensor.dtype in _CODES and tensor.dtype == tensors[0].dtype, "not in 8 bits of one type", str(tensor.dtype)
        )
        _need(tensor.scales.size == 1, "not one scale", tensor.scales.size)


def _alike(x: IntegerTensor, y: IntegerTensor) -> None:
    _need(x.scale == y.scale and x.zero_point == y.zero_point, "input and output have different scales")


def _weights(x: IntegerTensor, inputs: list[IntegerTensor | None], output: IntegerTensor, axis: int) -> IntegerTensor:
    """Return a layer's weight tensor, after checking its type, its scales per filter and its bias."""
    _coded(x, output)
    w = _constant(inputs, 1, "weights")
    _need(w.dtype == x.dtype, "weights of another type than the input", str(w.dtype))
    _need(0 <= axis < len(w.shape), "weights of too few axes", w.shape)
    filters = w.shape[axis]
    _need(w.scales.size in (1, filters), "scales of the weights", w.scales.size)
    _need(w.scales.size == 1 or (w.axis == axis and w.dtype == np.int8), "scales along another axis", w.axis)
    _need(w.dtype == np.uint8 or not w.zero_points.any(), "int8 weights with a zero point")
    bias = inputs[2] if len(inputs) > 2 else None
    if bias is not None:
        bias = _constant(inputs, 2, "bias")
        _need(bias.dtype == np.int32 and bias.size == filters, "a bias that does not fit", bias.shape)
    return w


def _images(x: IntegerTensor, y: IntegerTensor) -> None:
    _need(len(x.shape) == 4 and len(y.shape) == 4, "not images of height, width and channels", x.shape)


def _window(op: IntegerOperator, x: IntegerTensor, y: IntegerTensor, window: tuple[int, int], channels: int) -> None:
    (high, *_), (wide, *_) = window_slides(x.shape, window, op.options)
    _need(high > 0 and wide > 0, "a window larger than the image", window)
    _need(y.shape == (1, high, wide, channels), f"gives an output of {(1, high, wide, channels)}", y.shape)
    sides = window_slides(x.shape, window, op.options)
    tall, broad = (size + before + after for size, (_, before, after) in zip(x.shape[1:3], sides, strict=True))
    row = wide * window[0] * window[1] * x.shape[3]
    _need(
        max(tall * broad * x.shape[3], row) <= _LARGEST and window[0] * window[1] <= _AREA, "a window too large", window
    )


def _conv(op: IntegerOperator, inputs: list[IntegerTensor | None], y: IntegerTensor) -> None:
    (x,) = _flowing(inputs, 1)
    _images(x, y)
    w = _weights(x, inputs, y, 0)
    _need(len(w.shape) == 4 and w.shape[3] == x.shape[3], "filters of other channels than the image", w.shape)
    _window(op, x, y, (w.shape[1], w.shape[2]), w.shape[0])


def _depthwise(op: IntegerOperator, inputs: list[IntegerTensor | None], y: IntegerTensor) -> None:
    (x,) = _flowing(inputs, 1)
    _images(x, y)
    w = _weights(x, inputs, y, 3)
    _need(w.shape[0] == 1 and w.shape[3] % x.shape[3] == 0, "filters of other channels than the image", w.shape)
    _need(x.size // x.shape[3] * w.shape[3] <= _LARGEST, "too many filters", w.shape)
    _window(op, x, y, (w.shape[1], w.shape[2]), w.shape[3])


def _dense(op: IntegerOperator, inputs: list[IntegerTensor | None], y: IntegerTensor) -> None:
    (x,) = _flowing(inputs, 1)
    w = _weights(x, inputs, y, 0)
    _need(len(w.shape) == 2 and x.size % w.shape[1] == 0, "rows of another length than the weights'", w.shape)
    _need(
        y.size == x.size // w.shape[1] * w.shape[0] and y.shape[-1] == w.shape[0], "an output of another size", y.shape
    )


def _add(op: IntegerOperator, inputs: list[IntegerTensor | None], y: IntegerTensor) -> None:
    a, b = _flowing(inputs, 2)
    _coded(a, b, y)
    _need(a.shape == b.shape == y.shape, "shapes that differ", [a.shape, b.shape])


def _pool(op: IntegerOperator, inputs: list[IntegerTensor | None], y: IntegerTensor) -> None:
    (x,) = _flowing(inputs, 1)
    _coded(x, y)
    _alike(x, y)
    _images(x, y)
    _window(op, x, y, op.options.window, x.shape[3])


def _mean(op: IntegerOperator, inputs: list[IntegerTensor | None], y: IntegerTensor) -> None:
    (x,) = _flowing(inputs, 1)
    _coded(x, y)
    axes = _constant(inputs, 1, "axes").values.ravel()
    _need(len(x.shape) == 4 and sorted(axes[:4].tolist()) == [1, 2], "a mean over height and width is read")
    _need(y.size == x.shape[3], "an output of another size", y.shape)


def _reshape(op: IntegerOperator, inputs: list[IntegerTensor | None], y: IntegerTensor) -> None:
    (x,) = _flowing(inputs, 1)
    _need(x.size == y.size and x.dtype == y.dtype, "another size or type", y.shape)


def _pad(op: IntegerOperator, inputs: list[IntegerTensor | None], y: IntegerTensor) -> None:
    (x,) = _flowing(inputs, 1)
    _coded(x, y)
    _alike(x, y)
    added = _constant(inputs, 1, "paddings")
    _need(added.dtype == np.int32 and added.shape == (len(x.shape), 2), "paddings that do not fit", added.shape)
    data = added.values
    _need(bool(((data >= 0) & (data <= _ADDED)).all() and not data[0].any()), "paddings out of range")
    expected = tuple(int(s + p) for s, p in zip(x.shape, data.sum(axis=1), strict=True))
    _need(y.shape == expected, f"gives an output of {expected}", y.shape)


def _quantize(op: IntegerOperator, inputs: list[IntegerTensor | None], y: IntegerTensor) -> None:
    (x,) = _flowing(inputs, 1)
    _coded(y)
    if x.dtype != FLOAT:
        _coded(x)
    _need(x.shape == y.shape, "shapes that differ", y.shape)


def _dequantize(op: IntegerOperator, inputs: list[IntegerTensor | None], y: IntegerTensor) -> None:
    (x,) = _flowing(inputs, 1)
    _coded(x)
    _need(y.dtype == FLOAT and x.shape == y.shape, "an output of another type or shape", y.shape)


def _softmax(op: IntegerOperator, inputs: list[IntegerTensor | None], y: IntegerTensor) -> None:
    (x,) = _flowing(inputs, 1)
    _coded(x, y)
    _need(x.shape == y.shape, "shapes that differ", y.shape)
    least = int(np.iinfo(y.dtype).min)
    _need(y.scale == 1 / 256 and y.zero_point == least, "an output scale other than 1/256", y.scale)


def _prelu(op: IntegerOperator, inputs: list[IntegerTensor | None], y: IntegerTensor) -> None:
    (x,) = _flowing(inputs, 1)
    slopes = _constant(inputs, 1, "slopes")
    _need(x.dtype == y.dtype == slopes.dtype == FLOAT and x.shape == y.shape, "not in floating point", str(x.dtype))
    _need(slopes.size == x.shape[-1] == slopes.shape[-1], "slopes of other channels than the input", slopes.shape)


_RULES: dict[str, _Rule] = {
    "conv": _conv, "depthwise": _depthwise, "dense": _dense, "add": _add, "average_pool": _pool, "max_pool": _pool,
    "mean": _mean, "reshape": _reshape, "pad": _pad, "quantize": _quantize, "dequantize": _dequantize,
    "softmax": _softmax, "prelu": _prelu,
}  # fmt: skip
