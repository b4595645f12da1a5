"""Operator graphs: networks as operations with edges, merged kernels and chains, and their backward passes."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "AlexNet": "vgg",
    "BigLstm": "big_lstm",
    "Gnmt": "gnmt",
    "GraphBuilder": "builder",
    "ImportedGraph": "imported",
    "InceptionV3": "inception",
    "MobileNetV2": "mobilenet",
    "OperatorGraph": "operator_graph",
    "ResNet": "resnet",
    "Vgg": "vgg",
    "chains": "fusion",
    "fused": "fusion",
    "graph_network": "graph_families",
    "leaf_ops": "fusion",
    "scaled": "operator_graph",
    "training_graph": "training_passes",
    "transfers": "training_passes",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
