"""Graph builder: shape inference for layered networks; each call adds one operation of one sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypedDict, Unpack

from pydantic import Field

from slipstick.core.convolution_geometry import ConvolutionGeometry
from slipstick.core.workload import Op

Pair = int | tuple[int, int]  # of rows and columns: a kernel, a stride, a padding
Classes = Annotated[int, Field(gt=0, le=10**7, description="Classes that the last product tells apart")]


@dataclass(frozen=True)
class SampleTensor:
    """Tensor of one sample: its shape, and the operation that computes it ("" for the network's input)."""

    source: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> float:
        """Number of elements of one sample."""
        return float(math.prod(self.shape))


class ConvOptions(TypedDict, total=False):
    """Options of a convolution, shared by `GraphBuilder.conv` and the layers built on it."""

    stride: Pair
    padding: Pair
    groups: int
    bias: bool


class GraphBuilder:
    """Builder of a network's operations for one sample; image shapes are (channels, height, width).

    `flops` are those of products (convolutions and matrix products), as torch's FlopCounterMode counts them.

    Examples
    --------
    >>> graph = GraphBuilder()
    >>> x = graph.conv("conv1", graph.input(3, 224, 224), 64, 7, stride=2, padding=3)
    >>> x.shape, graph.ops[0].dims, graph.ops[0].flops
    ((64, 112, 112), {'m': 12544, 'n': 64, 'k': 147, 'batch': 1, 'taps': 49}, 236027904.0)
    """

    def __init__(self) -> None:
        self.ops: list[Op] = []

    def input(self, *shape: int) -> SampleTensor:
        """Return the network's input as a tensor."""
        return SampleTensor("", shape)

    def conv(
        self,
        name: str,
        x: SampleTensor,
        channels: int,
        kernel: Pair,
        *,
        stride: Pair = 1,
        padding: Pair = 0,
        groups: int = 1,
        bias: bool = False,
    ) -> SampleTensor:
        """Add a convolution as an im2col matrix product: m positions, n filters, k inputs per filter."""
        geometry = _geometry(x.shape, kernel, stride, padding)
        (high, wide), taps = geometry.output, math.prod(geometry.kernel)
        depth = x.shape[0] // groups
        dims = {"m": high * wide, "n": channels // groups, "k": depth * taps, "batch": groups, "taps": taps}
        weights = channels * depth * taps + (channels if bias else 0)
        return self._product(name, "conv", x, dims, (channels, high, wide), weights, geometry)

    def linear(self, name: str, x: SampleTensor, features: int, *, bias: bool = True) -> SampleTensor:
        """Add a matrix product with weights over the last axis of a tensor."""
        rows, width = math.prod(x.shape[:-1]), x.shape[-1]
        dims = {"m": rows, "n": features, "k": width, "batch": 1}
        return self._product(name, "matmul", x, dims, (*x.shape[:-1], features), features * (width + bias))

    def conv_layer(
        self, names: tuple[str, str, str], x: SampleTensor, channels: int, kernel: Pair, **options: Unpack[ConvOptions]
    ) -> SampleTensor:
        """Add a convolution, a batch norm and an activation, named in this order; unnamed, the last two are omitted."""
        conv, norm, activation = names
        x = self.conv(conv, x, channels, kernel, **options)
        x = self.batch_norm(norm, x) if norm else x
        return self.relu(activation, x) if activation else x

    def batch_norm(self, name: str, x: SampleTensor) -> SampleTensor:
        """Add a batch norm, whose parameters are a scale and a shift per channel."""
        return self._pointwise(name, "batchnorm", [x], x.shape, weights=2 * x.shape[0])

    def relu(self, name: str, x: SampleTensor) -> SampleTensor:
        """Add an activation function; any elementwise function of one input counts the same."""
        return self._pointwise(name, "elementwise", [x], x.shape)

    def add(self, name: str, *tensors: SampleTensor) -> SampleTensor:
        """Add the elementwise sum of tensors of one shape."""
        return self._pointwise(name, "elementwise", tensors, tensors[0].shape)

    def concat(self, name: str, tensors: Sequence[SampleTensor]) -> SampleTensor:
        """Add the concatenation of tensors along their channels."""
        channels = sum(tensor.shape[0] for tensor in tensors)
        return self._pointwise(name, "concat", tensors, (channels, *tensors[0].shape[1:]))

    def pool(
        self, name: str, x: SampleTensor, kernel: Pair, *, stride: Pair | None = None, padding: Pair = 0
    ) -> SampleTensor:
        """Add a max or average pool; its stride is its kernel size unless given."""
        size = _window(x.shape, kernel, kernel if stride is None else stride, padding)
        return self._pointwise(name, "pool", [x], (x.shape[0], *size))

    def pool_to(self, name: str, x: SampleTensor, size: int) -> SampleTensor:
        """Add an average pool with `size` by `size` outputs."""
        return self._pointwise(name, "pool", [x], (x.shape[0], size, size))

    def flat(self, x: SampleTensor) -> SampleTensor:
        """Return the tensor flattened to one axis, without an operation."""
        return SampleTensor(x.source, (math.prod(x.shape),))

    def global_pool(self, name: str, x: SampleTensor) -> SampleTensor:
        """Add a global average pool, flattened to the channels."""
        return self._pointwise(name, "pool", [x], (x.shape[0],))

    def _product(
        self, name: str, kind: str, x: SampleTensor, dims: dict[str, int], shape: tuple[int, ...], weights: int,
        geometry: ConvolutionGeometry | None = None,
    ) -> SampleTensor:  # fmt: skip
        flops = 2.0 * dims["m"] * dims["n"] * dims["k"] * dims["batch"]
        return self._added(Op(name, kind, dims, flops, float(weights), geometry=geometry), [x], shape)

    def _pointwise(
        self, name: str, kind: str, tensors: Sequence[SampleTensor], shape: tuple[int, ...], weights: int = 0
    ) -> SampleTensor:
        return self._added(Op(name, kind, {"m": 1, "n": math.prod(shape)}, 0.0, float(weights)), tensors, shape)

    def _added(self, op: Op, tensors: Sequence[SampleTensor], shape: tuple[int, ...]) -> SampleTensor:
        result = SampleTensor(op.name, shape)
        after = tuple(dict.fromkeys(tensor.source for tensor in tensors if tensor.source))
        inputs = sum(tensor.elements for tensor in tensors)
        self.ops.append(replace(op, inputs=inputs, outputs=result.elements, after=after))
        return result


def _pair(size: Pair) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


def _geometry(shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair) -> ConvolutionGeometry:
    """Return the geometry of a sliding window over an image (channels, height, width), padded alike at both ends."""
    high, wide = _pair(padding)
    return ConvolutionGeometry((shape[1], shape[2]), _pair(kernel), _pair(stride), ((high, high), (wide, wide)))


def _window(shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair) -> tuple[int, int]:
    """Return the output height and width of a sliding window."""
    return _geometry(shape, kernel, stride, padding).output
