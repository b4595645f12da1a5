"""ONNX operators: which are views, their kinds, their parameter inputs, and the sizes of matrix products."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slipstick.core.convolution_geometry import ConvolutionGeometry
from slipstick.networks.graphs import product_sizes as products
from slipstick.networks.graphs.product_sizes import Shape, Sized

_VIEWS = "Dropout Expand Flatten Identity Reshape Slice Split Squeeze Transpose Unsqueeze"
VIEWS = frozenset(_VIEWS.split())

_POINTWISE = (
    "Abs Add And BitShift BitwiseAnd Cast Ceil Celu Clip Cos DequantizeLinear Div Elu Equal Erf Exp Floor Gelu Greater "
    "GreaterOrEqual HardSigmoid HardSwish IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mod Mul Neg Not Or "
    "Pow PRelu QuantizeLinear Reciprocal Relu Round Selu Sigmoid Sign Sin Softplus Softsign Sqrt Sub Sum Swish Tan "
    "Tanh ThresholdedRelu Where Xor"
)
_REDUCTIONS = (
    "ArgMax ArgMin CumSum ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
    "ReduceSum ReduceSumSquare TopK"
)
KINDS = {
    **dict.fromkeys(_REDUCTIONS.split(), "reduction"),
    **dict.fromkeys(("DepthToSpace", "GatherElements", "GatherND", "OneHot", "Pad", "Resize"), "copy"),
    **dict.fromkeys(("ScatterElements", "ScatterND", "SpaceToDepth", "Tile", "Upsample"), "copy"),
    **dict.fromkeys(_POINTWISE.split(), "elementwise"),
    **dict.fromkeys(("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LpPool", "MaxPool"), "pool"),
    **dict.fromkeys(("GroupNormalization", "InstanceNormalization", "LayerNormalization", "LRN"), "norm"),
    **dict.fromkeys(("LpNormalization", "RMSNormalization", "SimplifiedLayerNormalization"), "norm"),
    **dict.fromkeys(("LogSoftmax", "Softmax"), "softmax"),
    "BatchNormalization": "batchnorm",
    "Concat": "concat",
}

# operator -> places of the inputs that are parameters, where not all constants are: batch norms also read running
# statistics, quantised products scales and zero points
PARAMETER_INPUTS = {
    "BatchNormalization": (1, 2),
    "ConvInteger": (1,),
    "MatMulInteger": (1,),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (3,),
}
_FACTORS = {"QLinearConv": (0, 3), "QLinearMatMul": (0, 3)}  # places of the factors: 0 and 1 elsewhere

_Attributes = Mapping[str, Any]


def _sized_product(
    base: str, attributes: _Attributes, shapes: Sequence[Shape], result: Callable[[], Shape], has_weights: bool
) -> tuple[Sized, str] | None:
    """Return the sizes and kind of an operator's matrix product, or None for an operator without one.

    Parameters
    ----------
    shapes : of the inputs.
    result : gives the shape of the first result.
    has_weights : whether a factor is a parameter; a product of two activations is of the kind ``attention``.
    """
    left, right = (shapes[place] if place < len(shapes) else () for place in _FACTORS.get(base, (0, 1)))
    kind = "matmul" if has_weights else "attention"
    if base in ("Conv", "ConvInteger", "QLinearConv", "ConvTranspose"):
        groups = int(attributes["group"].i) if "group" in attributes else 1
        transposed = base == "ConvTranspose"
        geometry = None if transposed else _geometry(attributes, left, right)
        return products.convolution(left, right, result(), groups, transposed=transposed, geometry=geometry), "conv"
    if base == "Gemm":
        return _gemm(attributes, left, right), kind
    if base in ("MatMul", "MatMulInteger", "QLinearMatMul"):
        if has_weights and len(right) == 2:
            return products.dense(left, *right), kind
        return products._pairwise(left, result()), kind
    if base == "Einsum":
        return products._einsum(attributes["equation"].s.decode("utf-8", "replace"), shapes, result()), kind
    if base in ("LSTM", "GRU", "RNN"):
        return _recurrent(base, attributes, shapes), "lstm"
    if base == "Attention" and len(left) == 4:
        return products._attention(left, right, shapes[2]), "attention"
    return None


def _geometry(attributes: _Attributes, image: Shape, filters: Shape) -> ConvolutionGeometry | None:
    """Return the geometry of a convolution from its attributes; of another rank than images' and sequences' None."""
    axes = len(filters) - 2
    integers = {name: tuple(attribute.ints) for name, attribute in attributes.items()}
    stride = integers.get("strides", (1,) * axes)
    dilation = integers.get("dilations", (1,) * axes)
    pads = integers.get("pads", (0,) * 2 * axes)  # all those before, then all those behind
    padding = list(zip(pads[:axes], pads[axes:], strict=True))
    mode = attributes["auto_pad"].s.decode("utf-8", "replace") if "auto_pad" in attributes else "NOTSET"
    if mode.startswith("SAME"):
        spans = [(side - 1) * gap + 1 for side, gap in zip(filters[2:], dilation, strict=True)]
        sides = zip(image[2:], spans, stride, strict=True)
        added = [max((-(-size // step) - 1) * step + span - size, 0) for size, span, step in sides]
        padding = [(zeros // 2, zeros - zeros // 2) for zeros in added]
        padding = [pad[::-1] for pad in padding] if mode == "SAME_LOWER" else padding
    return products.plane_geometry(image, filters, stride, padding, dilation)


def _gemm(attributes: _Attributes, left: Shape, right: Shape) -> Sized:
    deep, wide = (right[1], right[0]) if "transB" in attributes and attributes["transB"].i else (right[0], right[1])
    return products.dense(left, deep, wide)


def _recurrent(base: str, attributes: _Attributes, shapes: Sequence[Shape]) -> Sized:
    """Return the sizes of a recurrent layer from X (steps, batch, in), W (directions, gates, in), R (..., hidden)."""
    first, second = shapes[0][0], shapes[0][1]
    steps, batch = (second, first) if "layout" in attributes and attributes["layout"].i else (first, second)
    matrices = [(shape[2], shape[1], state) for shape, state in ((shapes[1], False), (shapes[2], True))]
    return products._recurrent(base.lower(), steps, batch, matrices * shapes[1][0])
