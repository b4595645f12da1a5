"""Graph networks by the name of their family: the field `graph` of a description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.spec import validate
from slipstick.models.graphs.big_lstm import BigLstm
from slipstick.models.graphs.gnmt import Gnmt
from slipstick.models.graphs.imported import ImportedGraph
from slipstick.models.graphs.inception import InceptionV3
from slipstick.models.graphs.network import OperatorGraph
from slipstick.models.graphs.resnet import ResNet

FAMILIES: dict[str, type[OperatorGraph]] = {
    "big-lstm": BigLstm,
    "gnmt": Gnmt,
    "imported": ImportedGraph,
    "inception-v3": InceptionV3,
    "resnet": ResNet,
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
    return validate(FAMILIES[family], dict(fields), where=where)
