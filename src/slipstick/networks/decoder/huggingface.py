"""Hugging Face importer: decoder transformers from unmodified config.json files; no code is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.files import load_json
from slipstick.networks.decoder.attention import AnyAttention, GroupedQuery, Latent, Linear
from slipstick.networks.decoder.block import Block, _runs
from slipstick.networks.decoder.config_reader import ConfigReader
from slipstick.networks.decoder.decoder import Decoder, Quantisation
from slipstick.networks.decoder.huggingface_families import ModelFamily, _model_family
from slipstick.networks.decoder.mlp import AnyMlp, DenseMlp, MoeMlp
from slipstick.networks.decoder.quantisation import _checkpoint_quantisation

_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_HIDDEN = ("hidden_size", "n_embd", "d_model", "n_embed")
_HEADS = ("num_attention_heads", "n_head", "n_heads")
_KV_HEADS = ("num_key_value_heads", "num_kv_heads", "multi_query_group_num")
_FFN = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")
_POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx", "seq_length")
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")
_ACTIVE = ("num_experts_per_tok", "top_k_experts", "experts_per_token")
_NESTED = ("text_config", "language_config", "llm_config")
_KINDS = ("full_attention", "sliding_attention", "chunked_attention", "linear_attention", "indexed_attention")
_MAX_LAYERS = 10_000  # far above any network, so that an absurd file cannot exhaust memory


def from_file(path: str | Path, name: str = "") -> Decoder:
    """Return the decoder that a config.json file, or the folder with one, describes.

    Errors
    ------
    SlipstickError for a file that cannot be parsed or a model_type that is not known; SpecErrors with every field that
    is missing, of a wrong type or out of range.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "config.json"
    data = load_json(path)
    if not isinstance(data, dict):
        raise SlipstickError("not a JSON object", path=str(path), allowed="a config.json of Hugging Face")
    title = name or (path.parent.name if path.stem == "config" else path.stem).replace("--", "/", 1)
    return from_config(data, name=title, where=str(path))


def from_config(data: Mapping[str, Any], *, name: str = "", where: str = "config.json") -> Decoder:
    """Return the decoder that a config.json's object describes; of a multimodal model, its language model.

    Examples
    --------
    >>> from_config({"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    ...              "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256}).parameters
    8030261248
    """
    text, prefix = _language_part(data)
    kind = text.get("model_type") or data.get("model_type")
    if not isinstance(kind, str):
        problem = SlipstickError("is missing or not text", path="model_type", value=kind, allowed="such as llama")
        raise SpecErrors([problem], where=where)
    family = _model_family(kind)
    reader = ConfigReader(text, prefix, family.defaults)
    family = _switched(reader, family)
    quantisation = _quantisation(reader, data)
    network = _decoder(reader, family, kind, where)
    tied = text.get("tie_word_embeddings", data.get("tie_word_embeddings"))
    changes = {
        "name": name or str(data.get("_name_or_path") or "") or kind,
        "source": f"{where} (model_type {kind})",
        "tied_embeddings": tied if isinstance(tied, bool) else family.tied,
        "quantisation": quantisation,
        "note": f"language part of {data.get('model_type')}" if prefix else "",
    }
    return network.model_copy(update=changes)


def _quantisation(reader: ConfigReader, data: Mapping[str, Any]) -> Quantisation | None:
    """Return the checkpoint's quantisation; its error is raised together with those of the other fields."""
    try:
        return _checkpoint_quantisation(reader.config.get("quantization_config") or data.get("quantization_config"))
    except SlipstickError as problem:
        reader.errors.append(problem)
        return None


def _language_part(data: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    for key in _NESTED:
        if isinstance(data.get(key), dict):
            return data[key], key
    return data, ""


def _switched(reader: ConfigReader, family: ModelFamily) -> ModelFamily:
    """Return the model family as modified by the file's own flags."""
    changes: dict[str, Any] = {}
    for flag, fields in family.switches.items():
        if reader.raw(flag)[1] is not None:
            changes |= dict.fromkeys(fields, reader.flag(flag))
    if family.qk_norm_if and not reader.flag(family.qk_norm_if):
        changes["qk_norm"] = "none"
    if reader.text("topk_method") in ("greedy", "group_limited_greedy"):
        changes["router_bias"] = False
    if reader.flag("alibi"):
        changes["rotary"] = False
    if reader.flag("new_decoder_architecture"):  # Falcon 40B and 180B: a norm for each of the two parallel parts
        changes |= {"norms": reader.integer("num_ln_in_parallel_attn", default=2), "parallel": True}
    elif "new_decoder_architecture" in reader.config:
        changes["norms"] = 1 if reader.flag("parallel_attn", default=True) else 2
    if "use_parallel_residual" in family.switches and changes.get("parallel") and family.norms == 2:
        changes["norms"] = 1 if "use_qkv_bias" in family.switches else 2  # StableLM shares one norm, GPT-NeoX does not
    return family.model_copy(update=changes)


def _decoder(reader: ConfigReader, family: ModelFamily, kind: str, where: str) -> Decoder:
    hidden = reader.integer(*_HIDDEN, high=10**6)
    layers = reader.integer(*_LAYERS, high=_MAX_LAYERS)
    vocabulary = reader.integer("vocab_size")
    longest = reader.optional(*_POSITIONS, high=10**9)
    _refuse(reader, hidden, kind)
    kinds = _attention_kinds(reader, family, layers)
    experts = _expert_layers(reader, family, layers)
    attentions = {name: _attention(reader, family, hidden, name) for name in dict.fromkeys(kinds)}
    mlps = {sparse: _mlp(reader, family, hidden, sparse) for sparse in dict.fromkeys(experts)}
    reader.finish(where)
    order = [
        Block(attention=attentions[name], mlp=mlps[sparse], parallel=family.parallel, norms=family.norms)
        for name, sparse in zip(kinds, experts, strict=True)
    ]
    return Decoder(
        name=kind,
        hidden=hidden,
        vocabulary=vocabulary,
        blocks=_runs(order),
        positions=0 if family.positions is None else (longest or 0) + family.positions,
        max_positions=longest,
        norm=family.norm,
        embedding_norm=family.embedding_norm,
        head_bias=family.head_bias,
        dropout=reader.number("resid_pdrop", "hidden_dropout", "dropout", default=float(family.dropout)) > 0,
    )


def _refuse(reader: ConfigReader, hidden: int, kind: str) -> None:
    """Record an error for each variant that these layer classes cannot represent."""
    for field in ("hidden_size_per_layer_input", "num_kv_shared_layers"):
        if reader.optional(field, low=0):
            reader.fail(field, f"this variant of {kind} is not modelled", reader.raw(field)[1], "0")
    if reader.flag("use_double_wide_mlp"):
        reader.fail("use_double_wide_mlp", f"this variant of {kind} is not modelled", True, "false")
    if reader.integer("word_embed_proj_dim", default=hidden) != hidden:
        reader.fail("word_embed_proj_dim", "embeddings of another width are not modelled", allowed="the hidden size")


def _attention_kinds(reader: ConfigReader, family: ModelFamily, layers: int) -> list[str]:
    """Return the kind of attention of each layer, one of `_KINDS`."""
    listed = reader.items("layer_types", str, _KINDS)
    if listed is not None:
        if len(listed) != layers:
            reader.fail("layer_types", f"has {len(listed)} members for {layers} layers")
        return listed
    if family.window == "pattern" and not (family.local == "sliding_attention" and not reader.raw("sliding_window")[1]):
        every = reader.integer(
            "sliding_window_pattern", "full_attention_interval", "no_rope_layer_interval", default=family.pattern
        )
        return ["full_attention" if (i + 1) % every == 0 else family.local for i in range(layers)]
    if family.window == "all" and reader.raw("sliding_window")[1]:
        return ["sliding_attention"] * layers
    if family.window == "flag" and reader.flag("use_sliding_window"):
        first = reader.integer("max_window_layers", default=0, low=0)
        return ["full_attention" if i < first else "sliding_attention" for i in range(layers)]
    return ["full_attention"] * layers


def _expert_layers(reader: ConfigReader, family: ModelFamily, layers: int) -> list[bool]:
    """Return for each layer whether it is a mixture of experts."""
    if family.moe == "all":
        return [True] * layers
    if family.moe == "beside":
        return [reader.flag("enable_moe_block")] * layers
    if family.moe == "step":
        dense, step = reader.items("mlp_only_layers", int) or [], reader.integer("decoder_sparse_step", default=1)
        return [i not in dense and (i + 1) % step == 0 for i in range(layers)]
    if family.moe == "first_dense":
        first, step = (
            reader.integer("first_k_dense_replace", default=0, low=0),
            reader.integer("moe_layer_freq", default=1),
        )
        return [i >= first and i % step == 0 for i in range(layers)]
    if family.moe == "interleave":
        listed, step = reader.items("moe_layers", int), reader.integer("interleave_moe_layer_step", default=1)
        return [i in listed if listed is not None else (i + 1) % step == 0 for i in range(layers)]
    return [False] * layers


def _attention(reader: ConfigReader, family: ModelFamily, hidden: int, kind: str) -> AnyAttention:
    if kind == "linear_attention":
        return _linear(reader)
    if family.attention == "mla":
        return _latent(reader)
    heads = reader.integer(*_HEADS)
    is_global = kind == "full_attention" and reader.raw("global_head_dim")[1] is not None
    head_dim = reader.optional(*(("global_head_dim",) if is_global else ("head_dim", "kv_channels")))
    if head_dim is None:
        if hidden % heads and not reader.errors:
            reader.fail(_HEADS[0], f"does not divide the hidden size {hidden}", heads)
        head_dim = max(1, hidden // heads)
    tied_kv = is_global and reader.flag("attention_k_eq_v")
    kv_heads = _kv_heads(reader, family, heads, tied_kv)
    if heads % kv_heads:
        reader.fail(_KV_HEADS[0], f"does not divide the {heads} query heads", kv_heads)
        kv_heads = heads
    window = None
    if kind in ("sliding_attention", "chunked_attention"):
        window = reader.integer("attention_chunk_size" if kind == "chunked_attention" else "sliding_window", high=10**9)
    return GroupedQuery(
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        window=window,
        rotary=family.rotary,
        qk_norm=family.qk_norm,
        bias=family.qkv_bias,
        out_bias=family.out_bias,
        gated=reader.flag("attn_output_gate", default=family.output_gate),
        sinks=family.sinks,
        tied_kv=tied_kv,
    )


def _kv_heads(reader: ConfigReader, family: ModelFamily, heads: int, tied_kv: bool) -> int:
    if tied_kv and reader.raw("num_global_key_value_heads")[1] is not None:
        return reader.integer("num_global_key_value_heads")
    if "multi_query" in family.defaults and not reader.flag("new_decoder_architecture"):
        return 1 if reader.flag("multi_query") else heads
    return reader.integer(*_KV_HEADS, default=heads)


def _latent(reader: ConfigReader) -> Latent:
    index_heads = reader.integer("index_n_heads", default=0, low=0)
    return Latent(
        heads=reader.integer(*_HEADS),
        q_lora=reader.optional("q_lora_rank"),
        kv_lora=reader.integer("kv_lora_rank"),
        nope_dim=reader.integer("qk_nope_head_dim"),
        rope_dim=reader.integer("qk_rope_head_dim"),
        v_dim=reader.integer("v_head_dim"),
        bias=reader.flag("attention_bias"),
        index_heads=index_heads,
        index_dim=reader.integer("index_head_dim") if index_heads else 0,
        index_topk=reader.integer("index_topk") if index_heads else None,
    )


def _linear(reader: ConfigReader) -> Linear:
    keys, values = reader.integer("linear_num_key_heads"), reader.integer("linear_num_value_heads")
    if values % keys:
        reader.fail("linear_num_key_heads", f"does not divide the {values} value heads", keys)
    return Linear(
        key_heads=keys,
        value_heads=values,
        key_dim=reader.integer("linear_key_head_dim"),
        value_dim=reader.integer("linear_value_head_dim"),
        conv=reader.integer("linear_conv_kernel_dim", high=1024),
    )


def _mlp(reader: ConfigReader, family: ModelFamily, hidden: int, sparse: bool) -> AnyMlp:
    if sparse:
        return _experts(reader, family)
    names = ("intermediate_size_mlp", *_FFN) if family.moe == "interleave" else _FFN
    default = family.ffn_factor * hidden if family.ffn_factor else None
    return DenseMlp(ffn=reader.integer(*names, default=default), gated=family.gated, bias=family.mlp_bias)


def _experts(reader: ConfigReader, family: ModelFamily) -> MoeMlp:
    width = reader.integer("moe_intermediate_size", "intermediate_size")
    experts, active = reader.integer(*_EXPERTS), reader.integer(*_ACTIVE)
    if active > experts:
        reader.fail(_ACTIVE[0], f"more than the {experts} experts", active)
        active = experts
    has_dense_mlp = family.moe == "beside"
    return MoeMlp(
        experts=experts,
        active=active,
        ffn=width,
        gated=family.gated,
        bias=family.mlp_bias,
        shared_ffn=_shared_width(reader, family, width),
        shared_gate=family.shared_gate,
        dense_ffn=reader.integer("intermediate_size") if has_dense_mlp else 0,
        router_bias=family.router_bias,
        router_scale=has_dense_mlp,
        extra_norms=3 if has_dense_mlp else 0,  # one before the experts, one after each of the two parts
    )


def _shared_width(reader: ConfigReader, family: ModelFamily, width: int) -> int:
    if family.shared == "count":
        return width * reader.integer("n_shared_experts", default=0, low=0, high=1000)
    if family.shared == "width":
        return reader.integer("shared_expert_intermediate_size", low=0)
    return width if family.shared == "ffn" else 0
