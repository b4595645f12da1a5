"""ONNX files for the tests: torch's exported program written operator by operator, nothing optimised away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import helper
from torch.utils import _pytree

Node = Any


def write(program: Any, path: Path) -> None:
    """Write a convolutional network of the operators below; weights get shapes and no values (external data)."""
    signature = program.graph_signature
    fixed = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    nodes, initializers, sources = [], [], []
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in fixed:
            initializers.append(_weight(node))
        elif node.op == "placeholder":
            sources.append(helper.make_tensor_value_info(node.name, onnx.TensorProto.FLOAT, _shape(node)))
        elif node.op == "call_function":
            nodes.append(_operator(node))
        else:
            results = [item for item in _pytree.tree_leaves(node.args) if item is not None]
    made = [helper.make_tensor_value_info(node.name, onnx.TensorProto.FLOAT, None) for node in results]
    graph = helper.make_graph(nodes, "net", sources, made, initializers)
    path.write_bytes(helper.make_model(graph).SerializeToString())


def _shape(node: Node) -> list[int]:
    return list(node.meta["val"].shape)


def _weight(node: Node) -> Any:
    tensor = onnx.TensorProto(name=node.name, data_type=onnx.TensorProto.FLOAT, dims=_shape(node))
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../nowhere.bin")
    return tensor


def _operator(node: Node) -> Any:
    kind = str(node.target).split(".")[1].rstrip("_")
    names = [item.name for item in _pytree.tree_leaves(node.args) if isinstance(item, torch.fx.Node)]
    args = dict(zip((argument.name for argument in node.target._schema.arguments), node.args, strict=False))
    build = _WRITERS[kind]
    operator, attributes = build(args)
    if kind == "batch_norm":
        names = names[:5]
    return helper.make_node(operator, names, [node.name], name=node.name, **attributes)


def _pairs(args: dict[str, Any], name: str, otherwise: int) -> list[int]:
    value = args.get(name) or [otherwise]
    return [*value] * (2 // len(value))


def _window(args: dict[str, Any]) -> dict[str, Any]:
    kernel = _pairs(args, "kernel_size", 1)
    strides = [*args["stride"]] * (2 // len(args["stride"])) if args.get("stride") else kernel
    return {"kernel_shape": kernel, "strides": strides, "pads": _pairs(args, "padding", 0) * 2}


_WRITERS: dict[str, Any] = {
    "conv2d": lambda a: ("Conv", {"strides": _pairs(a, "stride", 1), "pads": _pairs(a, "padding", 0) * 2}),
    "batch_norm": lambda a: ("BatchNormalization", {}),
    "relu": lambda a: ("Relu", {}),
    "add": lambda a: ("Add", {}),
    "cat": lambda a: ("Concat", {"axis": 1}),
    "max_pool2d": lambda a: ("MaxPool", _window(a)),
    "avg_pool2d": lambda a: ("AveragePool", _window(a)),
    "adaptive_avg_pool2d": lambda a: ("GlobalAveragePool", {}),
    "flatten": lambda a: ("Flatten", {}),
    "dropout": lambda a: ("Identity", {}),
    "linear": lambda a: ("Gemm", {"transB": 1}),
}
