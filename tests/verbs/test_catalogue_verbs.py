"""`list`, `show` and `cite` in Python: Reports with one table."""

from __future__ import annotations

from pathlib import Path

import pytest

import slipstick
from slipstick.core.errors import SlipstickError
from slipstick.report.report import Report


def test_list_and_show_are_reports_with_one_table() -> None:
    for report in (slipstick.list(), slipstick.list("dram"), slipstick.show("dram", "hbm3"), slipstick.show("h100")):
        assert isinstance(report, Report)
        assert list(report.breakdowns) == [report.title]
        assert Report.from_json(report.json()) == report
        assert report.title in report.table()
        assert report.title in report.html()
    assert slipstick.list("workloads", kind="graph").breakdowns["workloads"].rows


def test_show_gives_value_unit_source_and_description() -> None:
    rows = slipstick.show("dram", "hbm3").breakdowns["dram hbm3"].rows
    assert rows[0] == (
        "bandwidth", "819 GB/s", "recollection of JEDEC JESD238: 6.4 Gb/s x 1024", "Bandwidth of one stack or package"
    )  # fmt: skip


def test_cite_gives_the_papers_of_reports_and_files(tmp_path: Path) -> None:
    report = slipstick.estimate("llama-3.1-8b", "h100:8", phase="decode", batch=8)
    path = tmp_path / "report.json"
    path.write_text(report.json())
    for cited in (slipstick.cite(report), slipstick.cite(path), slipstick.cite(str(path), report)):
        assert set(cited.papers) == set(report.papers)
        assert [row[0] for row in cited.breakdowns["papers"].rows] == list(cited.papers)
        assert all(f"{{{key}," in cited.cite() for key in report.papers)
    assert set(slipstick.cite().papers) > set(report.papers)
    with pytest.raises(SlipstickError, match="no such file"):
        slipstick.cite("nothing.json")
