"""Fusion of a MatMul and the Add of a constant behind it into one dense layer with a trainable bias."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.trained.onnx.constants import FLOATS, _type_name
from slipstick.trained.onnx.node_attributes import _OnnxNode


def _with_biases(nodes: Sequence[_OnnxNode], constants: Mapping[str, Any], result: str) -> tuple[_OnnxNode, ...]:
    """Return the nodes with each MatMul's following bias Add removed, its constant made the third input.

    Only where nothing else reads the product, or the bias; other sums stay.

    Errors
    ------
    SlipstickError for a MatMul of other than two inputs.
    """
    reads = Counter(name for node in nodes for name in node.inputs)
    reads[result] += 1
    sums = {name: node for node in nodes if node.operator == "Add" for name in node.inputs}
    joined, gone = [], set()
    for node in nodes:
        if node.operator == "MatMul" and len(node.inputs) != 2:
            raise SlipstickError("MatMul has two inputs", path=node.name, value=len(node.inputs))
        added = sums.get(node.output) if node.operator == "MatMul" and reads[node.output] == 1 else None
        bias = _bias(node, added, constants) if added else ""
        if added and bias and reads[bias] == 1:
            gone.add(added.output)
            node = replace(node, inputs=(*node.inputs, bias), output=added.output)
        joined.append(node)
    return tuple(node for node in joined if node.operator != "Add" or node.output not in gone)


def _bias(product: _OnnxNode, added: _OnnxNode, constants: Mapping[str, Any]) -> str:
    """Return the name of the constant that an Add adds to a product as its bias, or None."""
    weight = constants.get(product.inputs[1]) if len(product.inputs) == 2 else None
    others = [name for name in added.inputs if name != product.output]
    tensor = constants.get(others[0]) if len(others) == 1 else None
    if (
        weight is None
        or tensor is None
        or added.attributes
        or len(weight.dims) != 2
        or _type_name(tensor.data_type) not in FLOATS
    ):
        return ""
    return others[0] if tuple(tensor.dims) in ((weight.dims[1],), (1, weight.dims[1])) else ""
