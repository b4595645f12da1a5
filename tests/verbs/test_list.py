"""`list`: every catalogue by name, its entries, and their kinds."""

from __future__ import annotations

import pytest

import slipstick
from slipstick.core.errors import SlipstickError
from slipstick.report.report import Report


def test_every_catalogue_is_listed_and_can_be_opened() -> None:
    overview = slipstick.list()
    assert isinstance(overview, Report)
    for name, entries, such_as, about in overview.breakdowns["catalogues"].rows:
        rows = slipstick.list(name).breakdowns[name].rows
        assert len(rows) == entries
        assert about
        assert such_as.split()[:1] == str(rows[0][0]).split()[:1]


def test_kinds_part_a_catalogue() -> None:
    whole = slipstick.list("workloads").breakdowns["workloads"].rows
    parts = [slipstick.list("workloads", kind=kind).breakdowns["workloads"].rows for kind in ("decoder", "graph")]
    assert sorted(row[0] for row in whole) == sorted(row[0] for part in parts for row in part)
    assert {row[0] for row in parts[0]}.isdisjoint(row[0] for row in parts[1])


def test_unknown_catalogues_and_kinds_are_refused() -> None:
    with pytest.raises(SlipstickError, match="did you mean 'systems'"):
        slipstick.list("sistems")
    with pytest.raises(SlipstickError, match=r"no such kind of systems; got 'arrray'; did you mean 'array'"):
        slipstick.list("systems", kind="arrray")
    with pytest.raises(SlipstickError, match="dram have no kinds"):
        slipstick.list("dram", kind="array")
