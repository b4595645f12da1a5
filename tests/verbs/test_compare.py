"""`compare`: answers side by side are the answers asked one by one; ratios are to the first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import slipstick
from slipstick.core.errors import SlipstickError
from slipstick.report.comparison import Comparison

NAMES = ("swis-8x8", "stripes-8x8", "int8-8x8")


def test_each_column_is_the_estimate_and_ratios_are_to_the_first() -> None:
    comparison = slipstick.compare("resnet-18", *NAMES)
    assert isinstance(comparison, Comparison)
    reports = [slipstick.estimate("resnet-18", name) for name in NAMES]
    assert list(comparison.reports) == reports
    rows = {row["path"]: row for row in json.loads(comparison.json())["rows"]}
    for path in ("time.step", "energy.step"):
        values = [report.value(path) for report in reports]
        assert rows[path]["values"] == values
        assert rows[path]["ratios"] == pytest.approx([value / values[0] for value in values])


def test_every_system_is_asked_with_every_plan() -> None:
    plans = ["formats=int8", "formats=swis:3"]
    comparison = slipstick.compare("resnet-18", *NAMES[:2], plan=plans, batch=2)
    assert [report.inputs["plan"]["formats"]["layers"] for report in comparison.reports] == ["int8", "swis:3"] * 2
    assert {report.inputs["workload"]["batch"] for report in comparison.reports} == {2}


def test_reports_and_files_are_compared_as_they_are(tmp_path: Path) -> None:
    reports = [slipstick.estimate("resnet-18", name) for name in NAMES[:2]]
    paths = [tmp_path / f"{place}.json" for place in range(2)]
    for path, report in zip(paths, reports, strict=True):
        path.write_text(report.json())
    assert slipstick.compare(*paths) == slipstick.compare(*reports) == slipstick.compare(paths[0], reports[1])


def test_fewer_than_two_answers_are_refused() -> None:
    report = slipstick.estimate("resnet-18", "swis-8x8")
    for answers in ((), ("resnet-18",), (report, "swis-8x8")):
        with pytest.raises(SlipstickError, match="nothing to compare"):
            slipstick.compare(*answers)
    with pytest.raises(SlipstickError, match="two reports"):
        slipstick.compare(report)
    with pytest.raises(SlipstickError, match="did you mean 'swis-8x8'"):
        slipstick.compare("resnet-18", "swis-8x8", "swis-8x9")


def test_strict_refuses_a_comparison_with_findings() -> None:
    with pytest.raises(SlipstickError, match="strict is set"):
        slipstick.compare("llama-3.1-70b", "h100", "a100-sxm-80gb", plan=["tp=1"], strict=True)


def test_the_plan_of_each_column_is_printed() -> None:
    comparison = slipstick.compare("llama-3.1-70b", "h100-sxm:64", batch=64, plan=["matmul=bf16", "matmul=fp8"])
    printed = {row.split()[1]: row.split()[2:] for row in comparison.table(200).splitlines() if row.startswith("plan ")}
    plans = [report.inputs["plan"]["parallel"] for report in comparison.reports]
    assert printed["dp"] == [str(plan["dp"]) for plan in plans]
    assert printed["matmul"] == ["bf16", "fp8"]
    differing = {name for name in plans[0] if plans[0][name] != plans[1][name]}
    assert differing <= set(printed)
    assert "attention" not in printed  # flash in both: what one need not say
    assert "<td>plan matmul</td>" in comparison.html()


def test_parts_that_the_first_lacks_stand_in_their_own_group() -> None:
    plans = ["tp=1,zero=3,others=off", "tp=8,pp=4,others=off"]
    paths = list(slipstick.compare("llama-3.1-8b", "h100-sxm:32", batch=64, plan=plans).rows)
    groups = [path.partition(".")[0] for path in paths]
    assert "time.parts.bubble" in paths
    assert [name for name, before in zip(groups[1:], groups, strict=False) if name != before] == list(
        dict.fromkeys(groups)
    )[1:]
