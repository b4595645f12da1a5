"""Plans whose degrees do not divide the network: key and value heads are refused, experts are copied at inference."""

from __future__ import annotations

import numpy as np
import pytest

import slipstick
from slipstick.cluster.kernels.device_parameters import _held_experts
from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Phase
from slipstick.networks.find_network import network

# the config.json of a network with 96 query and 8 key and value heads
GLM = {
    "model_type": "glm4_moe", "hidden_size": 4096, "intermediate_size": 10944, "moe_intermediate_size": 1408,
    "num_hidden_layers": 46, "num_attention_heads": 96, "num_key_value_heads": 8, "head_dim": 128,
    "n_routed_experts": 128, "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 1,
    "attention_bias": True, "use_qk_norm": False, "vocab_size": 151552, "num_nextn_predict_layers": 1,
    "tie_word_embeddings": False,
}  # fmt: skip
FOUR_HEADS = {
    "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
    "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064, "tie_word_embeddings": False,
}  # fmt: skip
EIGHT_COPIES = "11 of 256 experts on each of 24 ranks: 8 are redundant copies"


@pytest.mark.parametrize(("config", "tp", "heads"), [(GLM, 6, 8), (FOUR_HEADS, 7, 4)])
@pytest.mark.parametrize("phase", [Phase.DECODE, Phase.PREFILL, Phase.TRAIN])
def test_devices_that_do_not_share_the_key_and_value_heads_are_refused(
    config: dict[str, object], tp: int, heads: int, phase: Phase
) -> None:
    with pytest.raises(SlipstickError, match=rf"key and value heads.*got {tp}.*a divisor or a multiple of {heads}"):
        slipstick.estimate(network(config), f"h100-sxm-80gb:{tp}", f"tp={tp}", phase=phase, batch=42, sequence=8400)


@pytest.mark.parametrize(("config", "devices", "heads"), [(GLM, 6, 8), (FOUR_HEADS, 7, 4)])
@pytest.mark.parametrize("phase", [Phase.DECODE, Phase.TRAIN])
def test_the_automatic_plan_is_one_that_engines_accept(
    config: dict[str, object], devices: int, heads: int, phase: Phase
) -> None:
    report = slipstick.estimate(network(config), f"h100-sxm-80gb:{devices}", phase=phase, batch=42, sequence=8400)
    tp = report.inputs["plan"]["parallel"]["tp"]
    assert heads % tp == 0 or tp % heads == 0


def test_key_and_value_heads_are_copied_where_there_are_fewer_than_devices() -> None:
    """16 devices, 8 heads: each is on two devices, so a device holds an eighth of the cache, not a sixteenth."""
    caches = [
        slipstick.estimate(
            network(GLM), f"h100-sxm-80gb:{tp}", f"tp={tp},others=off", phase="decode", batch=64, sequence=8192
        ).value("memory.parts.cache")
        for tp in (8, 16)
    ]
    assert caches[0] == pytest.approx(caches[1])


def decoding(devices: int, **plan: int) -> slipstick.Report:
    fields = {"tp": 1, **plan}
    return slipstick.estimate(
        "deepseek-v3", f"h200-sxm-141gb:{devices}", fields, phase="decode", batch=devices, sequence=1024
    )


def test_experts_that_their_ranks_do_not_divide_are_copied_and_a_note_says_so() -> None:
    """ceil(256 / 24) = 11 experts a device, eight of the 264 copies (DeepSeek-V3, 2412.19437, section 3.4)."""
    assert decoding(24, ep=24).metrics["memory"]["parts"]["weights"].note == EIGHT_COPIES
    assert decoding(32, ep=32).metrics["memory"]["parts"]["weights"].note == ""


def test_a_device_with_redundant_experts_holds_the_next_whole_number() -> None:
    """The weights of 24 ranks less those of 32 are three experts in each of 58 layers, in fp8."""
    more = decoding(24, ep=24).value("memory.parts.weights") - decoding(32, ep=32).value("memory.parts.weights")
    assert more == pytest.approx(58 * 3 * 3 * 7168 * 2048, rel=1e-6)


def test_more_ranks_than_experts_hold_one_each() -> None:
    assert _held_experts(256, np.array([256, 257, 320])).tolist() == [1, 1, 1]
    assert decoding(320, ep=320).value("memory.parts.weights") < decoding(128, ep=128).value("memory.parts.weights")


def test_time_lies_between_that_of_the_divisors_around() -> None:
    steps = [decoding(devices, ep=devices).value("time.parts.experts") for devices in (16, 24, 32)]
    assert steps == sorted(steps, reverse=True)


def test_training_refuses_expert_parallelism_that_does_not_divide() -> None:
    with pytest.raises(SlipstickError, match="ep must divide the experts in training"):
        slipstick.estimate("deepseek-v3", "h200-sxm-141gb:24", "tp=1,ep=24", batch=24, sequence=1024)
