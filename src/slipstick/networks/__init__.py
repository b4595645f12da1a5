"""Networks as sizes: decoders, operator graphs, and importers of the files that users have."""

from __future__ import annotations

from slipstick.core.lazy import lazy_names

_PUBLIC = {
    "Block": "decoder.block",
    "Decoder": "decoder.decoder",
    "DenseMlp": "decoder.mlp",
    **dict.fromkeys(("GroupedQuery", "Latent", "Linear"), "decoder.attention"),
    "MoeMlp": "decoder.mlp",
    "Quantisation": "decoder.decoder",
    "backward": "decoder.operations",
    "RowSizes": "from_row",
    "decoder_from_row": "from_row",
    "from_config": "decoder.huggingface",
    "from_file": "decoder.huggingface",
    "from_onnx": "importers.onnx_graph",
    "from_torch": "importers.torch_export",
    "network": "find_network",
    "presets": "find_network",
}

__all__ = sorted(_PUBLIC)
__getattr__ = lazy_names(__name__, _PUBLIC)
