"""Shapes computed from the batch inside an ONNX file, as exporters write ``x.view(x.size(0), -1)`` for an open batch.

Every value's first dimension is the batch here, so that what Gather or Slice take from the front of a Shape is known
without the images, and the shapes that are put together from it and from constants are constants too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.trained.onnx.constants import DIMENSIONS, WHOLE, _shape_of, _type_name, integers
from slipstick.trained.onnx.node_attributes import _OnnxNode
from slipstick.trained.onnx.onnx_file import DAMAGE

BATCH = -2  # stands for the batch: a shape in a file has no size below -1
INT64 = 7  # onnx.proto, TensorProto.DataType
_FRONT = ([(0,), (1,)], [(0,), (1,), (0,)], [(0,), (1,), (0,), (1,)])  # of a shape: starts, ends, axes, steps of Slice
Sizes = tuple[int, ...] | int  # a shape, or one size of it


def _without_shapes(
    nodes: Sequence[_OnnxNode], constants: Mapping[str, Any], path: str
) -> tuple[tuple[_OnnxNode, ...], dict[str, Sizes]]:
    """Return the nodes that process images, and the shapes computed by all others, with `BATCH` as batch size.

    A node that computes from other sizes than the batch stays: no operator is read that does so.

    Errors
    ------
    SlipstickError for a damaged constant that is computed with, naming the node.
    """
    known = _Sizes(constants)
    remaining = []
    for node in nodes:
        try:
            if not known.take(node):
                remaining.append(node)
        except DAMAGE as error:
            raise SlipstickError(f"{node.operator}: {error}", path=f"{path}: {node.name}") from None
    return tuple(remaining), known.found


class _Sizes:
    """Sizes known so far while the nodes of a file are followed."""

    def __init__(self, constants: Mapping[str, Any]) -> None:
        self._constants = constants
        self._whole_shapes: set[str] = set()  # results of Shape
        self.found: dict[str, Sizes] = {}

    def take(self, node: _OnnxNode) -> bool:
        """Return whether a node only computes sizes, and record these."""
        first = node.inputs[0] if node.inputs else ""
        if node.operator == "Shape":
            sizes = first in self._constants or first in self.found or first in self._whole_shapes
            of_images = not sizes and not node.attributes
            if of_images:
                self._whole_shapes.add(node.output)
            return of_images
        made = None
        if first in self._whole_shapes:
            made = self._batch(node)
        elif any(name in self.found for name in node.inputs):
            made = self._computed(node)
        if made is not None:
            self.found[node.output] = made
        return made is not None

    def _batch(self, node: _OnnxNode) -> Sizes | None:
        """Return the batch element of a shape, where a node slices or gathers exactly that."""
        rest = [self._size(name) for name in node.inputs[1:]]
        if node.operator == "Gather" and rest in ([0], [(0,)]) and node.whole("axis", 0) == 0:
            return BATCH if rest == [0] else (BATCH,)
        return (BATCH,) if node.operator == "Slice" and rest in _FRONT else None

    def _computed(self, node: _OnnxNode) -> Sizes | None:
        """Return the sizes that a node computes from other computed sizes."""
        sizes = [self._size(name) for name in node.inputs]
        first = sizes[0]
        if node.operator == "Cast":
            return first if node.whole("to", 0) == INT64 else None
        if node.operator == "Unsqueeze" and isinstance(first, int):
            axes = node.several("axes", ()) if node.version < 13 else sizes[-1]  # the operators' changelog
            return (first,) if axes in ([0], (0,)) else None
        if node.operator != "Concat" or not all(isinstance(part, tuple) for part in sizes):
            return None
        joined = tuple(size for part in sizes if isinstance(part, tuple) for size in part)
        return joined if len(joined) <= DIMENSIONS and node.whole("axis", 1) == 0 else None

    def _size(self, name: str) -> Sizes | None:
        """Return sizes that are computed or constant; None for anything else."""
        if name in self.found or name not in self._constants:
            return self.found.get(name)
        tensor = self._constants[name]
        shape = _shape_of(tensor)
        if _type_name(tensor.data_type) not in WHOLE or len(shape) > 1 or math.prod(shape) > DIMENSIONS:
            return None
        numbers = integers(tensor)
        return tuple(numbers) if shape else numbers[0]
