"""Networks as sizes: decoders, operator graphs, and importers of the files that users have."""

from __future__ import annotations

from slipstick.core.lazy import lazy_names

_PUBLIC = {
    "Block": "decoder.block",
    **dict.fromkeys(("Decoder", "Quantisation"), "decoder.decoder"),
    **dict.fromkeys(("DenseMlp", "MoeMlp"), "decoder.mlp"),
    **dict.fromkeys(("GroupedQuery", "Latent", "Linear"), "decoder.attention"),
    "backward": "decoder.operations",
    **dict.fromkeys(("RowSizes", "decoder_from_row"), "from_row"),
    **dict.fromkeys(("from_config", "from_file"), "decoder.huggingface"),
    "from_onnx": "importers.onnx_graph",
    "from_torch": "importers.torch_export",
    **dict.fromkeys(("network", "presets"), "find_network"),
}

__all__ = sorted(_PUBLIC)
__getattr__ = lazy_names(__name__, _PUBLIC)
