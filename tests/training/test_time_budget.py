"""Schedules within a budget of time: the best of all, predicted times that add up, and trainings that keep them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")

import torch

from slipstick import adapt
from slipstick.compress.adapt_options import CalibrationImages, Retraining
from slipstick.core.errors import SlipstickError
from slipstick.datasets import DataSet, data_set
from slipstick.trained.torch import module
from slipstick.training import step_timing
from slipstick.training.time_budget import StepTimes, TrainingSchedule, chosen_schedule

SC = "int8@stochastic:length=32"
SLOW = StepTimes(exact=1.0, injected=0.2, calibrated=1.2, validation=3.0, norms=2.0)  # a naive kernel's
FAST = StepTimes(exact=0.1, injected=0.2, calibrated=0.3, validation=3.0, norms=2.0)  # exact sums are cheaper


def test_the_time_of_a_training_adds_up() -> None:
    """Two injected epochs of 8 steps, 2 of them calibrated, and an exact one, written out."""
    by_hand = 2 * (6 * 0.2 + 2 * 1.2 + 2.0) + 8 * 1.0 + 3 * 3.0
    assert SLOW.training(8, 3, 1, 2) == pytest.approx(by_hand)


@pytest.mark.parametrize("times", [SLOW, FAST])
def test_the_schedule_is_the_best_that_keeps_nine_tenths_of_the_budget(times: StepTimes) -> None:
    """Against all: first the wanted epochs, then exact ones, then calibrations; a fifth is exact at least."""
    for budget in np.geomspace(60, 3000, 25).tolist():
        every = [
            (epochs, exact, checks)
            for epochs in range(1, 11)
            for exact in range(math.ceil(epochs / 5), epochs + 1)
            for checks in range(1, 6)
            if times.training(50, epochs, exact, checks) <= 0.9 * budget
        ]
        if not every:
            with pytest.raises(SlipstickError, match="too little for one exact epoch"):
                chosen_schedule(times, 50, budget, 10)
            continue
        schedule = chosen_schedule(times, 50, budget, 10)
        assert (schedule.epochs, schedule.exact_epochs, schedule.checks) == max(every)
        assert schedule.predicted == times.training(50, *max(every))
        speedup = schedule.all_exact / schedule.predicted
        assert speedup <= schedule.largest_speedup * (1 + 1e-9) or times is FAST


def test_without_epochs_there_are_as_many_as_time_allows() -> None:
    schedule = chosen_schedule(SLOW, 50, 1000.0)
    assert schedule.exact_epochs == math.ceil(schedule.epochs / 5)
    more = schedule.epochs + 1
    assert SLOW.training(50, more, math.ceil(more / 5), 1) > 900.0
    assert chosen_schedule(FAST, 50, 1000.0).exact_share == 1.0  # where exact steps are the cheapest, all are exact


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return data_set("digits")


def retrained(digits: DataSet, start: int, **options: Any) -> Any:
    torch.manual_seed(start)
    return adapt(
        module("mlp", digits), SC, digits, calibration=CalibrationImages(images=60, correct=False),
        retraining=Retraining(**options),
    )  # fmt: skip


@pytest.mark.trains
def test_timing_leaves_the_training_as_it_was(digits: DataSet, training_seed: int) -> None:
    """Where all epochs turn out exact, a training with a budget ends with the bits of one without."""
    plain = retrained(digits, training_seed, epochs=2, seed=training_seed)
    timed = retrained(digits, training_seed, epochs=2, seed=training_seed, time="10 h")
    assert timed.value("schedule.exact_epochs") == 2
    for one, other in zip(plain.detail.module.parameters(), timed.detail.module.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.trains
def test_a_schedule_stays_when_a_training_goes_on(
    digits: DataSet, training_seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The choice of the first call is in the folder: the second one times nothing, and says the same."""
    monkeypatch.setattr(step_timing, "step_times", lambda *_: SLOW)
    options: dict[str, Any] = {"epochs": 5, "time": 36.0, "seed": training_seed, "folder": tmp_path}
    first = retrained(digits, training_seed, **options)
    monkeypatch.setattr(step_timing, "step_times", lambda *_: pytest.fail("timed again"))
    again = retrained(digits, training_seed, **options)
    for name in ("epochs", "exact_epochs", "calibrations", "predicted", "achieved"):
        assert again.value(f"schedule.{name}") == first.value(f"schedule.{name}")
    assert first.value("schedule.exact_epochs") < first.value("schedule.epochs")
    assert first.value("training.exact_epochs") == pytest.approx(
        first.value("schedule.exact_epochs") / first.value("schedule.epochs")
    )
    with pytest.raises(SlipstickError, match="a training of another time"):
        retrained(digits, training_seed, **{**options, "time": 40.0})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time": "1 us"}, "time: too little for one exact epoch; got '1 us'; allowed: from "),
        ({"time": "10 J"}, "a unit of energy, not of time"),
        ({"time": 0.0}, "out of range"),
        ({"time": "1 min", "method": "proxy"}, "leaves no epoch to choose"),
    ],
)
def test_what_is_no_budget_is_one_error(digits: DataSet, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        retrained(digits, 0, **options)


def test_the_cap_of_the_speed_up_is_one_over_the_exact_share() -> None:
    schedule = TrainingSchedule(10, 2, 5, predicted=25.0, all_exact=100.0, achieved=40.0)
    assert schedule.largest_speedup == 5.0
    speedups = [schedule.metrics()[f"speedup_{name}"].value for name in ("predicted", "achieved")]
    assert speedups == [4.0, 2.5]
