"""Network in real numbers as the quantiser takes it: the operators of an integer network, weights filters first."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.trained.integer.integer_network import _Options
from slipstick.trained.integer.window_geometry import _span

RealKind = Literal[
    "conv", "depthwise", "dense", "add", "average_pool", "max_pool", "mean", "reshape", "pad", "softmax", "clamp"
]
Rim = tuple[tuple[int, int], tuple[int, int]]  # zeros around an image: rows above and below, columns left and right
NO_RIM: Rim = ((0, 0), (0, 0))
WEIGHTED = ("conv", "depthwise", "dense")
_PLAIN = _Options()
_UNBOUNDED = (-math.inf, math.inf)


@dataclass(frozen=True, eq=False)
class RealLayer:
    """Weights of a convolution or dense layer in real numbers, filters first and input channels last.

    Parameters
    ----------
    weights : [filters, kh, kw, channels], depth-wise [filters, kh, kw, 1], dense [outputs, inputs]; with `scales` whole
        numbers, which the quantiser keeps as they are.
    bias : of each filter [filters].
    scales : of each filter, positive: a weight is its filter's scale times its whole number; None: weights are real.
    """

    name: str
    weights: FloatArray
    bias: FloatArray
    scales: FloatArray | None = None

    def scaled(self, factors: FloatArray, shifts: FloatArray) -> RealLayer:
        """Return the layer followed by a factor and a shift of each filter, as of a batch norm.

        Whole numbers stay; those of a filter with a negative factor change their sign, because scales are positive.
        """
        bias = self.bias * factors + shifts
        columns = factors.reshape(-1, *[1] * (self.weights.ndim - 1))
        if self.scales is None:
            return replace(self, weights=self.weights * columns, bias=bias)
        signs = np.where(columns < 0, -1.0, 1.0)
        return replace(self, weights=self.weights * signs, bias=bias, scales=self.scales * np.abs(factors))

    def moved(self, factors: FloatArray, shifts: FloatArray) -> RealLayer:
        """Return the layer whose inputs x are `factors` * x + `shifts` of each input channel [channels].

        Whole numbers stay where all factors are equal and positive; the layer must not be depth-wise.
        """
        real = self.weights if self.scales is None else self.weights * self.scales.reshape(-1, *[1] * _inner(self))
        bias = self.bias + (real * shifts).reshape(len(real), -1).sum(axis=1)
        if self.scales is not None:
            return replace(self, bias=bias, scales=self.scales * factors[0])
        return replace(self, weights=self.weights * factors, bias=bias)


def _inner(layer: RealLayer) -> int:
    return layer.weights.ndim - 1


@dataclass(frozen=True, eq=False)
class RealOperator:
    """Operator in real numbers: one of an integer network, or a clamp.

    Parameters
    ----------
    shape : of the output for one image: [1, height, width, channels], or [1, size].
    options : stride, dilation and window; the padding is `rim`, and the activation `bounds`.
    rim : zeros around the image of a layer, a pad or a pool (which a maximum leaves out).
    bounds : least and largest output, of a fused activation function or a clamp.
    path : of the module that calls it, for errors.
    """

    kind: RealKind
    inputs: tuple[str, ...]
    output: str
    shape: tuple[int, ...]
    options: _Options = _PLAIN
    rim: Rim = NO_RIM
    layer: RealLayer | None = None
    bounds: tuple[float, float] = _UNBOUNDED
    path: str = ""

    @property
    def bounded(self) -> bool:
        """Whether an activation function or a clamp limits the output."""
        return self.bounds != _UNBOUNDED

    def clamped(self, bounds: tuple[float, float], output: str) -> RealOperator:
        """Return the operator with a clamp behind it fused, which gives the value `output`."""
        low, high = self.bounds
        return replace(self, bounds=(max(low, bounds[0]), min(high, bounds[1])), output=output)


@dataclass(frozen=True, eq=False)
class RealNetwork:
    """Feed-forward network in real numbers: one input, one output, operators in execution order.

    Parameters
    ----------
    source, shape : the input value and its shape for one image [1, height, width, channels].
    """

    name: str
    source: str
    shape: tuple[int, ...]
    result: str
    operators: tuple[RealOperator, ...]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each value, by name."""
        return {self.source: self.shape, **{op.output: op.shape for op in self.operators}}


def _window_of(op: RealOperator) -> tuple[int, int]:
    """Return the rows and columns that a window of a convolution or pool covers, dilation included."""
    sides: tuple[int, ...] = op.options.window
    if op.layer is not None and op.layer.weights.ndim > 2:
        sides = op.layer.weights.shape[1:3]
    high, wide = (_span(side, step) for side, step in zip(sides, op.options.dilation, strict=True))
    return high, wide
