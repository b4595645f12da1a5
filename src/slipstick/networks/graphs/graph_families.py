"""Families of operator graphs, selected by the field `graph` of a description."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError
from slipstick.core.spec import validate

if TYPE_CHECKING:
    from slipstick.networks.graphs.operator_graph import OperatorGraph

# family -> module and class, imported when a network of the family is asked for
_FAMILIES = {
    "alexnet": ("vgg", "AlexNet"),
    "big-lstm": ("big_lstm", "BigLstm"),
    "gnmt": ("gnmt", "Gnmt"),
    "imported": ("imported", "ImportedGraph"),
    "inception-v3": ("inception", "InceptionV3"),
    "mobilenet-v2": ("mobilenet", "MobileNetV2"),
    "resnet": ("resnet", "ResNet"),
    "vgg": ("vgg", "Vgg"),
}


def graph_network(fields: Mapping[str, Any], *, where: str = "network") -> OperatorGraph:
    """Return the operator graph that a dict describes; its field `graph` names the family.

    Errors
    ------
    SlipstickError for a family that is not known; SpecErrors for fields that do not fit it.

    Examples
    --------
    >>> graph_network({"graph": "resnet", "name": "small", "block": "basic", "blocks": [2, 2, 2, 2]}).parameters
    11689512
    """
    family = fields["graph"]
    if not isinstance(family, str) or family not in _FAMILIES:
        raise SlipstickError(
            "no such family of operator graphs", path=f"{where}.graph", value=family, allowed=_FAMILIES
        )
    module, name = _FAMILIES[family]
    graph_class: type[OperatorGraph] = getattr(import_module(f"slipstick.networks.graphs.{module}"), name)
    return validate(graph_class, dict(fields), where=where)
