"""Lowering of an integer network to an ordered list of kernel calls with constants ready for C.

The constants are those of the bit-true runner (`trained/integer`), so that firmware and runner agree to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import IntArray
from slipstick.core.errors import SlipstickError
from slipstick.edge.firmware.fused_padding import _fused_padding
from slipstick.edge.firmware.kernel_call import KernelCall
from slipstick.edge.layers import (
    AddLayer,
    ConvLayer,
    Layer,
    MeanLayer,
    PadLayer,
    Pair,
    PoolLayer,
    Requantisation,
    RequantizeLayer,
    Scaling,
    Size,
    SoftmaxLayer,
)
from slipstick.trained.integer.elementwise import add_scalings, mean_scaling
from slipstick.trained.integer.fixed_point import code_limits, fixed_multipliers
from slipstick.trained.integer.integer_network import IntegerNetwork, IntegerOperator, IntegerTensor
from slipstick.trained.integer.softmax import softmax_scaling
from slipstick.trained.integer.weighted_layers import integer_layer
from slipstick.trained.integer.window_geometry import window_slides

_FLOAT = np.dtype(np.float32)
_INT8, _UINT8 = np.dtype(np.int8), np.dtype(np.uint8)


@dataclass(frozen=True)
class CodeScale:
    """Meaning of int8 codes at the firmware's border: a real number is scale * (code - zero_point)."""

    scale: float
    zero_point: int


@dataclass(frozen=True, eq=False)
class LoweredNetwork:
    """Network as kernel calls in execution order, over int8 tensors known by their numbers.

    Parameters
    ----------
    sizes : bytes of each tensor that flows; a tensor that is another's alias (a reshape) goes by the other's number.
    moved : what the file's codes are above the firmware's, at input and output: 128 for uint8, else 0.
    source : the integer network without its floating-point border, as the bit-true runner takes it.
    float_border : whether the file's input and output are real numbers.
    states : bytes of tensors that are kept from one call of the firmware to the next, outside of the arena.
    frames : calls that make up a whole input: of a stream its rows, else 1.
    """

    name: str
    calls: tuple[KernelCall, ...]
    sizes: dict[int, int]
    input: int
    output: int
    input_codes: CodeScale
    output_codes: CodeScale
    moved: tuple[int, int]
    source: IntegerNetwork
    float_border: tuple[bool, bool]
    states: dict[int, int] = field(default_factory=dict)
    frames: int = 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference, those with padding included."""
        return sum(call.layer.macs for call in self.calls if isinstance(call.layer, ConvLayer))


def lower(network: IntegerNetwork) -> LoweredNetwork:
    """Return the kernel calls that compute an integer network.

    A QUANTIZE of the input from floating point and a DEQUANTIZE of the output are left to the caller, who gets scale
    and zero point: the firmware itself computes in integers alone.

    Errors
    ------
    SlipstickError naming the operator, for one that has no integer form, and for sizes beyond the kernels' fields.
    """
    source, border = _integer_part(network)
    calls: list[KernelCall] = []
    alias: dict[int, int] = {}
    for op in source.operators:
        number = network.operators.index(op)
        path = f"operators.{number}.{op.kind}"
        tensors = [source.tensors[index] for index in op.inputs if index >= 0]
        result = source.tensors[op.output]
        _refuse_float([*tensors[:1], result], path)
        flowing = [alias.get(index, index) for index in op.inputs if index >= 0 and source.tensors[index].data is None]
        if op.kind == "reshape" or (op.kind == "quantize" and _same_codes(_int8(tensors[0]), _int8(result))):
            alias[op.output] = flowing[0]
            continue
        try:
            layer = _layer_of(op, tensors, result)
        except SlipstickError as error:
            raise SlipstickError(error.message, path=path, value=error.value, allowed=error.allowed) from None
        calls.append(KernelCall(layer, tuple(flowing), op.output, number, result.name))
    return _lowered(source, calls, alias, border)


def _lowered(
    source: IntegerNetwork, calls: list[KernelCall], alias: dict[int, int], border: tuple[bool, bool]
) -> LoweredNetwork:
    ends = source.tensors[source.input], source.tensors[source.output]
    if not calls:
        raise SlipstickError("a network that computes nothing", path="network", value=source.name)
    calls = list(_fused_padding(calls, alias.get(source.output, source.output)))
    used = {source.input, *(tensor for call in calls for tensor in (*call.inputs, call.output))}
    codes = [_quantisation(_int8(tensor)) for tensor in ends]
    return LoweredNetwork(
        name=source.name,
        calls=tuple(calls),
        sizes={tensor: source.tensors[tensor].size for tensor in sorted(used)},
        input=source.input,
        output=alias.get(source.output, source.output),
        input_codes=codes[0],
        output_codes=codes[1],
        moved=(_moved(ends[0]), _moved(ends[1])),
        source=source,
        float_border=border,
    )


def _integer_part(network: IntegerNetwork) -> tuple[IntegerNetwork, tuple[bool, bool]]:
    """Return the network between a QUANTIZE of its input and a DEQUANTIZE of its output, and which of both it has."""
    first, last = network.input, network.output
    operators = list(network.operators)
    border = tuple(network.tensors[end].dtype == _FLOAT for end in (first, last))
    if border[0]:
        readers = [op for op in operators if first in op.inputs]
        if len(readers) == 1 and readers[0].kind == "quantize":
            first = readers[0].output
            operators.remove(readers[0])
    if border[1]:
        writers = [op for op in operators if op.output == last]
        if len(writers) == 1 and writers[0].kind == "dequantize":
            last = writers[0].inputs[0]
            operators.remove(writers[0])
    for end, path in ((first, "input"), (last, "output")):
        if network.tensors[end].dtype not in (_INT8, _UINT8):
            message = "not in 8-bit integers: firmware computes in integers alone"
            allowed = "an int8 or uint8 network, of whose ends QUANTIZE and DEQUANTIZE may stand"
            raise SlipstickError(message, path=path, value=str(network.tensors[end].dtype), allowed=allowed)
    return IntegerNetwork(network.name, network.tensors, tuple(operators), first, last), (border[0], border[1])


def _refuse_float(tensors: list[IntegerTensor], path: str) -> None:
    if any(tensor.dtype == _FLOAT for tensor in tensors):
        message = "computes in floating point, which integer firmware does not have"
        allowed = "the same network quantised whole (PRELU as RELU, or folded into int8 tables by its converter)"
        raise SlipstickError(message, path=path, value="float32", allowed=allowed)


def _moved(tensor: IntegerTensor) -> int:
    return 128 if tensor.dtype == _UINT8 else 0


def _int8(tensor: IntegerTensor) -> IntegerTensor:
    """Return an 8-bit tensor in int8: uint8 codes and zero points less 128, so that real values stay as they are."""
    if tensor.dtype != _UINT8:
        return tensor
    data = None if tensor.data is None else (tensor.data.astype(np.int16) - 128).astype(np.int8)
    return replace(tensor, dtype=_INT8, zero_points=tensor.zero_points - 128, data=data)


def _quantisation(tensor: IntegerTensor) -> CodeScale:
    return CodeScale(tensor.scale, tensor.zero_point) if tensor.scales.size else CodeScale(1.0, 0)


def _same_codes(x: IntegerTensor, y: IntegerTensor) -> bool:
    return x.scale == y.scale and x.zero_point == y.zero_point


def _layer_of(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> Layer:
    """Return the layer of an operator, its tensors moved to int8."""
    if op.kind not in _LAYERS:
        allowed = [*_LAYERS, "reshape"]
        raise SlipstickError("no kernel computes this operator", value=op.kind, allowed=allowed)
    return _LAYERS[op.kind](op, tensors, y)


def _weighted(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> ConvLayer:
    """Return a layer with weights; its requantisation is the runner's, made of the file's own types and scales."""
    x, w = tensors[:2]
    made = integer_layer(op, x, w, y, w.values, tensors[2].values if len(tensors) > 2 else None)
    moved = _moved(y)
    requant = Requantisation(
        bias=made.bias,
        multiplier=made.multiplier.astype(np.int32),
        shift=made.shift.astype(np.int8),
        output_offset=made.zero - moved,
        least=made.low - moved,
        most=made.high - moved,
    )
    weights = _int8(w)
    kernel, padding, sizes = _geometry(op, x, w, y)
    return ConvLayer(
        kind=op.kind,  # type: ignore[arg-type]
        input=sizes[0],
        output=sizes[1],
        kernel=kernel,
        stride=op.options.stride,
        dilation=op.options.dilation,
        padding=padding,
        input_offset=-_int8(x).zero_point,
        weight_offset=-int(weights.zero_points[0]),
        weights=_weights(op, weights),
        requant=requant,
    )


def _geometry(
    op: IntegerOperator, x: IntegerTensor, w: IntegerTensor, y: IntegerTensor
) -> tuple[Pair, Pair, tuple[Size, Size]]:
    """Return a layer's kernel, its padding above and to the left, and the sizes of its input and output."""
    if op.kind == "dense":
        outputs, inputs = w.shape
        rows = x.size // inputs
        return (1, 1), (0, 0), ((rows, 1, inputs), (rows, 1, outputs))
    kernel = (w.shape[1], w.shape[2])
    return kernel, _padding(op, x, kernel), (_size(x), _size(y))


def _padding(op: IntegerOperator, x: IntegerTensor, window: Pair) -> Pair:
    (_, top, _), (_, left, _) = window_slides(x.shape, window, op.options)
    return top, left


def _size(tensor: IntegerTensor) -> Size:
    _, height, width, channels = tensor.shape
    return height, width, channels


def _weights(op: IntegerOperator, tensor: IntegerTensor) -> NDArray[np.int8]:
    values: NDArray[np.int8] = np.ascontiguousarray(tensor.values, np.int8)
    return values[0] if op.kind == "depthwise" else values


def _add(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> AddLayer:
    a, b, total = (_scaling(*pair) for pair in add_scalings(tensors, y))
    least, most = code_limits(y, op.options.activation)
    moved = _moved(y)
    offsets = (-_int8(tensors[0]).zero_point, -_int8(tensors[1]).zero_point)
    return AddLayer(y.size, offsets, (a, b, total), y.zero_point - moved, least - moved, most - moved)


def _pool(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> PoolLayer:
    least, most = code_limits(y, op.options.activation)
    moved = _moved(y)
    return PoolLayer(
        kind=op.kind,  # type: ignore[arg-type]
        input=_size(tensors[0]),
        output=_size(y),
        kernel=op.options.window,
        stride=op.options.stride,
        padding=_padding(op, tensors[0], op.options.window),
        code_offset=moved,
        least=least - moved,
        most=most - moved,
    )


def _mean(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> MeanLayer:
    x = tensors[0]
    scaling = _scaling(*mean_scaling(x, y))
    return MeanLayer(_size(x), -_int8(x).zero_point, scaling, _int8(y).zero_point)


def _pad(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> PadLayer:
    x = tensors[0]
    if len(x.shape) != 4:
        raise SlipstickError("not images of height, width and channels", value=x.shape)
    top, left, front = (int(before) for before, _ in tensors[1].values[1:])
    return PadLayer(_size(x), _size(y), (top, left, front), _int8(y).zero_point)


def _softmax(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> SoftmaxLayer:
    x = tensors[0]
    multiplier, left, furthest = softmax_scaling(x.scale * op.options.beta, y.name)
    columns = x.shape[-1]
    furthest = min(furthest, 255)  # two codes are no further apart
    return SoftmaxLayer(x.size // columns, columns, Scaling(multiplier, left), furthest)


def _requantize(op: IntegerOperator, tensors: list[IntegerTensor], y: IntegerTensor) -> RequantizeLayer:
    x = tensors[0]
    scaling = _scaling(*fixed_multipliers(x.scale / y.scale))
    return RequantizeLayer(y.size, -_int8(x).zero_point, scaling, _int8(y).zero_point)


def _scaling(multiplier: IntArray | int, shift: IntArray | int) -> Scaling:
    return Scaling(int(multiplier), int(shift))


_LAYERS: dict[str, Callable[[IntegerOperator, list[IntegerTensor], IntegerTensor], Layer]] = {
    "conv": _weighted, "depthwise": _weighted, "dense": _weighted, "add": _add, "average_pool": _pool,
    "max_pool": _pool, "mean": _mean, "pad": _pad, "softmax": _softmax, "quantize": _requantize,
}  # fmt: skip
