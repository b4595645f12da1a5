from __future__ import annotations

import hashlib
import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.report.as_text import render_breakdown, to_text
from slipstick.report.comparison import Comparison
from slipstick.report.metric import canonical
from slipstick.report.papers import bibtex, line, link, papers
from slipstick.report.report import Finding, Metric, Report, Table

NASTY = "<script>alert(1)</script> & \"quotes\" 'x' [bold]rich[/bold] \x1b[31m"


def estimated(value: float, unit: str, **more: str) -> Metric:
    return Metric(value, unit, "estimated", **more)


def example(scale: float = 1.0, name: str = "gpt3-175b on a100:64") -> Report:
    return Report(
        name,
        {
            "time": {
                "step": estimated(10.0 * scale, "s", source="constants of hopper"),
                "parts": {"matmul": estimated(7.0 * scale, "s"), "bubble": estimated(3.0 * scale, "s")},
            },
            "memory": {
                "peak": estimated(60 * 2**30, "B"),
                "parts": {"weights": estimated(20 * 2**30, "B"), "activations": estimated(40 * 2**30, "B")},
                "capacity": Metric(80 * 2**30, "B", "published", source="data sheet", note=NASTY),
            },
            "efficiency": {"mfu": estimated(0.5, "fraction")},
        },
        breakdowns={
            "ops": Table.of({"op": "", "time": "s", "hot": ""}, [(NASTY, np.float32(0.5), True), ("b", None, False)]),
            "stages": Table.of({"stage": "", "w": "B", "a": "B"}, [("0", 1e9, 2e9), ("1", 1e9, 1e9)], stacked=True),
        },
        bottleneck="compute",
        warnings=(Finding("memory_fits", f"too much {NASTY}", "memory.peak"), Finding("sums", "no", severity="error")),
        inputs={"plan": Plan.of("tp=8"), "sizes": (1, 2.0), "name": NASTY},
        papers=("korthikanti2022", "williams2009"),
    )


def test_dotted_access() -> None:
    report = example()
    assert report["time.step"].text == "10 s"
    assert report.value("memory.parts.weights") == 20 * 2**30
    assert "time.step" in report
    assert "time" not in report
    assert list(report.group("time.parts")) == ["matmul", "bubble"]
    assert report.group("nothing.here") == {}
    assert next(iter(report)) == "time.step"
    with pytest.raises(SlipstickError, match=r"did you mean 'time\.step'"):
        report["time.stpe"]
    with pytest.raises(SlipstickError, match="a group of metrics"):
        report["time"]
    assert [finding.check for finding in report.errors] == ["sums"]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_long_words_of_a_table_are_broken_behind_their_separators(width: int) -> None:
    words = ("collectives.dp_overlap", "engines.wafer_training:simulate_step", "none|selective|full", "a/path/of/parts")
    table = Table.of({"first": "", "second": "", "third": ""}, [(" ".join(words), ", ".join(words), words[0])])
    lines = to_text(render_breakdown("words", table), width).splitlines()
    assert max(map(len, lines)) <= width
    pieces = {piece.strip(",") for line in lines[3:] for piece in line.split()}
    whole = {word[start:end] for word in words for start in _cuts(word) for end in _cuts(word) if start < end}
    assert pieces <= whole


def _cuts(word: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer(r"[.:;/|]", word)), len(word)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_metric_is_finite(value: float) -> None:
    with pytest.raises(SlipstickError, match="finite"):
        estimated(value, "s")
    with pytest.raises(SlipstickError, match="finite"):
        Report("x", {}, inputs={"a": value})
    with pytest.raises(SlipstickError, match="finite"):
        Table.of({"a": "s"}, [(value,)])


def test_what_a_report_refuses() -> None:
    with pytest.raises(SlipstickError, match="did you mean 'estimated'"):
        Metric(1, "s", "estimatd")  # type: ignore[arg-type]
    with pytest.raises(SlipstickError, match="not a name"):
        Report("x", {"a.b": estimated(1, "s")})
    with pytest.raises(SlipstickError, match="neither a Metric nor a group"):
        Report("x", {"a": 3})  # type: ignore[dict-item]
    with pytest.raises(SlipstickError, match="2 cells for 1 columns"):
        Table.of({"a": ""}, [(1, 2)])
    with pytest.raises(SlipstickError, match="cannot stand in a report"):
        Report("x", {}, inputs={"a": object()})


def test_json_round_trip_and_stability() -> None:
    report = example()
    assert Report.from_json(report.json()) == report
    assert Report.from_json(report.json()).json() == report.json() == example().json()
    data = json.loads(report.json())
    assert data["schema"] == "slipstick.report/1"
    assert data["metrics"]["time"]["step"] == {
        "value": 10.0,
        "unit": "s",
        "how": "estimated",
        "source": "constants of hopper",
        "note": "",
    }


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = TEXT.filter(lambda name: name and "." not in name)
METRICS = st.builds(Metric, NUMBERS, st.sampled_from(["s", "B", ""]), st.sampled_from(["estimated", "measured"]), TEXT)
TREES = st.recursive(METRICS, lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=8)


@given(st.dictionaries(NAMES, TREES, max_size=3), TEXT, st.dictionaries(TEXT, NUMBERS | TEXT | st.booleans()))
def test_any_report_survives_json_and_renders(tree: dict[str, Any], title: str, inputs: dict[str, Any]) -> None:
    report = Report(title, tree, inputs=inputs)
    assert Report.from_json(report.json()) == report
    assert Report.from_json(report.json(indent=None)).input_hash == report.input_hash
    assert_well_formed(report.html())
    assert report.table()


def edited(**changes: Any) -> str:
    return json.dumps({**json.loads(example().json()), **changes})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "not a report"),
        ("{", "not JSON"),
        (edited(schema="other/1"), "not a report"),
        (edited(title=3), "title"),
        (edited(metrics={"a": {"value": "x", "unit": "s", "how": "estimated"}}), "metrics.a: not a metric"),
        (edited(metrics={"a": {"value": 1, "unit": "s", "how": "guessed"}}), "metrics.a"),
        (edited(metrics={"a": {"value": 1, "unit": "s", "how": "estimated", "x": 1}}), "not a metric"),
        (edited(metrics={"a": 1}), "metrics.a"),
        (edited(warnings=[{"check": "a"}]), "warnings.0"),
        (edited(breakdowns={"a": {"columns": [], "rows": [[1]], "stacked": False}}), "1 cells for 0"),
        (edited(breakdowns={"a": 3}), "breakdowns.a"),
        (edited(inputs={"plan": "another"}), "edited"),
    ],
)
def test_what_is_no_report(text: str, words: str) -> None:
    with pytest.raises(SlipstickError, match=words):
        Report.from_json(text)


def test_the_hash_is_that_of_canonical_json() -> None:
    report = Report("x", {}, inputs={"b": 1.0, "a": [True, None]}, version="0.1.0")
    text = '{"inputs":{"a":[true,null],"b":1},"slipstick":"0.1.0"}'
    assert report.input_hash == hashlib.sha256(text.encode()).hexdigest()
    assert Report("y", {}, inputs={"a": [True, None], "b": 1}, version="0.1.0").input_hash == report.input_hash
    assert Report("x", {}, inputs={"b": 1.0, "a": [True, None]}, version="0.2.0").input_hash != report.input_hash
    assert Report("x", {}, inputs={"b": 2.0, "a": [True, None]}, version="0.1.0").input_hash != report.input_hash


def test_inputs_are_copied_and_plain() -> None:
    given_inputs = {"plan": Plan.of("tp=8"), "array": np.arange(3), "scalar": np.float64(2.5)}
    report = Report("x", {}, inputs=given_inputs)
    assert report.inputs["plan"]["parallel"]["tp"] == 8
    assert report.inputs["array"] == [0, 1, 2]
    assert canonical(np.int64(3)) == 3


def test_diff() -> None:
    before, after = example(), example(0.5, "faster")
    diff = before.diff(after)
    assert diff["time.step"].ratio == 0.5
    assert diff["time.step"].difference == -5.0
    assert diff["memory.peak"].difference == 0
    data = json.loads(diff.json())
    assert data["before"] == "gpt3-175b on a100:64"
    assert {row["path"] for row in data["rows"]} == set(before)
    assert "0.500 x" in diff.table()
    with pytest.raises(SlipstickError, match="no such metric in both"):
        diff["nothing"]


def test_diff_of_unlike_reports() -> None:
    one = Report("one", {"a": estimated(0, "s"), "b": estimated(1, "s")})
    other = Report("other", {"a": estimated(2, "s"), "c": estimated(1, "s")})
    diff = one.diff(other)
    assert diff["a"].ratio is None
    assert (diff.only_before, diff.only_after) == (("b",), ("c",))
    assert json.loads(diff.json())["rows"][0]["ratio"] is None
    with pytest.raises(SlipstickError, match="in s on one side, in B on the other"):
        one.diff(Report("wrong", {"a": estimated(1, "B")}))


def test_compare() -> None:
    comparison = Comparison((example(), example(0.5, "b"), Report("c", {"time": {"step": estimated(1, "s")}})))
    rows = {row["path"]: row for row in json.loads(comparison.json())["rows"]}
    assert rows["time.step"]["ratios"] == [1.0, 0.5, 0.1]
    assert rows["memory.peak"]["values"][2] is None
    assert "(0.50 x)" in comparison.table()
    assert_well_formed(comparison.html())
    with pytest.raises(SlipstickError, match="at least two"):
        Comparison((example(),))


def test_ratios_that_overflow_are_none() -> None:
    one, other = (Report(name, {"a": estimated(v, "s")}) for name, v in (("a", 1e-300), ("b", 1e300)))
    assert json.loads(Comparison((one, other)).json())["rows"][0]["ratios"][1] is None
    assert one.diff(other)["a"].ratio is None


def test_the_table_shows_every_figure_with_unit_and_origin() -> None:
    text = example().table()
    assert max(len(row) for row in text.split("\n")) <= 100
    for metric in example().flat().values():
        assert any(metric.text in row and metric.how in row for row in text.split("\n"))
    assert "70.0 %" in text
    assert "[bold]rich[/bold]" in text
    assert "\x1b" not in text
    assert max(len(row) for row in example().table(60).split("\n")) <= 60


class Checker(HTMLParser):
    """Every element closed, nothing fetched, no script."""

    VOID = ("meta", "br", "rect", "!doctype")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "img", "iframe", "object", "embed", "base")
        for name, value in attributes:
            assert not name.startswith("on")
            assert name not in ("src", "srcset", "data", "action")
            assert name != "href" or re.match(r"#s\d+$|https://", value or "")
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def assert_well_formed(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    assert "url(" not in page
    assert "@import" not in page
    return checker


def test_html_is_self_contained_and_escaped() -> None:
    page = example().html()
    text = " ".join(assert_well_formed(page).text)
    assert "<script" not in page
    assert "alert(1)" in text
    for metric in example().flat().values():
        assert metric.text in text
    assert page.count("<svg") == 4  # time, memory, two stages
    assert "prefers-color-scheme:dark" in page
    assert len(page) < 40_000


def test_bars_fill_their_width() -> None:
    widths = [float(width) for width in re.findall(r'<rect x="[\d.]+" width="([\d.]+)"', example().html())]
    assert widths[:2] == [700.0, 300.0]
    assert widths[2:4] == [250.0, 500.0]  # of the capacity


def test_cite() -> None:
    text = example().cite()
    assert text.count("@") == 3
    assert "2205.05198" in text
    assert "@software{slipstick" in text
    with pytest.raises(SlipstickError, match="did you mean 'korthikanti2022'"):
        bibtex(["korthikanti2023"], "0")


@pytest.mark.parametrize("key", papers.names())
def test_every_paper_is_complete(key: str) -> None:
    assert papers.entry(key).year > 1800
    assert "(" in line(key)
    assert link(key) == "" or link(key).startswith("https://")
    entries = bibtex([key, key], "0")
    assert entries.count("@") == 2
    assert entries.count("{") == entries.count("}")


def test_a_report_that_nobody_prints_imports_no_renderer() -> None:
    code = (
        "import slipstick.report.report as r, sys; "
        "r.Report('x', {'a': r.Metric(1, 's', 'estimated')}, inputs={'b': 1}).json(); "
        "print(sorted({'rich', 'yaml', 'numpy', 'pydantic'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert loaded in ("[]", "['pydantic']")
