"""Table of supported ONNX operators: number of inputs and builder of each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from slipstick.core.errors import SlipstickError
from slipstick.trained.onnx import layer_operators as layers
from slipstick.trained.onnx import shape_operators as shapes
from slipstick.trained.onnx import weightless_operators as functions
from slipstick.trained.onnx import window_operators as windows
from slipstick.trained.onnx.builder_context import _Built, _FileFacts
from slipstick.trained.onnx.constants import LARGEST
from slipstick.trained.onnx.node_attributes import _OnnxNode
from slipstick.trained.onnx.onnx_file import DAMAGE

_Builder = Callable[[_OnnxNode, _FileFacts], _Built]
_OPERATORS: dict[str, tuple[int, int, _Builder]] = {  # the fewest and the most inputs: onnx/defs
    "Conv": (2, 3, layers._conv),
    "Gemm": (2, 3, layers._gemm),
    "MatMul": (2, 3, layers._matmul),  # the third is ours: `biases.with_biases`
    "BatchNormalization": (5, 5, layers._batch_norm),
    "Relu": (1, 1, layers._relu),
    "Clip": (1, 3, layers._clip),
    **dict.fromkeys(functions.ARITHMETIC, (2, 2, functions._arithmetic)),
    "Sigmoid": (1, 1, functions._pointwise(torch.sigmoid)),
    "HardSigmoid": (1, 1, functions._pointwise(functions._hard_sigmoid, alpha=0.2, beta=0.5)),  # ONNX's defaults
    "HardSwish": (1, 1, functions._pointwise(functional.hardswish)),
    "LeakyRelu": (1, 1, functions._pointwise(functions._leaky_relu, alpha=0.01)),
    "Identity": (1, 1, functions._pointwise(functions._same)),
    "Dropout": (1, 3, functions._dropout),
    **dict.fromkeys(("Softmax", "LogSoftmax"), (1, 1, functions._softmax)),
    "MaxPool": (1, 1, windows._max_pool),
    "AveragePool": (1, 1, windows._average_pool),
    "GlobalAveragePool": (1, 1, functions._pointwise(functions._global_average)),
    "ReduceMean": (1, 2, functions._reduce_mean),
    "Concat": (1, LARGEST, functions._concat),
    "Flatten": (1, 1, shapes._flatten),
    "Reshape": (2, 2, shapes._reshape),
    "Transpose": (1, 1, shapes._transpose),
    "Squeeze": (1, 2, shapes._squeeze),
    "Unsqueeze": (1, 2, shapes._unsqueeze),
    "Pad": (1, 4, shapes._pad),
}
_SUPPORTED = ", ".join(sorted({*_OPERATORS, "Constant"}))


def _built(node: _OnnxNode, known: _FileFacts, path: str) -> _Built:
    """Return the layer or function that an ONNX node becomes.

    Errors
    ------
    SlipstickError, naming the node, for an operator or an attribute that is not supported, or one that does not fit.
    """
    where = f"{path}: {node.name}"
    if node.operator not in _OPERATORS:
        raise SlipstickError("an operator that is not supported", path=where, value=node.operator, allowed=_SUPPORTED)
    fewest, most, build = _OPERATORS[node.operator]
    if not fewest <= len(node.inputs) <= most:
        raise SlipstickError(f"{node.operator} of {len(node.inputs)} inputs", path=where, allowed=f"{fewest} to {most}")
    try:
        made = build(node, known)
    except DAMAGE as error:
        raise SlipstickError(f"{node.operator}: {error}", path=where) from None
    if left := node.left():
        raise SlipstickError(f"{node.operator} has an attribute that is not supported", path=where, value=left[0])
    return made
