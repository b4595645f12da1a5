"""What a model family has that its config.json does not say: biases, norms, windows, where its experts are."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

from pydantic import Field

from slipstick.core.errors import SlipstickError
from slipstick.core.files import load_yaml
from slipstick.core.spec import Spec, validate
from slipstick.networks.decoder.attention import QkNorm
from slipstick.networks.decoder.decoder import Norm

_LLAMA_SWITCHES = {"attention_bias": ("qkv_bias", "out_bias"), "mlp_bias": ("mlp_bias",)}


class Family(Spec):
    """One `model_type` of Hugging Face's transformers; the defaults are those of Llama."""

    source: str = ""
    attention: Literal["gqa", "mla"] = "gqa"
    norm: Norm = "rms"
    norms: int = 2  # of the hidden width in one layer
    parallel: bool = False
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    head_bias: bool = False
    gated: bool = True
    rotary: bool = True
    qk_norm: QkNorm = "none"
    qk_norm_if: str = ""  # the flag that switches it on
    output_gate: bool = False
    sinks: bool = False
    tied: bool = False  # where the file says nothing
    embedding_norm: bool = False
    dropout: bool = False  # trained with dropout, where the file says nothing
    positions: int | None = None  # learned positions: rows beyond those of the longest context
    ffn_factor: int | None = None  # width in units of the hidden width, where the file says nothing
    window: Literal["none", "all", "pattern", "flag"] = "none"
    pattern: int = 1  # every so many layers one with full attention
    local: Literal["sliding_attention", "chunked_attention", "linear_attention"] = "sliding_attention"
    moe: Literal["none", "all", "step", "first_dense", "interleave", "beside"] = "none"
    shared: Literal["none", "count", "width", "ffn"] = "none"
    shared_gate: bool = False
    router_bias: bool = False
    switches: dict[str, tuple[str, ...]] = Field(default=_LLAMA_SWITCHES)  # flag of the file -> what it sets here
    defaults: dict[str, int | bool | str] = Field(
        default={}
    )  # of the configuration class, where files leave fields out


@cache
def families() -> dict[str, Family]:
    """Return every known family by its model_type."""
    with resources.as_file(resources.files("slipstick.data") / "families" / "huggingface.yaml") as path:
        data = load_yaml(path)
    return {name: validate(Family, {**fields}, where=f"families.{name}") for name, fields in data["families"].items()}


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
    known = families()
    name = model_type.lower()
    for candidate in (name, name.removesuffix("_text"), name.replace("-", "_")):
        if candidate in known:
            return known[candidate]
    raise SlipstickError(
        "a model_type that is not known (a decoder of a known kind can be described in YAML instead)",
        path="model_type",
        value=model_type,
        allowed=known,
    )
