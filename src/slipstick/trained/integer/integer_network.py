"""Integer network as data: tensors with their quantisation scales, and operators in execution order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import AnyArray
from slipstick.core.errors import SlipstickError

Kind = Literal[
    "conv", "depthwise", "dense", "add", "average_pool", "max_pool", "mean",
    "reshape", "pad", "quantize", "dequantize", "softmax", "prelu",
]  # fmt: skip
Activation = Literal["none", "relu", "relu_n1_to_1", "relu6"]
Padding = Literal["same", "valid"]


@dataclass(frozen=True, eq=False)
class IntegerTensor:
    """Quantised tensor: a real value is `scales * (code - zero_points)`, along `axis` where there are several scales.

    Parameters
    ----------
    shape : of one batch as the file holds it: the first size of what flows through the network is 1.
    scales, zero_points : one value each, or one for each index of `axis`; empty where the tensor is not quantised.
    data : the constant, a read-only view of the file's bytes; None for what flows.
    offset, length : where the constant's bytes lie in the file; 0 and 0 for what flows.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int = 0
    data: AnyArray | None = None
    offset: int = 0
    length: int = 0

    @property
    def size(self) -> int:
        """Number of elements of the tensor."""
        return math.prod(self.shape)

    @property
    def values(self) -> AnyArray:
        """Array of a constant tensor; an error for a tensor that is computed at run time."""
        if self.data is None:
            raise SlipstickError("not a constant", path=self.name)
        return self.data

    @property
    def scale(self) -> float:
        """Single quantisation scale of a per-tensor quantised tensor, in the file's single precision."""
        return float(self.scales[0])

    @property
    def zero_point(self) -> int:
        """Integer code that stands for the real number 0."""
        return int(self.zero_points[0])


@dataclass(frozen=True)
class _Options:
    """Options of an operator; each kind of operator reads its own. Pairs are (height, width)."""

    padding: Padding = "valid"
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    window: tuple[int, int] = (1, 1)  # of a pool
    activation: Activation = "none"
    beta: float = 1.0  # of a softmax


@dataclass(frozen=True)
class IntegerOperator:
    """Operator of the network: its kind, and the indices of its input and output tensors (-1: an omitted input)."""

    kind: Kind
    inputs: tuple[int, ...]
    output: int
    options: _Options = _Options()


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """Feed-forward network with one input and one output whose layers compute in 8-bit integers.

    Operators come in the order in which they run; every one has been checked against its tensors when it was read, so
    that `run_integers` meets no surprise. See `slipstick.trained.tflite.read_tflite`.
    """

    name: str
    tensors: tuple[IntegerTensor, ...]
    operators: tuple[IntegerOperator, ...]
    input: int
    output: int
    last_use: Mapping[int, int] = field(init=False, repr=False)  # tensor -> the last operator that reads it

    def __post_init__(self) -> None:
        last = {tensor: place for place, op in enumerate(self.operators) for tensor in op.inputs}
        object.__setattr__(self, "last_use", last)
