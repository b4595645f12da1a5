"""Model families of Hugging Face: biases, norms, windows and experts that a config.json does not state."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.errors import SlipstickError
from slipstick.networks.decoder.attention import QkNorm
from slipstick.networks.decoder.decoder import Norm

_LLAMA_SWITCHES = {"attention_bias": ("qkv_bias", "out_bias"), "mlp_bias": ("mlp_bias",)}


class Family(Entry):
    """One `model_type` of Hugging Face's transformers; the defaults are those of Llama."""

    attention: Literal["gqa", "mla"] = Field(default="gqa", description="Kind of attention")
    norm: Norm = Field(default="rms", description="Kind of normalisation")
    norms: int = Field(default=2, description="Norms of the hidden width in one layer")
    parallel: bool = Field(default=False, description="Attention and feed-forward part read the same input")
    qkv_bias: bool = Field(default=False, description="Query, key and value projections have biases")
    out_bias: bool = Field(default=False, description="The output projection of attention has a bias")
    mlp_bias: bool = Field(default=False, description="The projections of the feed-forward part have biases")
    head_bias: bool = Field(default=False, description="The head over the vocabulary has a bias")
    gated: bool = Field(default=True, description="The feed-forward part has a gate (SwiGLU)")
    rotary: bool = Field(default=True, description="Rotary position embedding")
    qk_norm: QkNorm = Field(default="none", description="Norm of queries and keys")
    qk_norm_if: str = Field(default="", description="Flag of the config.json that switches that norm on")
    output_gate: bool = Field(default=False, description="The output of attention is gated")
    sinks: bool = Field(default=False, description="Attention sinks: one learned logit a head")
    tied: bool = Field(default=False, description="Head and embedding share weights where the config.json does not say")
    embedding_norm: bool = Field(default=False, description="Norm behind the embedding")
    dropout: bool = Field(default=False, description="Trained with dropout where the config.json does not say")
    positions: int | None = Field(
        default=None, description="Learned positions: rows of their table beyond those of the longest context"
    )
    ffn_factor: int | None = Field(
        default=None, description="Feed-forward width over the hidden width where the config.json does not say"
    )
    window: Literal["none", "all", "pattern", "flag"] = Field(
        default="none", description="Layers whose attention has a sliding window"
    )
    pattern: int = Field(default=1, description="Layers from one with full attention to the next")
    local: Literal["sliding_attention", "chunked_attention", "linear_attention"] = Field(
        default="sliding_attention", description="Attention of the layers between them"
    )
    moe: Literal["none", "all", "step", "first_dense", "interleave", "beside"] = Field(
        default="none", description="Layers that have experts"
    )
    shared: Literal["none", "count", "width", "ffn"] = Field(
        default="none", description="How the config.json gives the size of shared experts"
    )
    shared_gate: bool = Field(default=False, description="The shared expert has a gate")
    router_bias: bool = Field(default=False, description="The router of experts has a bias")
    switches: dict[str, tuple[str, ...]] = Field(
        default=_LLAMA_SWITCHES, description="Flag of the config.json -> fields of the family that it sets"
    )
    defaults: dict[str, int | bool | str] = Field(
        default={}, description="Values of the configuration class for fields that a config.json leaves out"
    )


families = Catalogue(Family, "families/huggingface.yaml", group="families", noun="model_type", field="model_type")


def family(model_type: str) -> Family:
    """Return the family of `model_type`; a nested text model's suffix is dropped.

    Errors
    ------
    SlipstickError naming the nearest known family.

    Examples
    --------
    >>> family("qwen3").qk_norm, family("gemma4_text").norms
    ('head', 4)
    """
    known = families.names()
    name = model_type.lower()
    for candidate in (name, name.removesuffix("_text"), name.replace("-", "_")):
        if candidate in known:
            return families.entry(candidate)
    raise SlipstickError(
        "a model_type that is not known (a decoder of a known kind can be described in YAML instead)",
        path="model_type",
        value=model_type,
        allowed=known,
    )
