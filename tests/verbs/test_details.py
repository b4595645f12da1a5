"""What a verb's Report holds, as docs/reference/verbs.md says: tables, the type of the detail, headings of pictures."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import slipstick
from commands import ROOT
from own_rows import rows, write
from slipstick.report.report import Report
from synthetic_face import face

PAGE = (ROOT / "docs" / "reference" / "verbs.md").read_text("utf-8")
TABLE = {cells[0]: cells[1:] for cells in re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)}
WAFER = ("resnet-50", "wafer-mesh", "tp=1,pp=1,dp=20,microbatch=1,gradients=bf16,zero=2")
NONE = "none"
SMALL = ROOT / "examples" / "data" / "small.tflite"


@cache
def trained() -> Report:
    return slipstick.train("mlp", "digits", recipe={"epochs": 1})


def calibrated(folder: Path) -> Report:
    return slipstick.calibrate(write(folder / "own.csv", rows(slipstick.system("h100-sxm-80gb"), "s/iteration")))


def rates(folder: Path) -> Path:
    path = folder / "series.csv"
    path.write_text("time,estimate\n0,70\n1,71\n2,70\n")
    return path


ASKED: dict[str, Callable[[Path], Report]] = {
    "`estimate` on accelerators": lambda _: slipstick.estimate("llama-3.1-8b", "h100-sxm-80gb:8", "tp=8", batch=8),
    "`estimate` on an array": lambda _: slipstick.estimate("resnet-8", "swis-8x8", "formats=swis:3"),
    "`simulate` on accelerators": lambda _: slipstick.simulate(*WAFER),
    "`simulate` with `sweep`": lambda _: slipstick.simulate(*WAFER, sweep=True),
    "`simulate` on an array": lambda _: slipstick.simulate("resnet-8", "swis-8x8", "formats=swis:3"),
    "`mask`": lambda _: slipstick.mask("1 0 -1", field=16),
    "`place`": lambda _: slipstick.place("resnet-8", "dgx1-v100:2", phase="infer", batch=8, time_limit=10.0),
    "`correlate`": lambda _: slipstick.correlate(64, 5),
    "`hybrid`": lambda _: slipstick.hybrid("resnet-8", "dgx1-v100:2..4", critical_batch=64.0, time_limit=3.0),
    "`train`": lambda _: trained(),
    "`epochs`": lambda _: slipstick.epochs(
        "mlp", batches=[64, 128], rates=[0.1], target=0.5, trials=slipstick.TrialCounts(seeds=1, max_epochs=5)
    ),
    "`measure`": lambda _: slipstick.measure(trained().detail.module, "digits"),
    "`measure` on a board alone": lambda _: slipstick.measure(SMALL, board="nucleo-f446"),
    "`measure` of colour traces": lambda _: slipstick.measure(face(75)),
    "`track`": lambda folder: slipstick.track(rates(folder)),
    "`emit`": lambda _: slipstick.emit(SMALL, "nucleo-f446"),
    "`emit` with `run`": lambda _: slipstick.emit(SMALL, "nucleo-f446", run=True),
    "`adapt`": lambda _: slipstick.adapt(trained().detail.module, "swis:3", "digits"),
    "`adapt` to several formats": lambda _: slipstick.adapt(trained().detail.module, "swis:3|int4", "digits"),
    "`calibrate`": calibrated,
    "`ops`": lambda _: slipstick.ops("resnet-8", phase="infer"),
    "`list`, `show`": lambda _: slipstick.show("h100-sxm-80gb"),
    "`show` of a multiplier": lambda _: slipstick.show("mul7u_09Y"),
    "`cite`": lambda _: slipstick.cite(),
}


def test_every_verb_that_returns_a_report_has_a_row() -> None:
    verbs = {verb for row in TABLE for verb in re.findall(r"`(\w+)`", row) if hasattr(slipstick, verb)}
    assert set(TABLE) == ASKED.keys() | {"`validate`"}  # which needs the reference data
    listed = PAGE.partition(". Every one")[0]
    assert verbs | {"search", "compare"} == set(re.findall(r"`(?:slipstick\.)?(\w+)`", listed))


@pytest.mark.parametrize("row", ASKED)
def test_a_report_holds_what_the_page_says(row: str, tmp_path: Path) -> None:
    report = ASKED[row](tmp_path)
    tables, detail, pictures = TABLE[row]
    _check_detail(report.detail, detail)
    drawn = list(report.pictures())
    assert drawn == ([] if pictures == NONE else re.split(r", |; ", pictures)[: len(drawn)])
    assert bool(drawn) == (pictures != NONE) or row == "`adapt`", "pictures of a schedule, of pools, of activations"
    names = list(report.breakdowns)
    if "`list`" in row:
        assert names == ["h100-sxm-80gb"]
    elif "multiplier" in row:
        assert names == ["mul7u_09Y"]
    else:
        said = [] if tables == NONE else re.split(r", |; training also |; ", tables)
        assert names == said[: len(names)]
        assert names or tables == NONE


def _check_detail(detail: Any, text: str) -> None:
    """Assert that a detail has the type and the members that a row's text names."""
    if text == NONE:
        assert detail is None
        return
    if text.startswith("dict of Reports"):
        assert all(isinstance(report, Report) for report in detail.values())
        return
    if "numpy.ndarray" in text:
        assert detail.dtype == np.bool_
        return
    first = detail[0] if text.startswith("tuple") else detail
    place, _, members = text.partition("`slipstick.")[2].partition("`")
    assert f"{type(first).__module__}.{type(first).__name__}" == f"slipstick.{place}"
    for member in filter(None, re.split(r"[:, ]+", members)):
        assert hasattr(first, member.removesuffix("()")), member
