"""Torch importer: an operator graph from a module by torch.export; shapes are traced, no values are computed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slipstick.core.convolution_geometry import ConvolutionGeometry
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.networks.graphs import product_sizes as products
from slipstick.networks.graphs.imported import ImportedGraph, Recorder
from slipstick.networks.graphs.product_sizes import Sized

# ATen's operators that give the same elements, or some of them, under another shape: no kernel runs for them
_VIEW_NAMES = (
    "alias chunk contiguous detach dropout dropout_ expand expand_as feature_dropout flatten getitem lift_fresh_copy "
    "movedim narrow numpy_T permute reshape select slice split split_with_sizes squeeze t transpose unbind unflatten "
    "unsafe_split unsqueeze view view_as"
)
_VIEWS = frozenset(_VIEW_NAMES.split())
_REDUCTIONS = (
    "all amax amin any argmax argmin cumsum linalg_vector_norm logsumexp max mean min norm prod std sum topk var"
)
_COPIES = (
    "clone constant_pad_nd copy_ gather index index_select one_hot pad pixel_shuffle pixel_unshuffle repeat "
    "repeat_interleave roll to _to_copy upsample_bicubic2d upsample_bilinear2d upsample_nearest2d"
)
_KINDS = {
    **dict.fromkeys(_REDUCTIONS.split(), "reduction"),
    **dict.fromkeys(_COPIES.split(), "copy"),
    "batch_norm": "batchnorm",
    "_native_batch_norm_legit_no_training": "batchnorm",
    "native_layer_norm": "norm",
    "layer_norm": "norm",
    "group_norm": "norm",
    "instance_norm": "norm",
    "rms_norm": "norm",
    "softmax": "softmax",
    "_softmax": "softmax",
    "log_softmax": "softmax",
    "_log_softmax": "softmax",
    "embedding": "embedding",
    "cat": "concat",
    "stack": "concat",
}
_CONVOLUTION_NAMES = "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution"
_CONVOLUTIONS = frozenset(_CONVOLUTION_NAMES.split())
_RECURRENT = frozenset(("lstm", "gru", "rnn_tanh", "rnn_relu"))


def from_torch(module: Any, inputs: Sequence[Any], *, name: str = "", **keywords: Any) -> ImportedGraph:
    """Return the operator graph of a torch module, traced on example inputs.

    The module is exported in its present mode: call ``module.eval()`` first for inference. Work is that of products
    (2 for a multiply-accumulate); weights are parameters, buffers are not. The first dimension of the first tensor is
    the batch. Under ``torch.device("meta")`` no memory is taken for weights.

    Errors
    ------
    SlipstickError if torch is not installed, if torch.export cannot trace the module, or for control flow that depends
    on data.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> block = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 5))
    >>> graph = from_torch(block.eval(), (torch.zeros(2, 3, 6, 6),), name="small")
    >>> [(op.name, op.kind, op.after) for op in graph.operations]
    [('0', 'conv', ()), ('1', 'elementwise', ('0',)), ('3', 'matmul', ('1',))]
    """
    require("torch", "torch")
    name = name or type(module).__name__
    program = _exported(module, tuple(inputs), keywords, name)
    return from_program(program, name=name)


def from_program(program: Any, *, name: str) -> ImportedGraph:
    """Return the operator graph of a `torch.export.ExportedProgram`."""
    trace = _Trace(program)
    for node in program.graph.nodes:
        if node.op == "call_function":
            trace.record(node)
        elif node.op == "get_attr":
            raise SlipstickError("control flow that depends on data has no operator graph", path=name, value=node.name)
    recorder = trace.recorder
    note = ", ".join(f"{target} ({count})" for target, count in recorder.uncounted.items())
    return ImportedGraph(
        name=name,
        source="torch.export",
        note=f"only their traffic is counted: {note}" if note else "",
        batch=trace.batch,
        count=trace.parameters,
        operations=recorder.finished(),
    )


def _exported(module: Any, inputs: tuple[Any, ...], keywords: Mapping[str, Any], name: str) -> Any:
    import torch

    if not isinstance(module, torch.nn.Module):
        raise SlipstickError("not a torch.nn.Module", path="module", value=type(module).__name__)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how it traces: nothing that the user of a graph could mend
            return torch.export.export(module, inputs, dict(keywords))
    except Exception as error:  # torch.export lets through whatever the module or its tracer raises
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise SlipstickError(f"torch.export cannot trace the module: {first.strip()}", path=name) from error


class _Trace:
    """Translation of an exported program into operations, node by node."""

    def __init__(self, program: Any) -> None:
        signature = program.graph_signature
        self.recorder = Recorder()
        self._parameters: Mapping[str, str] = signature.inputs_to_parameters
        self._fixed = {*self._parameters, *signature.inputs_to_buffers, *signature.inputs_to_lifted_tensor_constants}
        placeholders = [node for node in program.graph.nodes if node.op == "placeholder"]
        sizes = {node.name: _elements(node) for node in placeholders}
        targets = {self._parameters[key]: size for key, size in sizes.items() if key in self._parameters}
        self.parameters = round(sum(targets.values()))
        shapes = {node.name: _shape(node) for node in placeholders if node.name not in self._fixed}
        self._inputs = set(shapes)
        self.batch = next((shape[0] for shape in shapes.values() if shape), 1)

    def record(self, node: Any) -> None:
        """Record the operation of one call of a torch operator."""
        base = _base(node)
        read = _tensors(node)
        if base in _VIEWS:
            if read:
                self.recorder.alias(node.name, read[0].name)
                self._inputs |= {node.name} if read[0].name in self._inputs else set()
            return
        if not _results(node):
            return  # an assertion, or arithmetic on sizes
        activations = [(other.name, _elements(other)) for other in read if other.name not in self._fixed]
        if not any(name in self._inputs or self.recorder.made(name) for name, _ in activations):
            return  # computed from constants alone: positions, masks
        kind, sized = self._sizes(node, base, read)
        used = {self._parameters[o.name]: round(_elements(o)) for o in read if o.name in self._parameters}
        outputs = _elements(node)
        if "dims" not in sized:
            sized = {**sized, "dims": {"m": self.batch, "n": max(1, math.ceil(outputs / self.batch))}}
        self.recorder.add(_name(node, base), kind, node.name, reads=activations, outputs=outputs, weights=used, **sized)
        if base.endswith("_"):  # in place: later readers of the old value read the new one
            self.recorder.alias(node.args[0].name, node.name)

    def _sizes(self, node: Any, base: str, read: Sequence[Any]) -> tuple[str, Sized]:
        """Return the kind of a node's operation, with the sizes of its matrix product if it has one."""
        product = _PRODUCTS.get(base)
        if base in _CONVOLUTIONS:
            return "conv", _convolution(node, base)
        if base in _RECURRENT:
            return "lstm", _recurrent(node, base)
        if product is not None:
            has_weights = any(other.name in self._fixed for other in read)
            return ("matmul" if has_weights and base != _SDPA else "attention"), product(node, self._fixed)
        kind = _KINDS.get(base) or ("pool" if "pool" in base else "elementwise" if _is_pointwise(node) else "other")
        if kind == "other":
            self.recorder.uncounted[base] += 1
        return kind, {}


_SDPA = "scaled_dot_product_attention"


def _convolution(node: Any, base: str) -> Sized:
    image, filters = _shape(node.args[0]), _shape(node.args[1])
    transposed = "transpose" in base or bool(base == "convolution" and node.args[6])
    # groups come last in conv*d and convolution, and before the dilation in conv_transpose*d
    place = {"convolution": 8}.get(base, 6)
    groups = node.args[place] if len(node.args) > place else node.kwargs.get("groups", 1)
    geometry = None if transposed else _geometry(node, image, filters)
    return products.convolution(image, filters, _shape(node), int(groups), transposed=transposed, geometry=geometry)


def _geometry(node: Any, image: Sequence[int], filters: Sequence[int]) -> ConvolutionGeometry | None:
    """Return the geometry of aten.conv1d, conv2d and convolution: (image, filters, bias, stride, padding, dilation)."""
    axes = len(filters) - 2
    named = {"stride": (3, [1]), "padding": (4, [0]), "dilation": (5, [1])}
    options = {name: _argument(node, name, *place) for name, place in named.items()}
    numbers = {
        name: tuple(value) * (axes if len(value) == 1 else 1)
        for name, value in options.items()
        if not isinstance(value, str)
    }
    if options["padding"] == "same":  # torch's, at stride 1: the odd zero goes behind
        added = [(side - 1) * gap for side, gap in zip(filters[2:], numbers["dilation"], strict=True)]
        pads = [(zeros // 2, zeros - zeros // 2) for zeros in added]
    else:
        pads = [(zeros, zeros) for zeros in numbers.get("padding", (0,) * axes)]
    return products.plane_geometry(image, filters, numbers["stride"], pads, numbers["dilation"])


def _argument(node: Any, name: str, place: int, default: list[int]) -> Any:
    value = node.args[place] if len(node.args) > place else node.kwargs.get(name, default)
    return [value] if isinstance(value, int) else value


def _recurrent(node: Any, base: str) -> Sized:
    """Return the sizes of aten.lstm.input and similar calls: (input, states, parameters, ..., batch_first)."""
    shape, batch_first = _shape(node.args[0]), bool(node.args[-1])
    steps, batch = (shape[1], shape[0]) if batch_first else (shape[0], shape[1])
    matrices = [parameter for parameter in node.args[2] if len(_shape(parameter)) == 2]
    state = "weight_hh", "weight_hr"
    sizes = [(_shape(p)[1], _shape(p)[0], any(word in p.name for word in state)) for p in matrices]
    return products._recurrent(base, steps, batch, sizes)


def _product(node: Any, fixed: set[str], left: int = 0) -> Sized:
    """Return the sizes of aten.mm, bmm and matmul, or of addmm and baddbmm, whose factors follow the summand."""
    a, b = node.args[left], node.args[left + 1]
    if b.name in fixed and len(_shape(b)) == 2:
        return products.dense(_shape(a), *_shape(b))
    return products._pairwise(_shape(a), _shape(node))


def _linear(node: Any, fixed: set[str]) -> Sized:
    wide, deep = _shape(node.args[1])
    return products.dense(_shape(node.args[0]), deep, wide)


def _einsum(node: Any, fixed: set[str]) -> Sized:
    return products._einsum(str(node.args[0]), [_shape(factor) for factor in node.args[1]], _shape(node))


_PRODUCTS: dict[str, Callable[[Any, set[str]], Sized]] = {
    "linear": _linear,
    "mm": _product,
    "bmm": _product,
    "matmul": _product,
    "addmm": lambda node, fixed: _product(node, fixed, 1),
    "baddbmm": lambda node, fixed: _product(node, fixed, 1),
    "einsum": _einsum,
    _SDPA: lambda node, fixed: products._attention(*(_shape(other) for other in node.args[:3])),
}


def _base(node: Any) -> str:
    """Return the operator's name without its namespace and overload: ``conv2d`` for aten.conv2d.default."""
    schema = getattr(node.target, "_schema", None)
    return str(schema.name).rpartition("::")[2] if schema is not None else str(getattr(node.target, "__name__", ""))


def _name(node: Any, base: str) -> str:
    """Return the path of the calling module, extended by the operator where the module is not torch's own."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, kind = stack[-1] if stack else ("", "")
    if path and str(kind).startswith("torch.nn.modules.") and not any(word in str(kind) for word in _SEVERAL):
        return str(path)
    return f"{path}.{base.strip('_')}" if path else base.strip("_")


_SEVERAL = ("transformer.", "MultiheadAttention", "container.")  # torch's own modules that call several operators


def _is_pointwise(node: Any) -> bool:
    import torch

    return torch.Tag.pointwise in getattr(node.target, "tags", ())


def _tensors(node: Any) -> list[Any]:
    """Return the nodes with tensors among the arguments, repeated as often as they are read."""
    import torch

    flat, _ = torch.utils._pytree.tree_flatten((node.args, node.kwargs))
    return [item for item in flat if isinstance(item, torch.fx.Node) and _results(item)]


def _results(node: Any) -> list[Any]:
    """Return the traced tensors that a node returns."""
    import torch

    value = node.meta.get("val")
    values = value if isinstance(value, tuple | list) else (value,)
    return [item for item in values if isinstance(item, torch.Tensor)]


def _shape(node: Any) -> tuple[int, ...]:
    results = _results(node)
    return tuple(int(size) for size in results[0].shape) if results else ()


def _elements(node: Any) -> float:
    return float(sum(item.numel() for item in _results(node)))
