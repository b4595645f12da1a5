"""Speed-up of a step by placement and pipeline: bounds, the better of both, and the published figures beside them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import slipstick
from slipstick.core.errors import SlipstickError
from slipstick.engines.step_speedup import _step_speedup, _StepSpeedup, pipelined, placed
from slipstick.engines.validation import hybrid_rows

NET, SYSTEM, BATCH = "resnet-8", "dgx1-v100", 8


def test_one_device_gains_nothing() -> None:
    alone = pipelined(NET, SYSTEM, 1, BATCH)
    assert alone.value == pytest.approx(1.0)
    assert (alone.devices, alone.method) == (1, "pipeline, 1 microbatches of 8")


def test_a_pipeline_gains_less_than_its_bubble_leaves() -> None:
    """k microbatches on M devices: at most k M / (k + M - 1), whatever the stages; k divides the batch."""
    for devices in (2, 4):
        found = pipelined(NET, SYSTEM, devices, BATCH)
        count, size = (int(word) for word in found.method.removeprefix("pipeline, ").split(" microbatches of "))
        assert count * size == BATCH
        assert 0 < found.value <= count * devices / (count + devices - 1)


def test_the_better_of_both_is_taken() -> None:
    both = [placed(NET, SYSTEM, 2, BATCH, time_limit=5.0), pipelined(NET, SYSTEM, 2, BATCH)]
    for method, wanted in (("placement", both[0]), ("pipeline", both[1]), ("auto", max(both, key=lambda s: s.value))):
        found = _step_speedup(NET, SYSTEM, 2, BATCH, method=method, time_limit=5.0)  # type: ignore[arg-type]
        assert found == wanted, method
    assert both[0].method == "placement, proved"
    assert both[0].value >= 1 - 1e-9, "one of the two devices alone is a placement"


def test_more_stages_than_layers_leave_the_placement() -> None:
    with pytest.raises(SlipstickError, match=r"devices: fewer layers than stages; got 4; allowed: at most \d"):
        pipelined("alexnet", SYSTEM, 4, BATCH)  # an unbranched chain
    found = _step_speedup("alexnet", SYSTEM, 4, BATCH, method="auto", time_limit=2.0)
    assert found.method.startswith("placement")


COLUMNS = ("table", "workload", "config", "metric", "value", "unit", "source", "seen_or_memory")
ROWS = [
    ("BigLSTM", "hybrid vs DP-only at scale", "end-to-end training speedup (at least)", 22.0, "%"),
    ("BigLSTM", "2 GPUs, pipelined", "MP speedup per step SU^M", 1.5, "x"),
    ("ResNet-152", "", "parameters", 60_192_808, ""),
    ("Inception-V3", "", "parameters without auxiliary head", 23_834_568, ""),
    ("Inception-V3", "batch 1, 299x299", "forward work", 11.4, "GFLOP (2 per MAC)"),
    ("Inception-V3", "chain-fused graph", "groups", 66, ""),
    ("GNMT", "", "nodes of the exported graph", 12, ""),
    ("DGX-1", "", "link rate", 25, "GB/s"),
]


def test_published_figures_of_hybrid_parallelism(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are torchvision's own; gains lie between nothing and what two devices make of a step."""
    monkeypatch.setattr(hybrid_rows, "_gain", lambda name: _StepSpeedup(2, 1.4, "a placement"))
    with (tmp_path / "own.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(
            ("hybrid_parallelism", workload, config, metric, value, unit, "the paper", "seen")
            for workload, config, metric, value, unit in ROWS
        )
    (validation,) = slipstick.validate(tmp_path / "own.csv").detail.values()
    band, speedup, *counts = validation.rows
    assert (band.kind, band.ours, band.published) == ("band", pytest.approx(40.0), 22.0)
    assert band.case_id.endswith("ours: the most of the band 0 to SU^2 - 1")
    assert "SU^2 by a placement" in band.note
    assert (speedup.kind, speedup.ours) == ("SU^2", 1.4)
    assert [(row.ours, row.published) for row in counts[:2]] == [(60_192_808, 60_192_808), (23_834_568, 23_834_568)]
    assert counts[2].ours == pytest.approx(11.4, rel=0.01), "2 x 5.7 G multiply-accumulates"
    assert counts[3].ours == 66
    assert band.source == "the paper (seen)"
    assert [reason for _, reason in validation.skipped] == [
        "an exported graph's size, or another cost model's result",
        "the test bed and the inequality: tests/cluster",
    ]
    monkeypatch.setattr(hybrid_rows, "_gain", lambda name: _StepSpeedup(2, 0.9, "a placement"))
    (slower,) = slipstick.validate(tmp_path / "own.csv").detail.values()
    assert slower.rows[0].ours == 0.0, "a gain is no loss: one may leave it"
