"""Operators of a torch module in real numbers, from its exported graph: each ATen call as the quantiser takes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.formats.integer_rows import channels_last
from slipstick.networks.importers.torch_export import _base, _name, _shape
from slipstick.trained.integer.integer_network import _Options
from slipstick.trained.integer.real_network import NO_RIM, RealLayer, RealNetwork, RealOperator, Rim

_Planes = tuple[int, int, int]  # channels, rows, columns of an image that was flattened
_SAME = frozenset(
    ("alias", "clone", "contiguous", "detach", "dropout", "feature_dropout", "lift_fresh_copy", "_to_copy")
)
_BYTE = 8  # bits of the codes that every layer gets
_SUPPORTED = (
    "conv2d (groups of 1, or of one channel), linear, batch_norm, relu, relu6, hardtanh and clamp around 0, add, "
    "max_pool2d, avg_pool2d, adaptive_avg_pool2d, mean over rows and columns, pad, flatten, softmax at the end"
)


@dataclass(frozen=True, eq=False)
class _FixedTensor:
    """Parameter, buffer or constant of an exported graph, and its path in the module."""

    target: str
    tensor: Any


class _Unsupported(Exception):
    """Operator without an integer form; the text says what of it is not supported."""


def _real_operators(
    program: Any, fixed: Mapping[str, _FixedTensor], encoded: Mapping[str, Encoded], name: str
) -> RealNetwork:
    """Return a module's operators in real numbers, unfolded.

    Parameters
    ----------
    program : `torch.export.ExportedProgram` of the module on some images; only the first dimension is the batch.
    fixed : the graph's parameters, buffers and constants, by placeholder.
    encoded : of layers whose weights are whole numbers under scales, which the quantiser keeps.

    Errors
    ------
    SlipstickError that names every operator without an integer form, and what would do.
    """
    reader = _Reader(fixed, encoded)
    for node in program.graph.nodes:
        if node.op == "call_function":
            reader.take(node)
        elif node.op == "placeholder" and node.name not in fixed:
            reader.source = node
        elif node.op == "output":
            reader.result = reader.value(node.args[0][0])
    if reader.result in reader.planes:
        reader.refused.append("an image flattened at the end")
    if reader.refused:
        message = "operators without an integer form"
        raise SlipstickError(message, path=name, value="; ".join(reader.refused), allowed=_SUPPORTED)
    source = reader.source
    return RealNetwork(name, source.name, _nhwc(_shape(source)), reader.result, tuple(reader.operators))


class _Reader:
    """Translation of an exported graph, node by node; what has no integer form is collected in `refused`."""

    def __init__(self, fixed: Mapping[str, _FixedTensor], encoded: Mapping[str, Encoded]) -> None:
        self.fixed, self.encoded = fixed, encoded
        self.operators: list[RealOperator] = []
        self.refused: list[str] = []
        self.source: Any = None
        self.result = ""
        self.planes: dict[str, _Planes] = {}  # flattened value -> the image that it was
        self._renamed: dict[str, str] = {}

    def value(self, node: Any) -> str:
        """Return the name of the value that a node stands for."""
        name = str(node.name)
        while name in self._renamed:
            name = self._renamed[name]
        return name

    def take(self, node: Any) -> None:
        """Take the call of one operator."""
        base = _base(node)
        word = base[:-1] if base.endswith("_") else base
        try:
            if word in _SAME:
                self._renamed[node.name] = self.value(node.args[0])
            elif word in _READERS:
                _READERS[word](self, node)
            else:
                raise _Unsupported(word)
        except _Unsupported as reason:
            self.refused.append(f"{reason} ({_name(node, base)})")
            if node.all_input_nodes:  # what creates a tensor has no value before it
                self._renamed[node.name] = self.value(node.all_input_nodes[0])
            return
        if base.endswith("_"):  # in place: later readers of the old value read the new one
            self._renamed[self.value(node.args[0])] = str(node.name)

    def add(self, node: Any, kind: Any, **fields: Any) -> None:
        """Add an operator that reads a node's first argument and gives its value."""
        inputs = fields.pop("inputs", (self.value(node.args[0]),))
        path = _name(node, _base(node))
        self.operators.append(RealOperator(kind, inputs, node.name, _nhwc(_shape(node)), path=path, **fields))

    def constant(self, argument: Any) -> FloatArray | None:
        """Return an argument that no image decides as an array; None for a computed one and for none."""
        if isinstance(argument, int | float):
            return np.asarray(float(argument))
        fixed = self.fixed.get(getattr(argument, "name", ""))
        return None if fixed is None else np.asarray(fixed.tensor.detach().double().numpy(), np.float64)

    def layer(self, name: str, weights: FloatArray, bias: FloatArray | None) -> RealLayer:
        """Return a layer's weights, filters first and channels last: whole numbers under scales where encoded."""
        summand = np.zeros(len(weights)) if bias is None else bias.ravel()
        tensor = self.encoded.get(name)
        if tensor is None or tensor.encoding.bits_per_element >= _BYTE:  # as exact in codes of its own
            return RealLayer(name, np.ascontiguousarray(channels_last(weights)), summand)
        whole, scales = _whole_numbers(name, tensor)
        return RealLayer(name, whole, summand, scales)


def _whole_numbers(name: str, encoded: Encoded) -> tuple[FloatArray, FloatArray]:
    """Return an encoded layer's whole numbers, and the scale of each filter."""
    form, scale = encoded.encoding, np.asarray(encoded.side.get("scale", np.zeros(0)), np.float64).ravel()
    filters = encoded.shape[0]
    if not form.whole_numbers or scale.size not in (1, filters):
        allowed = "int8, int4:axis=0, pool:size=64, swis:3: whole numbers with a scale of each filter"
        raise SlipstickError("no format of integer firmware", path=f"formats.{name}", value=form.name, allowed=allowed)
    return form.integers(encoded).astype(np.float64), np.broadcast_to(scale, filters).astype(np.float64)


def _nhwc(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape [1, rows, columns, channels] or [1, size] of one image from torch's."""
    if len(shape) == 4:
        return (1, shape[2], shape[3], shape[1])
    if len(shape) == 2:
        return (1, shape[1])
    raise _Unsupported(f"values of {len(shape)} dimensions")


def _argument(node: Any, place: int, default: Any = None) -> Any:
    """Return an argument of a call by its place in the operator's schema, positional or by name."""
    if len(node.args) > place:
        return node.args[place]
    return node.kwargs.get(node.target._schema.arguments[place].name, default)


def _pair(values: Any) -> tuple[int, int]:
    both = [values] if isinstance(values, int) else list(values)
    return int(both[0]), int(both[-1])


def _rim(padding: tuple[int, int]) -> Rim:
    return (padding[0], padding[0]), (padding[1], padding[1])


def _convolution(reader: _Reader, node: Any) -> None:
    weights = reader.constant(node.args[1])
    if weights is None:
        raise _Unsupported("conv2d with computed weights")
    channels, groups = _shape(node.args[0])[1], int(_argument(node, 6, 1))
    if groups not in (1, channels):
        raise _Unsupported(f"conv2d of {groups} groups of {channels // groups} channels")
    stride, dilation = _pair(_argument(node, 3, 1)), _pair(_argument(node, 5, 1))
    padding = _argument(node, 4, 0)
    rim = NO_RIM if padding == "valid" else None
    if padding == "same":
        spans = [(step * (side - 1)) for side, step in zip(weights.shape[2:], dilation, strict=True)]
        rim = ((spans[0] // 2, spans[0] - spans[0] // 2), (spans[1] // 2, spans[1] - spans[1] // 2))
    layer = reader.layer(_parameter_owner(reader, node), weights, reader.constant(_argument(node, 2)))
    reader.add(
        node,
        "depthwise" if groups == channels and weights.shape[1] == 1 and channels > 1 else "conv",
        options=_Options(stride=stride, dilation=dilation),
        rim=_rim(_pair(padding)) if rim is None else rim,
        layer=layer,
    )


def _parameter_owner(reader: _Reader, node: Any) -> str:
    """Return the name of the module whose weights a call reads, as `TrainedNetwork.layers` has it."""
    return reader.fixed[node.args[1].name].target.rpartition(".")[0]


def _dense(reader: _Reader, node: Any) -> None:
    weights = reader.constant(node.args[1])
    if weights is None:
        raise _Unsupported("linear with computed weights")
    if len(_shape(node)) != 2:
        raise _Unsupported(f"linear on values of {len(_shape(node))} dimensions")
    layer = reader.layer(_parameter_owner(reader, node), weights, reader.constant(_argument(node, 2)))
    planes = reader.planes.get(reader.value(node.args[0]))
    if planes is not None:
        turned = layer.weights.reshape(-1, *planes).transpose(0, 2, 3, 1).reshape(layer.weights.shape)
        layer = RealLayer(layer.name, turned, layer.bias, layer.scales)
    reader.add(node, "dense", layer=layer)


def _batch_norm(reader: _Reader, node: Any) -> None:
    gamma, beta, mean, variance = (reader.constant(_argument(node, place)) for place in range(1, 5))
    if _argument(node, 5) or mean is None or variance is None:
        raise _Unsupported("batch_norm in training mode")
    factors = (1.0 if gamma is None else gamma) / np.sqrt(variance + float(_argument(node, 7)))
    _scaling(reader, node, factors, (0.0 if beta is None else beta) - mean * factors)


def _scaling(reader: _Reader, node: Any, factors: FloatArray, shifts: FloatArray) -> None:
    """Add a factor and a shift of each channel, as a depth-wise 1x1 convolution."""
    channels = _shape(node)[1]
    if reader.value(node.args[0]) in reader.planes:
        raise _Unsupported(f"{_base(node)} of a flattened image")
    spread = [np.broadcast_to(values.ravel(), channels).astype(np.float64) for values in (factors, shifts)]
    layer = RealLayer(_name(node, _base(node)), spread[0].reshape(-1, 1, 1, 1), spread[1])
    reader.add(node, "depthwise", layer=layer)


def _plain(node: Any) -> bool:
    """Whether a sum has no factor of its second value, and a quotient is not rounded."""
    return node.kwargs.get("alpha", 1) == 1 and node.kwargs.get("rounding_mode") is None


def _constant_arithmetic(reader: _Reader, node: Any) -> bool:
    """Add a sum, difference, product or quotient with a constant of each channel; False for two computed values."""
    word = _base(node).strip("_")
    constants = [reader.constant(argument) for argument in node.args[:2]]
    if constants[0] is not None or constants[1] is None:
        if constants[0] is not None:
            raise _Unsupported(f"{word} of a constant and a value, in this order")
        return False
    value = constants[1]
    sizes, channels = value.shape, _shape(node)[1]
    alone = value.size == 1 or (value.size == channels and (len(sizes) < 3 or sizes[-3] == channels))
    if not alone or not _plain(node) or _shape(node) != _shape(node.args[0]):
        raise _Unsupported(f"{word} with a constant that is not one number of each channel")
    ones, zeros = np.ones_like(value), np.zeros_like(value)
    if word in ("add", "sub"):
        _scaling(reader, node, ones, value if word == "add" else -value)
    else:
        _scaling(reader, node, value if word == "mul" else 1 / value, zeros)
    return True


def _arithmetic(reader: _Reader, node: Any) -> None:
    if _constant_arithmetic(reader, node):
        return
    left, right = node.args[:2]
    word = _base(node).strip("_")
    if word != "add" or not _plain(node):
        raise _Unsupported(f"{word} of two computed values")
    if _shape(left) != _shape(right):
        raise _Unsupported(f"add of the shapes {list(_shape(left))} and {list(_shape(right))}")
    planes = [reader.planes.get(reader.value(side)) for side in (left, right)]
    if planes[0] != planes[1]:
        raise _Unsupported("add of a flattened image and another vector")
    if planes[0] is not None:
        reader.planes[node.name] = planes[0]
    reader.add(node, "add", inputs=(reader.value(left), reader.value(right)))


def _clamp(low: float | None, high: float | None) -> Callable[[_Reader, Any], None]:
    """Return the reader of a clamp whose bounds are its arguments where they are not given here."""

    def read(reader: _Reader, node: Any) -> None:
        word = _base(node)
        bounds = (low, high)
        if word.startswith("hardtanh"):
            bounds = (_argument(node, 1, -1.0), _argument(node, 2, 1.0))
        elif word.startswith("clamp"):
            bounds = (_argument(node, 1), None) if "min" in word else (_argument(node, 1), _argument(node, 2))
            bounds = (None, _argument(node, 1)) if "max" in word else bounds
        least, most = (-math.inf if bounds[0] is None else bounds[0], math.inf if bounds[1] is None else bounds[1])
        if not least <= 0 <= most:
            raise _Unsupported(f"clamp to {least} .. {most}, without 0 between")
        planes = reader.planes.get(reader.value(node.args[0]))
        if planes is not None:
            reader.planes[node.name] = planes
        reader.add(node, "clamp", bounds=(float(least), float(most)))

    return read


def _max_pool(reader: _Reader, node: Any) -> None:
    window = _pair(node.args[1])
    stride, padding = _pair(_argument(node, 2) or window), _pair(_argument(node, 3, 0))
    if _pair(_argument(node, 4, 1)) != (1, 1):
        raise _Unsupported("max_pool2d with a dilation")
    ceil = stride if _argument(node, 5, False) else (0, 0)  # the last window may reach further behind
    rim = (padding[0], padding[0] + ceil[0]), (padding[1], padding[1] + ceil[1])
    reader.add(node, "max_pool", options=_Options(stride=stride, window=window), rim=rim)


def _average_pool(reader: _Reader, node: Any) -> None:
    window = _pair(node.args[1])
    stride, padding = _pair(_argument(node, 2) or window), _pair(_argument(node, 3, 0))
    if _argument(node, 4, False) or _argument(node, 6) is not None:
        raise _Unsupported("avg_pool2d with ceil_mode or divisor_override")
    if _shape(node.args[0])[2:] == window and padding == (0, 0):
        reader.add(node, "mean")
        return
    options = _Options(stride=stride, window=window)
    if padding == (0, 0) or not _argument(node, 5, True):
        reader.add(node, "average_pool", options=options, rim=_rim(padding))
        return
    _, high, wide, channels = _nhwc(_shape(node.args[0]))
    padded = f"{node.name}_image"
    shape = (1, high + 2 * padding[0], wide + 2 * padding[1], channels)
    reader.operators.append(RealOperator("pad", (reader.value(node.args[0]),), padded, shape, rim=_rim(padding)))
    reader.add(node, "average_pool", options=options, inputs=(padded,))


def _adaptive_pool(reader: _Reader, node: Any) -> None:
    sizes, image = _shape(node)[2:], _shape(node.args[0])[2:]
    if tuple(sizes) == (1, 1):
        reader.add(node, "mean")
        return
    if any(side % size for side, size in zip(image, sizes, strict=True)):
        raise _Unsupported(f"adaptive_avg_pool2d from {list(image)} to {list(sizes)}")
    window = _pair([side // size for side, size in zip(image, sizes, strict=True)])
    reader.add(node, "average_pool", options=_Options(stride=window, window=window))


def _mean(reader: _Reader, node: Any) -> None:
    rank = len(_shape(node.args[0]))
    axes = sorted(int(axis) % rank for axis in _argument(node, 1) or ())
    if rank != 4 or axes != [2, 3]:
        raise _Unsupported(f"mean over the axes {axes}")
    reader.add(node, "mean")


def _padding(reader: _Reader, node: Any) -> None:
    sides = [int(side) for side in node.args[1]] + [0] * 4
    mode, value = _argument(node, 2, "constant"), _argument(node, 3)
    if _base(node) == "constant_pad_nd":
        mode, value = "constant", _argument(node, 2)
    if mode != "constant" or value not in (None, 0) or any(sides[4:]) or min(sides) < 0 or len(_shape(node)) != 4:
        raise _Unsupported("pad other than with zeros around images")
    reader.add(node, "pad", rim=((sides[2], sides[3]), (sides[0], sides[1])))


def _reshape(reader: _Reader, node: Any) -> None:
    before, after = _shape(node.args[0])[1:], _shape(node)[1:]
    name = reader.value(node.args[0])
    if before == after:
        reader._renamed[node.name] = name
        return
    if _shape(node)[0] != _shape(node.args[0])[0] or {len(before), len(after)} != {1, 3}:
        raise _Unsupported(f"{_base(node)} from {list(before)} to {list(after)}")
    if len(before) == 3 and math.prod(before[1:]) > 1:
        reader.planes[node.name] = (before[0], before[1], before[2])
    if len(after) == 3 and (math.prod(after[1:]) > 1 or name in reader.planes):
        raise _Unsupported(f"{_base(node)} from {list(before)} to {list(after)}")
    reader.add(node, "reshape")


def _softmax(reader: _Reader, node: Any) -> None:
    if len(_shape(node)) != 2 or int(node.args[1]) not in (1, -1) or reader.value(node.args[0]) in reader.planes:
        raise _Unsupported("softmax other than of a row of scores")
    reader.add(node, "softmax")


_READERS: dict[str, Callable[[_Reader, Any], None]] = {
    "conv2d": _convolution, "linear": _dense, "batch_norm": _batch_norm, "add": _arithmetic, "sub": _arithmetic,
    "mul": _arithmetic, "div": _arithmetic, "relu": _clamp(0.0, None), "relu6": _clamp(0.0, 6.0),
    "hardtanh": _clamp(None, None), "clamp": _clamp(None, None), "clamp_min": _clamp(None, None),
    "clamp_max": _clamp(None, None), "max_pool2d": _max_pool, "avg_pool2d": _average_pool,
    "adaptive_avg_pool2d": _adaptive_pool, "mean": _mean, "pad": _padding, "constant_pad_nd": _padding,
    "flatten": _reshape, "view": _reshape, "reshape": _reshape, "squeeze": _reshape, "unsqueeze": _reshape,
    "softmax": _softmax,
}  # fmt: skip
