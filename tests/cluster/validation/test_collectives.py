"""The `nccl_measured` format: header to suite, bad rows, unknown devices, and the rows with the issue's ceilings."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipstick.cluster.collectives.collective_time import _collective
from slipstick.cluster.collectives.network_tiers import _tiers_of
from slipstick.cluster.validation.nccl_rows import SUITE
from slipstick.core.catalogue import resolve_system
from slipstick.report.published import Row, RowDict, read_csv, suite_for

HEADER = ("gpu", "op", "num_gpus", "message_elements", "dtype_bytes", "latency_us", "library")
CEILING = {">= 1 MB": 0.12, "< 1 MB": 0.20}  # mean absolute error that the issue asks for
FILE = "nccl_measured.csv"


def row(gpu: str = "h100_sxm", op: str = "all_reduce", ranks: object = 8, elements: object = 2**24) -> RowDict:
    return dict(zip(HEADER, map(str, (gpu, op, ranks, elements, 2, 150.0, "own")), strict=True))


def size_class(answer: Row) -> str:
    return answer.source.split(" ", 2)[2]


def test_the_header_finds_the_suite() -> None:
    assert suite_for(HEADER) is SUITE
    assert SUITE.name == "nccl"


def test_every_measured_row_is_answered_within_the_issue_s_error(reference: Path) -> None:
    if not (reference / FILE).is_file():
        pytest.skip(f"{reference / FILE} is not here")
    found = SUITE.replay(read_csv(reference / FILE)[1])
    assert (len(found.rows), found.skipped) == (756, ())
    for name, errors in found.summary(size_class).items():
        if name != "all":
            assert errors.mean_absolute_error <= CEILING[name]
    for source, errors in found.summary().items():
        assert errors.mean_absolute_error <= 0.20, source
    assert len(found.summary()) == 1 + 3 * 4 * 2  # GPUs, operations, size classes


def test_a_row_alone_is_the_model() -> None:
    (answer,) = SUITE.replay([row(op="alltoall", ranks=4)]).rows
    ours = _collective("all_to_all", 2.0**25, 4, tiers=_tiers_of(resolve_system("h100_sxm").scaled(4))).time
    assert answer.case_id == "nccl-h100_sxm-alltoall-4-16777216x2"
    assert (answer.source, answer.unit, answer.note) == ("h100_sxm alltoall >= 1 MB", "us", "")
    assert answer.ours == pytest.approx(float(ours) * 1e6, rel=1e-12)


def test_groups_of_several_sizes_equal_rows_alone() -> None:
    rows = [row(ranks=ranks, elements=elements) for ranks in (2, 4, 8) for elements in (256, 2**24)]
    together = SUITE.replay(rows).rows
    assert [r.ours for r in together] == [SUITE.replay([r]).rows[0].ours for r in rows]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row("abacus"), "no such system"),
        (row(op="gossip"), "no such collective"),
        (row(ranks=0), "not a size"),
        (row(elements="some"), "not a number"),
        (row(elements=1e300), "not a size"),
    ],
)
def test_what_cannot_be_answered_is_skipped_with_its_reason(bad: RowDict, reason: str) -> None:
    found = SUITE.replay([row(), bad])
    assert len(found.rows) == 1
    ((case, why),) = found.skipped
    assert case.startswith("nccl-")
    assert reason in why


def test_links_without_constants_of_their_own_are_named() -> None:
    assert "nvlink" not in SUITE.replay([row()]).rows[0].note
    assert "data sheet" in SUITE.replay([row("l40s", ranks=8)]).rows[0].note  # PCIe: nobody measured it here
