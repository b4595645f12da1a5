"""Kernels of a decoder and their seconds, computed again by hand: sizes, bytes, operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cluster.toys import DIM, FFN, HEADS, HIDDEN, KV, WORDS, attention, decoder, experts
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.decoder_kernels import _backward_kernels, _decoder_kernels, _Kernel, _Shape
from slipstick.cluster.kernels.experts import _experts_busy
from slipstick.cluster.kernels.gemm import BOUNDS, _gemm
from slipstick.cluster.kernels.kernel_table import _decoder_table
from slipstick.cluster.kernels.kernel_times import _time_kernels
from slipstick.cluster.kernels.precision import Precision
from slipstick.core.catalogue import resolve_system
from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.spec import override
from slipstick.core.workload import Phase
from slipstick.networks.decoder.attention import Linear
from slipstick.networks.decoder.block import Block
from slipstick.networks.decoder.decoder import Decoder

ELEMENT, CACHE = 2.0, 1.0
PRECISION = Precision("bf16", ELEMENT, ELEMENT, CACHE, "bf16")
H100 = resolve_system("h100-sxm-80gb")


def shape(sequences: int = 2, query: int = 128, context: int = 128, sp: bool = False, **degrees: int) -> _Shape:
    tp, ep, etp = (degrees.get(name, 1) for name in ("tp", "ep", "etp"))
    etp = degrees.get("etp", tp)
    columns = [np.array([value]) for value in (sequences, query, context, tp, ep, etp)]
    return _Shape(*columns, np.array([sp]))


def kernels(
    where: _Shape,
    phase: Phase = Phase.TRAIN,
    network: Decoder | None = None,
    precision: Precision = PRECISION,
    fused: bool = True,
) -> dict[str, _Kernel]:
    lists = _decoder_kernels(network or decoder(), where, phase, precision, fused=fused)
    return {kernel.name: kernel for part in lists for kernel in part}


def sizes(kernel: _Kernel) -> tuple[int, ...]:
    return tuple(int(np.ravel(value)[0]) for value in (kernel.m, kernel.n, kernel.k, kernel.batch))


def number(value: Any) -> float:
    return float(np.ravel(value)[0])


@pytest.mark.parametrize("tp", [1, 2, 8])
def test_products_are_divided_over_tensor_parallel_ranks(tp: int) -> None:
    found = kernels(shape(tp=tp))
    tokens, keys = 256, 2 * KV * DIM
    assert sizes(found["attention.qkv"]) == (tokens, HEADS * DIM // tp + keys // min(tp, KV), HIDDEN, 1)
    assert sizes(found["attention.out"]) == (tokens, HIDDEN, HEADS * DIM // tp, 1)
    assert sizes(found["mlp.gate_up"]) == (tokens, 2 * FFN // tp, HIDDEN, 1)
    assert sizes(found["mlp.down"]) == (tokens, HIDDEN, FFN // tp, 1)
    assert sizes(found["head.logits"]) == (tokens, WORDS // tp, HIDDEN, 1)
    assert number(found["head.loss"].traffic) == tokens * (WORDS // tp) * 4 * 4
    assert found["head.loss"].launches == 4


def test_elementwise_chains_read_and_write_their_tensors() -> None:
    for sp, tokens in ((False, 256), (True, 128)):
        found = kernels(shape(tp=2, sp=sp))
        for name in ("attention.norm", "mlp.norm", "head.norm"):
            assert number(found[name].traffic) == tokens * HIDDEN * 2 * ELEMENT
        for name in ("attention.residual", "mlp.residual"):
            assert number(found[name].traffic) == tokens * HIDDEN * 3 * ELEMENT  # reads two, writes one
        assert number(found["embedding"].traffic) == tokens * HIDDEN * 3 * ELEMENT
        assert number(found["mlp.activation"].traffic) == 256 / 2 * 3 * FFN * ELEMENT  # gate and up in, one out
    masked = kernels(shape(), network=decoder(dropout=True))
    assert number(masked["mlp.residual"].traffic) == 256 * HIDDEN * (3 * ELEMENT + 1)
    chains = kernels(shape(), precision=Precision("bf16", 2.0, 2.0, 2.0, "bf16", elementwise=3.0))
    assert number(chains["mlp.residual"].traffic) == 3 * 256 * HIDDEN * 3 * ELEMENT
    assert number(chains["mlp.activation"].traffic) == 3 * 256 * 3 * FFN * ELEMENT
    rotary = Block(count=1, attention=attention(rotary=True), mlp=decoder().kinds[0].mlp)
    spun = kernels(shape(tp=2), network=Decoder(name="r", hidden=HIDDEN, vocabulary=WORDS, blocks=(rotary,)))
    assert number(spun["attention.rotary"].traffic) == 256 / 2 * 2 * (HEADS + KV) * DIM * ELEMENT


def test_a_block_has_its_kernels_in_order() -> None:
    layer, embedding, head = _decoder_kernels(decoder(), shape(), Phase.DECODE, PRECISION, fused=True)
    assert [kernel.name for kernel in layer] == [
        "attention.norm", "attention.qkv", "attention.cache", "attention.core", "attention.out", "attention.residual",
        "mlp.norm", "mlp.gate_up", "mlp.activation", "mlp.down", "mlp.residual",
    ]  # fmt: skip
    assert [kernel.name for kernel in (*embedding, *head)] == ["embedding", "head.norm", "head.logits", "head.loss"]
    (parallel,) = _decoder_kernels(decoder(parallel=True), shape(), Phase.TRAIN, PRECISION, fused=True)[:1]
    assert "mlp.norm" not in [kernel.name for kernel in parallel]
    assert "attention.cache" not in [kernel.name for kernel in parallel]


@pytest.mark.parametrize(("words", "tp", "columns"), [(1000, 8, 125), (1001, 2, 500), (3, 2, 1), (1, 2, 1), (4, 8, 1)])
def test_a_rank_has_its_share_of_the_words_and_one_at_least(words: int, tp: int, columns: int) -> None:
    found = kernels(shape(tp=tp), network=decoder(vocabulary=words))
    assert sizes(found["head.logits"]) == (256, columns, HIDDEN, 1)
    assert number(found["head.loss"].traffic) == 256 * columns * 4 * 4
    assert found["head.loss"].launches == 4
    sampled = kernels(shape(tp=tp), Phase.DECODE, decoder(vocabulary=words))["head.loss"]
    assert (number(sampled.traffic), sampled.launches) == (2 * columns * 4, 1)


def test_a_kernel_that_says_nothing_moves_and_computes_nothing() -> None:
    kernel = _Kernel("x", "stream")
    assert (kernel.traffic, kernel.flops, kernel.m, kernel.n, kernel.k) == (0.0, 0.0, 0, 0, 0)
    assert (kernel.batch, kernel.launches, kernel.packed, kernel.stored) == (1, 1, 1.0, None)
    assert not kernel.core
    assert not kernel.quantised


def test_the_fused_core_computes_the_causal_half() -> None:
    for tp, pieces in ((1, 1), (2, 2), (8, KV)):
        core = kernels(shape(tp=tp))["attention.core"]
        pairs = 2 * 128 * 129 / 2
        assert number(core.flops) == pytest.approx(2 * HEADS * 2 * DIM * pairs / tp)
        queries = 256 * 2 * HEADS * DIM / tp * ELEMENT
        assert number(core.traffic) == pytest.approx(queries + 256 * 2 * KV * DIM / pieces * CACHE)
        assert core.core
    part = kernels(shape(query=32, context=128))["attention.core"]  # a quarter of the sequence, zig-zag
    assert number(part.flops) == pytest.approx(2 * HEADS * 2 * DIM * 2 * 128 * 129 / 2 / 4)
    read = 64 * 2 * HEADS * DIM * ELEMENT + 256 * 2 * KV * DIM * CACHE
    assert number(part.traffic) == pytest.approx(read)


def test_decoding_reads_the_cache_and_writes_what_is_new() -> None:
    found = kernels(shape(sequences=4, query=1, context=1000, tp=2), Phase.DECODE)
    assert number(found["attention.core"].flops) == pytest.approx(2 * HEADS * 2 * DIM * 4 * 1000 / 2)
    queries = 4 * 2 * HEADS * DIM / 2 * ELEMENT
    assert number(found["attention.core"].traffic) == pytest.approx(queries + 4 * 1000 * 2 * KV * DIM / 2 * CACHE)
    assert number(found["attention.cache"].traffic) == 4 * 2 * KV * DIM / 2 * 2 * CACHE
    assert sizes(found["head.logits"]) == (4, WORDS // 2, HIDDEN, 1)
    assert (number(found["head.loss"].traffic), found["head.loss"].launches) == (4 * WORDS / 2 * 4, 1)
    prompt = kernels(shape(sequences=4, query=100, context=100), Phase.PREFILL)
    assert sizes(prompt["head.logits"]) == (4, WORDS, HIDDEN, 1)  # of the last token of each
    again = Precision("bf16", 2.0, 2.0, CACHE, "bf16", cache_reads=0.5)
    unshared = kernels(shape(sequences=4, query=1, context=1000, tp=2), Phase.DECODE, precision=again)
    more = number(unshared["attention.core"].traffic - found["attention.core"].traffic)
    assert more == pytest.approx(0.5 * (HEADS / KV - 1) * 4 * 1000 * 2 * KV * DIM / 2 * CACHE)
    window = Block(count=1, attention=attention(window=100), mlp=decoder().kinds[0].mlp)
    near = kernels(
        shape(sequences=4, query=1, context=1000), Phase.DECODE,
        Decoder(name="w", hidden=HIDDEN, vocabulary=WORDS, blocks=(window,)),
    )  # fmt: skip
    assert number(near["attention.core"].traffic) == pytest.approx(
        4 * 2 * HEADS * DIM * ELEMENT + 4 * 100 * 2 * KV * DIM * CACHE
    )


def test_the_unfused_core_writes_and_reads_its_scores() -> None:
    found = kernels(shape(tp=2), network=decoder(dropout=True), fused=False)
    matrices = 2 * HEADS // 2
    assert sizes(found["attention.scores"]) == (128, 128, DIM, matrices)
    assert sizes(found["attention.values"]) == (128, DIM, 128, matrices)
    assert number(found["attention.softmax"].traffic) == matrices * 128 * 128 * 2 * ELEMENT
    assert number(found["attention.dropout"].traffic) == matrices * 128 * 128 * (2 * ELEMENT + 1)
    assert all(found[f"attention.{name}"].core for name in ("scores", "softmax", "dropout", "values"))


def test_linear_attention_reads_and_writes_its_state() -> None:
    linear = Linear(key_heads=2, value_heads=4, key_dim=8, value_dim=16, conv=4)
    block = Block(count=1, attention=linear, mlp=decoder().kinds[0].mlp)
    network = Decoder(name="l", hidden=HIDDEN, vocabulary=WORDS, blocks=(block,))
    core = kernels(shape(tp=2), network=network)["attention.core"]
    channels, matrix = 2 * 2 * 8 + 4 * 16, 4 * 8 * 16
    state = matrix + channels * 3
    assert number(core.traffic) == pytest.approx((2 * state * 2 * 4 + 256 * (channels + 4 * 16) * ELEMENT) / 2)
    assert number(core.flops) == pytest.approx(256 * (7 * matrix + 2 * 4 * channels) / 2)


def test_experts_get_the_tokens_that_visit_them() -> None:
    network = decoder(mlp=experts())
    found = kernels(shape(tp=2, ep=2, etp=1), network=network)
    routed = 256 * 2 / 2  # two experts a token; the ranks share the tokens
    busy = min(max(1.0, float(_experts_busy(8, 2, routed * 2 / 2)) / 2), 4.0)
    assert sizes(found["mlp.expert_gate_up"]) == (round(routed / busy), 2 * 256, HIDDEN, round(busy))
    assert sizes(found["mlp.expert_down"]) == (round(routed / busy), HIDDEN, 256, round(busy))
    assert sizes(found["mlp.router"]) == (256, 8, HIDDEN, 1)
    for name in ("mlp.permute", "mlp.combine"):
        assert number(found[name].traffic) == routed * HIDDEN * 2 * ELEMENT
    assert number(found["mlp.expert_activation"].traffic) == 256 / 2 * 2 * 3 * 256 * ELEMENT
    few = kernels(shape(sequences=1, query=1, context=1), Phase.DECODE, network)
    assert sizes(few["mlp.expert_down"]) == (1, HIDDEN, 256, 2)  # one token, two experts


def test_popularity_follows_zipfs_law_but_no_expert_is_more_than_certain() -> None:
    share = 1 / np.arange(1.0, 9.0)
    chance = share / share.sum()
    assert _experts_busy(8, 1, [1, 3]) == pytest.approx([1.0, (1 - (1 - chance) ** 3).sum()])
    # of four experts a token the most popular one is certain, of six the first three, one after the other
    for active, certain in ((4, 1), (6, 3)):
        rest = (active - certain) * share[certain:] / share[certain:].sum()
        assert rest.max() < 1
        assert float(_experts_busy(8, active, 2)) == pytest.approx(certain + (1 - (1 - rest) ** 2).sum())


def test_narrow_products_are_quantised_but_for_the_router_and_the_head() -> None:
    narrow = Precision("fp8", 1.0, 2.0, 2.0, "bf16", "bf16")
    found = kernels(shape(), network=decoder(mlp=experts()), precision=narrow)
    assert (found["attention.qkv"].format, found["attention.qkv"].quantised) == ("fp8", True)
    assert (found["mlp.router"].format, found["mlp.router"].quantised) == ("bf16", False)
    assert (found["head.logits"].format, found["head.logits"].quantised) == ("bf16", False)
    assert not kernels(shape())["attention.qkv"].quantised


def test_the_backward_pass_has_two_products_for_one() -> None:
    forward = _decoder_kernels(decoder(), shape(), Phase.TRAIN, PRECISION, fused=True)[0]
    back = _backward_kernels(forward, PRECISION)
    named = {kernel.name: kernel for kernel in back}
    assert back[0].name == "mlp.residual.grad"
    assert back[-1].name == "attention.norm.grad"
    m, n, k, _ = sizes(forward[1])
    assert sizes(named["attention.qkv.dgrad"]) == (m, k, n, 1)
    assert sizes(named["attention.qkv.wgrad"]) == (k, n, m, 1)
    core = next(kernel for kernel in forward if kernel.name == "attention.core")
    grad = named["attention.core.grad"]
    assert number(grad.flops) == 2.5 * number(core.flops)
    assert number(grad.traffic) == 2 * number(core.traffic)
    assert grad.launches == 2
    assert number(named["mlp.norm.grad"].traffic) == 1.5 * 256 * HIDDEN * 2 * ELEMENT
    adding = _backward_kernels(forward, Precision("bf16", 2.0, 2.0, 2.0, "bf16", accumulate=10.0))
    sums = {kernel.name: number(kernel.traffic) for kernel in adding if kernel.name.endswith(".accumulate")}
    assert sums["mlp.down.accumulate"] == FFN * HIDDEN * 10
    assert len(sums) == 4
    unfused = _decoder_kernels(decoder(), shape(), Phase.TRAIN, PRECISION, fused=False)[0]
    both = _backward_kernels(unfused, Precision("bf16", 2.0, 2.0, 2.0, "bf16", accumulate=10.0))
    assert not any("scores.accumulate" in kernel.name for kernel in both)  # no weights


def test_streams_take_the_longer_of_dram_and_l2() -> None:
    chip = Chip.of(H100)
    steps = chip.steps
    for traffic in (1e3, 1e6, 1e8, 1e10):
        times = _time_kernels([_Kernel("s", "stream", traffic, launches=3)], chip, 1)
        resident = min(1.0, chip.l2_capacity * steps.l2_share / traffic)
        dram = traffic * (1 - resident * steps.l2_reuse) / (chip.dram_bandwidth * steps.stream_efficiency)
        l2 = traffic / (chip.l2_bandwidth * steps.stream_efficiency)
        expected = max(dram, l2) + 3 * steps.stream_latency
        assert number(times.time) == pytest.approx(expected)
        assert (number(times.traffic), number(times.flops)) == (traffic, 0.0)
        assert number(times.bound) == (3 if max(dram, l2) < 3 * steps.stream_latency else 2)


def test_attention_takes_the_longer_of_its_products_and_its_bytes() -> None:
    chip = Chip.of(H100)
    steps = chip.steps
    for name, share in (("core", steps.attention_forward), ("core.grad", steps.attention_backward)):
        for flops, traffic, bound in ((1e12, 1e6, 0), (1e6, 1e9, 2)):
            times = _time_kernels([_Kernel(name, "attention", traffic, flops, launches=2)], chip, 1)
            compute, memory = flops / chip.peak["bf16"] / share, traffic / chip.dram_bandwidth / steps.attention_stream
            assert number(times.time) == pytest.approx(max(compute, memory) + 2 * steps.attention_latency)
            assert (number(times.bound), number(times.flops), number(times.traffic)) == (bound, flops, traffic)


def test_products_slow_down_with_heat_and_narrow_weights_save_bytes() -> None:
    chip = Chip.of(H100)
    one = _gemm((8, 4096, 4096), format="bf16", chip=chip)
    times = _time_kernels([_Kernel("p", "matmul", m=8, n=4096, k=4096, format="bf16")], chip, 1)
    expected = float(one.time) + (chip.steps.matmul_slowdown - 1) * float(one.compute)
    assert number(times.time) == pytest.approx(expected)
    assert number(times.flops) == 2 * 8 * 4096 * 4096
    assert number(times.traffic) == pytest.approx(float(one.dram_bytes))
    narrow = _gemm((8, 4096, 4096), format="fp8", chip=chip, quantise_activations=True)
    cold = _time_kernels([_Kernel("p", "matmul", m=8, n=4096, k=4096, format="fp8", quantised=True)], chip, 1)
    assert number(cold.time) == pytest.approx(
        float(narrow.time) + (chip.steps.narrow_slowdown - 1) * float(narrow.compute)
    )
    packed = _time_kernels([_Kernel("p", "matmul", m=8, n=4096, k=4096, format="bf16", packed=0.25)], chip, 1)
    saved = float(one.dram) - max(0.25 * float(one.dram), float(one.compute), float(one.l2))
    assert saved > 0
    assert number(packed.time) == pytest.approx(expected - saved)
    assert number(packed.traffic) == pytest.approx(0.25 * float(one.dram_bytes))
    image = [_Kernel("p", "matmul", m=8, n=64, k=64, format="bf16", stored=stored) for stored in (None, 100.0)]
    both = _time_kernels(image, chip, 1)
    assert both.traffic[1, 0] == pytest.approx(
        float(_gemm((8, 64, 64), format="bf16", chip=chip, stored=100.0).dram_bytes)
    )
    assert both.traffic[0, 0] == pytest.approx(float(_gemm((8, 64, 64), format="bf16", chip=chip).dram_bytes))


def test_a_chip_is_its_data_sheet_with_its_calibration() -> None:
    plain = Chip.of(H100)
    device = H100.device_as(Accelerator)
    assert plain.peak == device.matrix
    assert (plain.cores, plain.clock, plain.vector) == (device.cores, device.clock, device.vector["fp32"])
    assert plain.dram_bandwidth == H100.main_memory.bandwidth
    assert plain.l2_capacity == H100.memory["l2"].capacity
    assert plain.shared_per_core == H100.memory["shared"].capacity
    tuned = Chip.of(override(H100, {"calibration.matmul": 0.8, "calibration.memory": 0.9}, root="system"))
    assert tuned.peak["bf16"] == pytest.approx(0.8 * plain.peak["bf16"])
    assert tuned.dram_bandwidth == pytest.approx(0.9 * plain.dram_bandwidth)
    memory = {name: part for name, part in H100.memory.items() if name == H100.main_memory_name}
    bare = Chip.of(H100.model_copy(update={"memory": memory}))
    assert bare.l2_bandwidth == 3 * plain.dram_bandwidth
    assert bare.l2_capacity == bare.shared_per_core == 0.0
    few = device.model_copy(update={"cores": 2, "vector": {}})
    wide = Chip.of(H100.model_copy(update={"device": few}))
    assert wide.cores == int(np.ceil(device.matrix["bf16"] / device.clock / 8192))
    assert wide.vector == max(device.matrix.values()) / 16
    assert plain.constants.calibrated
    assert not Chip.of(H100.model_copy(update={"generation": "abacus"})).constants.calibrated
    unknown = H100.main_memory.model_copy(update={"bandwidth": None})
    with pytest.raises(SlipstickError, match="bandwidth"):
        Chip.of(H100.model_copy(update={"memory": {"hbm": unknown}}))


def test_precisions_of_the_phases() -> None:
    train = Precision.of(Plan.of("matmul=fp8"), H100, Phase.TRAIN)
    assert (train.weights, train.activations, train.cache, train.head, train.wide) == (2.0, 2.0, 2.0, "bf16", "bf16")
    assert (train.elementwise, train.cache_reads, train.accumulate) == (1.0, 0.0, 0.0)
    serve = Precision.of(Plan.of("matmul=fp8,kv_cache=fp8,shared_kv=false,head=fp8"), H100, Phase.DECODE)
    assert (serve.weights, serve.activations, serve.cache, serve.head) == (1.0, 2.0, 1.0, "fp8")
    assert (serve.cache_reads, serve.accumulate) == (0.5, 0.0)
    stored = Precision.of(Plan.of("matmul=bf16,weights=int4"), H100, Phase.DECODE)
    assert (stored.weights, stored.wide, stored.cache_reads) == (0.5, "bf16", 0.0)
    adding = Precision.of(Plan.of("accumulate=false,gradients=fp32"), H100, Phase.TRAIN)
    # reads the gradient, reads and writes the sum; a known fault puts it into `cache_reads`
    assert adding.cache_reads + adding.accumulate == 2.0 + 2 * 4.0
    unfused = Precision.of(Plan.of("fused=false"), H100, Phase.TRAIN)
    assert unfused.elementwise == Chip.of(H100).steps.unfused_traffic
    with pytest.raises(SlipstickError, match="no matrix rate"):
        Precision.of(Plan.of("matmul=nvfp4"), H100, Phase.DECODE)


def test_the_table_lists_every_kernel_with_the_count_of_its_layers() -> None:
    chip = Chip.of(H100)
    for phase, passes in ((Phase.DECODE, 1), (Phase.TRAIN, 2)):
        table = _decoder_table(decoder(), chip, PRECISION, shape(), phase, fused=True)
        rows = {row[0]: row for row in table.rows}
        lists = _decoder_kernels(decoder(), shape(), phase, PRECISION, fused=True)
        matmuls = sum(kernel.kind == "matmul" for part in lists for kernel in part)
        expected = sum(len(part) for part in lists) * passes + (matmuls if passes == 2 else 0)
        assert len(table.rows) == expected
        assert rows["attention.qkv"][2:7] == (8, 256, HEADS * DIM + 2 * KV * DIM, HIDDEN, 1)
        assert rows["embedding"][2:7] == (1, None, None, None, None)
        one = _time_kernels([lists[0][1]], chip, 1)
        assert rows["attention.qkv"][7:] == (
            number(one.flops), number(one.traffic), number(one.time), BOUNDS[int(number(one.bound))]
        )  # fmt: skip
