"""config.json files: counts equal to the publishers' and to transformers' own modules; errors all at once."""

from __future__ import annotations

import contextlib
import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.workload import Phase
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.decoder.huggingface import from_config, from_file
from slipstick.networks.decoder.mlp import MoeMlp

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples" / "configs"
COUNTED = {row["config"]: row for row in csv.DictReader((HERE / "transformers_counts.csv").read_text().splitlines())}
PUBLISHED = {row["config"]: row for row in csv.DictReader((HERE / "parameter_counts.csv").read_text().splitlines())}
FAMILIES = json.loads((HERE / "family_configs.json").read_text())
CHUNKED = "Qwen--Qwen3.5-35B-A3B"  # transformers computes the delta rule in chunks, slipstick counts it token by token
ALL_EXPERTS = "meta-llama--Llama-4-Scout-17B-16E-Instruct"  # transformers sends every token through every expert

SMALL: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 100,
}


@pytest.mark.parametrize("name", sorted(COUNTED))
def test_counts_of_real_files(name: str, request: pytest.FixtureRequest) -> None:
    folder = EXAMPLES / name
    if not folder.is_dir():
        folder = request.getfixturevalue("shared") / "data" / "llm_configs" / name
    network, counted, published = from_file(folder), COUNTED[name], PUBLISHED[name]
    assert network.name == name.replace("--", "/")
    assert (network.parameters, network.active_parameters) == (int(counted["total"]), int(counted["active"]))
    active = network.active_parameters if published["embedding_counted"] == "yes" else network.multiplied_parameters
    for ours, kind in ((network.parameters, "total"), (active, "active")):
        theirs, digit = float(published[kind]), float(published[f"{kind}_digit"])
        assert abs(ours - theirs) <= max(0.005 * theirs, digit / 2)


@pytest.mark.parametrize("name", sorted(COUNTED))
def test_flops_of_real_files(name: str, request: pytest.FixtureRequest) -> None:
    folder = EXAMPLES / name
    if not folder.is_dir():
        folder = request.getfixturevalue("shared") / "data" / "llm_configs" / name
    network, tokens = from_file(folder), int(COUNTED[name]["flops_sequence"])
    if name == ALL_EXPERTS:
        network = _all_experts(network)
    ops = network.ops(Phase.PREFILL, 1, tokens, tokens)
    ours = sum(op.flops * op.count for op in ops if op.kind in ("matmul", "router", "attention"))
    assert ours == pytest.approx(float(COUNTED[name]["flops"]), rel=0.01 if name == CHUNKED else 1e-12)


def _all_experts(network: Decoder) -> Decoder:
    blocks = []
    for block in network.blocks:
        assert isinstance(block.mlp, MoeMlp)
        blocks.append(block.model_copy(update={"mlp": block.mlp.model_copy(update={"active": block.mlp.experts})}))
    return network.model_copy(update={"blocks": tuple(blocks)})


@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_counts_of_every_family(kind: str) -> None:
    network = from_config(FAMILIES[kind]["config"])
    assert (network.parameters, network.active_parameters) == (FAMILIES[kind]["total"], FAMILIES[kind]["active"])


def test_an_unknown_family_is_named_with_its_neighbour() -> None:
    with pytest.raises(SlipstickError, match=r"model_type: .*'qwen33'.*did you mean 'qwen3'"):
        from_config({**SMALL, "model_type": "qwen33"})


def test_all_errors_at_once() -> None:
    broken = {
        **SMALL,
        "hidden_size": -1,
        "num_hidden_layers": 10**12,
        "num_attention_heads": 0,
        "intermediate_size": "x",
    }
    del broken["vocab_size"]
    with pytest.raises(SpecErrors) as caught:
        from_config(broken)
    paths = {error.path for error in caught.value.errors}
    assert paths == {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"num_attention_heads": 5}, "num_attention_heads"),
        ({"num_key_value_heads": 3}, "num_key_value_heads"),
        ({"num_hidden_layers": 2.0}, "num_hidden_layers"),
        ({"num_hidden_layers": True}, "num_hidden_layers"),
        ({"attention_bias": "yes"}, "attention_bias"),
        ({"layer_types": ["full_attention"]}, "layer_types"),
        ({"layer_types": ["full_attention", "odd"]}, "layer_types"),
        ({"layer_types": "full"}, "layer_types"),
        ({"model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 5}, "num_experts_per_tok"),
        ({"model_type": "mixtral"}, "num_local_experts"),
        ({"model_type": "deepseek_v3"}, "kv_lora_rank"),
        ({"model_type": 3}, "model_type"),
    ],
)
def test_one_clear_error(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(SlipstickError) as caught:
        from_config({**SMALL, **changes})
    assert any(error.path == path for error in getattr(caught.value, "errors", [caught.value]))


def test_paths_of_nested_files() -> None:
    text = {**SMALL, "hidden_size": 0}
    with pytest.raises(SlipstickError, match=r"text_config\.hidden_size"):
        from_config({"model_type": "mistral3", "text_config": text})


def test_code_of_a_file_is_not_run() -> None:
    assert from_config({**SMALL, "auto_map": {"AutoConfig": "evil.Config"}}).layers == 2


@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]", '{"model_type": "llama", "model_type": "gpt2"}', '{"a": NaN}', "[" * 10**5]
)
def test_files_that_are_no_configuration(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(SlipstickError):
        from_file(tmp_path)


def test_quantised_checkpoints_say_what_they_left() -> None:
    config = {
        "quant_method": "fp8",
        "weight_block_size": [128, 128],
        "modules_to_not_convert": ["lm_head", "model.layers.0.mlp.gate", "model.layers.1.mlp.gate"],
    }
    stored = from_config({**SMALL, "quantization_config": config}).quantisation
    assert stored is not None
    assert (stored.format, stored.block, stored.dynamic) == ("fp8", (128, 128), True)
    assert stored.unquantised == ("lm_head", "model.layers.*.mlp.gate")


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "int4"),
        ({"quant_method": "awq", "bits": 4}, "int4"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
        ({"quant_method": "fbgemm_fp8"}, "fp8"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8"),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"g": {"weights": {"num_bits": 8, "type": "float"}}},
            },
            "fp8",
        ),
        (
            {"quant_method": "compressed-tensors", "config_groups": {"g": {"weights": {"num_bits": 4, "type": "int"}}}},
            "int4",
        ),
    ],
)
def test_formats_of_checkpoints(config: dict[str, Any], name: str) -> None:
    stored = from_config({**SMALL, "quantization_config": config}).quantisation
    assert stored is not None
    assert stored.format == name


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"quant_method": "gptq", "bits": -4}, ("quantization_config.bits", "-4", "from 2 to 16")),
        ({"quant_method": "gptq", "bits": 0}, ("quantization_config.bits", "from 2 to 16")),
        ({"quant_method": "awq", "bits": "four"}, ("quantization_config.bits", "four")),
        ({"quant_method": "awq", "bits": True}, ("quantization_config.bits", "True")),
        (
            {"quant_method": "x", "config_groups": {"g": {"weights": {"num_bits": 3, "type": "float"}}}},
            ("quantization_config.num_bits", "4, 8, 16"),
        ),
        ({"quant_method": "magic"}, ("quantization_config.quant_method", "magic", "gptq", "nvfp4", "weights=int4")),
        ([1], ("quantization_config", "not an object")),
    ],
)
def test_a_quantisation_that_nobody_knows_is_an_error(config: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(SlipstickError) as error:
        from_config({**SMALL, "quantization_config": config})
    assert all(word in str(error.value) for word in words)


def test_an_empty_quantisation_is_none() -> None:
    assert from_config({**SMALL, "quantization_config": {}}).quantisation is None


ODD = [None, -1, 0, 1, 7, 10**7, 10**13, 1.5, float("inf"), "x", True, [], {}, ["a"], [1], [None], {"a": 1}]


@given(st.sampled_from(sorted(FAMILIES)), st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(ODD)), max_size=3))
def test_damaged_files_give_a_network_or_a_clear_error(kind: str, damage: list[tuple[int, Any]]) -> None:
    config = dict(FAMILIES[kind]["config"])
    fields = sorted(config)
    for place, value in damage:
        config[fields[place % len(fields)]] = value
    with contextlib.suppress(SlipstickError):
        network = from_config(config)
        assert 0 < network.active_parameters <= network.parameters
