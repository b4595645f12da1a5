"""Constants of an ONNX graph by name, each in a tensor of its own into which changed weights can be written."""

from __future__ import annotations

from typing import Any

from slipstick.networks.importers.onnx_graph import MAX_ONNX_BYTES
from slipstick.trained.onnx.constants import _shape_of
from slipstick.trained.onnx.node_attributes import STANDARD


def constants(graph: Any) -> dict[str, Any]:
    """Return a graph's constants by name, as the file's own tensor objects: writing to them changes the file."""
    named = [(tensor.name, tensor) for tensor in graph.initializer]
    named += [(node.output[0], node.attribute[0].t) for node in graph.node if node.op_type == "Constant"]
    if len(dict(named)) != len(named):
        raise ValueError("two constants of one name")
    return dict(named)


def _make_plain(onnx: Any, graph: Any) -> None:
    """Give every constant of a graph a tensor of its own, into which a changed weight can be written.

    torch's exporter stores equal vectors (the biases of fresh layers) once and reads the others through Identity:
    those are not shared parameters, and become constants of their own. An Identity of another constant is that one.

    Errors
    ------
    ValueError for a constant of a kind that is not read.
    """
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    same: dict[str, str] = {}
    taken = 0  # bytes of copies
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = same.get(name, name)
        if node.op_type == "Constant":
            _constant(onnx, node)
        elif node.op_type == "Identity" and node.domain in STANDARD and node.input[0] in initializers:
            tensor = initializers[node.input[0]]
            if len(_shape_of(tensor)) != 1 or taken + tensor.ByteSize() > MAX_ONNX_BYTES:
                same[node.output[0]] = node.input[0]
                continue
            taken += tensor.ByteSize()
            node.op_type = "Constant"
            del node.input[:], node.attribute[:]
            node.attribute.append(onnx.helper.make_attribute("value", tensor))
        else:
            continue
        initializers[node.output[0]] = node.attribute[0].t


def _constant(onnx: Any, node: Any) -> None:
    """Return a Constant node's value as a tensor; ValueError for forms without a tensor."""
    (attribute,) = node.attribute
    if node.domain not in STANDARD or attribute.ref_attr_name:
        raise ValueError(f"the constant {node.output[0]} is not one of ONNX's own")
    if attribute.name == "value" and attribute.HasField("t"):
        return
    types = onnx.TensorProto
    kinds = {"value_float": types.FLOAT, "value_int": types.INT64}
    kind = kinds.get(attribute.name.removesuffix("s"))
    if kind is None:
        raise ValueError(f"the constant {node.output[0]} is of a kind that is not read: {attribute.name}")
    value = onnx.helper.get_attribute_value(attribute)
    several = attribute.name.endswith("s")
    tensor = onnx.helper.make_tensor("", kind, [len(value)] if several else [], value if several else [value])
    attribute.CopyFrom(onnx.helper.make_attribute("value", tensor))
