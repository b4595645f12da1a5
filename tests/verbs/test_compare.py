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


def test_each_question_is_shown_with_who_chose_its_fields() -> None:
    """Every effective field of each plan, given or found, in text, JSON and HTML."""
    comparison = slipstick.compare("llama-3.1-8b", "h100:8", "h100:4", plan=["tp=2"], batch=8)
    reports = [{row[0]: row[1:] for row in report.breakdowns["question"].rows} for report in comparison.reports]
    rows = {row["field"]: row["values"] for row in json.loads(comparison.json())["question"]}
    assert set(rows) == set(reports[0])
    for name, values in rows.items():
        assert values == [f"{report[name][0]} ({report[name][1]})" for report in reports], name
    assert rows["plan tp"] == ["2 (given)"] * 2
    assert rows["plan dp"] == ["4 (auto)", "2 (auto)"]
    assert rows["plan matmul"] == ["bf16 (assumed)"] * 2
    lines = [" ".join(line.split()) for line in comparison.table(200).splitlines()]
    assert lines.index("question") < lines.index("plan dp 4 (auto) 2 (auto)")
    assert "<td>plan dp</td>" in comparison.html()
    assert "4 (auto)" in comparison.html()


def test_reports_with_other_questions_and_without_any_stand_side_by_side() -> None:
    train = slipstick.estimate("llama-3.1-8b", "h100:8", batch=8)
    decode = slipstick.estimate("llama-3.1-8b", "h100:8", phase="decode", batch=8)
    rows = {row["field"]: row["values"] for row in json.loads(Comparison((train, decode)).json())["question"]}
    assert rows["plan cp"] == ["2 (auto)", ""]
    assert rows["output"] == ["", "128 (default)"]
    bare = train.with_breakdowns({})
    assert json.loads(Comparison((bare, bare)).json())["question"] == []
    assert "plan cp" not in Comparison((bare, bare)).table()
    other = train.with_breakdowns({"question": train.breakdowns["stages"]})  # a stranger's report
    assert json.loads(Comparison((other, bare)).json())["question"] == []


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


def test_parts_that_the_first_lacks_stand_in_their_own_group() -> None:
    plans = ["tp=1,zero=3,others=off", "tp=8,pp=4,others=off"]
    paths = list(slipstick.compare("llama-3.1-8b", "h100-sxm:32", batch=64, plan=plans).rows)
    groups = [path.partition(".")[0] for path in paths]
    assert "time.parts.bubble" in paths
    assert [name for name, before in zip(groups[1:], groups, strict=False) if name != before] == list(
        dict.fromkeys(groups)
    )[1:]
