"""A decoder from the columns of a table of measurements: a name, and the sizes that the table states."""

from __future__ import annotations

from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.decoder.huggingface import from_config
from slipstick.networks.find_network import Preset, network, presets

# what the last columns mean where a table leaves them empty and the name says nothing
_GPT = {"model_type": "gpt2", "vocab_size": 51200, "max_position_embeddings": 2048}  # Narayanan et al. 2104.04473
_LLAMA = {"model_type": "llama", "vocab_size": 32000}  # Touvron et al. 2307.09288


def decoder_from_row(
    name: str = "",
    *,
    layers: int | None = None,
    hidden: int | None = None,
    heads: int | None = None,
    kv_heads: int | None = None,
    ffn: int | None = None,
    vocabulary: int | None = None,
    tied: bool | None = None,
    gated: bool | None = None,
    positions: int | None = None,
    dense_layers: int | None = None,
) -> Decoder:
    """Return the network of a row.

    A name of the catalogue gives the family and all sizes that the row leaves out; sizes of the row win ("Llama-3 70B"
    with 12 layers is that model cut to 12). Without such a name a feed-forward width of 4 times the hidden one, or
    none, means a GPT (biases, learned positions, no gate), any other width a Llama.

    Parameters
    ----------
    positions : the longest sequence, for a GPT's table of positions.
    dense_layers : layers before the first with experts, where a cut model keeps fewer of them.

    Errors
    ------
    SlipstickError if the name is not known and layers, hidden or heads are missing; SpecErrors for impossible sizes.

    Examples
    --------
    >>> decoder_from_row("Llama-3 70B", layers=12).layers
    12
    >>> decoder_from_row("mine", layers=24, hidden=2048, heads=16).norm
    'layer'
    """
    sizes = {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": ffn,
        "vocab_size": vocabulary,
        "tie_word_embeddings": tied,
        "first_k_dense_replace": dense_layers,
    }
    given = {key: value for key, value in sizes.items() if value is not None}
    known = presets.get(name)
    if known is not None:
        return _changed(name, known.name, known, given, positions)
    missing = [field for field in ("layers", "hidden", "heads") if sizes[_COLUMN[field]] is None]
    if missing:
        raise SlipstickError(
            f"not a known network, and {', '.join(missing)} not given",
            path="model",
            value=name,
            allowed="a row with sizes",
        )
    is_gpt = not gated if gated is not None else ffn in (None, 4 * (hidden or 0))
    base = {**(_GPT if is_gpt else _LLAMA)}
    if positions is not None:
        base["max_position_embeddings"] = positions
    return from_config({**base, **given}, name=name or "row", where=f"row {name}")


_COLUMN = {"layers": "num_hidden_layers", "hidden": "hidden_size", "heads": "num_attention_heads"}
_WORDS = {
    **{field: column for column, field in _COLUMN.items()},
    "num_key_value_heads": "kv heads",
    "intermediate_size": "ffn",
    "vocab_size": "vocabulary",
    "tie_word_embeddings": "tied",
    "first_k_dense_replace": "dense layers",
    "max_position_embeddings": "positions",
}


def _changed(name: str, key: str, known: Preset, given: dict[str, Any], positions: int | None) -> Decoder:
    """Return a preset with the sizes that differ replaced."""
    whole = network(key)
    if not isinstance(whole, Decoder):
        raise SlipstickError("not a decoder, so its sizes cannot stand in a row", path="model", value=name)
    changes = {field: value for field, value in given.items() if value != _stated(whole, known, field)}
    if positions is not None and whole.positions:
        longest = max(positions, known.config["max_position_embeddings"])
        changes |= {"max_position_embeddings": longest} if longest != whole.positions else {}
    if not changes:
        return whole
    config = {**known.config, **changes}
    if {"hidden_size", "num_attention_heads"} & set(changes):
        config.pop("head_dim", None)
    cut = known.model_copy(update={"config": config, "note": f"{name} with other sizes than published"})
    return cut.decoder(f"{key} ({_listed(changes)})")


def _stated(whole: Decoder, known: Preset, field: str) -> object:
    """Return what the preset has for a field, the family's defaults included."""
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
