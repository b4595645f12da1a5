"""Calibration: what was put into synthetic measurements must come out again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import slipstick
from commands import Result
from own_rows import PLANS, rows, write
from slipstick.cluster.calibration import _fit
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.core.system import Calibration
from slipstick.report.published import Row

Cli = Callable[..., Result]
TRUE = Calibration(matmul=0.8, memory=0.9, network=0.6)


@pytest.mark.parametrize("published", [0.0, -1.0])
def test_rows_without_a_figure_above_zero_calibrate_nothing(published: float) -> None:
    with pytest.raises(SlipstickError, match="no row to calibrate on"):
        _fit(lambda calibration: [Row("a", "train", published, 1.0 / calibration.matmul, "s")])


@pytest.mark.parametrize("unit", ["s/iteration", "tokens/s/gpu"])
def test_known_factors_come_back(tmp_path: Path, unit: str) -> None:
    slow = resolve_system("h100-sxm-80gb").model_copy(update={"calibration": TRUE})
    fit = slipstick.calibrate(write(tmp_path / "own.csv", rows(slow, unit))).detail
    # a training step says little about one factor apart from the others: what must come back is its predictions
    assert fit.calibration.matmul == pytest.approx(TRUE.matmul, rel=0.1)
    for plan in ("tp=2,pp=4", "tp=8,recompute=full"):
        asked = ("llama-2-13b", "h100-sxm-80gb:8", plan)
        known = slipstick.estimate(*asked, calibration=TRUE).value("time.step")
        ours = slipstick.estimate(*asked, calibration=fit.calibration).value("time.step")
        assert ours == pytest.approx(known, rel=0.03), plan
    assert fit.summaries["before"].mean_absolute_error > 0.1
    assert fit.summaries["after"].mean_absolute_error < 0.01


def test_nothing_to_mend_leaves_ones(tmp_path: Path) -> None:
    fit = slipstick.calibrate(write(tmp_path / "own.csv", rows(resolve_system("h100-sxm-80gb")))).detail
    for name in ("matmul", "memory", "network"):
        assert getattr(fit.calibration, name) == pytest.approx(1.0, abs=1e-3)


def test_command_writes_an_overlay_that_estimate_applies(cli: Cli, tmp_path: Path) -> None:
    slow = resolve_system("h100-sxm-80gb").model_copy(update={"calibration": TRUE})
    path, overlay = write(tmp_path / "own.csv", rows(slow)), tmp_path / "overlay.yaml"
    shown = cli("calibrate", path, "--out", overlay)
    assert shown.code == 0
    assert "residuals" in shown.out
    assert set(json.loads(cli("calibrate", path, "--json").out)) == {"calibration", "rows", "summary", "skipped"}
    asked = ("llama-2-7b", "h100-sxm-80gb:8", "tp=8")
    plain, calibrated = slipstick.estimate(*asked), slipstick.estimate(*asked, calibration=overlay)
    assert calibrated.value("time.step") > plain.value("time.step")
    assert calibrated.inputs["system"]["calibration"]["source"] == "slipstick calibrate own.csv"
    assert cli("estimate", *asked[:2], "--plan", "tp=8", "--calibration", overlay).code == 0


def test_one_device_at_a_time(cli: Cli, tmp_path: Path) -> None:
    found = rows(resolve_system("h100-sxm-80gb"))
    found[0]["gpu"] = "a100-sxm-80gb"
    answer = cli("calibrate", write(tmp_path / "own.csv", found))
    assert answer.code == 2
    assert "one device" in answer.err


@pytest.mark.parametrize("text", ["", "calibration: {matmul: 0}", "calibration: {matmull: 1}", "matmul: 1"])
def test_bad_overlays(cli: Cli, tmp_path: Path, text: str) -> None:
    path = tmp_path / "overlay.yaml"
    path.write_text(text)
    answer = cli("estimate", "llama-2-7b", "h100-sxm-80gb:8", "--plan", "tp=8", "--calibration", path)
    assert answer.code == 2
    assert answer.err.count("\n") == 1


def test_our_own_answers_validate_without_error(cli: Cli, tmp_path: Path) -> None:
    path = write(tmp_path / "own.csv", rows(resolve_system("h100-sxm-80gb")))
    found = json.loads(cli("validate", path, "--json").out)
    assert [row["case_id"] for row in found["rows"]] == [f"own-{number}" for number in range(len(PLANS))]
    for row in found["rows"]:
        assert {"case_id", "kind", "published", "ours", "unit", "error"} <= set(row)
        assert row["error"] == pytest.approx(0.0, abs=1e-9)
    assert found["summary"]["all"]["rows"] == len(PLANS)
    page = tmp_path / "validation.html"
    assert cli("validate", path, "--rows", 2, "--html", page).code == 0
    assert "own-5" in page.read_text("utf-8")


def test_rows_that_cannot_be_replayed_are_named(cli: Cli, tmp_path: Path) -> None:
    own = rows(resolve_system("h100-sxm-80gb"))
    own[1] |= {"model": "no-such-model"}
    own[2] |= {"gpu": "no-such-gpu"}
    found = json.loads(cli("validate", write(tmp_path / "own.csv", own), "--json").out)
    assert [row["case_id"] for row in found["summary"]["skipped"]] == ["own-1", "own-2"]


def test_two_files_at_once(cli: Cli, tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{name}.csv", rows(resolve_system("h100-sxm-80gb"))) for name in ("one", "two")]
    found = json.loads(cli("validate", *paths, "--json").out)
    assert len(found["rows"]) == 2 * len(PLANS)
    assert set(found["summary"]) == {"one", "two"}


def test_the_data_folder_is_searched(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "reference").mkdir()
    write(tmp_path / "reference" / "own.csv", rows(resolve_system("h100-sxm-80gb")))
    (tmp_path / "reference" / "other.csv").write_text("a,b\n1,2\n")
    by_option = cli("validate", "--data", tmp_path, "--json").out
    monkeypatch.setenv("SLIPSTICK_DATA", str(tmp_path))
    assert cli("validate", "--json").out == cli("validate", "llm", "--json").out == by_option
    missing = cli("validate", "nanotron")
    assert missing.code == 2
    assert "no reference file of this suite" in missing.err
