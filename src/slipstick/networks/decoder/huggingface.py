"""Any decoder transformer from an unmodified Hugging Face config.json. Sizes are read; nothing in the file is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.files import load_json
from slipstick.networks.decoder.attention import AnyAttention, GroupedQuery, Latent, Linear
from slipstick.networks.decoder.config_reader import Reader
from slipstick.networks.decoder.decoder import Block, Decoder, runs
from slipstick.networks.decoder.huggingface_families import Family, family
from slipstick.networks.decoder.mlp import AnyMlp, DenseMlp, MoeMlp
from slipstick.networks.decoder.quantisation import quantisation

LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
HIDDEN = ("hidden_size", "n_embd", "d_model", "n_embed")
HEADS = ("num_attention_heads", "n_head", "n_heads")
KV_HEADS = ("num_key_value_heads", "num_kv_heads", "multi_query_group_num")
FFN = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")
POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx", "seq_length")
EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")
ACTIVE = ("num_experts_per_tok", "top_k_experts", "experts_per_token")
NESTED = ("text_config", "language_config", "llm_config")
KINDS = ("full_attention", "sliding_attention", "chunked_attention", "linear_attention", "indexed_attention")
MOST_LAYERS = 10_000  # far above any network; a bound against absurd files


def from_file(path: str | Path, name: str = "") -> Decoder:
    """Return the decoder that a config.json, or the folder that holds one, describes.

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
        raise SlipstickError("not a JSON object", path=str(path))
    title = name or (path.parent.name if path.stem == "config" else path.stem).replace("--", "/", 1)
    return from_config(data, name=title, where=str(path))


def from_config(data: Mapping[str, Any], *, name: str = "", where: str = "config.json") -> Decoder:
    """Return the decoder that the object of a config.json describes; of a multimodal model the language part.

    Examples
    --------
    >>> from_config({"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    ...              "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256}).parameters
    8030261248
    """
    text, prefix = _language_part(data)
    kind = text.get("model_type") or data.get("model_type")
    if not isinstance(kind, str):
        raise SlipstickError(
            "is missing or not text", path="model_type", value=kind, allowed="a Hugging Face model_type"
        )
    known = family(kind)
    reader = Reader(text, prefix, known.defaults)
    known = _switched(reader, known)
    network = _decoder(reader, known, kind, where)
    tied = text.get("tie_word_embeddings", data.get("tie_word_embeddings"))
    changes = {
        "name": name or str(data.get("_name_or_path") or "") or kind,
        "source": f"{where} (model_type {kind})",
        "tied_embeddings": tied if isinstance(tied, bool) else known.tied,
        "quantisation": quantisation(text.get("quantization_config") or data.get("quantization_config")),
        "note": f"language part of {data.get('model_type')}" if prefix else "",
    }
    return network.model_copy(update=changes)


def _language_part(data: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    for key in NESTED:
        if isinstance(data.get(key), dict):
            return data[key], key
    return data, ""


def _switched(reader: Reader, known: Family) -> Family:
    """Return the family as the file's own flags change it."""
    changes: dict[str, Any] = {}
    for flag, fields in known.switches.items():
        if reader.raw(flag)[1] is not None:
            changes |= dict.fromkeys(fields, reader.flag(flag))
    if known.qk_norm_if and not reader.flag(known.qk_norm_if):
        changes["qk_norm"] = "none"
    if reader.text("topk_method") in ("greedy", "group_limited_greedy"):
        changes["router_bias"] = False
    if reader.flag("alibi"):
        changes["rotary"] = False
    if reader.flag("new_decoder_architecture"):  # Falcon 40B and 180B: a norm for each of the two parallel parts
        changes |= {"norms": reader.integer("num_ln_in_parallel_attn", default=2), "parallel": True}
    elif "new_decoder_architecture" in reader.config:
        changes["norms"] = 1 if reader.flag("parallel_attn", default=True) else 2
    if "use_parallel_residual" in known.switches and changes.get("parallel") and known.norms == 2:
        changes["norms"] = 1 if "use_qkv_bias" in known.switches else 2  # StableLM shares one norm, GPT-NeoX does not
    return known.model_copy(update=changes)


def _decoder(reader: Reader, known: Family, kind: str, where: str) -> Decoder:
    hidden = reader.integer(*HIDDEN, high=10**6)
    layers = reader.integer(*LAYERS, high=MOST_LAYERS)
    vocabulary = reader.integer("vocab_size")
    longest = reader.optional(*POSITIONS, high=10**9)
    _refuse(reader, hidden, kind)
    kinds = attention_kinds(reader, known, layers)
    experts = expert_layers(reader, known, layers)
    attentions = {name: _attention(reader, known, hidden, name) for name in dict.fromkeys(kinds)}
    mlps = {sparse: _mlp(reader, known, hidden, sparse) for sparse in dict.fromkeys(experts)}
    reader.finish(where)
    order = [
        Block(attention=attentions[name], mlp=mlps[sparse], parallel=known.parallel, norms=known.norms)
        for name, sparse in zip(kinds, experts, strict=True)
    ]
    return Decoder(
        name=kind,
        hidden=hidden,
        vocabulary=vocabulary,
        blocks=runs(order),
        positions=0 if known.positions is None else (longest or 0) + known.positions,
        max_positions=longest,
        norm=known.norm,
        embedding_norm=known.embedding_norm,
        head_bias=known.head_bias,
        dropout=reader.number("resid_pdrop", "hidden_dropout", "dropout", default=float(known.dropout)) > 0,
    )


def _refuse(reader: Reader, hidden: int, kind: str) -> None:
    """Keep an error for what no layer here can express."""
    for field in ("hidden_size_per_layer_input", "num_kv_shared_layers"):
        if reader.optional(field, low=0):
            reader.fail(field, f"this variant of {kind} is not modelled", reader.raw(field)[1], "0")
    if reader.flag("use_double_wide_mlp"):
        reader.fail("use_double_wide_mlp", f"this variant of {kind} is not modelled", True, "false")
    if reader.integer("word_embed_proj_dim", default=hidden) != hidden:
        reader.fail("word_embed_proj_dim", "embeddings of another width are not modelled", allowed="the hidden size")


def attention_kinds(reader: Reader, known: Family, layers: int) -> list[str]:
    """Return each layer's kind of attention, one of `KINDS`."""
    listed = reader.items("layer_types", str, KINDS)
    if listed is not None:
        if len(listed) != layers:
            reader.fail("layer_types", f"has {len(listed)} members for {layers} layers")
        return listed
    if known.window == "pattern" and not (known.local == "sliding_attention" and not reader.raw("sliding_window")[1]):
        every = reader.integer(
            "sliding_window_pattern", "full_attention_interval", "no_rope_layer_interval", default=known.pattern
        )
        return ["full_attention" if (i + 1) % every == 0 else known.local for i in range(layers)]
    if known.window == "all" and reader.raw("sliding_window")[1]:
        return ["sliding_attention"] * layers
    if known.window == "flag" and reader.flag("use_sliding_window"):
        first = reader.integer("max_window_layers", default=0, low=0)
        return ["full_attention" if i < first else "sliding_attention" for i in range(layers)]
    return ["full_attention"] * layers


def expert_layers(reader: Reader, known: Family, layers: int) -> list[bool]:
    """Return for each layer whether it has experts."""
    if known.moe == "all":
        return [True] * layers
    if known.moe == "beside":
        return [reader.flag("enable_moe_block")] * layers
    if known.moe == "step":
        dense, step = reader.items("mlp_only_layers", int) or [], reader.integer("decoder_sparse_step", default=1)
        return [i not in dense and (i + 1) % step == 0 for i in range(layers)]
    if known.moe == "first_dense":
        first, step = (
            reader.integer("first_k_dense_replace", default=0, low=0),
            reader.integer("moe_layer_freq", default=1),
        )
        return [i >= first and i % step == 0 for i in range(layers)]
    if known.moe == "interleave":
        listed, step = reader.items("moe_layers", int), reader.integer("interleave_moe_layer_step", default=1)
        return [i in listed if listed is not None else (i + 1) % step == 0 for i in range(layers)]
    return [False] * layers


def _attention(reader: Reader, known: Family, hidden: int, kind: str) -> AnyAttention:
    if kind == "linear_attention":
        return _linear(reader)
    if known.attention == "mla":
        return _latent(reader)
    heads = reader.integer(*HEADS)
    is_global = kind == "full_attention" and reader.raw("global_head_dim")[1] is not None
    head_dim = reader.optional(*(("global_head_dim",) if is_global else ("head_dim", "kv_channels")))
    if head_dim is None:
        if hidden % heads and not reader.errors:
            reader.fail(HEADS[0], f"does not divide the hidden size {hidden}", heads)
        head_dim = max(1, hidden // heads)
    tied_kv = is_global and reader.flag("attention_k_eq_v")
    kv_heads = _kv_heads(reader, known, heads, tied_kv)
    if heads % kv_heads:
        reader.fail(KV_HEADS[0], f"does not divide the {heads} query heads", kv_heads)
        kv_heads = heads
    window = None
    if kind in ("sliding_attention", "chunked_attention"):
        window = reader.integer("attention_chunk_size" if kind == "chunked_attention" else "sliding_window", high=10**9)
    return GroupedQuery(
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        window=window,
        rotary=known.rotary,
        qk_norm=known.qk_norm,
        bias=known.qkv_bias,
        out_bias=known.out_bias,
        gated=reader.flag("attn_output_gate", default=known.output_gate),
        sinks=known.sinks,
        tied_kv=tied_kv,
    )


def _kv_heads(reader: Reader, known: Family, heads: int, tied_kv: bool) -> int:
    if tied_kv and reader.raw("num_global_key_value_heads")[1] is not None:
        return reader.integer("num_global_key_value_heads")
    if "multi_query" in known.defaults and not reader.flag("new_decoder_architecture"):
        return 1 if reader.flag("multi_query") else heads
    return reader.integer(*KV_HEADS, default=heads)


def _latent(reader: Reader) -> Latent:
    index_heads = reader.integer("index_n_heads", default=0, low=0)
    return Latent(
        heads=reader.integer(*HEADS),
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


def _linear(reader: Reader) -> Linear:
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


def _mlp(reader: Reader, known: Family, hidden: int, sparse: bool) -> AnyMlp:
    if sparse:
        return _experts(reader, known)
    names = ("intermediate_size_mlp", *FFN) if known.moe == "interleave" else FFN
    default = known.ffn_factor * hidden if known.ffn_factor else None
    return DenseMlp(ffn=reader.integer(*names, default=default), gated=known.gated, bias=known.mlp_bias)


def _experts(reader: Reader, known: Family) -> MoeMlp:
    width = reader.integer("moe_intermediate_size", "intermediate_size")
    experts, active = reader.integer(*EXPERTS), reader.integer(*ACTIVE)
    if active > experts:
        reader.fail(ACTIVE[0], f"more than the {experts} experts", active)
        active = experts
    beside = known.moe == "beside"
    return MoeMlp(
        experts=experts,
        active=active,
        ffn=width,
        gated=known.gated,
        bias=known.mlp_bias,
        shared_ffn=_shared_width(reader, known, width),
        shared_gate=known.shared_gate,
        dense_ffn=reader.integer("intermediate_size") if beside else 0,
        router_bias=known.router_bias,
        router_scale=beside,
        extra_norms=3 if beside else 0,  # one before the experts, one after each of the two parts
    )


def _shared_width(reader: Reader, known: Family, width: int) -> int:
    if known.shared == "count":
        return width * reader.integer("n_shared_experts", default=0, low=0, high=1000)
    if known.shared == "width":
        return reader.integer("shared_expert_intermediate_size", low=0)
    return width if known.shared == "ffn" else 0
