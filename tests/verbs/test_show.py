"""`show`: every number of an entry, with its source; `list` and `show` are Reports with one table."""

from __future__ import annotations

from pathlib import Path

import pytest

import slipstick
from slipstick.core.errors import SlipstickError
from slipstick.formats.multipliers.find_multiplier import find_multiplier
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


def test_the_numbers_are_those_of_the_system() -> None:
    system = slipstick.system("h100-sxm-80gb:64")
    rows = {row[0]: row for row in slipstick.show("h100-sxm-80gb:64").breakdowns["h100-sxm-80gb:64"].rows}
    assert rows["devices"][1] == "64"
    assert rows["memory.hbm.bandwidth"][1] == "3.35 TB/s"
    assert system.main_memory.bandwidth == 3.35e12
    assert rows["memory.hbm.bandwidth"][2] == system.source_of("memory.hbm.bandwidth")


def test_a_multiplier_of_a_facts_file_is_analysed_with_its_power(tmp_path: Path) -> None:
    find_multiplier("mul8s_1L2H").write(tmp_path / "own.csv")
    facts = tmp_path / "own.yaml"
    facts.write_text("bits: 8\noperands: signed\ntable: own.csv\npower: 1 mW\nsource: synthesis\n", "utf-8")
    shown = slipstick.show(str(facts))
    rows = {row[0]: row for row in next(iter(shown.breakdowns.values())).rows}
    assert rows["published.power"][1:3] == ("1 mW", "synthesis")
    assert rows["structure.rank"][1] == "1"
    assert len(shown.pictures()) == 2
    table = {row[0]: row[1] for row in next(iter(slipstick.show(str(tmp_path / "own.csv")).breakdowns.values())).rows}
    assert table["power"] == "unknown"


def test_unknown_and_double_names_are_refused() -> None:
    with pytest.raises(SlipstickError, match=r"did you mean 'h100-sxm-80gb'"):
        slipstick.show("h100-sxm-80g")
    with pytest.raises(SlipstickError, match=r"no such entry of dram.*did you mean 'hbm3'"):
        slipstick.show("dram", "hbm33")
    with pytest.raises(SlipstickError, match="not one entry"):
        slipstick.show()
