"""A kind of device that nobody here knows is searched over like any other: a class, a row of the table, a system."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field

from slipstick import search
from slipstick.core import device as devices
from slipstick.core.device import Device, register_device
from slipstick.core.errors import SlipstickError
from slipstick.core.question import Question
from slipstick.core.system import System
from slipstick.core.workload import Phase
from slipstick.engines import table
from slipstick.engines.table import Engine, register
from slipstick.exploration.space import Space
from slipstick.report.metric import Metric
from slipstick.report.report import Report


class Crossbar(Device):
    """An analogue crossbar of three constants."""

    kind: Literal["crossbar"] = "crossbar"
    lines: int = Field(gt=0, description="Word lines")
    energy: float = Field(gt=0, description="Energy of one product [J]")


def estimate(question: Question) -> Report:
    crossbar = question.system.device_as(Crossbar)
    products = sum(op.flops * op.count for op in question.workload.ops) / 2
    joules = Metric(products * crossbar.energy, "J", "estimated", "a toy")
    area = Metric(crossbar.lines**2 * 1e-12, "m2", "estimated", "a toy")
    return Report.of(question.inputs(), {"energy": {"step": joules}, "area": {"crossbar": area}}, title="toy")


@pytest.fixture(autouse=True)
def crossbar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_KINDS", dict(devices._KINDS))
    monkeypatch.setattr(table, "_registered", [])
    register_device(Crossbar)
    register(Engine("estimate", "crossbar", ("graph",), (Phase.INFER,), (), f"{__name__}:estimate"))


SYSTEM = System.model_validate(
    {"name": "toy", "device": Crossbar(lines=64, energy=1e-15), "memory": {"ram": {"capacity": "1 GiB"}}}
)


def test_its_figures_are_minimised_and_constrained() -> None:
    space = Space.of(system=[SYSTEM], fields={"system.device.energy": [1e-15, 2e-15], "system.device.lines": "32..128"})
    frontier = search(
        "mobilenet-v2", space, minimize="area.crossbar,energy.step", subject_to="area.crossbar > 0.001 mm2"
    )
    assert len(frontier.points) == 6
    assert len(frontier.pareto) == 1
    best = frontier.best().inputs["system"]["device"]
    assert best == {"kind": "crossbar", "lines": 32, "energy": 1e-15}
    assert "<svg" in frontier.html()
    text = str(frontier)
    assert "the first in area.crossbar: mobilenet-v2 toy --set " in text


def test_a_single_objective_is_drawn_over_the_devices() -> None:
    space = Space.of(system=[SYSTEM], fields={"system.device.lines": "32..128"})
    assert "<svg" in search("mobilenet-v2", space, minimize="energy.step").plot()


def test_its_missing_figures_are_named() -> None:
    with pytest.raises(SlipstickError, match=r"minimize: no such figure; got 'time'; .*area\.crossbar"):
        search("mobilenet-v2", Space.of(system=[SYSTEM]))
