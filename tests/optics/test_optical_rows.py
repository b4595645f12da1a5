"""Suite of optics: the rows that ship, those of the shared table, and which of them are never compared."""

from __future__ import annotations

from pathlib import Path

import pytest

import slipstick
from shared_data import REFERENCE
from slipstick.report.published import Validation

SHIPPED = Path(slipstick.__file__).parent / "data" / "validation" / "optics.csv"


def validation(path: Path) -> Validation:
    found = slipstick.validate(path).detail[path.stem]
    assert isinstance(found, Validation)
    return found


def test_the_rows_that_ship_are_met() -> None:
    """Sums and area within 1 %, every power within 1 % or half of its last printed decimal."""
    rows = validation(SHIPPED).rows
    assert len(rows) == 25
    for row in rows:
        digit = 0.0050001 if row.kind == "power" else 0.0
        assert row.ours == pytest.approx(row.published, rel=0.01, abs=digit), row.case_id


def test_no_row_from_memory_is_compared() -> None:
    if not (REFERENCE / "optical.csv").exists():
        pytest.skip("needs the shared table of optics")
    found = validation(REFERENCE / "optical.csv")
    assert not any(row.recollected for row in found.rows)
    assert any(reason.startswith("from memory") for _, reason in found.skipped)
    counted = [row for row in found.rows if row.kind == "shots" and "alexnet" not in row.case_id]
    assert len(counted) > 20
    assert all(row.ours == row.published for row in counted)
