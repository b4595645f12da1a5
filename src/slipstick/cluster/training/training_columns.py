"""Training plans as columns: the vectorised form of the estimate of a decoder's training, for `search`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from slipstick.cluster.sweep.plans import (
    AUTO_TIER,
    PARTITION,
    RECOMPUTE,
    SCHEDULE,
    TP_OVERLAP,
    TP_PATTERN,
    Plans,
)
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
_CHOICES = {
    "recompute": RECOMPUTE, "schedule": SCHEDULE, "partition": PARTITION, "tp_pattern": TP_PATTERN,
    "tp_overlap": TP_OVERLAP,
}  # fmt: skip
_AUTO_DP = 0  # the column's code of a dp that is left to the devices
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
    """Return whether columns hold a field's value: what a plan leaves open is chosen plan by plan instead."""
    return value != "auto" or path in _FOLLOWING


def _training_columns(
    question: Question, axes: Mapping[str, Sequence[Any]], places: Sequence[IntArray]
) -> dict[str, FloatArray]:
    """Return time [s], memory of the fullest stage [B] and rate [samples/s] of the training plans of one setting."""
    system, workload, shared = question.system, question.workload, _resolved(question.plan)
    count = len(places[0]) if places else 1
    plans = _plans(question, shared, axes, places, count)
    good = np.flatnonzero(plans.dp > 0)
    good = good[plans.take(good).possible(workload, system)]
    figures = {name: np.full(count, np.nan) for name in _FIGURES}
    if good.size:
        setting = TrainingSetting.of(workload, system, shared)
        step = training_step(setting, plans.take(good))
        figures["time.step"][good] = step.time
        figures["time.sample"][good] = step.time / workload.batch
        figures["throughput.samples"][good] = workload.batch / step.time
        figures["memory.peak"][good] = step.peak_memory
        figures["memory.reserve"][good] = setting.reserve
    return figures


def _plans(
    question: Question, shared: Plan, axes: Mapping[str, Sequence[Any]], places: Sequence[IntArray], count: int
) -> Plans:
    """Return the plans of all points: the shared plan, with the varied fields in its place."""
    system = question.system
    single = Plans.of([shared], system)
    columns: dict[str, Any] = {field.name: getattr(single, field.name) for field in fields(Plans)}
    if question.plan.parallel.etp == "tp":
        del columns["etp"]  # `Plans` then takes tp
    if question.plan.parallel.dp == "auto":
        columns["dp"] = _AUTO_DP
    for (path, values), place in zip(axes.items(), places, strict=True):
        column = _COLUMNS[path]
        columns[column] = np.asarray([_code(path, column, value, system) for value in values])[place]
    columns = {name: np.broadcast_to(value, (count,)) for name, value in columns.items()}
    left = system.devices // (columns["tp"] * columns["pp"] * columns["cp"])
    columns["dp"] = np.where(columns["dp"] == _AUTO_DP, left, columns["dp"])
    columns["tp_pattern"] = np.where(columns["sp"], TP_PATTERN.index("rs_ag"), columns["tp_pattern"])
    return Plans.of_columns(count, columns)


def _resolved(plan: Plan) -> Plan:
    """Return the plan with dp 1 where it is left to the devices: the columns hold the real one."""
    return plan.filled("parallel", {"dp": 1}).off()


def _code(path: str, column: str, value: Any, system: System) -> Any:
    """Return a value of a plan's field as its column holds it: choices and network tiers by their index.

    Errors
    ------
    SlipstickError for a value that the field does not know, with the nearest.
    """
    if column in _CHOICES:
        choices = _CHOICES[column]
        if value not in choices:
            raise SlipstickError("no such choice", path=f"plan.{path}", value=value, allowed=choices)
        return choices.index(value)
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


TRAINING = Sweep(_FIGURES, frozenset(_COLUMNS), _accepts, _training_columns)
