from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError
from slipstick.report import published
from slipstick.report.as_text import to_text
from slipstick.report.published import (
    Row,
    RowDict,
    Suite,
    Validation,
    is_recollected,
    number,
    read_csv,
    suite_for,
)
from slipstick.report.rank_correlation import spearman
from slipstick.report.validation_text import render_validation


class Doubled(Suite):
    name = "doubled"
    columns = frozenset({"case_id", "value"})

    def replay(self, rows: list[RowDict]) -> Validation:
        return Validation(
            self.name, tuple(Row(r["case_id"], "toy", number(r, "value"), 2 * number(r, "value"), "s") for r in rows)
        )


class Wider(Doubled):
    name = "wider"
    columns = frozenset({"case_id", "value", "gpu"})


@pytest.fixture(autouse=True)
def suites(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "SUITES", {"doubled": Doubled(), "wider": Wider()})


def test_suites_by_header() -> None:
    assert suite_for(["value", "case_id", "note"]).name == "doubled"
    assert suite_for(["gpu", "value", "case_id"]).name == "wider"
    with pytest.raises(SlipstickError, match="nearest is doubled, which also needs value"):
        suite_for(["case_id", "valeu"])


def test_validate_a_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("case_id,value\r\na,1.5\r\n\r\nb, 2 \r\n")
    header, table = read_csv(tmp_path / "mine.csv")
    validation = suite_for(header, table).replay(table)
    data = json.loads(validation.json())
    assert set(data) == {"rows", "summary"}
    assert data["rows"][0] == {
        "case_id": "a",
        "kind": "toy",
        "published": 1.5,
        "ours": 3.0,
        "unit": "s",
        "error": 1.0,
        "source": "",
        "note": "",
        "recollected": False,
    }
    assert data["summary"]["all"]["mean_absolute_error"] == 1.0
    assert "+100.0 %" in to_text(render_validation(validation, None))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line must name"),
        ("a,,b\n1,2,3\n", "first line must name"),
        ("a,a\n1,2\n", "column stands twice"),
        ("a,b\n1,2\n1\n1,2,3\n", "(?s)2 errors.*line 3: 1 cells for 2 columns.*line 4: 3 cells"),
        ("a,b\n1,x\n1,nan\n1,1_0\n1,\n", "(?s)3 errors.*line 2, b: not a number.*line 3, b.*line 4, b"),
        ('a,b\n1,"x\n', "not a CSV file"),
        ("a,b\n1,\0\n", "NUL"),
    ],
)
def test_a_bad_csv_names_its_lines(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(SlipstickError, match=words):
        read_csv(tmp_path / "bad.csv", numbers=["b"])


def test_many_errors_are_counted_and_large_files_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n" + "1\n" * 1000)
    with pytest.raises(SlipstickError, match="and 980 more"):
        read_csv(tmp_path / "bad.csv")
    with (tmp_path / "big.csv").open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(SlipstickError, match="too large"):
        read_csv(tmp_path / "big.csv")


def test_numbers_of_a_row() -> None:
    assert number({"a": "1e3"}, "a") == 1000
    assert number({"a": ""}, "a", 1.0) == number({}, "a", 1.0) == 1.0
    with pytest.raises(SlipstickError, match="case-7, a: not a number"):
        number({"a": "?", "case_id": "case-7"}, "a")


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_the_error_is_signed_and_relative(theirs: float, ours: float) -> None:
    row = Row("a", "k", theirs, ours, "s")
    assert theirs * (1 + row.error) == pytest.approx(ours, rel=1e-12, abs=1e-9 * theirs)
    assert Row("a", "k", 0.0, 0.0, "s").error == 0


def test_summary() -> None:
    rows = [Row(f"c{i}", "train", 10.0 * i, 10.0 * i + i % 2, "s", "one") for i in range(1, 7)]
    rows.append(Row("x", "memory", 1.0, 0.5, "B", "two"))
    summary = Validation("s", tuple(rows)).summary()
    assert list(summary) == ["all", "one", "two"]
    assert summary["all"].worst_case == "x"
    assert summary["all"].worst_error == -0.5
    assert summary["all"].rank_correlation is None  # two units
    assert summary["one"].rank_correlation == pytest.approx(1)
    assert summary["two"].rank_correlation is None
    assert list(Validation("s", tuple(rows)).summary(lambda row: row.kind)) == ["all", "train", "memory"]
    assert Validation("s", ()).summary() == {}
    assert json.loads(Validation("s", (), (("a", "no plan"),)).json())["summary"]["skipped"][0]["reason"] == "no plan"
    assert "0 of 1 rows answered, 1 skipped: 1 x no plan" in to_text(
        render_validation(Validation("s", (), (("a", "no plan"),)), None)
    )


def test_rows_from_memory_are_marked_and_the_errors_are_given_with_and_without_them() -> None:
    rows = (Row("a", "k", 10.0, 11.0, "s", "read"), Row("b", "k", 10.0, 15.0, "s", "remembered", recollected=True))
    validation = Validation("s", rows)
    data = json.loads(validation.json())
    assert [row["recollected"] for row in data["rows"]] == [False, True]
    assert data["summary"]["all"]["mean_absolute_error"] == pytest.approx(0.3)
    assert data["summary"]["seen"]["mean_absolute_error"] == pytest.approx(0.1)
    assert {name: s["recollected"] for name, s in data["summary"]["sources"].items()} == {"read": 0, "remembered": 1}
    text = to_text(render_validation(validation, None))
    assert "all but the rows from memory" in text
    assert [line.rstrip().endswith("from memory") for line in text.splitlines() if line.startswith(("a ", "b "))] == [
        False,
        True,
    ]


def test_nothing_is_said_of_memory_where_every_row_was_read() -> None:
    validation = Validation("s", (Row("a", "k", 10.0, 11.0, "s", "read"),))
    assert "memory" not in to_text(render_validation(validation, None))
    assert validation.seen == validation.summary()["all"]
    assert Validation("s", (Row("b", "k", 10.0, 15.0, "s", recollected=True),)).seen is None


@pytest.mark.parametrize(
    ("mark", "recollected"),
    [("seen", False), ("seen (derived)", False), ("", False), ("memory", True), ("memory-unverified", True)],
)
def test_the_column_of_a_row_says_that_it_is_from_memory(mark: str, recollected: bool) -> None:
    assert is_recollected({"seen_or_memory": mark}) is recollected
    assert not is_recollected({})


@settings(deadline=None)  # the first example imports scipy
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=30))
def test_spearman_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    one, other = zip(*pairs, strict=True)
    ours = spearman(one, other)
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert ours is None
    else:
        assert ours == pytest.approx(stats.spearmanr(one, other).statistic)
