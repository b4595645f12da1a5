"""ONNX operators without weights; the first dimension of every value is the batch, and moving it is an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from slipstick.trained.onnx.builder_context import _Built, _FileFacts
from slipstick.trained.onnx.node_attributes import _OnnxNode

ARITHMETIC: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": torch.div,
}
MOVED = "it would mix the images of a batch, whose first dimension must stay the batch"


def _axis_of(axis: int, rank: int) -> int:
    """Return an axis counted from the front; ValueError for an invalid axis, or the batch's."""
    place = axis + rank if axis < 0 else axis
    if not 0 <= place < rank:
        raise ValueError(f"the axis {axis} of {rank}")
    if place == 0:
        raise ValueError(MOVED)
    return place


def _axes_of(node: _OnnxNode, known: _FileFacts, since: int) -> list[int] | None:
    """Return a node's axes: an attribute before opset version `since`, then the second input."""
    if node.version < since:
        return node.several("axes", None)
    return known.integers(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] else None


def _arithmetic(node: _OnnxNode, known: _FileFacts) -> _Built:
    """Add, Sub, Mul, Div: of two values, or of a value and a constant without a batch dimension."""
    constant = tuple(name in known.constants for name in node.inputs)
    if all(constant):
        raise ValueError("it reads no value that an image decides")
    function = partial(_combined, operation=ARITHMETIC[node.operator], constant=constant)
    return _Built(function, node.inputs)


def _combined(*values: Tensor, operation: Callable[[Tensor, Tensor], Tensor], constant: Sequence[bool]) -> Tensor:
    """Return a sum, difference, product or quotient; ValueError where broadcasting would misalign dimensions."""
    rank = max(value.ndim for value, fixed in zip(values, constant, strict=True) if not fixed)
    for value, fixed in zip(values, constant, strict=True):
        whole = value.ndim == rank
        if value.ndim > rank or (fixed and whole and value.shape[0] != 1) or (not fixed and not whole):
            raise ValueError(MOVED)
    first, second = values
    return operation(first, second)


def _pointwise(function: Callable[..., Tensor], **defaults: float) -> Callable[[_OnnxNode, _FileFacts], _Built]:
    """Return the builder of an elementwise operator, given its attributes and their defaults."""

    def build(node: _OnnxNode, known: _FileFacts) -> _Built:
        options = {name: node.real(name, default) for name, default in defaults.items()}
        return _Built(partial(function, **options), (known.flow(node.inputs[0]),))

    return build


def _hard_sigmoid(x: Tensor, *, alpha: float, beta: float) -> Tensor:
    """Return max(0, min(1, alpha x + beta))."""
    return (x * alpha + beta).clamp(0, 1)


def _leaky_relu(x: Tensor, *, alpha: float) -> Tensor:
    """Return x, its negative part times alpha."""
    return functional.leaky_relu(x, alpha)


def _same(x: Tensor) -> Tensor:
    """Return the input `x` as it is."""
    return x


def _dropout(node: _OnnxNode, known: _FileFacts) -> _Built:
    """Dropout in inference, an identity; its ratio is dropped, so that further training goes without."""
    training = node.inputs[2] if len(node.inputs) > 2 else ""
    if training and any(known.integers(training)):
        raise ValueError("only inference is supported, and its training_mode is set")
    return _Built(_same, (known.flow(node.inputs[0]),))


def _softmax(node: _OnnxNode, known: _FileFacts) -> _Built:
    """Softmax, LogSoftmax: along one axis; before opset version 13 jointly along all axes from one on."""
    function = {"Softmax": torch.softmax, "LogSoftmax": torch.log_softmax}[node.operator]
    joint = node.version < 13  # the operators' changelog: version 13 made it one axis, the last
    axis = node.whole("axis", 1 if joint else -1)
    return _Built(partial(_normalised, function=function, axis=axis, joint=joint), (known.flow(node.inputs[0]),))


def _normalised(x: Tensor, *, function: Callable[..., Tensor], axis: int, joint: bool) -> Tensor:
    """Return a softmax along an axis, or jointly along all axes from it on."""
    first = _axis_of(axis, x.ndim)
    return function(x.flatten(first), dim=first).reshape(x.shape) if joint else function(x, dim=first)


def _global_average(x: Tensor) -> Tensor:
    """GlobalAveragePool: (N, channels, ...) -> (N, channels, 1, ...)."""
    if x.ndim < 3:
        raise ValueError(f"it needs [n, channels, ...] and reads {tuple(x.shape)}")
    return x.mean(dim=tuple(range(2, x.ndim)), keepdim=True)


def _reduce_mean(node: _OnnxNode, known: _FileFacts) -> _Built:
    """ReduceMean along axes other than the batch."""
    axes = _axes_of(node, known, 18)  # the operators' changelog
    keep, nothing = node.whole("keepdims", 1) != 0, node.whole("noop_with_empty_axes", 0) != 0
    read = (known.flow(node.inputs[0]),)
    if not axes and nothing:
        return _Built(_same, read)
    if not axes:
        raise ValueError(MOVED)
    return _Built(partial(mean, axes=axes, keep=keep), read)


def mean(x: Tensor, *, axes: Sequence[int], keep: bool) -> Tensor:
    """Return the mean along axes, which are kept with size 1 or removed."""
    return x.mean(dim=[_axis_of(axis, x.ndim) for axis in axes], keepdim=keep)


def _concat(node: _OnnxNode, known: _FileFacts) -> _Built:
    """Concat of values, and of constants without a batch dimension."""
    if all(name in known.constants for name in node.inputs):
        raise ValueError("it reads no value that an image decides")
    if "axis" not in node.attributes:
        raise ValueError("it has no axis")
    constant = tuple(name in known.constants for name in node.inputs)
    return _Built(partial(_joined, axis=node.whole("axis", 1), constant=constant), node.inputs)


def _joined(*values: Tensor, axis: int, constant: Sequence[bool]) -> Tensor:
    """Return the values concatenated; a constant [1, ...] is repeated for each image, ValueError for another one."""
    batch = values[constant.index(False)].shape[0]
    whole = []
    for value, fixed in zip(values, constant, strict=True):
        if fixed and (value.ndim == 0 or value.shape[0] != 1):
            raise ValueError(MOVED)
        whole.append(value.expand(batch, *value.shape[1:]) if fixed else value)
    return torch.cat(whole, dim=_axis_of(axis, values[0].ndim))
