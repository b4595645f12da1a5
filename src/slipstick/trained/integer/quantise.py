"""Quantisation after training: a folded network in real numbers and its activations' ranges become an integer network.

Weights are int8 from -127 to 127 with a scale of each filter, biases int32, activations int8 with one scale and zero
point. Source: B. Jacob et al., CVPR 2018, section 2; TensorFlow Lite's "8-bit quantization specification".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import AnyArray
from slipstick.core.errors import SlipstickError
from slipstick.trained.integer.activation_ranges import _scale_and_zero_point
from slipstick.trained.integer.input_codes import _InputCodes
from slipstick.trained.integer.integer_network import (
    Activation,
    IntegerNetwork,
    IntegerOperator,
    IntegerTensor,
    Kind,
)
from slipstick.trained.integer.operator_rules import _check
from slipstick.trained.integer.real_network import NO_RIM, RealLayer, RealNetwork, RealOperator, Rim, _window_of
from slipstick.trained.integer.window_geometry import _slide

_TOP = 127  # of the weights' codes: symmetric, as TensorFlow Lite's specification has it
_MOST_BIAS = 1.9e9  # of a bias in int32; the sum of products has the rest of 2**31: 15,000 products of 127 * 128
_LEAST_FACTOR = 2.0**-30  # of a filter's requantisation; below it, sums of products do not move an output code
_SAME_CODES = ("reshape", "pad", "max_pool", "average_pool")  # kinds whose output has the codes of their input
_ACTIVATIONS: dict[tuple[float, float], Activation] = {
    (0.0, np.inf): "relu", (0.0, 6.0): "relu6", (-1.0, 1.0): "relu_n1_to_1",
}  # fmt: skip
_KINDS: dict[str, Kind] = {"clamp": "quantize"}  # kinds that have another name in integers


def quantise(network: RealNetwork, codes: _InputCodes, ranges: Mapping[str, tuple[float, float]]) -> IntegerNetwork:
    """Return the integer network that computes what a folded network computes, in 8 bits.

    Parameters
    ----------
    codes : meaning of the input's codes.
    ranges : least and largest real number of each value that an operator other than a reshape, a pad or a pool gives.

    Errors
    ------
    SlipstickError for zeros around a maximum pool's image that codes cannot stand for, and sums beyond 32 bits.
    """
    builder = _Builder(ranges)
    builder.flow(network.source, network.shape, np.float32(codes.scale), codes.zero_point)
    for op in network.operators:
        builder.take(op)
    made = IntegerNetwork(
        network.name,
        tuple(builder.tensors),
        tuple(builder.operators),
        builder.places[network.source],
        builder.places[network.result],
    )
    _check(made)
    return made


class _Builder:
    """Tensors and operators of an integer network, in the order in which they are added."""

    def __init__(self, ranges: Mapping[str, tuple[float, float]]) -> None:
        self.ranges = ranges
        self.tensors: list[IntegerTensor] = []
        self.operators: list[IntegerOperator] = []
        self.places: dict[str, int] = {}
        self._names: set[str] = set()

    def flow(self, name: str, shape: tuple[int, ...], scale: np.float32, zero_point: int) -> int:
        """Add a value that flows, and return its place."""
        scales, zeros = np.array([scale], np.float32), np.array([zero_point], np.int64)
        self.places[name] = self._add(IntegerTensor(self._unique(name), shape, np.dtype(np.int8), scales, zeros))
        return self.places[name]

    def take(self, op: RealOperator) -> None:
        """Add an operator, and before it the zeros around its image that its own padding does not give."""
        first, padding = self._padded(op)
        inputs = (first, *(self.places[name] for name in op.inputs[1:]))
        x = self.tensors[first]
        if op.kind == "pad":
            self.places[op.output] = first
            return
        y = self.flow(op.output, op.shape, *self._codes(op, x))
        options = replace(op.options, padding=padding, activation=_ACTIVATIONS.get(op.bounds, "none"))
        constants = self._constants(op, x, self.tensors[y])
        self.operators.append(IntegerOperator(_KINDS.get(op.kind, op.kind), (*inputs, *constants), y, options))  # type: ignore[arg-type]

    def _codes(self, op: RealOperator, x: IntegerTensor) -> tuple[np.float32, int]:
        """Return scale and zero point of an operator's output."""
        if op.kind in _SAME_CODES:
            return np.float32(x.scale), x.zero_point
        if op.kind == "softmax":
            return np.float32(1 / 256), -128  # as TensorFlow Lite's specification fixes it
        return _scale_and_zero_point(*self.ranges[op.output])

    def _padded(self, op: RealOperator) -> tuple[int, Any]:
        """Return the place of an operator's first input, with the zeros around it, and the padding of its windows."""
        place = self.places[op.inputs[0]]
        if op.rim == NO_RIM:
            return place, "valid"
        x = self.tensors[place]
        rim = op.rim if op.kind == "pad" else _needed_rim(op, x.shape)
        if op.kind != "pad" and rim == _same_rim(op, x.shape):
            return place, "same"
        if op.kind == "max_pool" and x.zero_point != -128:
            allowed = "a ReLU before the pool, or padding that leaves the larger half behind"
            raise SlipstickError("pads a maximum of negative numbers", path=op.path or op.output, allowed=allowed)
        if op.kind == "average_pool":
            allowed = "count_include_pad=True, or padding that leaves the larger half behind"
            raise SlipstickError("pads a mean without counting", path=op.path or op.output, allowed=allowed)
        return self._pad(op, x, place, rim), "valid"

    def _pad(self, op: RealOperator, x: IntegerTensor, place: int, rim: Rim) -> int:
        added = np.array([(0, 0), *rim, (0, 0)], np.int32)
        shape = tuple(int(side + sum(both)) for side, both in zip(x.shape, added, strict=True))
        y = self.flow(f"{op.output}_padded", shape, np.float32(x.scale), x.zero_point)
        paddings = self._constant(f"{op.output}_paddings", added)
        self.operators.append(IntegerOperator("pad", (place, paddings), y))
        return y

    def _constants(self, op: RealOperator, x: IntegerTensor, y: IntegerTensor) -> tuple[int, ...]:
        """Return the places of an operator's constants: weights and bias, axes, or a shape."""
        if op.kind == "mean":
            return (self._constant(f"{op.output}_axes", np.array([1, 2], np.int32)),)
        if op.kind == "reshape":
            return (self._constant(f"{op.output}_shape", np.array(op.shape, np.int32)),)
        return () if op.layer is None else self._weights(op, op.layer, x, y)

    def _weights(self, op: RealOperator, layer: RealLayer, x: IntegerTensor, y: IntegerTensor) -> tuple[int, int]:
        whole, scales = _integer_weights(layer, x.scale, y.scale)
        steps = x.scale * scales.astype(np.float64)
        bias = np.rint(layer.bias / steps).astype(np.int32)
        axis = 3 if op.kind == "depthwise" else 0
        stored = whole.transpose(3, 1, 2, 0) if op.kind == "depthwise" else whole
        weights = self._constant(layer.name, np.ascontiguousarray(stored), scales, axis)
        return weights, self._constant(f"{layer.name}.bias", bias, steps.astype(np.float32))

    def _constant(self, name: str, values: AnyArray, scales: NDArray[np.float32] | None = None, axis: int = 0) -> int:
        scale = np.zeros(0, np.float32) if scales is None else scales
        zeros = np.zeros(scale.size, np.int64)
        return self._add(IntegerTensor(self._unique(name), values.shape, values.dtype, scale, zeros, axis, values))

    def _add(self, tensor: IntegerTensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def _unique(self, name: str) -> str:
        unique, number = name, 1
        while unique in self._names:
            unique, number = f"{name}_{number}", number + 1
        self._names.add(unique)
        return unique


def _integer_weights(layer: RealLayer, x_scale: float, y_scale: float) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return a layer's weights as int8 codes, with the scale of each filter.

    Whole numbers stay, whatever their scale. A scale is no smaller than what the bias and the requantisation can hold:
    products of such a filter do not move its output.

    Errors
    ------
    SlipstickError for whole numbers beyond int8.
    """
    least = np.maximum(np.abs(layer.bias) / _MOST_BIAS, y_scale * _LEAST_FACTOR) / x_scale
    columns = [1] * (layer.weights.ndim - 1)
    if layer.scales is not None:
        if layer.weights.min(initial=0) < -128 or layer.weights.max(initial=0) > _TOP:
            value = f"{layer.weights.min():.0f} to {layer.weights.max():.0f}"
            raise SlipstickError("whole numbers beyond int8", path=layer.name, value=value, allowed="-128 to 127")
        return layer.weights.astype(np.int8), np.maximum(layer.scales, least).astype(np.float32)
    largest = np.abs(layer.weights).reshape(len(layer.weights), -1).max(axis=1)
    scales = np.maximum(largest / _TOP, least).astype(np.float32)
    codes = np.rint(layer.weights / scales.astype(np.float64).reshape(-1, *columns))
    return np.clip(codes, -_TOP, _TOP).astype(np.int8), scales


def _needed_rim(op: RealOperator, shape: tuple[int, ...]) -> Rim:
    """Return the zeros around an image that windows read: those behind the last window are left out."""
    sides = []
    for axis, covered in enumerate(_window_of(op)):
        stride, before = op.options.stride[axis], op.rim[axis][0]
        behind = (op.shape[1 + axis] - 1) * stride + covered - shape[1 + axis] - before
        sides.append((before, max(behind, 0)))
    return sides[0], sides[1]


def _same_rim(op: RealOperator, shape: tuple[int, ...]) -> Rim:
    """Return the zeros that TensorFlow's SAME padding puts around an image."""
    windows, strides = _window_of(op), op.options.stride
    rows, columns = (_slide(shape[1 + axis], windows[axis], strides[axis], "same")[1:] for axis in range(2))
    return rows, columns
