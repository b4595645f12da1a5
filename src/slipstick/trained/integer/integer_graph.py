"""Operator graph of an integer network, as `estimate` and the array models take it."""

from __future__ import annotations

import math

from slipstick.networks.graphs import product_sizes as products
from slipstick.networks.graphs.imported import ImportedGraph, Recorder
from slipstick.networks.graphs.product_sizes import Sized
from slipstick.trained.integer.integer_network import IntegerNetwork, IntegerOperator, IntegerTensor
from slipstick.trained.integer.window_geometry import window_slides

_KINDS = {
    "conv": "conv",
    "depthwise": "conv",
    "dense": "matmul",
    "average_pool": "pool",
    "max_pool": "pool",
    "mean": "reduction",
    "pad": "copy",
    "softmax": "softmax",
}


def _integer_graph(network: IntegerNetwork) -> ImportedGraph:
    """Return the operator graph of an integer network for one sample.

    A layer with weights goes by the name of its weights' tensor, as in `IntegerNetwork.weights` and in patterns of
    formats; another by that of its result.
    """
    recorder = Recorder()
    for op in network.operators:
        _take(recorder, network, op)
    count = sum(recorder.parameters.values())
    return ImportedGraph(name=network.name, batch=1, count=count, operations=recorder.finished())


def _take(recorder: Recorder, network: IntegerNetwork, op: IntegerOperator) -> None:
    flowing = [tensor for tensor in op.inputs if tensor >= 0 and network.tensors[tensor].data is None]
    if op.kind == "reshape":
        recorder.alias(str(op.output), str(flowing[0]))
        return
    constants = [tensor for tensor in op.inputs if tensor >= 0 and tensor not in flowing]
    shaped = {"conv": _convolution, "depthwise": _convolution, "dense": _dense}
    # sizes that an operator is told are constants, but no parameters
    weights = [tensor for tensor in constants if op.kind in shaped or op.kind == "prelu"]
    result = network.tensors[op.output]
    sized = shaped[op.kind](network, op) if op.kind in shaped else _pointwise(result)
    recorder.add(
        network.tensors[op.inputs[1]].name if op.kind in shaped else result.name,
        _KINDS.get(op.kind, "elementwise"),
        str(op.output),
        reads=[(str(tensor), float(network.tensors[tensor].size)) for tensor in flowing],
        outputs=float(result.size),
        weights={str(tensor): network.tensors[tensor].size for tensor in weights},
        **sized,
    )


def _convolution(network: IntegerNetwork, op: IntegerOperator) -> Sized:
    """Return the sizes of a convolution; depth-wise filters are stored as [1, rows, columns, filters]."""
    image, kernel, result = (network.tensors[tensor].shape for tensor in (*op.inputs[:2], op.output))
    depthwise = op.kind == "depthwise"
    filters = (kernel[3], 1, *kernel[1:3]) if depthwise else (kernel[0], kernel[3], *kernel[1:3])
    slides = window_slides(image, (kernel[1], kernel[2]), op.options)
    pads = [(before, behind) for _, before, behind in slides]
    geometry = products.plane_geometry(_planes(image), filters, op.options.stride, pads, op.options.dilation)
    return products.convolution(
        _planes(image), filters, _planes(result), image[3] if depthwise else 1, geometry=geometry
    )


def _planes(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], shape[3], *shape[1:3])


def _dense(network: IntegerNetwork, op: IntegerOperator) -> Sized:
    wide, deep = network.tensors[op.inputs[1]].shape
    return products.dense((network.tensors[op.inputs[0]].size,), deep, wide)


def _pointwise(result: IntegerTensor) -> Sized:
    return {"dims": {"m": 1, "n": max(1, math.ceil(result.size))}}
