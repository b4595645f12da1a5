"""Formats assigned to layers: the exact choice, energy within its limit, sensitivities and gates."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")

import torch

import slipstick
from slipstick.compress.adapt_options import CalibrationImages, ShiftSchedule
from slipstick.core.errors import SlipstickError
from slipstick.datasets import DataSet, data_set
from slipstick.engines.layer_assignment import LayerAssignment, assign_formats, least_within
from slipstick.report.report import Report
from slipstick.trained import open_network
from slipstick.trained.network import TrainedNetwork
from slipstick.trained.torch import module
from slipstick.training import Recipe, train

pytestmark = pytest.mark.trains
RUINOUS = "int8@mul8s_1KR3"  # clears six low bits of its first operand: no network here survives it
FORMATS = ["int8", RUINOUS, "int4"]
SYSTEM = "mixed-arrays"


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return data_set("digits")


@pytest.fixture(scope="module")
def network(digits: DataSet, training_seed: int) -> TrainedNetwork:
    torch.manual_seed(training_seed)
    net = module("resnet-8", digits)
    train(net, digits, Recipe(epochs=3, seed=training_seed))
    return open_network(net, digits)


def assigned(network: TrainedNetwork, digits: DataSet, kind: Any, energy: str) -> LayerAssignment:
    return assign_formats(network, FORMATS, digits.train.drawn(96), ShiftSchedule(assign=kind, energy=energy), SYSTEM)


def energy_of(network: TrainedNetwork, formats: str) -> float:
    return slipstick.estimate(network.graph(), SYSTEM, {"formats.layers": formats}).value("energy.step")


def test_the_choice_is_the_best_of_all() -> None:
    """Against every assignment of five layers in three formats, for limits from too little to plenty."""
    random = np.random.default_rng(0)
    for trial in range(20):
        scores, costs = random.normal(size=(5, 3)), random.uniform(0.1, 1, (5, 3))
        if trial % 2:
            costs = costs.round(1)  # equal sums
        every = list(itertools.product(range(3), repeat=5))
        rows = np.arange(5)
        for limit in (0.2, 1.5, 2.5, 5.0):
            fitting = [path for path in every if costs[rows, list(path)].sum() <= limit + 1e-12]
            chosen = least_within(scores, costs, limit + 1e-12)
            assert (chosen is None) == (not fitting)
            if chosen is not None:
                assert costs[rows, chosen].sum() <= limit + 1e-9
                assert scores[rows, chosen].sum() == pytest.approx(min(scores[rows, list(p)].sum() for p in fitting))


@pytest.mark.parametrize("kind", ["sensitivity", "learned"])
def test_an_assignment_keeps_its_limit_and_avoids_what_ruins_the_network(
    network: TrainedNetwork, digits: DataSet, kind: str
) -> None:
    """Both kinds leave out the table that ruins the network, as cheaper formats that do not are at hand."""
    low, high = (energy_of(network, text) for text in ("int4", "int8"))
    middle = (low + high) / 2
    result = assigned(network, digits, kind, f"{middle * 1e6} uJ")
    assert result.energy <= result.limit == pytest.approx(middle)
    assert energy_of(network, result.formats) == pytest.approx(result.energy, rel=1e-6)
    chosen = [row[1] for row in result.tables["assignment"].rows]
    assert RUINOUS not in chosen
    assert {"int8", "int4"} == set(chosen)  # neither alone makes use of the limit
    assert len(result.tables["candidates"].rows) == len(FORMATS) * len(chosen)


def test_more_energy_is_never_a_worse_choice(network: TrainedNetwork, digits: DataSet) -> None:
    low, high = (energy_of(network, text) for text in ("int4", "int8"))
    totals = []
    for share in (0.02, 0.5, 1.0):
        result = assigned(network, digits, "sensitivity", f"{(low + share * (high - low)) * 1e6} uJ")
        totals.append(sum(float(str(row[2])) for row in result.tables["assignment"].rows))
    assert totals == sorted(totals, reverse=True)


def test_the_report_is_that_of_the_assigned_network(network: TrainedNetwork, digits: DataSet) -> None:
    report: Report = slipstick.adapt(
        network, "|".join(FORMATS), digits, calibration=CalibrationImages(calibrate=64, images=60),
        schedule=ShiftSchedule(assign="sensitivity", energy=energy_of(network, "int8")), system=SYSTEM,
    )  # fmt: skip
    text = report.inputs["formats"]
    again = slipstick.adapt(network, text, digits, calibration=CalibrationImages(calibrate=64, images=60))
    assert report.value("accuracy.after") == again.value("accuracy.after")
    assert report.value("assignment.energy") <= report.value("assignment.limit")


@pytest.mark.parametrize(
    ("schedule", "system", "message"),
    [
        ({"energy": "1 nJ"}, SYSTEM, "energy: no assignment keeps the limit; .*allowed: from "),
        ({}, SYSTEM, "assign: formats are assigned to layers within a limit"),
        ({"energy": "80 uJ"}, None, "assign: formats are assigned to layers within a limit"),
        ({"energy": "80 us"}, SYSTEM, "a unit of time, not of energy"),
        ({"energy": "80 uJ"}, "int8-8x8", "parallel elements multiply by exact"),
    ],
)
def test_what_cannot_be_assigned_is_one_error(
    network: TrainedNetwork, digits: DataSet, schedule: dict[str, str], system: str | None, message: str
) -> None:
    with pytest.raises(SlipstickError, match=message):
        assign_formats(
            network,
            FORMATS,
            digits.train.drawn(8),
            ShiftSchedule(assign="sensitivity", **schedule),
            system,  # type: ignore[arg-type]
        )
