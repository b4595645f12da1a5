"""`cite`: the papers of reports, of files, and of slipstick."""

from __future__ import annotations

from pathlib import Path

import pytest

import slipstick
from slipstick.core.errors import SlipstickError


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


def test_every_paper_has_its_entry_once() -> None:
    cited = slipstick.cite()
    text = cited.cite()
    assert len(set(cited.papers)) == len(cited.papers) == len(cited.breakdowns["papers"].rows)
    assert all(text.count(f"{{{key},") == 1 for key in cited.papers)
    assert text.count("{") == text.count("}")
