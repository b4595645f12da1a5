"""Where commands write: a pipe of a fixed width, a terminal, a progress bar that only a terminal sees."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import slipstick
from commands import Result
from slipstick.cli.options import Inputs, Shown
from slipstick.cli.output import _progress_bar, _put_table, _require_page, _show
from slipstick.core.errors import SlipstickError
from slipstick.report.report import Table


class Terminal(io.StringIO):
    """A stream that says that somebody looks at it."""

    def isatty(self) -> bool:
        return True


HEADS = ["verb", "device", "networks", "phases", "plan", "fields", "options", "and", "needs", "engine"]
TABLE = Table.of({"name": "", "time": "s"}, [("a name of some length", 1.5), ("b", 2e-3)])


def test_a_progress_bar_is_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with _progress_bar(Shown(), "files") as update:
        assert update is None, "standard error is no terminal here"
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with _progress_bar(Shown(json=True), "files") as update:
        assert update is None, "JSON is read by programs"
    assert terminal.getvalue() == ""
    with _progress_bar(Shown(), "files") as update:
        assert update is not None
        update(1, 4)
        update(4, 4, "the last one")
    assert "the last one" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_tables_on_a_terminal_and_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _put_table("things", TABLE, json=True)
    written = json.loads(capsys.readouterr().out)
    assert written["columns"] == [{"name": "name", "unit": ""}, {"name": "time", "unit": "s"}]
    assert written["rows"] == [["a name of some length", 1.5], ["b", 2e-3]]
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    _put_table("things", TABLE, json=False, whole_first=True)
    assert "a name of some length" in terminal.getvalue()
    assert "1.5" in terminal.getvalue()


@pytest.mark.parametrize(("columns", "width"), [("", 120), ("60", 60), ("40", 40), ("39", 120), ("wide", 120)])
def test_a_pipe_is_as_wide_as_columns_says(
    columns: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.rule import Rule

    monkeypatch.setenv("COLUMNS", columns)
    _show(Rule())
    assert len(capsys.readouterr().out.rstrip("\n")) == width


@pytest.mark.parametrize("columns", ["80", "100", "120", "230"])
def test_no_word_of_the_table_of_engines_is_broken_on_a_narrow_screen(
    columns: str, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Result]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = cli("list", "engines").out
    assert max(map(len, text.splitlines())) <= int(columns)
    assert text.splitlines()[1].split() == (["verb", "field", "value"] if int(columns) <= 100 else HEADS)
    if columns != "120":
        cells = {
            word
            for row in slipstick.list("engines").breakdowns["engines"].rows
            for cell in row
            for word in cell.split()
        }
        assert cells <= set(text.split())


def test_a_table_that_breaks_words_stays_in_columns_where_blocks_are_longer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    rows = [(f"entry-{number}", "x" * 30, number) for number in range(5)]
    _put_table("things", Table.of({"name": "", "letters": "", "count": "s"}, rows), json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["name", "letters", "count"]
    rows = [(f"entry-{number}", "x" * 30, "much text " * 12, None) for number in range(5)]
    _put_table("things", Table.of({"name": "", "letters": "", "notes": "", "none": ""}, rows), json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["name", "field", "value"]
    assert [line.split()[0] for line in lines if line.startswith("entry")] == [row[0] for row in rows]
    assert sum("notes" in line for line in lines) == len(rows)
    assert not any("none" in line for line in lines), "what is empty takes no line"
    monkeypatch.setenv("COLUMNS", "60")
    _put_table("things", Table.of({"name": "", "letters": "", "notes": "", "none": ""}, rows), json=False)
    assert capsys.readouterr().out.splitlines()[1].split() == ["name", "letters", "notes", "none"], "no word is broken"


def test_means_and_deviations_come_together() -> None:
    assert Inputs().normal() is None
    normal = Inputs(mean="0.5,0.25,0", deviation="1,2,3").normal()
    assert normal is not None
    assert (normal.mean, normal.deviation) == ((0.5, 0.25, 0.0), (1.0, 2.0, 3.0))
    for mean, deviation in (("0.5", ""), ("", "0.5")):
        with pytest.raises(SlipstickError, match=r"--mean, --deviation: come together; got '0.5'"):
            Inputs(mean=mean, deviation=deviation).normal()
    for mean, deviation in (("0.5", "1,2"), ("0.5", "0"), ("0.5", "-1")):
        with pytest.raises(SlipstickError, match="as many numbers as means, each above 0"):
            Inputs(mean=mean, deviation=deviation).normal()


def test_a_page_takes_the_place_of_pages_alone(tmp_path: Path) -> None:
    network = tmp_path / "small.tflite"
    network.write_bytes(b"TFL3")
    with pytest.raises(SlipstickError, match="something else than a page"):
        _require_page(network)
    for text in ("", "<!DOCTYPE html><html>"):
        network.write_text(text, "utf-8")
        _require_page(network)
    _require_page(tmp_path / "new.html")
