"""Model families of Hugging Face: biases, norms, windows and experts that config.json files do not state."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.errors import SlipstickError
from slipstick.networks.decoder.attention import QkNorm
from slipstick.networks.decoder.decoder import Norm

_LLAMA_SWITCHES = {"attention_bias": ("qkv_bias", "out_bias"), "mlp_bias": ("mlp_bias",)}


_Local = Literal["sliding_attention", "chunked_attention", "linear_attention"]


class ModelFamily(Entry):
    """Properties of one `model_type` of Hugging Face's transformers; the defaults are those of Llama."""

    attention: Literal["gqa", "mla"] = Field(default="gqa", description="Kind of attention: grouped-query or latent")
    norm: Norm = Field(default="rms", description="Kind of the norms of the hidden width")
    norms: int = Field(default=2, description="Norms of the hidden width in one layer")
    parallel: bool = Field(default=False, description="Attention and feed-forward part read the same input")
    qkv_bias: bool = Field(default=False, description="The query, key and value projections have biases")
    out_bias: bool = Field(default=False, description="The output projection of attention has a bias")
    mlp_bias: bool = Field(default=False, description="The feed-forward products have biases")
    head_bias: bool = Field(default=False, description="The output head has a bias")
    gated: bool = Field(default=True, description="A third product gates the activation (SwiGLU)")
    rotary: bool = Field(default=True, description="Queries and keys get a rotary position embedding")
    qk_norm: QkNorm = Field(default="none", description="Norm of queries and keys")
    qk_norm_if: str = Field(default="", description="Flag of the file that switches qk_norm on; empty: always on")
    output_gate: bool = Field(default=False, description="A sigmoid gate multiplies the attention's output")
    sinks: bool = Field(default=False, description="Each head has one learned logit (attention sink)")
    tied: bool = Field(default=False, description="The output head is the embedding, where the file does not say")
    embedding_norm: bool = Field(default=False, description="A norm follows the embedding (BLOOM)")
    dropout: bool = Field(default=False, description="Trained with dropout, where the file does not say")
    positions: int | None = Field(
        default=None, description="Rows of learned positions beyond those of the longest context; none: not learned"
    )
    ffn_factor: int | None = Field(
        default=None, description="Feed-forward width in units of the hidden width, where the file does not say"
    )
    window: Literal["none", "all", "pattern", "flag"] = Field(
        default="none", description="Layers with a window: none, all, in a pattern, or as a flag of the file says"
    )
    pattern: int = Field(default=1, description="Layers of a pattern, the last of which has full attention")
    local: _Local = Field(default="sliding_attention", description="Attention of a pattern's other layers")
    moe: Literal["none", "all", "step", "first_dense", "interleave", "beside"] = Field(
        default="none", description="Layers with experts; `beside` has a dense part in the same layer"
    )
    shared: Literal["none", "count", "width", "ffn"] = Field(
        default="none", description="Field that gives the shared experts: their count, their width, or the width of one"
    )
    shared_gate: bool = Field(default=False, description="A sigmoid gate multiplies the shared experts' output")
    router_bias: bool = Field(default=False, description="The router has a number for each expert")
    switches: dict[str, tuple[str, ...]] = Field(
        default=_LLAMA_SWITCHES, description="Flag of the file -> the fields of this family that it sets"
    )
    defaults: dict[str, int | bool | str] = Field(
        default={}, description="Defaults of the configuration class, where files leave fields out"
    )


families = Catalogue(ModelFamily, "families/huggingface.yaml", group="families", noun="model_type", field="model_type")


def _model_family(model_type: str) -> ModelFamily:
    """Return the family of a `model_type`; the suffix of a nested text model is dropped.

    Errors
    ------
    SlipstickError naming the nearest known family.

    Examples
    --------
    >>> _model_family("qwen3").qk_norm, _model_family("gemma4_text").norms
    ('head', 4)
    """
    known = families.names()
    name = model_type.lower()
    for candidate in (name, name.removesuffix("_text"), name.replace("-", "_")):
        if candidate in known:
            return families.entry(candidate)
    raise SlipstickError(
        "no such model_type of Hugging Face's transformers (describe the decoder in YAML: slipstick show llama-3.1-8b)",
        path="model_type",
        value=model_type,
        allowed=known,
    )
