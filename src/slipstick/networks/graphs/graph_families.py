"""Graph networks by the name of their family: the field `graph` of a description."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError
from slipstick.core.spec import validate

if TYPE_CHECKING:
    from slipstick.networks.graphs.operator_graph import OperatorGraph

# family -> module and class: who asks for a decoder need not import them
FAMILIES = {
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
    """Return the graph network that a dict describes; its `graph` names the family.

    Errors
    ------
    SlipstickError for a family that is not known; SpecErrors for fields that do not fit it.

    Examples
    --------
    >>> graph_network({"graph": "resnet", "name": "small", "block": "basic", "blocks": [2, 2, 2, 2]}).parameters
    11689512
    """
    family = fields["graph"]
    if not isinstance(family, str) or family not in FAMILIES:
        raise SlipstickError("not a family of operator graphs", path=f"{where}.graph", value=family, allowed=FAMILIES)
    module, name = FAMILIES[family]
    kind: type[OperatorGraph] = getattr(import_module(f"slipstick.networks.graphs.{module}"), name)
    return validate(kind, dict(fields), where=where)
