"""Abilities that callers ask a network for, instead of its class: true for decoders and operator graphs alike."""

from __future__ import annotations

import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Phase, Workload
from slipstick.networks import Decoder, network, presets
from slipstick.networks.graphs import OperatorGraph


@pytest.mark.parametrize("name", presets.names())
def test_every_network_is_of_one_kind_and_answers_for_its_phases(name: str) -> None:
    net = network(name)
    right, wrong = (Decoder, OperatorGraph) if net.kind == "decoder" else (OperatorGraph, Decoder)
    assert right.of(net) is net
    with pytest.raises(SlipstickError, match=f"workload.network: of the kind {net.kind}; got '{name}'; allowed: a"):
        wrong.of(net)
    assert net.layers > 0
    for phase in net.phases:
        sizes = net.default_sizes(phase, devices=1)
        workload = Workload(network=net, phase=phase, **{**sizes, "batch": 1})
        assert workload.ops
        assert set(sizes) == ({"batch", "sequence", "output"} if phase is Phase.DECODE else {"batch", "sequence"})


def test_default_sizes_of_decoders_end_at_the_longest_context() -> None:
    llama, short = network("llama-3.1-8b"), network("gpt3-175b")
    assert short.default_sizes(Phase.TRAIN, 8) == {"batch": 8, "sequence": 2048}
    assert llama.default_sizes(Phase.TRAIN, 8, microbatch=2) == {"batch": 16, "sequence": 4096}
    assert llama.default_sizes(Phase.PREFILL, 8) == {"batch": 1, "sequence": 1024}
    assert llama.default_sizes(Phase.DECODE, 8) == {"batch": 1, "sequence": 1024, "output": 128}
    tiny = Decoder.of(short).model_copy(update={"max_positions": 64})
    assert tiny.default_sizes(Phase.DECODE, 1)["sequence"] == 64


def test_default_sizes_of_graphs_are_samples() -> None:
    assert network("resnet-50").default_sizes(Phase.TRAIN, 8) == {"batch": 256, "sequence": 1}
    assert network("resnet-50").default_sizes(Phase.INFER, 8) == {"batch": 1, "sequence": 1}
    assert network("gnmt").default_sizes(Phase.INFER, 1)["sequence"] == 32


def test_a_sample_has_the_bytes_that_a_loader_sends() -> None:
    assert network("llama-3.1-8b").sample_bytes(2048) == 4 * 2048
    assert network("resnet-50").sample_bytes(1) == 2 * 3 * 224 * 224


def test_the_stored_format_is_that_of_the_checkpoint() -> None:
    assert network("llama-3.1-8b").stored_format is None
    assert network("resnet-50").stored_format is None
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config |= {"intermediate_size": 172, "vocab_size": 1000, "quantization_config": {"quant_method": "fp8"}}
    assert network(config).stored_format == "fp8"


@pytest.mark.parametrize("name", ["llama-3.1-8b", "resnet-50"])
def test_the_operator_graph_has_the_flops_of_the_operations(name: str) -> None:
    workload = Workload(network=network(name), sequence=network(name).default_sizes(Phase.TRAIN, 1)["sequence"])
    flops = sum(op.flops * op.count for op in workload.ops)
    assert sum(op.flops for op in workload.operator_graph) == pytest.approx(flops, rel=1e-12)
    known = {op.name for op in workload.operator_graph}
    assert all(set(op.after) <= known for op in workload.operator_graph)
