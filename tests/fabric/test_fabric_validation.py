"""The peers' rows: the targets of the issue."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from slipstick.report.published import Row, Validation
from slipstick.verbs.validate import validate


@pytest.fixture(scope="module")
def replayed(reference: Path) -> Validation:
    validation: Validation = validate(reference / "fabric_collectives_peers.csv").detail["fabric_collectives_peers"]
    return validation


def by_kind(replayed: Validation) -> dict[str, list[Row]]:
    found = defaultdict(list)
    for row in replayed.rows:
        found[row.case_id.partition("-")[0]].append(row)
    return found


@pytest.mark.parametrize(("topology", "rows"), [("Ring", 10), ("FullyConnected", 11), ("Switch", 20)])
def test_within_two_per_cent_of_the_peers_simulator(replayed: Validation, topology: str, rows: int) -> None:
    found = by_kind(replayed)[topology]
    assert len(found) >= rows
    assert max(abs(row.error) for row in found) <= 0.02


@pytest.mark.parametrize("topology", ["mesh", "torus"])
def test_synthesised_schedules_are_as_fast_as_the_peers(replayed: Validation, topology: str) -> None:
    found = by_kind(replayed)[topology]
    assert found
    assert max(row.error for row in found) <= 0.03


def test_no_all_gather_beats_the_cut_around_a_corner(replayed: Validation) -> None:
    for row in by_kind(replayed)["mesh"]:
        _, shape, _, size, *_ = row.case_id.split("-")
        nodes = int(shape.split("x")[0]) * int(shape.split("x")[1])
        speed = 50 if shape == "4x4" else 750
        assert row.ours >= float(size) * (nodes - 1) / nodes / (2 * speed * 2**30)


def test_rows_that_cannot_be_compared_are_named(replayed: Validation) -> None:
    assert len(replayed.rows) + len(replayed.skipped) == 74
    assert all("link of its own" in reason for _, reason in replayed.skipped)
