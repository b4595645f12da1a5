"""Training plans as columns: the vectorised form of the estimate of a decoder's training, for `search`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.cluster.sweep.best_plan import _best_of_rows
from slipstick.cluster.sweep.plan_space import _default_values, _PlanSpace
from slipstick.cluster.sweep.plans import AUTO_TIER, CHOICES, Plans
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.cluster.training.training_step import training_step
from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.sweep import Sweep
from slipstick.core.system import System

_MAX_COUNT = 10**9  # what a column of 64 bits and the product of two hold; as of a plan
_FIGURES = {
    "time.step": "s", "time.sample": "s", "memory.peak": "B", "memory.reserve": "B", "throughput.samples": "sample/s",
}  # fmt: skip
_AUTO_DP = 0  # the column's code of a dp that is left to the devices
_CHUNK = 64  # points whose open fields are chosen at a time: some 100,000 plans
_FOLLOWING = ("parallel.dp", "collectives.tp_tier", "collectives.pp_tier", "collectives.dp_tier")  # `auto` is no choice


def _field_columns() -> dict[str, str]:
    """Return the column of `Plans` that each field of a plan is, by the field's dotted path."""
    paths: dict[str, str] = {}
    for group, prefix in (("parallel", ""), ("collectives", ""), ("offload", "offload_")):
        for name in Plan.model_fields[group].annotation.model_fields:  # type: ignore[union-attr]
            paths[f"{group}.{name}"] = f"{prefix}{name}"
    columns = {field.name for field in fields(Plans)}
    return {path: column for path, column in paths.items() if column in columns}


_COLUMNS = _field_columns()


def _accepts(path: str, value: Any) -> bool:
    """Return whether columns hold a field's value: a varied field that is ``auto`` has none."""
    return value != "auto" or path in _FOLLOWING


def _training_columns(
    question: Question, axes: Mapping[str, Sequence[Any]], places: Sequence[IntArray]
) -> dict[str, FloatArray]:
    """Return time [s], memory of the fullest stage [B] and rate [samples/s] of the training plans of one setting.

    What the plans leave open is chosen for each point, as `estimate` chooses it.
    """
    system, workload = question.system, question.workload
    count = len(places[0]) if places else 1
    columns = _columns(axes, places, system)
    first_values = {path: values[0] for path, values in axes.items()}  # so that no space leaves them open
    shared = Plan.of({**question.plan.model_dump(exclude_unset=True), **first_values})
    setting = TrainingSetting.of(workload, system, shared)
    space = _PlanSpace.of(shared, workload, system)
    figures = {name: np.full(count, np.nan) for name in _FIGURES}
    size = _CHUNK if space.is_open else count
    for first in range(0, count, size):
        some = {name: column[first : first + size] for name, column in columns.items()}
        good, time, memory = _best_plans(setting, space, some)
        place = good + first
        figures["time.step"][place] = time
        figures["time.sample"][place] = time / workload.batch
        figures["throughput.samples"][place] = workload.batch / time
        figures["memory.peak"][place] = memory
        figures["memory.reserve"][place] = setting.reserve
    return figures


def _best_plans(
    setting: TrainingSetting, space: _PlanSpace, columns: Mapping[str, NDArray[Any]]
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return the points of which some plan is possible, and the time [s] and memory [B] of the best plan of each."""
    plans, owner = _plans(space, columns)
    if not len(plans):
        return owner, np.zeros(0), np.zeros(0)
    step = training_step(setting, plans)
    if not space.is_open:
        return owner, step.time, step.peak_memory
    capacity = space.system.main_memory.capacity - setting.reserve
    best = _best_of_rows(plans, owner, (step.time, step.peak_memory), capacity, space.node)
    return owner[best], step.time[best], step.peak_memory[best]


def _plans(space: _PlanSpace, columns: Mapping[str, NDArray[Any]]) -> tuple[Plans, IntArray]:
    """Return every possible plan of some points, whose given fields are `columns`, and the point of each."""
    if not space.is_open:
        return space.divided(columns)
    points = len(next(iter(columns.values()))) if columns else 1
    grid = space.open_divisions
    per_point = len(next(iter(grid.values()))) if grid else 1
    repeated = {name: np.repeat(column, per_point) for name, column in columns.items()}
    tiled = {name: np.tile(column, points) for name, column in grid.items()}
    divisions, index = space.divided({**tiled, **repeated})
    plans, row = space.expanded(divisions)
    return plans, index[row] // per_point


def _columns(axes: Mapping[str, Sequence[Any]], places: Sequence[IntArray], system: System) -> dict[str, NDArray[Any]]:
    """Return the column of each varied field over all points."""
    return {
        _COLUMNS[path]: np.asarray([_code(path, _COLUMNS[path], value, system) for value in values])[place]
        for (path, values), place in zip(axes.items(), places, strict=True)
    }


def _code(path: str, column: str, value: Any, system: System) -> Any:
    """Return a value of a plan's field as its column holds it: choices and network tiers by their index.

    Errors
    ------
    SlipstickError for a value that the field does not know, with the nearest.
    """
    if column in CHOICES:
        if value not in CHOICES[column]:
            raise SlipstickError("no such choice", path=f"plan.{path}", value=value, allowed=CHOICES[column])
        return CHOICES[column].index(value)
    if column.endswith("_tier"):
        tiers = {"auto": AUTO_TIER, **{tier: index for index, tier in enumerate(system.network)}}
        if value not in tiers:
            raise SlipstickError("no such network tier", path=f"plan.{path}", value=value, allowed=tiers)
        return tiers[value]
    if column == "dp" and value == "auto":
        return _AUTO_DP
    if not isinstance(value, bool | int):
        raise SlipstickError("not a whole number", path=f"plan.{path}", value=value)
    if abs(value) > _MAX_COUNT:
        raise SlipstickError("out of range", path=f"plan.{path}", value=value, allowed=f"at most {_MAX_COUNT}")
    return value


def _choices(question: Question) -> dict[str, tuple[Any, ...]]:
    """Return the degrees and the ways to save memory that a search varies of itself; `estimate` chooses of the same."""
    values = _default_values(question.workload, question.system)
    return {f"parallel.{name}": values[name] for name in _VARIED if len(values.get(name, ())) > 1}


_VARIED = ("tp", "pp", "cp", "ep", "etp", "microbatch", "recompute", "zero", "sp")
TRAINING = Sweep(_FIGURES, frozenset(_COLUMNS), _accepts, _training_columns, _choices)
