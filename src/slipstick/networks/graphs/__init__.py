"""Operator graphs: networks as operations with edges, merged kernels and chains, and their backward passes."""

from __future__ import annotations

from slipstick.core.lazy import lazy_names

_PUBLIC = {
    **dict.fromkeys(("AlexNet", "Vgg"), "vgg"),
    "BigLstm": "big_lstm",
    "Gnmt": "gnmt",
    "GraphBuilder": "builder",
    "ImportedGraph": "imported",
    "InceptionV3": "inception",
    "MobileNetV2": "mobilenet",
    "OperatorGraph": "operator_graph",
    "ResNet": "resnet",
    **dict.fromkeys(("chains", "fused", "leaf_ops"), "fusion"),
    "graph_network": "graph_families",
    "scaled": "operator_graph",
    "training_graph": "training_passes",
    "transfers": "training_passes",
}

__all__ = sorted(_PUBLIC)
__getattr__ = lazy_names(__name__, _PUBLIC)
