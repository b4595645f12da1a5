"""Decoder from one row of a table of measurements: a network's name, and the sizes that the row states."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field

from slipstick.core.errors import SlipstickError
from slipstick.core.spec import Spec
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.decoder.huggingface import from_config
from slipstick.networks.find_network import Preset, network, presets

# Families of a row whose name is not in the catalogue.
_GPT = {"model_type": "gpt2", "vocab_size": 51200, "max_position_embeddings": 2048}  # Narayanan et al. 2104.04473
_LLAMA = {"model_type": "llama", "vocab_size": 32000}  # Touvron et al. 2307.09288
# Endings of a checkpoint's name that leave the sizes as they are.
_TUNED = re.compile(r"[-_ ](?:instruct|chat|base|hf|it)$", re.IGNORECASE)
_PACKED = re.compile(r"[-_ ](fp8|fp4|nvfp4|mxfp4|awq|gptq|int4|int8|w8a8|w4a16)(?:[-_ ].*)?$", re.IGNORECASE)
_WITH_EXPERTS = re.compile(r"moe|\d+x\d+\.?\d*b\b|-a\d+\.?\d*b\b|\d+e\b", re.IGNORECASE)


class RowSizes(Spec):
    """Decoder sizes in one row of a table of measurements; None: the column is missing or empty."""

    layers: int | None = Field(default=None, description="Layers of the network")
    hidden: int | None = Field(default=None, description="Hidden width")
    heads: int | None = Field(default=None, description="Query heads")
    kv_heads: int | None = Field(default=None, description="Key/value heads")
    ffn: int | None = Field(default=None, description="Feed-forward width")
    vocabulary: int | None = Field(default=None, description="Entries of the token embedding")
    tied: bool | None = Field(default=None, description="The output head is the embedding")
    gated: bool | None = Field(default=None, description="The feed-forward part has a gate (SwiGLU)")
    positions: int | None = Field(default=None, description="Longest sequence, for a GPT's table of positions")
    dense_layers: int | None = Field(
        default=None, description="Layers before the first with experts, where a cut model keeps fewer of them"
    )

    @property
    def is_gpt(self) -> bool:
        """Whether the sizes are a GPT's: ungated or, if unknown, a feed-forward width of 4 hidden widths or none."""
        return not self.gated if self.gated is not None else self.ffn in (None, 4 * (self.hidden or 0))

    def config(self) -> dict[str, Any]:
        """Return the given sizes as fields of a config.json, without gate and positions."""
        return {name: getattr(self, field) for field, name in _CONFIG_NAMES.items() if getattr(self, field) is not None}


def decoder_from_row(name: str, sizes: RowSizes) -> Decoder:
    """Return the decoder that one row of a table of measurements describes.

    A name of the catalogue gives the family and all sizes that the row leaves out; sizes of the row win ("Llama-3 70B"
    with 12 layers is that model cut to 12). An organisation before the name, and what tuning or quantisation add to it,
    make no difference. Without such a name a feed-forward width of 4 times the hidden one, or none, means a GPT
    (biases, learned positions, no gate), any other width a Llama.

    Errors
    ------
    SlipstickError if the name is not known and layers, hidden or heads are missing; SpecErrors for impossible sizes.

    Examples
    --------
    >>> decoder_from_row("Llama-3 70B", RowSizes(layers=12)).layers
    12
    >>> decoder_from_row("mine", RowSizes(layers=24, hidden=2048, heads=16)).norm
    'layer'
    """
    known = preset_of(name)
    if known is not None:
        return _changed(name, known.name, known, sizes)
    if _WITH_EXPERTS.search(name):
        message = "a network with experts by its name, and not one of the catalogue: no column has the experts' sizes"
        raise SlipstickError(message, path="model", value=name)
    missing = [field for field in ("layers", "hidden", "heads") if getattr(sizes, field) is None]
    if missing:
        raise SlipstickError(
            f"not a network of the catalogue, and {', '.join(missing)} not given",
            path="model",
            value=name,
            allowed="a row with sizes, or a name of slipstick list workloads",
        )
    base = {**(_GPT if sizes.is_gpt else _LLAMA)}
    if sizes.positions is not None:
        base["max_position_embeddings"] = sizes.positions
    return from_config({**base, **sizes.config()}, name=name or "row", where=f"row {name}")


def preset_of(name: str) -> Preset | None:
    """Return the network of the catalogue that a table calls by `name`, None where there is none.

    Tables put an organisation before the name, and what tuning or quantisation made of the checkpoint behind it.

    Examples
    --------
    >>> preset_of("nvidia/Llama-3.1-8B-Instruct-FP8").name, preset_of("meta-llama/Llama-3.3 70B").name
    ('llama-3.1-8b', 'llama-3.1-70b')
    """
    bare = _PACKED.sub("", name)
    plain = _TUNED.sub("", bare)
    for spelling in dict.fromkeys(part for text in (name, bare, plain) for part in (text, text.rpartition("/")[2])):
        known = presets.get(spelling)
        if known is not None:
            return known
    return None


def packed_format(name: str) -> str:
    """Return the number format that the end of a checkpoint's name states, such as FP8; "" where it states none.

    Examples
    --------
    >>> packed_format("nvidia/Llama-3.1-8B-Instruct-FP8")
    'FP8'
    >>> packed_format("Qwen/Qwen3-32B")
    ''
    """
    ending = _PACKED.search(name)
    return ending[1] if ending else ""


_CONFIG_NAMES = {
    "layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "ffn": "intermediate_size",
    "vocabulary": "vocab_size",
    "tied": "tie_word_embeddings",
    "dense_layers": "first_k_dense_replace",
}
_WORDS = {name: field.replace("_", " ") for field, name in _CONFIG_NAMES.items()}
_WORDS["max_position_embeddings"] = "positions"


def _changed(name: str, key: str, known: Preset, sizes: RowSizes) -> Decoder:
    """Return the preset `known` with the row's sizes where they differ."""
    whole = Decoder.of(network(key))
    changes = {field: value for field, value in sizes.config().items() if value != _stated(whole, known, field)}
    if sizes.positions is not None and whole.positions:
        longest = max(sizes.positions, known.config["max_position_embeddings"])
        changes |= {"max_position_embeddings": longest} if longest != whole.positions else {}
    if not changes:
        return whole
    config = {**known.config, **changes}
    if {"hidden_size", "num_attention_heads"} & set(changes):
        config.pop("head_dim", None)
    cut = known.model_copy(update={"config": config, "note": f"{name} with other sizes than published"})
    return cut.decoder(f"{key} ({_listed(changes)})")


def _stated(whole: Decoder, known: Preset, field: str) -> object:
    """Return a preset's value of a field, including its family's defaults."""
    if field == "tie_word_embeddings":
        return whole.tied_embeddings
    if field == "num_key_value_heads" and not {"num_key_value_heads", "num_kv_heads"} & set(known.config):
        return whole.blocks[0].attention.query_heads
    if field == "num_key_value_heads":
        return known.config.get("num_key_value_heads", known.config.get("num_kv_heads"))
    if field == "intermediate_size" and field not in known.config:
        return 4 * whole.hidden
    return known.config.get(field)


def _listed(changes: dict[str, Any]) -> str:
    return ", ".join(f"{_WORDS[field]} {value}" for field, value in changes.items())
