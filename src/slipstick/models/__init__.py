"""Networks: definitions of their layers, and importers from the files that users have."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Block": "decoder",
    "Decoder": "decoder",
    "DenseMlp": "mlp",
    "GroupedQuery": "attention",
    "IntegerNetwork": "integer.network",
    "Latent": "attention",
    "Linear": "attention",
    "MoeMlp": "mlp",
    "Quantisation": "decoder",
    "backward": "operations",
    "decoder_from_row": "from_row",
    "from_config": "huggingface",
    "from_file": "huggingface",
    "from_onnx": "onnx_graph",
    "from_torch": "export",
    "names": "catalogue",
    "network": "catalogue",
    "read_tflite": "tflite.read",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
