"""`ops`: sizes multiply to the operations, and those of a network sum to what its parameters say."""

from __future__ import annotations

from typing import Any

import pytest

import slipstick
from slipstick.core.errors import SlipstickError


def rows(*asked: Any, **options: Any) -> list[dict[str, Any]]:
    table = slipstick.ops(*asked, **options).breakdowns["ops"]
    return [dict(zip((column.name for column in table.columns), row, strict=True)) for row in table.rows]


def test_products_are_two_operations_a_multiply_accumulate() -> None:
    report = slipstick.ops("llama-3.1-8b", phase="prefill", batch=2, sequence=512)
    assert isinstance(report, slipstick.Report)
    products = [row for row in rows("llama-3.1-8b", phase="prefill", batch=2, sequence=512) if row["kind"] == "matmul"]
    for row in products:
        assert row["flops"] == 2 * row["m"] * row["n"] * row["k"] * row["batch"], row
    network = slipstick.network("llama-3.1-8b")
    embedding = network.vocabulary * network.hidden  # looked up, not multiplied; the head is multiplied
    work = sum(row["flops"] * row["count"] for row in products)
    assert work == pytest.approx(2 * (network.parameters - embedding) * 2 * 512, rel=0.01)
    total = sum(row["flops"] * row["count"] for row in rows("llama-3.1-8b", phase="prefill", batch=2, sequence=512))
    assert report.value("work.flops") == total


def test_training_has_two_products_backward_for_each_forward() -> None:
    forward = sum(r["flops"] * r["count"] for r in rows("gpt-1.7b", phase="prefill", batch=1, sequence=256) if r["k"])
    both = sum(r["flops"] * r["count"] for r in rows("gpt-1.7b", phase="train", batch=1, sequence=256) if r["k"])
    assert both == pytest.approx(3 * forward, rel=0.05)


def test_with_a_system_they_are_the_kernels_of_its_estimate() -> None:
    asked = ("llama-3.1-8b", "h100-sxm-80gb:8", "tp=8")
    assert slipstick.ops(*asked).breakdowns["ops"] == slipstick.estimate(*asked).breakdowns["ops"]
    assert {"time", "bound"} <= rows(*asked)[0].keys()


def test_unknown_networks_phases_and_findings_under_strict_are_refused() -> None:
    with pytest.raises(SlipstickError, match=r"did you mean 'llama-3\.1-8b'"):
        slipstick.ops("llama-3.1-8")
    with pytest.raises(SlipstickError, match="phase"):
        slipstick.ops("resnet-18", phase="decode")
    with pytest.raises(SlipstickError, match="strict is set"):
        slipstick.ops("llama-3.1-70b", "h100", "tp=1", strict=True)
