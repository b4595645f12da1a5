"""The `gemm_measured` format: header to suite, bad rows, unknown devices, and the rows with the issue's ceilings."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.gemm import _gemm
from slipstick.cluster.validation.gemm_rows import SUITE, _rotating_weights
from slipstick.core.catalogue import resolve_system
from slipstick.report.published import RowDict, read_csv, suite_for

HEADER = ("gpu", "dtype", "m", "n", "k", "latency_us", "library")
CEILING = {"bf16": 0.10, "fp8": 0.18, "nvfp4": 0.18}  # mean absolute error that the issue asks for
FILE = "gemm_measured.csv"


def row(gpu: str = "h100_sxm", dtype: str = "bfloat16", m: object = 64, us: object = 20.0) -> RowDict:
    cells = (gpu, dtype, m, 4096, 4096, us, "own")
    return dict(zip(HEADER, map(str, cells), strict=True))


def test_the_header_finds_the_suite() -> None:
    assert suite_for(HEADER) is SUITE
    assert SUITE.name == "gemm"


def test_every_measured_row_is_answered_within_the_issue_s_error(reference: Path) -> None:
    if not (reference / FILE).is_file():
        pytest.skip(f"{reference / FILE} is not here")
    found = SUITE.replay(read_csv(reference / FILE)[1])
    assert (len(found.rows), found.skipped) == (12_000, ())
    summary = found.summary()
    assert set(summary) == {"all", "a100_sxm bf16", "h100_sxm bf16", "h100_sxm fp8", "l40s bf16", "l40s fp8",
                            "b200_sxm bf16", "b200_sxm fp8", "b200_sxm nvfp4"}  # fmt: skip
    for source, errors in summary.items():
        if source != "all":
            assert errors.rows == 1500
            assert errors.mean_absolute_error <= CEILING[source.split()[1]], source
            assert errors.rank_correlation is not None
            assert errors.rank_correlation > 0.98


def test_twelve_thousand_rows_are_quick() -> None:
    rows = [row(m=m) for m in range(1, 12_001)]
    start = time.process_time()
    assert len(SUITE.replay(rows).rows) == len(rows)
    assert time.process_time() - start < 3.0


def test_a_row_alone_is_the_model_with_the_benchmark_s_weights() -> None:
    (answer,) = SUITE.replay([row(dtype="fp8")]).rows
    chip = Chip.of(resolve_system("h100_sxm"))
    reuse = _rotating_weights(chip.l2_capacity)
    ours = _gemm((64, 4096, 4096), format="fp8", chip=chip, quantise_activations=True, reuse=reuse).time
    assert answer.case_id == "gemm-h100_sxm-fp8-64x4096x4096"
    assert (answer.source, answer.unit, answer.published, answer.note) == ("h100_sxm fp8", "us", 20.0, "")
    assert answer.ours == pytest.approx(float(ours) * 1e6, rel=1e-12)


def test_rows_keep_their_order_over_the_groups() -> None:
    mixed = [row(gpu, dtype, m) for m in (1, 64) for gpu, dtype in (("a100_sxm", "bfloat16"), ("h100_sxm", "fp8"))]
    found = SUITE.replay([mixed[0], row("abacus"), *mixed[1:]])
    assert [r.case_id for r in found.rows] == [SUITE.replay([r]).rows[0].case_id for r in mixed]
    assert len(found.skipped) == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row("abacus"), "no such system"),
        (row("a100_sxm", "fp8"), "format"),
        (row(dtype="tally"), "not a precision"),
        (row(m="many"), "not a number"),
        (row(m=""), "not a number"),
        (row(m=0), "not a size"),
        (row(m=1e300), "not a size"),
        (row(m=12.5), "not a size"),
        (row(us=-1), "not a size"),
    ],
)
def test_what_cannot_be_answered_is_skipped_with_its_reason(bad: RowDict, reason: str) -> None:
    found = SUITE.replay([row(), bad])
    assert len(found.rows) == 1
    ((case, why),) = found.skipped
    assert case.startswith("gemm-")
    assert reason in why


def test_notes_mark_what_has_no_calibration() -> None:
    def note(gpu: str, dtype: str) -> str:
        return SUITE.replay([row(gpu, dtype)]).rows[0].note

    assert note("h200-sxm-141gb", "bfloat16") == note("h100_sxm", "float16") == note("h100_sxm", "fp8") == ""
    assert "this GPU" in note("v100-sxm2-32gb", "float16")
    assert "this format" in note("h100_sxm", "int8")
    assert "this format" in note("a100_sxm", "int8")


def test_weights_are_cold_unless_their_copies_fit() -> None:
    capacity = 40e6
    b = np.array([1e6, 10e6, 100e6])
    a, c = np.full(3, 1e3), np.full(3, 2e3)
    near, far, again = _rotating_weights(capacity)(a, b, c)
    assert (near == a + b + c).all()
    assert (again == near).all()
    copies = (far - a - c) / b
    assert copies == pytest.approx([5, 4, 1])
    assert (_rotating_weights(0.0)(a, b, c)[1] >= b).all()  # a chip without a stated L2
