"""ONNX operators that become torch layers, which have names, can be trained, and can be quantised."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from slipstick.trained.onnx.builder_context import _Built, _FileFacts, _Weight
from slipstick.trained.onnx.node_attributes import _OnnxNode
from slipstick.trained.onnx.window_operators import _enclosed, _SlidingWindow, _window_of

WITHOUT_MEMORY = "meta"  # torch's device of tensors that have shapes and no values


def _conv(node: _OnnxNode, known: _FileFacts) -> _Built:
    """Conv over height and width -> Conv2d; asymmetric pads become explicit padding before it."""
    weight, bias = node.inputs[1], node.inputs[2:]
    filters, channels, *kernel = known.shape(weight, 4)
    window, groups = _window_of(node, kernel), node.whole("group", 1)
    if groups < 1 or filters % groups:
        raise ValueError(f"{filters} filters in {groups} groups")
    for name in bias:
        known.vector(name, filters)
    padding = window.padding()
    layer = nn.Conv2d(
        channels * groups,
        filters,
        window.kernel,
        window.strides,
        padding or 0,
        window.dilations,
        groups,
        bias=bool(bias),
        device=WITHOUT_MEMORY,
    )
    function = partial(_convolved, window=window if padding is None else None)
    return _Built(function, (known.flow(node.inputs[0]),), layer, _weights(weight, bias))


def _gemm(node: _OnnxNode, known: _FileFacts) -> _Built:
    """Gemm with constant weights -> Linear."""
    scales = [node.real(name, 1.0) for name in ("alpha", "beta")]
    if scales != [1.0, 1.0] or node.whole("transA", 0):
        raise ValueError(f"only alpha = beta = 1 and transA = 0 are supported; alpha, beta = {scales}")
    return _linear(node, known, node.whole("transB", 0) == 0, _rows_only)


def _matmul(node: _OnnxNode, known: _FileFacts) -> _Built:
    """MatMul with constant weights -> Linear; its third input, if any, is the bias of a merged Add."""
    return _linear(node, known, True, plain)


def _batch_norm(node: _OnnxNode, known: _FileFacts) -> _Built:
    """BatchNormalization with its statistics -> BatchNorm2d."""
    if node.whole("training_mode", 0) or node.whole("spatial", 1) != 1:
        raise ValueError("only the inference of one mean and variance a channel is supported")
    # ONNX keeps that part of the running statistics, torch replaces it
    epsilon, momentum = node.real("epsilon", 1e-5), 1 - node.real("momentum", 0.9)  # ONNX's own defaults
    names = ("weight", "bias", "running_mean", "running_var")
    channels = known.shape(node.inputs[1], 1)[0]
    if any(known.shape(name, 1) != (channels,) for name in node.inputs[1:]):
        raise ValueError(f"scale, bias, mean and variance must be {channels} numbers each")
    layer = nn.BatchNorm2d(channels, epsilon, momentum, device=WITHOUT_MEMORY)
    weights = tuple(_Weight(name, value) for name, value in zip(names, node.inputs[1:], strict=True))
    return _Built(_normed, (known.flow(node.inputs[0]),), layer, weights)


def _relu(node: _OnnxNode, known: _FileFacts) -> _Built:
    """Return the layer of a Relu operator."""
    return _Built(plain, (known.flow(node.inputs[0]),), nn.ReLU())


def _clip(node: _OnnxNode, known: _FileFacts) -> _Built:
    """Clip to 0 .. 6 -> ReLU6; with other bounds -> a function."""
    bounds = (*node.inputs[1:], "", "")
    if node.version < 11:  # the bounds were attributes until version 11 of the operators
        low, high = (node.real(name, bound) for name, bound in (("min", -math.inf), ("max", math.inf)))
    else:
        low, high = known.number(bounds[0], -math.inf), known.number(bounds[1], math.inf)
    read = (known.flow(node.inputs[0]),)
    if (low, high) == (0.0, 6.0):
        return _Built(plain, read, nn.ReLU6())
    return _Built(partial(_clipped, low=low, high=high), read)


def plain(layer: nn.Module, x: Tensor) -> Tensor:
    """Return a layer's output for `x`."""
    made: Tensor = layer(x)
    return made


def _rows_only(layer: nn.Module, x: Tensor) -> Tensor:
    """Return a dense layer's output for the rows of `x`; ValueError for more than two dimensions."""
    if x.ndim != 2:
        raise ValueError(f"it needs [n, features] and reads {tuple(x.shape)}")
    return plain(layer, x)


def _convolved(layer: nn.Module, x: Tensor, *, window: _SlidingWindow | None) -> Tensor:
    """Return a convolution's output for images, with explicit padding where its window needs it."""
    if x.ndim != 4:
        raise ValueError(f"it needs images, [n, channels, height, width], and reads {tuple(x.shape)}")
    return plain(layer, x if window is None else _enclosed(x, window))


def _normed(layer: nn.Module, x: Tensor) -> Tensor:
    """Return a batch norm's output for [n, channels, ...]."""
    if x.ndim == 4:
        return plain(layer, x)  # the very tensor that a convolution made: who watches both knows them by it
    if x.ndim < 2:
        raise ValueError(f"it needs [n, channels, ...] and reads {tuple(x.shape)}")
    return plain(layer, x.reshape(*x.shape[:2], -1, 1)).reshape(x.shape)


def _clipped(x: Tensor, *, low: float, high: float) -> Tensor:
    """Return `x` clipped to two bounds; the upper one holds where they cross."""
    return torch.clamp(x, low, high)


def _linear(
    node: _OnnxNode, known: _FileFacts, transposed: bool, function: Callable[[nn.Module, Tensor], Tensor]
) -> _Built:
    weight, bias = node.inputs[1], node.inputs[2:]
    rows, columns = known.shape(weight, 2)
    inputs, outputs = (rows, columns) if transposed else (columns, rows)
    for name in bias:
        known.vector(name, outputs)
    layer = nn.Linear(inputs, outputs, bias=bool(bias), device=WITHOUT_MEMORY)
    return _Built(function, (known.flow(node.inputs[0]),), layer, _weights(weight, bias, transposed))


def _weights(weight: str, bias: tuple[str, ...], transposed: bool = False) -> tuple[_Weight, ...]:
    return (_Weight("weight", weight, transposed), *(_Weight("bias", name) for name in bias))
