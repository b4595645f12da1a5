"""Regenerates the tables that tests compare with, from Hugging Face's own modelling code on the meta device.

Not a test and not run in CI. In an environment of its own:

    python3.11 -m venv /tmp/tf && /tmp/tf/bin/pip install torch==2.13.0 transformers==5.23.0
    OMP_NUM_THREADS=1 /tmp/tf/bin/python tests/networks/oracle_transformers.py FOLDER_OF_CONFIGS

writes parameter_counts.csv (one row a config of the folder) and family_configs.json (each family's default
configuration, its count, and so a check without any file). Nothing here reads slipstick.
"""

from __future__ import annotations

import csv
import json
import sys
import warnings
from pathlib import Path

import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

HERE = Path(__file__).parent
SEQUENCE = 64  # short, so that windows and index selections do not cut
LEFT_OUT = ("model_type", "quantization_config", "auto_map", "dtype", "torch_dtype")
RENAMED = {"kimi_k2": "deepseek_v3"}
# fmt: off
FAMILIES = (
    "llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen2_moe", "qwen3_moe", "qwen3_next", "qwen3_5_text",
    "qwen3_5_moe_text", "gemma", "gemma2", "gemma3_text", "gemma4_text", "phi", "phi3", "phimoe", "deepseek_v2",
    "deepseek_v3", "deepseek_v32", "glm", "glm4", "glm4_moe", "llama4_text", "gpt_oss", "minimax_m2", "olmo",
    "olmo2", "olmo3", "olmoe", "granite", "granitemoe", "smollm3", "seed_oss", "arcee", "exaone4", "starcoder2",
    "cohere", "cohere2", "nemotron", "stablelm", "gpt2", "gpt_bigcode", "gpt_neox", "gptj", "opt", "bloom",
    "falcon", "ministral",
)
# fmt: on
# where the class defaults are incomplete, or describe what slipstick refuses
CHANGED = {
    "gemma4_text": {"hidden_size_per_layer_input": 0, "enable_moe_block": False},
    "deepseek_v2": {"num_experts_per_tok": 6, "first_k_dense_replace": 1, "topk_method": "group_limited_greedy"},
    "glm4_moe": {"head_dim": 128},
    "nemotron": {"head_dim": 128, "num_key_value_heads": 8},
    "ministral": {"head_dim": 128},
}
NOISE = (
    "id2label",
    "label2id",
    "rope_",
    "transformers_version",
    "architectures",
    "bos_token",
    "eos_token",
    "pad_token",
    "initializer",
)


def config_of(data: dict) -> transformers.PretrainedConfig:
    """Return the configuration of the language part."""
    text = data.get("text_config", data)
    kind = text["model_type"]
    fields = {k: v for k, v in text.items() if k not in LEFT_OUT}
    if "text_config" in data and "tie_word_embeddings" in data:
        fields.setdefault("tie_word_embeddings", data["tie_word_embeddings"])
    return CONFIG_MAPPING[RENAMED.get(kind, kind)](**fields)


def model_of(config: transformers.PretrainedConfig) -> torch.nn.Module:
    """Build the network without memory; experts as batched products, attention unfused, so that all is counted."""
    config._attn_implementation = "eager"
    config._experts_implementation = "batched_mm"
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def counts(model: torch.nn.Module, config: transformers.PretrainedConfig) -> tuple[int, int]:
    """Return (all, used by one token) parameters, tied ones once; the router's correction bias is a buffer there."""
    total = used = sum(b.numel() for name, b in model.named_buffers() if name.endswith("e_score_correction_bias"))
    experts = next(
        (v for n in ("num_local_experts", "num_experts", "n_routed_experts") if (v := getattr(config, n, None))), 1
    )
    active = next((v for n in ("num_experts_per_tok", "top_k_experts") if (v := getattr(config, n, None))), experts)
    for name, parameter in model.named_parameters():
        total += parameter.numel()
        routed = ".experts." in name and "shared" not in name
        used += parameter.numel() * active // experts if routed else parameter.numel()
    return total, used


def flops(model: torch.nn.Module) -> int:
    """Return the operations of a forward pass over one sequence, as torch counts them."""
    tokens = torch.zeros((1, SEQUENCE), dtype=torch.long, device="meta")
    mask = torch.zeros((1, 1, SEQUENCE, SEQUENCE), device="meta")  # ready made: no look at values
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(input_ids=tokens, attention_mask=mask, use_cache=False)
    return counter.get_total_flops()


def row(name: str, config: transformers.PretrainedConfig, *, with_flops: bool) -> dict:
    model = model_of(config)
    total, used = counts(model, config)
    found = {"config": name, "total": total, "active": used, "flops_sequence": SEQUENCE, "flops": ""}
    if with_flops:
        try:
            found["flops"] = flops(model)
        except Exception as error:  # some kernels have no meta implementation: the count stays empty
            print(name, "flops:", type(error).__name__, str(error)[:200], file=sys.stderr)
    return found


def main() -> None:
    warnings.simplefilter("ignore")
    rows = []
    for file in sorted(Path(sys.argv[1]).glob("*/config.json")):
        rows.append(row(file.parent.name, config_of(json.loads(file.read_text())), with_flops=True))
        print(rows[-1], flush=True)
    with (HERE / "transformers_counts.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    found = {}
    for kind in FAMILIES:
        try:
            config = CONFIG_MAPPING[kind](**CHANGED.get(kind, {}))
            data = {k: v for k, v in config.to_dict().items() if not k.startswith(NOISE) and v is not None}
            entry = row(kind, config, with_flops=False)
            found[kind] = {"total": entry["total"], "active": entry["active"], "config": data}
            print(kind, entry["total"], entry["active"], flush=True)
        except Exception as error:
            print(kind, type(error).__name__, str(error)[:200], file=sys.stderr, flush=True)
    (HERE / "family_configs.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
