"""Columns of architectures: the figures of the Report, point by point, and a search over an area limit."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import slipstick
from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.optics.architecture_sweep import ARCHITECTURES
from slipstick.optics.correlator_run import CorrelatorRun

DEVICE = "system.device."
AXES: dict[str, tuple[Any, ...]] = {
    "correlators": (4, 8, 12), "parallel_inputs": (1, 2, 8), "waveguides": (6, 64, 256), "guard": ("none", "full"),
    "accumulation": (1, 16), "packing": ("none", "images"),
}  # fmt: skip
MORE: dict[str, tuple[Any, ...]] = {
    "clock": (5e9, 1e10), "pipelined": (False, True), "gated": (False, True), "adc_bits": (6, 8), "wavelengths": (1, 3),
    "reuse": (1, 4), "strides": ("discard", "polyphase"), "light.power": (1e-4, 5e-4),
}  # fmt: skip


@pytest.mark.parametrize(("network", "axes"), [("resnet-8", AXES), ("resnet-18", MORE)])
def test_columns_are_the_reports_figures(network: str, axes: dict[str, tuple[Any, ...]]) -> None:
    """A draw of points over all axes at once; one that the Report refuses is not a number."""
    sizes = [len(values) for values in axes.values()]
    places = np.unravel_index(np.arange(np.prod(sizes)), sizes)
    base = slipstick.estimate(network, "photofourier-cg", batch=4)
    assert isinstance(base.detail, CorrelatorRun)
    asked = Question(base.detail.workload, base.detail.system, Plan())
    columns = ARCHITECTURES.columns(asked, {DEVICE + name: values for name, values in axes.items()}, places)
    assert set(columns) == set(ARCHITECTURES.figures)
    drawn = np.random.default_rng(0).choice(len(places[0]), 40, replace=False)
    possible = 0
    for point in drawn:
        changes = {
            DEVICE + name: values[place[point]] for (name, values), place in zip(axes.items(), places, strict=True)
        }
        try:
            report = slipstick.estimate(network, "photofourier-cg", batch=4, set=changes)
        except (SlipstickError, SpecErrors):
            assert all(np.isnan(column[point]) for column in columns.values())
            continue
        possible += 1
        for path, column in columns.items():
            assert column[point] == pytest.approx(report.value(path), rel=1e-12), path
    assert possible > 10


def test_a_search_under_an_area_limit() -> None:
    """Correlators, waveguides, accumulation, bits and guard: no point of the frontier is beaten by another."""
    axes = {
        "correlators": "1..32",
        "waveguides": "64..512",
        "accumulation": "1..32",
        "adc_bits": "6|8",
        "guard": "none|full",
    }
    frontier = slipstick.search(
        "resnet-18", "photofourier-cg", set={DEVICE + name: values for name, values in axes.items()},
        minimize="edp.sample,area.total", subject_to="area.total <= 100 mm2",
    )  # fmt: skip
    pareto = frontier.pareto
    areas, products = pareto["area.total"].to_numpy(), pareto["edp.sample"].to_numpy()
    assert len(areas) > 3
    assert areas.max() <= 100e-6
    for one, other in itertools.permutations(range(len(areas)), 2):
        assert not (areas[one] < areas[other] and products[one] < products[other])


def test_values_with_units_and_bad_ones() -> None:
    """Fields are read as the device reads them: text with units is a rate, a name that is none is one clear error."""
    ask = {DEVICE + "clock": "5 GHz|10 GHz", DEVICE + "guard": "none|shared"}
    frontier = slipstick.search("resnet-8", "photofourier-cg", set=ask, minimize="time.step")
    assert frontier.best().value("time.step") == slipstick.estimate("resnet-8", "photofourier-cg").value("time.step")
    with pytest.raises((SlipstickError, SpecErrors), match=r"system\.device\.guard.*nothing"):
        slipstick.search("resnet-8", "photofourier-cg", set={DEVICE + "guard": "nothing|none"})
    with pytest.raises((SlipstickError, SpecErrors), match=r"system\.device\.waveguides.*0"):
        slipstick.search("resnet-8", "photofourier-cg", set={DEVICE + "waveguides": "0|64"})


def test_large_spaces_count_only_what_their_points_use(monkeypatch: pytest.MonkeyPatch) -> None:
    from slipstick.optics import architecture_sweep

    base = slipstick.estimate("resnet-8", "photofourier-cg").detail
    assert isinstance(base, CorrelatorRun)
    asked = Question(base.workload, base.system, Plan())
    axes = {DEVICE + "correlators": tuple(range(1, 65)), DEVICE + "waveguides": (64, 128, 256)}
    places = [np.array([3, 60, 3, 7]), np.array([0, 2, 1, 0])]
    whole = ARCHITECTURES.columns(asked, axes, places)
    monkeypatch.setattr(architecture_sweep, "_LARGEST_TABLE", 8)
    part = ARCHITECTURES.columns(asked, axes, places)
    for path, column in whole.items():
        np.testing.assert_array_equal(part[path], column)
