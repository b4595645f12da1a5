"""`validate`: rows that are our own answers have no error, others the error that was put into them."""

from __future__ import annotations

from pathlib import Path

import pytest

import slipstick
from own_rows import rows, write
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError

SYSTEM = "h100-sxm-80gb"


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
