"""The verb `track`: its figures against a reference, its files, and published series that must not get worse."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import slipstick
from commands import Result
from shared_data import SHARED, present
from slipstick.core.errors import SlipstickError

Cli = Callable[..., Result]
RNG = np.random.default_rng(11)


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """A minute of two methods with misses, and a reference."""
    truth = 80 + np.cumsum(RNG.normal(0, 0.5, 60))
    pos, green = truth + RNG.normal(0, 0.5, 60), truth + RNG.normal(0, 2, 60)
    pos[20:23] = 45
    rows = np.column_stack([np.arange(60), pos, green, truth])
    path = tmp_path / "series.csv"
    lines = [",".join(f"{cell:.3f}" for cell in row) for row in rows]
    path.write_text("\n".join(["time,estimate_POS,estimate_GREEN,reference", *lines, ""]))
    return path


def test_errors_coverage_and_the_constant_guess_are_those_of_the_written_rows(series: Path) -> None:
    report = slipstick.track(series, method="POS")
    rows = list(csv.DictReader(io.StringIO(report.detail.csv())))
    columns = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    truth = columns["reference"]
    for name, column in (("raw", "estimate_POS"), ("live", "live"), ("smoothed", "smoothed")):
        assert report.value(f"error.{name}") == pytest.approx(np.abs(columns[column] - truth).mean(), abs=2e-3)
    assert report.value("error.constant_guess") == pytest.approx(np.abs(truth - np.median(truth)).mean(), abs=2e-3)
    inside = (columns["corrected_low"] <= truth) & (truth <= columns["corrected_high"])
    assert report.value("interval.coverage") == pytest.approx(inside.mean(), abs=0.02)
    assert report.value("rate.mean") == pytest.approx(columns["corrected"].mean(), abs=1e-3)
    assert report.value("error.corrected") < report.value("error.raw")


def test_all_methods_are_fused_and_each_is_named(series: Path) -> None:
    report = slipstick.track(series)
    assert {"error.raw POS", "error.raw GREEN", "error.live"} <= set(report)
    assert report.value("error.corrected") < min(report.value("error.raw POS"), report.value("error.raw GREEN"))


def test_every_report_says_that_it_is_no_medical_device(series: Path) -> None:
    report = slipstick.track(series)
    for text in (report.table(), report.json(), report.html()):
        assert "not a medical device" in text


def test_without_a_reference_nothing_is_said_of_errors(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("time,estimate\n0,70\n1,71\n5,72\n")
    report = slipstick.track(path)
    assert not [name for name in report if name.startswith("error") or "coverage" in name]
    assert report.value("seconds.missing") == 3
    assert "missing_seconds" in report.json()
    assert "reference" not in report.pictures()["Heart rate"]


def test_an_unknown_method_is_named_with_the_nearest(series: Path) -> None:
    with pytest.raises(SlipstickError, match="did you mean 'GREEN'"):
        slipstick.track(series, method="GREN")


def test_the_command_writes_what_it_says(cli: Cli, series: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "tracked.csv", tmp_path / "page.html"
    printed = cli("track", series, "--out", out, "--html", page, "--json")
    assert printed.code == 0
    assert json.loads(printed.out)["metrics"]["rate"]["mean"]["unit"] == "bpm"
    assert len(out.read_text().splitlines()) == 61
    assert page.read_text().count("<circle") == 120


def test_what_was_written_can_be_tracked_again(cli: Cli, series: Path, tmp_path: Path) -> None:
    out = tmp_path / "tracked.csv"
    assert cli("track", series, "--out", out).code == 0
    assert cli("track", out).code == 0


@pytest.mark.parametrize("method", ["CHROM", "POS"])
def test_published_good_series_get_no_worse(method: str, tmp_path: Path) -> None:
    """PURE, whole face: no live series below 3 bpm gets worse by half a beat (benchmarks/vitals_tracker.py)."""
    rows: dict[str, list[str]] = {}
    with present(SHARED / "data" / "heart_rate" / "hr_series.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if (row["dataset"], row["roi_mode"], row["method"]) == ("PURE", "holistic", method):
                cells = (row["time_s"], row["hr_estimate_bpm"], row["hr_reference_bpm"])
                rows.setdefault(row["video"], []).append(",".join(cells))
    losses = []
    for video in sorted(rows)[:12]:
        path = tmp_path / f"{video}.csv"
        path.write_text("\n".join(["time,estimate,reference", *rows[video], ""]))
        report = slipstick.track(path)
        if report.value("error.raw") < 3:
            losses.append(report.value("error.live") - report.value("error.raw"))
    assert len(losses) > 8
    assert max(losses) <= 0.5
    assert np.mean(losses) <= 0.01
