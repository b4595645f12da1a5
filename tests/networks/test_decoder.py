"""The list of operations of a network: conservation of weights and FLOPs, and the published closed forms."""

from __future__ import annotations

import pytest

from slipstick.core.spec import validate
from slipstick.core.workload import Phase, Workload
from slipstick.networks.decoder.block import Block, _runs
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.decoder.operations import backward
from slipstick.networks.find_network import network, presets

PRODUCTS = ("matmul", "router")
DECODERS = [name for name in presets.names() if isinstance(network(name), Decoder)]


def flops(ops: list, kinds: tuple[str, ...] = (*PRODUCTS, "attention")) -> float:
    return sum(op.flops * op.count for op in ops if op.kind in kinds)


@pytest.mark.parametrize("name", DECODERS)
def test_operations_of_every_preset_are_consistent(name: str) -> None:
    decoder = network(name)
    assert isinstance(decoder, Decoder)
    for phase in Phase:
        sequence = 1 if phase is Phase.DECODE else 512
        ops = decoder.ops(phase, 4, sequence, 512)
        assert len({op.name for op in ops}) == len(ops)
        known = {op.name for op in ops}
        assert all(set(op.after) <= known for op in ops)
        assert all(op.after for op in ops[1:])
        assert all(min(op.dims.values()) > 0 and op.flops >= 0 and op.outputs > 0 for op in ops)
        # a weight is used once for each token that sees it
        used = flops(ops, PRODUCTS) / (2 * 4 * sequence)
        assert used == pytest.approx(decoder.multiplied_parameters, rel=2e-3)  # less norms, biases, convolutions
        assert used <= decoder.multiplied_parameters


@pytest.mark.parametrize("name", DECODERS)
def test_dimensions_of_products_agree_with_their_flops(name: str) -> None:
    for op in network(name).ops(Phase.PREFILL, 2, 4096, 4096):
        if op.kind in PRODUCTS and "expert" not in op.name:
            d = op.dims
            assert op.flops == 2 * d["m"] * d["n"] * d["k"] * d["batch"]
        elif "expert_" in op.name and op.kind == "matmul":  # rows are rounded up to whole ones
            d = op.dims
            assert op.flops <= 2 * d["m"] * d["n"] * d["k"] * d["batch"] < op.flops * 1.05


@pytest.mark.parametrize("name", ["gpt3-175b", "gpt-22b", "gpt-1t", "gpt-1.7b"])
def test_forward_flops_are_the_closed_form_of_megatron(name: str) -> None:
    """Narayanan et al. 2104.04473, appendix: 24 b s l h^2 (1 + s/(6h)) + 2 b s h V."""
    decoder = network(name)
    b, s, h, layers, v = 3, 2048, decoder.hidden, decoder.layers, decoder.vocabulary
    assert (
        flops(decoder.ops(Phase.TRAIN, b, s, s))
        == 24 * b * s * layers * h**2 + 4 * b * s**2 * layers * h + 2 * b * s * h * v
    )


def test_causal_half_counts_about_half_the_scores() -> None:
    whole = network("llama-3.1-8b")
    half = whole.model_copy(update={"half_attention": True})
    full_flops, half_flops = (flops(d.ops(Phase.PREFILL, 1, 4096, 4096), ("attention",)) for d in (whole, half))
    assert half_flops / full_flops == pytest.approx(0.5, abs=2e-4)
    assert flops(whole.ops(Phase.DECODE, 1, 1, 4096)) == flops(half.ops(Phase.DECODE, 1, 1, 4096))


def test_backward_of_a_product_is_two_products_of_the_same_size() -> None:
    for op in network("deepseek-v3").ops(Phase.TRAIN, 1, 128, 128):
        gradients = backward(op)
        if op.kind in (*PRODUCTS, "attention"):
            m, n, k = op.dims["m"], op.dims["n"], op.dims["k"]
            assert [(g.dims["m"], g.dims["n"], g.dims["k"]) for g in gradients] == [(m, k, n), (k, n, m)]
            assert sum(g.flops for g in gradients) == 2 * op.flops
        else:
            assert len(gradients) == 1
            assert gradients[0].outputs == op.inputs


def test_decode_reads_only_the_experts_that_are_hit() -> None:
    decoder = network("deepseek-v3")
    read = [sum(op.weights * op.count for op in decoder.ops(Phase.DECODE, b, 1, 100)) for b in (1, 32, 10**5)]
    assert read == sorted(read)
    assert read[0] == pytest.approx(decoder.multiplied_parameters, rel=1e-3)
    assert read[2] == pytest.approx(
        decoder.parameters - decoder.vocabulary * decoder.hidden + 10**5 * decoder.hidden, rel=1e-3
    )


def test_sliding_windows_and_linear_layers_bound_the_context() -> None:
    for name in ("gemma-4-26b-a4b", "qwen3.5-35b-a3b"):
        decoder = network(name)
        short, long = (flops(decoder.ops(Phase.DECODE, 1, 1, c), ("attention",)) for c in (10_000, 20_000))
        assert short < long < 2 * short


def test_blocks_orders_and_kinds_hold_the_same_layers() -> None:
    decoder = network("gemma-4-26b-a4b")
    assert len(decoder.order) == decoder.layers == 30
    assert sorted(kind.count for kind in decoder.kinds) == [5, 25]
    assert _runs(list(decoder.order)) == decoder.blocks
    assert decoder.with_layers(6).layers == 6
    assert decoder.with_layers(6).order == decoder.order[:6]
    total = sum(decoder.layer_parameters(block) for block in decoder.order)
    assert decoder.parameters == total + decoder.embedding_parameters + decoder.head_parameters


@pytest.mark.parametrize("name", DECODERS)
def test_every_preset_survives_its_own_dump(name: str) -> None:
    decoder = network(name)
    assert validate(Decoder, decoder.model_dump()) == decoder
    assert hash(decoder.blocks[0]) == hash(decoder.blocks[0].model_copy())
    assert isinstance(decoder.blocks[0], Block)


def test_a_workload_runs_it() -> None:
    workload = Workload(network=network("llama-2-7b"), phase=Phase.DECODE, batch=2, sequence=200, output=200)
    scores = next(op for op in workload.ops if op.name == "layer.scores")
    assert scores.dims["n"] == 300
    assert scores.count == 32


def test_branches_of_a_layer_name_what_they_read() -> None:
    after = {op.name: op.after for op in network("deepseek-v3").ops(Phase.PREFILL, 1, 64, 64)}
    assert after["layer1.shared_gate_up"] == after["layer1.router"] == ("layer1.mlp_norm",)
    assert after["layer1.mlp_residual"] == ("layer1.expert_down", "layer1.shared_down")
    parallel = {op.name: op.after for op in network("gpt-j-6b").ops(Phase.PREFILL, 1, 64, 64)}
    assert parallel["layer.up"] == ("layer.attention_norm",)
    assert parallel["layer.mlp_residual"] == ("layer.attention_residual", "layer.down")
    two_norms = {op.name: op.after for op in network("falcon-180b").ops(Phase.PREFILL, 1, 64, 64)}
    assert two_norms["layer.mlp_norm"] == ("embedding",)
