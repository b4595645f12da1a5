"""The studies: what their pictures claim holds for the figures that they plot."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("altair", reason="the studies draw with altair (extra: plot)")

from studies import (
    a100_to_b200,
    correlator_shapes,
    gemm_bounds,
    inference_and_dram,
    node_sweep,
    recomputation,
    report_picture,
)
from studies._search import fastest

import slipstick
from commands import ROOT
from slipstick.cluster.sweep.best_plan import EQUAL
from slipstick.core.device_kinds import Accelerator

STUDIES = sorted(path.stem for path in (ROOT / "studies").glob("*.py") if not path.stem.startswith("_"))


@pytest.mark.parametrize("name", STUDIES)
def test_study_runs_and_draws(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", f"studies.{name}", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 3
    pictures = [path.read_text("utf-8") for path in tmp_path.glob("*.svg")]
    assert pictures
    assert all(text.startswith("<svg") for text in pictures)


def test_every_generation_trains_faster_and_the_factors_make_up_the_whole() -> None:
    gains = [row["speed-up"] for row in a100_to_b200.table()]
    assert gains == sorted(gains)
    assert gains[0] == 1.0
    parts = a100_to_b200.shares()
    assert math.prod(parts.values()) == pytest.approx(gains[-1], rel=1e-9)
    assert all(value >= 1.0 for value in parts.values())
    assert gains[-1] < a100_to_b200.peaks()


def test_nothing_and_everything_switched_are_the_named_systems() -> None:
    for switched, name in (
        (frozenset[str](), a100_to_b200.FIRST),
        (frozenset(a100_to_b200.FACTORS), a100_to_b200.LAST),
    ):
        report, _ = a100_to_b200.run(name, *a100_to_b200.SYSTEMS[name])
        assert a100_to_b200.rate(switched) == pytest.approx(report.value("throughput.tokens"), rel=1e-12)


def test_the_automatic_plan_is_no_slower_than_the_best_of_the_studies_grid() -> None:
    """The verb's space has context parallelism, overlaps and unequal stages, which the grid has not."""
    system = slipstick.system("a100-hdr:1024")
    found = fastest("gpt3-175b", system, 1024, 2048, "matmul=bf16")
    verb = slipstick.estimate("gpt3-175b", system, None, batch=1024, sequence=2048)
    assert verb.value("time.step") <= found.report.value("time.step") * (1 + EQUAL)
    assert found.report.value("memory.peak") <= found.report.value("memory.capacity")
    assert not found.report.warnings


def test_recomputation_trades_memory_for_time() -> None:
    rows = {row["way"]: row for row in recomputation.table({"GPT-3 175B": recomputation.MODELS["GPT-3 175B"]})}
    total = {way: recomputation.total(row) for way, row in rows.items()}
    for sp in ("", " + sp"):
        assert total[f"none{sp}"] > total[f"selective{sp}"] > total[f"full{sp}"]
        assert rows[f"none{sp}"]["step"] < rows[f"selective{sp}"]["step"] < rows[f"full{sp}"]["step"]
    assert all(total[f"{way} + sp"] < total[way] for way in ("none", "selective", "full"))
    assert total["none + sp"] > rows["none"]["capacity"] > total["selective + sp"]
    for row in rows.values():
        assert row["published"] is None or row["step"] == pytest.approx(row["published"], rel=0.06)


def _steps(rows: list[dict[str, Any]], way: str, key: str) -> list[float]:
    return [row[key] for row in rows if row["way"] == way]


def test_newer_nodes_are_never_slower_and_more_scaling_never_hurts() -> None:
    nodes = tuple(node_sweep.NODES)
    rows = node_sweep.table(nodes)
    for key in ("step", "fixed"):
        for way in node_sweep.WAYS:
            steps = _steps(rows, way, key)
            assert all(later <= earlier * (1 + 1e-9) for earlier, later in itertools.pairwise(steps))
        for place in range(len(nodes)):
            here = [_steps(rows, way, key)[place] for way in node_sweep.WAYS]
            assert here[0] >= here[1] * (1 - 1e-9)
            assert here[1] >= here[2] * (1 - 1e-9)
    assert all(row["step"] <= row["fixed"] for row in rows)
    for row in rows:
        assert sum(row[bound] for bound in node_sweep.BOUNDS) == pytest.approx(row["step"], rel=1e-9)
    assert rows[0]["bound"] == "compute"
    assert _steps(rows, "logic alone", "bound")[-1] == "memory"


def test_decode_of_one_request_waits_for_dram_and_many_prompts_compute() -> None:
    rows = gemm_bounds.table(("llama-2-13b",), ("a100-sxm-80gb", "h100-sxm-80gb"), (1, 512))
    one = [row for row in rows if row["phase"] == "decode" and row["batch"] == 1]
    assert {row["bound"] for row in one} == {"DRAM"}
    many = [row for row in rows if row["phase"] == "prefill" and row["batch"] == 512 and row["op"].startswith("MLP")]
    assert {row["bound"] for row in many} == {"compute"}
    alone = {
        system: {r["bound"] for r in rows if (r["system"], r["phase"], r["batch"]) == (system, "prefill", 1)
                 and r["op"].startswith("MLP")}
        for system in ("a100-sxm-80gb", "h100-sxm-80gb")
    }  # fmt: skip
    # arXiv 2407.14645: the products of one short prompt compute on an A100 and wait for DRAM on an H100
    assert alone == {"a100-sxm-80gb": {"compute"}, "h100-sxm-80gb": {"DRAM"}}


def test_no_product_is_above_its_roofline() -> None:
    system = slipstick.system("h100-sxm-80gb")
    for row in gemm_bounds.table(("llama-2-13b",), ("h100-sxm-80gb",), (1, 64)):
        slope = row["intensity"] * (system.main_memory.bandwidth or 0.0)
        assert row["rate"] <= min(slope, system.device_as(Accelerator).matrix["bf16"])


def test_latency_saturates_as_dram_grows() -> None:
    rows = inference_and_dram.table()
    requests = [row["request"] for row in rows]
    assert requests == sorted(requests, reverse=True)
    assert requests[0] / requests[1] > 1.4  # 1.7 times the bandwidth
    assert requests[-2] / requests[-1] < 1.1  # twice the bandwidth
    assert all(row["weights"] < row["step"] for row in rows)


def test_bars_of_the_report_are_whole() -> None:
    found = report_picture.report()
    for group, total in (("time", "time.step"), ("memory", "memory.peak")):
        rows = report_picture.parts(found, group)
        assert rows[-1]["end"] == pytest.approx(found.value(total), rel=1e-9)


def test_the_best_shape_under_the_limit_is_the_remembered_one() -> None:
    rows = correlator_shapes.shapes((4, 8, 16, 32), (64, 128, 192, 256, 384, 512))
    first = correlator_shapes.best(rows)
    assert (first["correlators"], first["waveguides"]) == (8, 256)
    assert correlator_shapes.best(rows, math.inf)["area"] > correlator_shapes.LIMIT
    areas = {(row["correlators"], row["waveguides"]): row["area"] for row in rows}
    assert areas[8, 512] > 2 * areas[8, 256]  # lenses grow with the square of the waveguides


def test_accumulation_saves_energy_in_converters_alone() -> None:
    parts: dict[str, list[float]] = {}
    for row in correlator_shapes.depths():
        parts.setdefault(row["part"], []).append(row["energy"])
    assert parts["ADCs"] == sorted(parts["ADCs"], reverse=True)
    assert parts["ADCs"][0] == pytest.approx(16 * parts["ADCs"][4])
    for part in ("modulators", "DACs", "lasers"):
        assert max(parts[part]) == pytest.approx(min(parts[part]))
    share = parts["ADCs"][4] / sum(values[4] for values in parts.values())
    assert share == pytest.approx(0.09, abs=0.01)
