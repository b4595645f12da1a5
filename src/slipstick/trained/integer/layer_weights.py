"""Integer weights of a network's layers as number formats act on them, and back into the file's layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import AnyArray
from slipstick.core.errors import SlipstickError
from slipstick.trained.integer.integer_network import IntegerNetwork, IntegerOperator, IntegerTensor

_OPERATORS = ("Conv2D", "depthwise", "MatMul")  # the last step of a path in files of TensorFlow's converter
_SUFFIXES = (*_OPERATORS, "FusedBatchNormV3", "BiasAdd", "ReadVariableOp", "resource")


@dataclass(frozen=True, eq=False)
class _LayerWeights:
    """Integer weights of one layer: a real weight is its filter's scale times its integer code.

    Parameters
    ----------
    op : index of the operator.
    tensor, bias_tensor : indices of weights and bias; -1 where the layer has no bias.
    codes : int16, the file's codes minus their zero point, filters first and input channels last: a convolution's
        [filters, kh, kw, channels], a depth-wise one's [channels, kh, kw, 1], a dense layer's [outputs, inputs].
    scales : of each filter.
    bias : int32 of each filter, in units of the input's scale times the filter's; zeros where there is none.
    zero_point, dtype : of the file's codes.
    """

    name: str
    op: int
    tensor: int
    bias_tensor: int
    kind: Literal["conv", "depthwise", "dense"]
    codes: NDArray[np.int16]
    scales: NDArray[np.float32]
    bias: NDArray[np.int32]
    zero_point: int
    dtype: np.dtype[np.generic]

    @property
    def readable(self) -> str:
        """Short readable layer name: the last two steps of the converter's path, without the operator's own.

        Converters join the names of all operators that were merged by semicolons.
        """
        names = [part.split("/") for part in self.name.split(";")]
        path = next((part for part in names if part[-1] in _OPERATORS), names[0])
        while len(path) > 1 and path[-1] in _SUFFIXES:
            path = path[:-1]
        return "/".join(path[-2:])

    @property
    def least(self) -> int:
        """Smallest integer code that the file's type can hold."""
        return int(np.iinfo(self.dtype).min) - self.zero_point  # type: ignore[type-var]

    @property
    def most(self) -> int:
        """Largest integer code that the file's type can hold."""
        return int(np.iinfo(self.dtype).max) - self.zero_point  # type: ignore[type-var]

    def stored(self, codes: AnyArray) -> AnyArray:
        """Return integer weights of the shape of `codes` in the file's layout and type, for `run` and `patch`.

        Errors
        ------
        SlipstickError for another shape, and for codes that the file's type cannot hold.
        """
        codes = np.asarray(codes)
        if codes.shape != self.codes.shape or codes.dtype.kind not in "iu":
            actual, allowed = f"{codes.dtype} {list(codes.shape)}", f"integers {list(self.codes.shape)}"
            raise SlipstickError("not this layer's codes", path=self.name, value=actual, allowed=allowed)
        if codes.size and (codes.min() < self.least or codes.max() > self.most):
            allowed = f"{self.least} to {self.most}"
            actual = f"{codes.min()} to {codes.max()}"
            raise SlipstickError("codes beyond the file's type", path=self.name, value=actual, allowed=allowed)
        values = (codes.astype(np.int32) + self.zero_point).astype(self.dtype)
        return np.ascontiguousarray(values.transpose(3, 1, 2, 0)) if self.kind == "depthwise" else values


def layer_weights(network: IntegerNetwork) -> tuple[_LayerWeights, ...]:
    """Return the weights of every convolution, depth-wise convolution and dense layer, in operator order."""
    return tuple(
        _of(network, place, op)
        for place, op in enumerate(network.operators)
        if op.kind in ("conv", "depthwise", "dense")
    )


def _of(network: IntegerNetwork, place: int, op: IntegerOperator) -> _LayerWeights:
    w = network.tensors[op.inputs[1]]
    codes = w.values.astype(np.int16) - np.int16(w.zero_points[0])
    if op.kind == "depthwise":
        codes = codes.transpose(3, 1, 2, 0)
    filters = len(codes)
    bias_tensor = _bias_of(op)
    bias = (
        np.zeros(filters, np.int32) if bias_tensor < 0 else network.tensors[bias_tensor].values.ravel().astype(np.int32)
    )
    kind: Literal["conv", "depthwise", "dense"] = op.kind  # type: ignore[assignment]
    return _LayerWeights(
        name=w.name,
        op=place,
        tensor=op.inputs[1],
        bias_tensor=bias_tensor,
        kind=kind,
        codes=np.ascontiguousarray(codes),
        scales=_scales(w, filters),
        bias=bias,
        zero_point=int(w.zero_points[0]),
        dtype=w.dtype,
    )


def _scales(w: IntegerTensor, filters: int) -> NDArray[np.float32]:
    return np.broadcast_to(w.scales, filters).astype(np.float32)


def _bias_of(op: IntegerOperator) -> int:
    """Return the index of a layer's bias tensor, -1 where there is none."""
    return op.inputs[2] if len(op.inputs) > 2 else -1
