"""ONNX operators that only change shapes; the batch stays the first dimension of every value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from torch import Tensor

from slipstick.trained.onnx.builder_context import _Built, _FileFacts
from slipstick.trained.onnx.constants import DIMENSIONS
from slipstick.trained.onnx.node_attributes import _OnnxNode
from slipstick.trained.onnx.weightless_operators import MOVED, _axes_of, _axis_of
from slipstick.trained.onnx.window_operators import _padded


def _reshape(node: _OnnxNode, known: _FileFacts) -> _Built:
    """Reshape to a constant shape, with or without the batch dimension.

    The first size of that shape may be 0 (as it was) or -1 (what is left), or the batch that the file was exported
    with, which is written into the shape as a number: 1 for most, and also where the file leaves the batch open but a
    Reshape kept the exporter's 1. All mean the batch of the images that are given now.
    """
    target = known.target(node.inputs[1])
    if not target or len(target) > DIMENSIONS or any(size < -1 for size in target) or target.count(-1) > 1:
        raise ValueError(f"the shape {target}")
    if target[0] not in (0, -1, known.batch or 1):
        raise ValueError(f"{MOVED}: the shape {target}")
    if node.whole("allowzero", 0) and 0 in target:
        raise ValueError("a shape without elements")
    return _Built(partial(_reshaped, rest=tuple(target[1:])), (known.flow(node.inputs[0]),))


def _reshaped(x: Tensor, *, rest: Sequence[int]) -> Tensor:
    """Return `x` with each image's part in the shape `rest`: 0 keeps a size, -1 is inferred."""
    sizes = [int(x.shape[axis]) if size == 0 else size for axis, size in enumerate(rest, 1)]
    return x.reshape(x.shape[0], *sizes) if sizes else _vector(x)


def _flatten(node: _OnnxNode, known: _FileFacts) -> _Built:
    """Flatten of all dimensions behind the batch."""
    return _Built(partial(_flat, axis=node.whole("axis", 1)), (known.flow(node.inputs[0]),))


def _flat(x: Tensor, *, axis: int) -> Tensor:
    """(N, ...) -> (N, all the others); ValueError for another split."""
    if (axis + x.ndim if axis < 0 else axis) != 1:
        raise ValueError(MOVED)
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


def _transpose(node: _OnnxNode, known: _FileFacts) -> _Built:
    """Transpose of the dimensions behind the batch."""
    order = node.several("perm", None)
    if not order or sorted(order) != list(range(len(order))) or order[0] != 0:
        raise ValueError(f"{MOVED}, and every other dimension must come once: perm {order}")
    return _Built(partial(_turned, order=order), (known.flow(node.inputs[0]),))


def _turned(x: Tensor, *, order: Sequence[int]) -> Tensor:
    """Return `x` with its axes permuted."""
    return x.permute(list(order))


def _squeeze(node: _OnnxNode, known: _FileFacts) -> _Built:
    """Squeeze; without axes, all of size 1 but the batch: a batch of one image is still a batch."""
    axes = _axes_of(node, known, 13)  # the operators' changelog
    return _Built(partial(_squeezed, axes=axes), (known.flow(node.inputs[0]),))


def _squeezed(x: Tensor, *, axes: Sequence[int] | None) -> Tensor:
    """Return `x` without axes of size 1; ValueError for one of another size."""
    every = [axis for axis in range(1, x.ndim) if x.shape[axis] == 1]
    gone = every if axes is None else [_axis_of(axis, x.ndim) for axis in axes]
    if any(x.shape[axis] != 1 for axis in gone):
        raise ValueError(f"the axes {gone} of {tuple(x.shape)} are not of size 1")
    return x.reshape([size for axis, size in enumerate(x.shape) if axis not in gone])


def _unsqueeze(node: _OnnxNode, known: _FileFacts) -> _Built:
    """Unsqueeze: inserts axes of size 1, at positions counted in the result."""
    axes = _axes_of(node, known, 13)  # the operators' changelog
    if not axes:
        raise ValueError("it has no axes")
    return _Built(partial(_unsqueezed, axes=axes), (known.flow(node.inputs[0]),))


def _unsqueezed(x: Tensor, *, axes: Sequence[int]) -> Tensor:
    """Return `x` with inserted axes of size 1; ValueError for a duplicate axis, or one beyond the result."""
    rank = x.ndim + len(axes)
    added = sorted(_axis_of(axis, rank) for axis in axes)
    if len(set(added)) != len(added):
        raise ValueError(f"the axes {list(axes)}")
    for axis in added:
        x = x.unsqueeze(axis)
    return x


def _pad(node: _OnnxNode, known: _FileFacts) -> _Built:
    """Pad with a constant, never along the batch."""
    if (mode := node.word("mode", "constant")) != "constant":
        raise ValueError(f"only the mode constant is supported, and it has {mode}")
    operands = (*node.inputs[1:], "", "", "")
    if node.version < 11:  # the pads were attributes until version 11 of the operators
        pads, value, axes = node.several("pads", ()) or [], node.real("value", 0.0), None
    else:
        pads, value = known.integers(operands[0]), known.number(operands[1], 0.0)
        axes = known.integers(operands[2]) if operands[2] else None
    if not pads or len(pads) % 2 or (axes is not None and len(axes) != len(pads) // 2):
        raise ValueError(f"the pads {pads} for the axes {axes}")
    return _Built(partial(_surrounded, pads=pads, value=value, axes=axes), (known.flow(node.inputs[0]),))


def _surrounded(x: Tensor, *, pads: Sequence[int], value: float, axes: Sequence[int] | None) -> Tensor:
    """Return `x` padded with a constant; `pads` in ONNX's order: all before, then all behind."""
    half = len(pads) // 2
    if axes is None and half != x.ndim:
        raise ValueError(f"pads for {half} axes of {x.ndim}")
    order = [0] * (2 * x.ndim)  # torch: before and behind, from the last axis
    for place, axis in enumerate(range(half) if axes is None else axes):
        before, behind = pads[place], pads[place + half]
        if before or behind:
            back = 2 * (x.ndim - 1 - _axis_of(axis, x.ndim))
            order[back : back + 2] = [before, behind]
    return _padded(x, order[:-2], value)


def _vector(x: Tensor) -> Tensor:
    if x.numel() != x.shape[0]:
        raise ValueError(MOVED)
    return x.reshape(x.shape[0])
