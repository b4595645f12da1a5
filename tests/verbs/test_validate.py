"""`validate`: rows that are our own answers have no error, others the error that was put into them."""

from __future__ import annotations

import csv
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

import slipstick
from own_rows import rows, write
from slipstick.array.validation.swis_rows import SUITE as SWIS
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.report.published import PaperSuite, RowDict, Validation

SYSTEM = "h100-sxm-80gb"
SHIPPED = Path(str(resources.files("slipstick.data").joinpath("validation")))


def test_our_own_answers_have_no_error(tmp_path: Path) -> None:
    report = slipstick.validate(write(tmp_path / "own.csv", rows(resolve_system(SYSTEM))))
    assert isinstance(report, slipstick.Report)
    (validation,) = report.detail.values()
    assert len(validation.rows) == len(rows(resolve_system(SYSTEM)))
    for row in validation.rows:
        assert row.ours == pytest.approx(row.published, rel=1e-9)
    assert validation.summary()["all"].mean_absolute_error == pytest.approx(0, abs=1e-9)


def test_the_error_is_the_one_that_was_put_in(tmp_path: Path) -> None:
    """Published figures of 1/1.25 of ours: every row is 25 % above, and so is the mean."""
    own = rows(resolve_system(SYSTEM))
    published = [{**row, "measured_value": repr(float(row["measured_value"]) / 1.25)} for row in own]
    (validation,) = slipstick.validate(write(tmp_path / "own.csv", published)).detail.values()
    assert validation.summary()["all"].mean_absolute_error == pytest.approx(0.25)


def test_several_files_stand_side_by_side(tmp_path: Path) -> None:
    own = rows(resolve_system(SYSTEM))
    files = [write(tmp_path / name, own) for name in ("a.csv", "b.csv")]
    done: list[int] = []
    report = slipstick.validate(*files, progress=lambda files, total, label: done.append(files))
    assert len(report.detail) == 2
    assert done
    assert done == sorted(done)


def test_what_cannot_be_validated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SlipstickError, match="did you mean 'llm'"):
        slipstick.validate("lmm")
    with pytest.raises(SlipstickError, match="no such file"):
        slipstick.validate(tmp_path / "nothing.csv")
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SlipstickError, match="no known table"):
        slipstick.validate(tmp_path / "odd.csv")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh clone: nobody has named a folder of reference files."""
    monkeypatch.delenv("SLIPSTICK_DATA", raising=False)


@pytest.mark.usefixtures("alone")
def test_without_arguments_the_rows_that_ship_are_replayed() -> None:
    report = slipstick.validate()
    assert set(report.detail) == {"fabric", "fred", "gemm", "llm", "nccl", "optics", "serving", "swis"}
    for name, validation in report.detail.items():
        assert not validation.skipped, validation.headline
        assert report.value(f"{name}.answered") == validation.answered
        assert report.value(f"{name}.mean_absolute_error") < 0.25
    assert sum(validation.answered for validation in report.detail.values()) >= 30


@pytest.mark.usefixtures("alone")
def test_a_suite_by_name_is_that_which_ships_and_others_need_a_folder() -> None:
    (validation,) = slipstick.validate("nccl").detail.values()
    assert validation.headline == "nccl: 9 of 9 rows answered"
    with pytest.raises(SlipstickError, match=r"no reference file of this suite.*'nanotron'.*--data FOLDER"):
        slipstick.validate("nanotron")


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.csv")), ids=lambda path: path.stem)
def test_every_row_that_ships_has_its_source_and_licence(path: Path) -> None:
    about = (SHIPPED / "README.md").read_text("utf-8")
    with path.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    for row in table:
        assert row["source"]
        assert row["licence"].startswith(("Apache-2.0 (", "figure published by its authors", "own "))
        assert row.get("seen_or_memory", "seen") != "memory"  # no recollection ships
    assert f"`{path.name}`" in about
    assert "nanotron" not in path.read_text("utf-8")  # its own licence was not seen


def test_the_counts_of_the_table_beside_the_rows_are_theirs() -> None:
    about = (SHIPPED / "README.md").read_text("utf-8")
    with (SHIPPED / "llm.csv").open(encoding="utf-8", newline="") as file:
        licences = Counter(row["licence"] for row in csv.DictReader(file))
    assert sorted(licences.values()) == [2, 4, 7, 8]
    for count in licences.values():
        assert f"| `llm.csv` | {count} |" in about


def test_a_suite_without_its_extra_is_skipped_with_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def replay(self: PaperSuite, rows: list[RowDict]) -> Validation:
        return require("nothing_like_it", "sim")

    monkeypatch.setattr(PaperSuite, "replay", replay)
    report = slipstick.validate(SHIPPED / "swis.csv", SHIPPED / "nccl.csv")
    skipped, answered = report.detail.values()
    cure = 'nothing_like_it: not installed; run: pip install "slipstick[sim]"'
    assert skipped.headline == f"{SWIS.name}: 0 of 14 rows answered, 14 skipped: {cure}"
    assert answered.answered == 9


def test_the_headline_counts_rows_not_figures() -> None:
    """A row of a serving engine has three figures: throughput, and two times."""
    (validation,) = slipstick.validate(SHIPPED / "serving.csv").detail.values()
    assert (len(validation.rows), validation.answered) == (24, 8)
    assert validation.headline == "serving: 8 of 8 rows answered"
