"""The rows of SWIS's reference file: SCALE-Sim to the cycle, peers near, and every other row named with a reason."""

from __future__ import annotations

import re

import pytest

import slipstick
from shared_data import REFERENCE, present
from slipstick.engines.validation_suites import _load_suites, reference_files
from slipstick.report.published import Validation, read_csv, suite_for


@pytest.fixture(scope="module")
def replayed() -> Validation:
    present(REFERENCE / "swis.csv")
    validation: Validation = slipstick.validate("swis", data=REFERENCE).detail["swis"]
    return validation


def test_scalesims_cycles_exactly(replayed: Validation) -> None:
    cycles = [row for row in replayed.rows if row.source.startswith("scalesim3") and row.kind == "cycles"]
    assert len(cycles) == 28
    assert all(row.error == 0 for row in cycles)


def test_its_words_and_use_exactly_but_for_what_a_note_explains(replayed: Validation) -> None:
    for row in replayed.rows:
        if row.source.startswith("scalesim3") and not row.note:
            assert abs(row.error) < 1e-5, row


def test_bits_of_groups_exactly(replayed: Validation) -> None:
    rows = [row for row in replayed.rows if row.source.startswith("storage")]
    assert len(rows) == 40
    for row in rows:
        assert abs(row.error) < (1e-12 if row.kind == "bits" else 1e-4), row  # the ratios have four digits


def test_zigzag_is_slower_by_what_its_memories_take(replayed: Validation) -> None:
    rows = [row for row in replayed.rows if row.source.startswith("zigzag")]
    assert len(rows) == 2
    for row in rows:
        assert -0.3 < row.error < 0
        assert row.note


def test_every_row_is_answered_or_named(replayed: Validation) -> None:
    lines = (REFERENCE / "swis.csv").read_text("utf-8").splitlines()
    assert len(replayed.rows) + len(replayed.skipped) == len(lines) - 1
    assert all(re.search(r"[a-z]{4}", reason) for _, reason in replayed.skipped)


def test_a_file_with_the_same_columns_is_another_suites() -> None:
    header, rows = read_csv(present(REFERENCE / "swis.csv"))
    _load_suites()
    assert suite_for(header, rows).name == "swis"
    present(REFERENCE / "edge_codesign.csv")
    assert [path.name for path in reference_files(REFERENCE)["swis"]] == ["swis.csv"]
