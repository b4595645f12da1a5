"""The studies: what their pictures claim holds for the figures that they plot."""

from __future__ import annotations

import math

import pytest
from studies import a100_to_b200, gemm_bounds, inference_and_dram, node_sweep, recomputation

pytest.importorskip("altair", reason="the studies draw with altair (extra: plot)")


def test_every_generation_trains_faster_and_the_factors_make_up_the_whole() -> None:
    gains, parts = a100_to_b200.speedups(), a100_to_b200.shares()
    assert list(gains.values()) == sorted(gains.values())
    assert gains["a100-hdr"] == 1.0
    first = a100_to_b200.tokens_per_second("a100-hdr", "bf16", a100_to_b200.BATCH)
    last = a100_to_b200.tokens_per_second("b200-nvs", "nvfp4", a100_to_b200.LARGE_BATCH)
    assert math.prod(parts.values()) == pytest.approx(last / first, rel=1e-9)


def test_recomputation_trades_memory_for_time() -> None:
    rows = {row["way"]: row for row in recomputation.table({"GPT-3 175B": recomputation.MODELS["GPT-3 175B"]})}
    total = {way: sum(row[part] for part in recomputation.PARTS) for way, row in rows.items()}
    assert total["none"] > total["sequence parallel"] > total["selective + sp"] > total["full"]
    assert total["sequence parallel"] > recomputation.CAPACITY > total["selective + sp"]
    assert rows["full"]["step"] > rows["selective + sp"]["step"] > rows["sequence parallel"]["step"]


def test_newer_nodes_are_never_slower_and_more_scaling_never_hurts() -> None:
    rows = node_sweep.table(("12nm", "5nm", "1nm"))
    for way in node_sweep.WAYS:
        steps = [row["step"] for row in rows if row["way"] == way]
        assert steps == sorted(steps, reverse=True)
    last = [row["step"] for row in rows if row["node"] == "1nm"]
    assert last == sorted(last, reverse=True)


def test_decode_of_one_request_waits_for_dram_and_a_long_prompt_computes() -> None:
    rows = gemm_bounds.table(("a100-sxm-80gb",), (1, 512))
    decode = {row["bound"] for row in rows if row["phase"] == "decode" and row["batch"] == 1}
    assert decode == {"dram"}
    layer = [row for row in rows if row["phase"] == "prefill" and row["batch"] == 512 and row["op"].startswith("mlp")]
    assert {row["bound"] for row in layer} == {"compute"}


def test_latency_saturates_as_dram_grows() -> None:
    rows = inference_and_dram.table()
    requests = [row["request"] for row in rows]
    assert requests == sorted(requests, reverse=True)
    first, last = requests[0] / requests[1], requests[-2] / requests[-1]
    assert first > 1.4  # 1.7 times the bandwidth
    assert last < 1.1  # twice the bandwidth
