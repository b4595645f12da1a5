"""Execution of an integer network on a batch of images, bit for bit as TensorFlow Lite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.arrays import AnyArray
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.trained.integer.elementwise import OPERATORS
from slipstick.trained.integer.layer_weights import _bias_of
from slipstick.trained.integer.weighted_layers import (
    Compute,
    _convolution,
    _dense,
    _depthwise_convolution,
    integer_layer,
)

if TYPE_CHECKING:
    from slipstick.trained.integer.integer_network import IntegerNetwork, IntegerOperator, IntegerTensor

_LAYERS = {"conv": _convolution, "depthwise": _depthwise_convolution, "dense": _dense}
AT_ONCE = 2**23  # elements of the largest tensor: so many images run together

_Values = Mapping[int, Any]
_Replaced = _Values | None
_Observe = Callable[[int, Any], None]


def run_integers(
    network: IntegerNetwork,
    batch: AnyArray,
    weights: _Replaced = None,
    biases: _Replaced = None,
    *,
    observe: _Observe | None = None,
) -> AnyArray:
    """Return the outputs for a batch of inputs, equal byte for byte to TensorFlow Lite's reference kernels.

    Parameters
    ----------
    batch : codes [n, height, width, channels], of the input's type.
    weights : tensor -> codes of the same shape and type as the file's, used in their place.
    biases : tensor -> int32 biases, used in place of the file's.
    observe : called with each tensor that flows and its values, some images at a time.

    Errors
    ------
    SlipstickError for another type or shape, a tensor that no layer has, sums that 32 bits may not hold, and where
    numba is not installed.
    """
    require("numba", "sim")
    source = network.tensors[network.input]
    batch = np.asarray(batch)
    if batch.dtype != source.dtype or batch.shape[1:] != source.shape[1:] or not len(batch):
        allowed = f"{source.dtype} [n, {', '.join(map(str, source.shape[1:]))}]"
        raise SlipstickError("not an input", path="batch", value=f"{batch.dtype} {list(batch.shape)}", allowed=allowed)
    computes = _prepare(network, weights or {}, biases or {})
    flowing = [tensor.size for tensor in network.tensors if tensor.data is None]
    some = max(1, AT_ONCE // max(flowing))
    parts = [_through(network, computes, batch[at : at + some], observe) for at in range(0, len(batch), some)]
    return np.concatenate(parts)


def _through(network: IntegerNetwork, computes: list[Compute], batch: AnyArray, observe: _Observe | None) -> AnyArray:
    alive: dict[int, AnyArray] = {network.input: batch}
    if observe:
        observe(network.input, batch)
    for place, (op, compute) in enumerate(zip(network.operators, computes, strict=True)):
        alive[op.output] = compute(*(alive[index] for index in op.inputs if index in alive))
        if observe:
            observe(op.output, alive[op.output])
        for index in op.inputs:
            if network.last_use.get(index) == place and index != network.output:
                alive.pop(index, None)
    return alive[network.output]


def _prepare(network: IntegerNetwork, weights: _Values, biases: _Values) -> list[Compute]:
    """Return the function of integer codes of each operator, with some weights and biases (by tensor) replaced."""
    constants = _replacements(network, weights, biases)
    return [_prepared(network, op, constants) for op in network.operators]


def _replacements(network: IntegerNetwork, weights: _Values, biases: _Values) -> dict[int, AnyArray]:
    """Return the arrays that replace constant tensors, by tensor index, each checked against its tensor.

    Errors
    ------
    SlipstickError for a tensor that no layer has, and for another shape or type.
    """
    layers = [op for op in network.operators if _is_layer(op)]
    replaced: dict[int, AnyArray] = {}
    for replacements, known, kind in (
        (weights, {op.inputs[1] for op in layers}, "weights"),
        (biases, {_bias_of(op) for op in layers} - {-1}, "biases"),
    ):
        for index, values in replacements.items():
            if index not in known:
                raise SlipstickError("not a tensor of a layer", path=kind, value=index, allowed=map(str, sorted(known)))
            replaced[index] = _replaced(network.tensors[index], values, f"{kind}.{index}")
    return replaced


def _is_layer(op: IntegerOperator) -> bool:
    """Whether an operator has weights."""
    return op.kind in _LAYERS


def _replaced(tensor: IntegerTensor, values: Any, path: str) -> AnyArray:
    replacement = np.asarray(values)
    if replacement.dtype != tensor.dtype or replacement.shape != tensor.shape:
        value, allowed = f"{replacement.dtype} {list(replacement.shape)}", f"{tensor.dtype} {list(tensor.shape)}"
        raise SlipstickError("not a replacement", path=path, value=value, allowed=allowed)
    return replacement


def _prepared(network: IntegerNetwork, op: IntegerOperator, constants: Mapping[int, AnyArray]) -> Compute:
    tensors = [network.tensors[index] for index in op.inputs if index >= 0]
    y = network.tensors[op.output]
    if not _is_layer(op):
        return OPERATORS[op.kind](op, tensors, y)
    values = [constants.get(index, network.tensors[index].data) for index in op.inputs[1:] if index >= 0]
    x, w = tensors[:2]
    made = integer_layer(op, x, w, y, np.asarray(values[0]), values[1] if len(values) > 1 else None)
    return _LAYERS[op.kind](made, x)
