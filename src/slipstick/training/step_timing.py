"""Timing of training steps on approximate hardware, and the training that is scheduled by them.

A few steps of each kind run with a learning rate of 0 before the training; weights, batch norms and the generator of
random numbers are as before when it begins. The schedule is kept in the training's folder: one that goes on keeps it.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn

from slipstick.core.errors import SlipstickError
from slipstick.core.files import load_json, write_text
from slipstick.trained.torch.batch_prediction import input_tensor
from slipstick.training import loop
from slipstick.training.error_injection import TrainingPhases
from slipstick.training.recipe import History, Recipe
from slipstick.training.time_budget import StepTimes, TrainingSchedule, chosen_schedule

if TYPE_CHECKING:
    from slipstick.core.format import Format
    from slipstick.datasets.images import DataSet, Normal
    from slipstick.training.retraining_options import Errors, Retraining

_TIMED = 3  # steps of each kind, the shortest of which counts: a neighbour on the machine makes them longer
_NORM_BATCHES = 20  # on which batch norms are estimated again behind an injected epoch: as in `error_injection`
_SCHEDULE = "schedule.json"


def prepared(
    net: nn.Module,
    hardware: Mapping[str, Format] | None,
    data: DataSet,
    retraining: Retraining,
    recipe: Recipe,
    normal: Normal | None,
) -> tuple[Recipe, TrainingPhases, TrainingSchedule | None]:
    """Return recipe and phases of a retraining, and the schedule that its time chooses; None without a limit of time.

    Parameters
    ----------
    net : with its formats attached. hardware : formats of the layers that compute by their arithmetic.

    Errors
    ------
    SlipstickError as `TrainingPhases` and `chosen_schedule` raise it, and for a folder of another schedule.
    """
    budget = retraining.seconds()
    if budget is None:
        return recipe, TrainingPhases(net, hardware, retraining.method, recipe.epochs, retraining.errors), None
    schedule = _kept(retraining.folder, budget, recipe.epochs)
    if schedule is None:
        run = loop._Run(net, data, normal or data.normal, loop.settled(recipe), _still(net, recipe), loop._silent)
        schedule = chosen_schedule(step_times(run, hardware, retraining.errors), run.steps, budget, recipe.epochs)
        if retraining.folder is not None:
            asked = {"time": budget, "epochs_wanted": recipe.epochs, **asdict(schedule), "achieved": None}
            write_text(retraining.folder / _SCHEDULE, json.dumps(asked, indent=2))
    exact = not hardware or schedule.exact_epochs == schedule.epochs
    method: Literal["exact", "inject+finetune"] = "exact" if exact else "inject+finetune"
    phases = TrainingPhases(net, hardware, method, schedule.epochs, retraining.errors, schedule)
    return recipe.model_copy(update={"epochs": schedule.epochs}), phases, schedule


def step_times(run: loop._Run, hardware: Mapping[str, Format] | None, errors: Errors = "auto") -> StepTimes:
    """Return the times of a training's steps, measured on its own network, which is left as it was.

    Parameters
    ----------
    hardware : formats of the layers that compute by their arithmetic. errors : model of their errors.
    """
    state = copy.deepcopy(run.net.state_dict())
    random = np.random.default_rng(run.recipe.seed)
    which = random.permutation(len(run.data.train))[: run.recipe.batch]

    def step() -> None:
        loop._step(run, which, random)

    with torch.random.fork_rng(devices=[]):
        run.net.train()
        step()  # the first one compiles kernels
        exact = _shortest(step, _TIMED)
        injected = calibrated = float("inf")
        if hardware:
            probe = TrainingPhases(run.net, hardware, "inject+finetune", 2, errors)
            probe.begin(0, run.steps)
            calibrated = _shortest(step, 1)  # an error model is fitted at first
            injected = _shortest(step, _TIMED)
            probe.finish(History())
        run.net.eval()
        batch = _shortest(lambda: _predict(run, which), 2)
    run.net.load_state_dict(state, strict=False)  # weights that stand for an epoch may have been taken meanwhile
    run.optimiser.zero_grad()
    validation = batch * len(run.data.test) / max(len(which), 1)
    return StepTimes(
        exact, injected, calibrated, validation, batch * min(_NORM_BATCHES, run.steps) if hardware else 0.0
    )


def _shortest(work: Callable[[], None], times: int) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def _predict(run: loop._Run, which: Any) -> None:
    with torch.inference_mode():
        run.net(input_tensor(run.data.train.take(which).images, run.normal))


def _still(net: nn.Module, recipe: Recipe) -> Any:
    """Return an optimiser whose steps leave the weights as they are."""
    optimiser = loop._optimiser(net, recipe)
    for group in optimiser.param_groups:
        group.update(lr=0.0, weight_decay=0.0)
    return optimiser


def _kept(folder: Path | None, budget: float, epochs: int) -> TrainingSchedule | None:
    """Return the schedule in the folder of a training; None where there is none yet.

    Errors
    ------
    SlipstickError for the schedule of another time or number of epochs.
    """
    if folder is None or not (file := folder / _SCHEDULE).exists():
        return None
    state: dict[str, Any] = load_json(file)
    if (state.pop("time"), state.pop("epochs_wanted", epochs)) != (budget, epochs):
        raise SlipstickError("the folder has a training of another time", path=str(file), value=budget)
    del state["achieved"]
    return TrainingSchedule(**state)
