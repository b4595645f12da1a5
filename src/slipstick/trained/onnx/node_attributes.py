"""ONNX node whose attributes are read one by one: an attribute that no builder reads is an error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HIGHEST = 2**20  # of a side, a stride, a pad, an axis: beyond any image, and no product of four overflows
STANDARD = ("", "ai.onnx")  # the names of ONNX's own operators' domain
_UNUSED = {"MaxPool": {"storage_order"}, "Dropout": {"ratio", "seed"}}  # of results that are not read, of training


@dataclass(frozen=True)
class _OnnxNode:
    """ONNX node: operator (with its domain unless that is ONNX's own), and the attributes not read yet.

    Parameters
    ----------
    inputs : names; empty for one that is left out, none at the end.
    version : of the operators, as the file gives it.
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]
    version: int

    def whole(self, name: str, default: int) -> int:
        """Pop an integer attribute; ValueError for another type, or a value that is too large."""
        return self._numbers(name, [default], "i")[0]

    def several(self, name: str, default: Sequence[int] | None) -> list[int] | None:
        """Pop an attribute of at most 16 integers; ValueError as in `whole`."""
        return None if default is None and name not in self.attributes else self._numbers(name, default or (), "ints")

    def real(self, name: str, default: float) -> float:
        """Pop a floating-point attribute; ValueError for another type, and for NaN."""
        value = float(self._take(name, "f", default))
        if math.isnan(value):
            raise ValueError(f"its {name} is not a number")
        return value

    def word(self, name: str, default: str) -> str:
        """Pop a string attribute; ValueError for another type."""
        value = self._take(name, "s", default.encode())
        return str(value.decode())

    def left(self) -> list[str]:
        """Return the names of the attributes that were not read and that affect the result."""
        return sorted(set(self.attributes) - _UNUSED.get(self.operator, set()))

    def _numbers(self, name: str, default: Sequence[int], field: str) -> list[int]:
        value = self._take(name, field, default)
        numbers = [int(value)] if isinstance(value, int) else [int(number) for number in value]
        if len(numbers) > 16 or any(abs(number) > HIGHEST for number in numbers):
            raise ValueError(f"its {name} is beyond {HIGHEST}, or too long")
        return numbers

    def _take(self, name: str, field: str, default: Any) -> Any:
        attribute = self.attributes.pop(name, None)
        if attribute is None:
            return default
        if attribute.type != _FIELDS[field] or attribute.ref_attr_name:
            raise ValueError(f"its {name} is of a wrong type")
        return getattr(attribute, field)


_FIELDS: Mapping[str, int] = {"f": 1, "i": 2, "s": 3, "ints": 7}  # onnx.proto, AttributeProto.AttributeType


def _node_of(node: Any, version: int) -> _OnnxNode:
    """Return the OnnxNode of a node of onnx; ValueError for a duplicate attribute, or without an output."""
    attributes = {str(attribute.name): attribute for attribute in node.attribute}
    if len(attributes) != len(node.attribute) or not node.output or not node.output[0]:
        raise ValueError(f"the node {node.name} has an attribute twice, or makes nothing")
    operator = node.op_type if node.domain in STANDARD else f"{node.domain}.{node.op_type}"
    inputs = [str(name) for name in node.input]
    while inputs and not inputs[-1]:
        inputs.pop()
    output = str(node.output[0])
    return _OnnxNode(str(node.name) or output, str(operator), tuple(inputs), output, attributes, version)
