"""Context of operator builders: the facts of the file that they read, and the layer that they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from slipstick.trained.onnx.batch_shapes import BATCH, Sizes
from slipstick.trained.onnx.constants import _shape_of, integers, number


@dataclass(frozen=True)
class _Weight:
    """Constant that becomes a parameter or buffer `attribute` of a layer; `transposed`: its two axes are swapped."""

    attribute: str
    constant: str
    transposed: bool = False


@dataclass(frozen=True)
class _Built:
    """Result of an operator's builder: the layer or function, and its inputs.

    Parameters
    ----------
    function : from the tensors that are read to the tensor that is made; a layer goes before them, where there is one.
    reads : names of values, and of floating-point constants.
    layer : with the shapes that its weights need, on torch's device for no memory.
    cost : multiplications, or comparisons, for one element of the result.
    """

    function: Callable[..., Tensor]
    reads: tuple[str, ...]
    layer: nn.Module | None = None
    weights: tuple[_Weight, ...] = ()
    cost: int = 1


@dataclass(frozen=True)
class _FileFacts:
    """Facts of an ONNX file: constants, batch size (None: open), shapes computed from it, and numbers read."""

    constants: Mapping[str, Any]
    batch: int | None
    shapes: Mapping[str, Sizes] = field(default_factory=dict)
    numbers: set[str] = field(default_factory=set)

    def flow(self, name: str) -> str:
        """Return the name of a run-time value (computed from the image); ValueError for a constant or absent input."""
        if not name or name in self.constants:
            raise ValueError(f"its first input is a constant: {name}")
        return name

    def shape(self, name: str, dimensions: int) -> tuple[int, ...]:
        """Return the shape of a constant weight; ValueError for no constant, a wrong rank, or no elements."""
        if name not in self.constants:
            raise ValueError(f"{name} is computed, and must be a constant")
        shape = _shape_of(self.constants[name])
        if len(shape) != dimensions or 0 in shape:
            raise ValueError(f"{name} has the shape {shape}, and must have {dimensions} dimensions")
        return shape

    def vector(self, name: str, length: int) -> None:
        """Check that a constant is [length] or [1, length], as biases are; ValueError otherwise."""
        shape = _shape_of(self.constants[name]) if name in self.constants else ()
        if shape not in ((length,), (1, length)):
            raise ValueError(f"{name} must be a constant of {length} numbers; its shape is {shape}")

    def integers(self, name: str) -> list[int]:
        """Return the integers of a constant; ValueError for any other value."""
        if name not in self.constants:
            raise ValueError(f"{name} is computed, and must be a constant")
        return integers(self.constants[name])

    def target(self, name: str) -> list[int]:
        """Return a constant target shape, or one that begins with the batch; ValueError for any other value.

        The batch is given as the number that a file of one batch has in its place.
        """
        shape = self.shapes.get(name)
        if not isinstance(shape, tuple):
            return self.integers(name)
        if BATCH in shape[1:]:
            raise ValueError(f"the batch is not the first of the sizes {name}")
        return [self.batch or 1 if size == BATCH else size for size in shape]

    def number(self, name: str, default: float) -> float:
        """Return a constant input of an ONNX operator as a float, `default` where it is absent.

        Errors
        ------
        ValueError for an input that is computed, or has several elements.
        """
        if not name:
            return default
        if name not in self.constants:
            raise ValueError(f"{name} is computed, and must be a constant")
        self.numbers.add(name)
        return number(self.constants[name])
