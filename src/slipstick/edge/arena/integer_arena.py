"""Arena problem of an integer network: its tensors in bytes, which operators write in place, and their windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from slipstick.edge.arena.arena_problem import ArenaProblem, ArenaStep, ArenaTensor, ArenaWindow
from slipstick.trained.integer.integer_network import IntegerNetwork, IntegerOperator
from slipstick.trained.integer.window_geometry import window_slides

_POINTWISE = ("add", "quantize", "softmax", "prelu", "dequantize")  # each output is written after its inputs are read
_WINDOWS = ("conv", "depthwise", "average_pool", "max_pool")
_IMAGE = 4  # sizes of a batch of images
_CODE = 1  # byte of an int8 code


def integer_problem(
    network: IntegerNetwork, scratch: Callable[[IntegerOperator], int] | None = None, *, rows: bool = True
) -> ArenaProblem:
    """Return the arena problem of an integer network for one sample; a reshape is no call, its tensors are one.

    Conversions between real numbers and codes at the border are left out: firmware takes and gives codes.

    Parameters
    ----------
    scratch : bytes that the kernel of an operator needs while it runs; none unless given.
    rows : whether depth-wise convolutions of stride 1 may write over their input, with a buffer for saved rows.
    """
    alias = _aliases(network)
    names: dict[int, int] = {}
    tensors: list[ArenaTensor] = []

    def place(tensor: int) -> int:
        root = alias.get(tensor, tensor)
        if root not in names:
            names[root] = len(tensors)
            known = network.tensors[root]
            shape = known.shape[1:] if len(known.shape) == _IMAGE else None
            tensors.append(ArenaTensor(known.name, known.size * _CODE, shape))  # type: ignore[arg-type]
        return names[root]

    first = place(network.input)
    steps = [
        _step(network, op, tuple(dict.fromkeys(place(t) for t in _flowing(network, op))), place(op.output),
              scratch(op) if scratch else 0, rows)
        for op in network.operators
        if op.output not in alias
    ]  # fmt: skip
    return ArenaProblem(tuple(tensors), tuple(steps), first, place(network.output))


def _aliases(network: IntegerNetwork) -> Mapping[int, int]:
    """Return the tensor that stands for each tensor of the same bytes: behind reshapes, and inside the float border."""
    alias: dict[int, int] = {}
    for op in network.operators:
        floats = op.kind == "dequantize" or (op.kind == "quantize" and network.tensors[op.inputs[0]].dtype.kind == "f")
        if op.kind == "reshape" or floats:
            alias[op.output] = alias.get(op.inputs[0], op.inputs[0])
    return alias


def _flowing(network: IntegerNetwork, op: IntegerOperator) -> list[int]:
    return [tensor for tensor in op.inputs if tensor >= 0 and network.tensors[tensor].data is None]


def _step(
    network: IntegerNetwork, op: IntegerOperator, reads: tuple[int, ...], writes: int, scratch: int, rows: bool
) -> ArenaStep:
    result = network.tensors[op.output]
    constants = [network.tensors[t] for t in op.inputs if t >= 0 and network.tensors[t].data is not None]
    weights = sum(constant.size * constant.dtype.itemsize for constant in constants)
    window = _window(network, op)
    overwrites, buffer = (reads, 0) if op.kind in _POINTWISE else ((), 0)
    if op.kind == "depthwise" and rows and window is not None:
        image = network.tensors[op.inputs[0]]
        if window.stride == (1, 1) and image.shape == result.shape:
            # rows of the input that are still needed when a row of the output is written, that row included
            overwrites, buffer = reads[:1], (window.padding[0] + 1) * image.shape[2] * image.shape[3]
    return ArenaStep(
        result.name, op.kind, reads, writes, scratch, overwrites, buffer, _macs(network, op), weights, window
    )


def _window(network: IntegerNetwork, op: IntegerOperator) -> ArenaWindow | None:
    if op.kind in _WINDOWS:
        kernel = op.options.window
        if op.kind in ("conv", "depthwise"):
            kernel = network.tensors[op.inputs[1]].shape[1:3]  # type: ignore[assignment]
        high, wide = window_slides(network.tensors[op.inputs[0]].shape, kernel, op.options)
        span = tuple((k - 1) * d + 1 for k, d in zip(kernel, op.options.dilation, strict=True))
        return ArenaWindow(span, op.options.stride, (high[1], wide[1]))  # type: ignore[arg-type]
    return ArenaWindow() if op.kind in ("add", "quantize", "prelu") else None


def _macs(network: IntegerNetwork, op: IntegerOperator) -> float:
    if op.kind not in ("conv", "depthwise", "dense"):
        return 0.0
    weights, result = network.tensors[op.inputs[1]], network.tensors[op.output]
    if op.kind == "dense":
        return float(result.size * weights.shape[1])
    filters = result.shape[3]
    return float(result.size) / filters * weights.size
