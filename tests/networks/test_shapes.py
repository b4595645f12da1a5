"""Sizes of products, pairs of attention and recurrences, against what counting by hand gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstick.core.workload import Phase
from slipstick.networks.decoder.attention import GroupedQuery, Latent, Linear
from slipstick.networks.decoder.layer_shapes import Projection, Scores, _positions
from slipstick.networks.decoder.mlp import DenseMlp, MoeMlp, _experts_hit

ATTENTIONS = [
    GroupedQuery(heads=8, kv_heads=2, head_dim=64, qk_norm="head", bias=True, gated=True),
    GroupedQuery(heads=8, kv_heads=8, head_dim=64, window=16, sinks=True),
    GroupedQuery(heads=8, kv_heads=1, head_dim=64, tied_kv=True),
    Latent(heads=8, q_lora=96, kv_lora=64, nope_dim=32, rope_dim=16, v_dim=32),
    Latent(heads=8, kv_lora=64, nope_dim=32, rope_dim=16, v_dim=32),
    Latent(
        heads=8, q_lora=96, kv_lora=64, nope_dim=32, rope_dim=16, v_dim=32, index_heads=4, index_dim=8, index_topk=9
    ),
    Linear(key_heads=4, value_heads=8, key_dim=32, value_dim=32, conv=4),
]
MLPS = [
    DenseMlp(ffn=512),
    DenseMlp(ffn=512, gated=False, bias=True),
    MoeMlp(experts=8, active=2, ffn=64, shared_ffn=64),
]


@given(st.integers(1, 40), st.integers(0, 40), st.integers(1, 60))
def test_pairs_are_those_that_counting_gives(sequence: int, before: int, reach: int) -> None:
    context = sequence + before
    seen = [min(before + i, reach) for i in range(1, sequence + 1)]
    assert _positions(sequence, context, reach, half=True) == sum(seen)
    assert _positions(sequence, context, reach) == sequence * min(context, reach)
    assert _positions(sequence, context, half=True) == sum(before + i for i in range(1, sequence + 1))


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("phase", list(Phase))
def test_every_attention_describes_itself(attention: object, phase: Phase) -> None:
    projections = attention.projections(256, phase)  # type: ignore[attr-defined]
    assert (attention.scores(phase) is None) != (attention.recurrence() is None)  # type: ignore[attr-defined]
    assert projections[-1].after_core
    assert projections[-1].n == 256
    assert not projections[0].after_core
    assert projections[0].k == 256
    weights = sum(p.parameters for p in projections)
    assert 0 <= attention.parameters(256) - weights < 0.05 * weights  # type: ignore[attr-defined]


@pytest.mark.parametrize("attention", [a for a in ATTENTIONS if isinstance(a, Latent)])
def test_absorbing_the_latent_moves_weights_but_keeps_their_number(attention: Latent) -> None:
    prefill, decode = (
        sum(p.parameters for p in attention.projections(256, phase)) for phase in (Phase.PREFILL, Phase.DECODE)
    )
    assert prefill == decode


@pytest.mark.parametrize("shape", [*ATTENTIONS, *MLPS])
@pytest.mark.parametrize("tp", [1, 2, 4])
def test_tensor_parallel_shares_add_up(shape: object, tp: int) -> None:
    arguments = (256,) if isinstance(shape, DenseMlp | MoeMlp) else (256, Phase.TRAIN)
    for p in shape.projections(*arguments):  # type: ignore[attr-defined]
        k, n, batch = p.local(tp)
        whole = p.k * p.n * p.batch
        if p.split == "replicated":
            assert k * n * batch == whole
        elif p.split == "kv":
            copied = p.kv_columns * max(0, tp / min(tp, p.heads) - 1)
            assert tp * k * n * batch == pytest.approx(whole + p.k * copied)
        else:
            assert tp * k * n * batch == pytest.approx(whole)


def test_shares_broadcast_over_an_axis_of_degrees() -> None:
    p = Projection("qkv", 4096, 6144, "kv", heads=8, kv_columns=2048)
    k, n, _ = p.local(np.array([1, 8, 16]))
    assert k.tolist() == [4096, 4096, 4096]
    assert n.tolist() == [6144, 768, 512]


def test_absorbed_decode_reads_one_latent_for_all_heads() -> None:
    mla = Latent(heads=128, q_lora=1536, kv_lora=512, nope_dim=128, rope_dim=64, v_dim=128)
    scores = mla.scores(Phase.DECODE)
    assert (scores.heads, scores.kv_heads, scores.qk_dim, scores.v_dim) == (128, 1, 576, 512)
    assert mla.cache().elements == 576
    assert mla.scores(Phase.PREFILL).qk_dim == 192


def test_a_window_bounds_the_work() -> None:
    whole, bounded = Scores(8, 2, 64, 64), Scores(8, 2, 64, 64, window=128)
    assert bounded.flops(1, 128, 128) == whole.flops(1, 128, 128)
    assert bounded.flops(1, 1, 4096) == whole.flops(1, 1, 128)


@given(st.integers(1, 256), st.integers(1, 256), st.integers(0, 10**6))
def test_hit_experts_are_between_active_and_all(experts: int, active: int, tokens: int) -> None:
    active = min(active, experts)
    hit = float(_experts_hit(experts, active, tokens))
    assert 0 <= hit <= experts
    assert hit <= active * tokens * (1 + 1e-12)
    assert hit >= (active if tokens else 0) * (1 - 1e-12)


def test_hit_experts_are_those_that_drawing_gives() -> None:
    rng = np.random.default_rng(0)
    draws = [len({e for _ in range(12) for e in rng.choice(16, 3, replace=False)}) for _ in range(2000)]
    assert float(_experts_hit(16, 3, 12)) == pytest.approx(np.mean(draws), rel=0.01)
