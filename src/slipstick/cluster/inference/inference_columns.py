"""Inference points as columns: the vectorised form of the estimate of prefill and decode, for `search`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from slipstick.cluster.inference.demand import _Demand
from slipstick.cluster.inference.estimate import _inference_figures
from slipstick.cluster.inference.inference_pass import _InferenceSetting
from slipstick.cluster.inference.inference_points import (
    _InferencePoints,
    _prefilling_code,
    _prefilling_replicas,
    _serving_options,
)
from slipstick.cluster.inference.point_plans import _degree_code, _degree_codes, _Degrees, _point_plans
from slipstick.cluster.inference.serving import _Load
from slipstick.cluster.sweep.plan_space import _default_values
from slipstick.core.arrays import BoolArray, FloatArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.question import Question
from slipstick.core.sweep import Sweep

_MAX_COUNT = 10**9  # of devices or tokens, as of a plan and a workload
_OF_BOTH = {
    "time.first_token": "s", "memory.peak": "B", "memory.reserve": "B", "memory.largest_batch": "sample",
    "throughput.tokens": "token/s", "throughput.tokens_per_device": "token/s", "efficiency.mfu": "fraction",
    "energy.pass": "J", "energy.token": "J", "energy.power_per_device": "W", "cost.million_tokens": "USD",
    "cost.device_hour": "USD", "carbon.token": "g",
}  # fmt: skip
_OF_DECODE = {
    "time.step": "s", "time.per_token": "s", "time.request": "s", "throughput.tokens_per_request": "token/s",
    "throughput.requests": "sample/s", "efficiency.bandwidth": "fraction",
}  # fmt: skip
_OF_DEMAND = {
    "time.queue.mean": "s", "time.queue.p99": "s", "time.queue.first_token": "s", "load.rate": "sample/s",
    "load.copies": "", "load.devices": "device", "load.utilisation": "fraction", "load.tokens_per_device": "token/s",
}  # fmt: skip
_DEMANDS = dict.fromkeys(("rate", "arrivals"), _OF_DEMAND)
_DEGREES = {
    "parallel.tp": "tp", "parallel.pp": "pp", "parallel.dp": "dp", "parallel.ep": "ep", "parallel.etp": "etp",
    "serving.attention_dp": "ranks",
}  # fmt: skip
_SIZES = {"workload.batch": "concurrency", "workload.sequence": "prompt", "workload.output": "output"}
_PREFILLING = "serving.prefill_devices"
_CHOSEN_BY_PLAN = frozenset(("parallel.tp", "parallel.pp"))  # where open, each point is a search of its own


def _accepts(path: str, value: Any) -> bool:
    """Return whether columns hold a field's value."""
    return value != "auto" or path not in _CHOSEN_BY_PLAN


def _prefill_columns(
    question: Question, axes: Mapping[str, Sequence[Any]], places: Sequence[IntArray]
) -> dict[str, FloatArray]:
    """Return the figures of prefill points by path, in SI units."""
    return _columns(question, axes, places, tuple(_OF_BOTH))


def _decode_columns(
    question: Question, axes: Mapping[str, Sequence[Any]], places: Sequence[IntArray]
) -> dict[str, FloatArray]:
    """Return the figures of decode points by path, in SI units."""
    asked = _OF_DEMAND if question.options.keys() & _DEMANDS.keys() else {}
    return _columns(question, axes, places, (*_OF_BOTH, *_OF_DECODE, *asked))


def _columns(
    question: Question, axes: Mapping[str, Sequence[Any]], places: Sequence[IntArray], paths: tuple[str, ...]
) -> dict[str, FloatArray]:
    """Return the figures at some paths of the points of one setting; not a number where a point is impossible."""
    workload, system, plan = question.workload, question.system, question.plan
    count = len(places[0]) if places else 1
    codes = {path: _codes(path, values)[place] for (path, values), place in zip(axes.items(), places, strict=True)}
    shared = dict(zip(_DEGREES, _degree_codes(plan), strict=True))
    shared |= {"workload.batch": workload.batch, "workload.sequence": workload.sequence}
    shared |= {"workload.output": workload.output, _PREFILLING: _prefilling_code(plan.serving.prefill_devices)}
    columns = {path: np.broadcast_to(codes.get(path, np.int64(value)), (count,)) for path, value in shared.items()}
    setting = _InferenceSetting.of(workload, system, plan)
    good = np.flatnonzero(_within(codes, count))
    sizes = _Load(*(columns[path][good] for path in _SIZES))
    degrees = _Degrees(**{name: columns[path][good] for path, name in _DEGREES.items()})
    resolved = _point_plans(setting, workload, system, degrees, sizes)
    good = good[resolved.index]
    together, own = np.zeros_like(good), sizes.take(resolved.index)
    demand = _Demand.of(question.options)
    serving = _serving_options(plan, demand)
    run = _InferencePoints(workload.phase, system, serving, setting, resolved.plans, own, together, demand)
    prefilling, divided = _prefilling_replicas(run, columns[_PREFILLING][good])
    run, good = replace(run, prefilling=prefilling).take(np.flatnonzero(divided)), good[divided]
    figures = {path: np.full(count, np.nan) for path in paths}
    if good.size:
        tree = dict(_leaves(_inference_figures(run, _column), ""))
        for path in figures.keys() & tree.keys():
            figures[path][good] = tree[path]
    return figures


def _column(values: Any, unit: str, note: str = "") -> Any:
    """Return the values of a figure as they are, without unit and note."""
    return values


def _codes(path: str, values: Sequence[Any]) -> IntArray:
    """Return the values of a field as its column holds them: open ones by their code.

    Errors
    ------
    SlipstickError for what is no whole number, or too large.
    """
    root = path if path in _SIZES else f"plan.{path}"
    codes = []
    for value in values:
        allowed = ["auto", "tp"] if path == "parallel.etp" else ["auto"]
        if path not in _SIZES and value in allowed:
            codes.append(_prefilling_code(value) if path == _PREFILLING else _degree_code(value))
        elif isinstance(value, bool) or not isinstance(value, int):
            raise SlipstickError("not a whole number", path=root, value=value)
        elif abs(value) > _MAX_COUNT:
            raise SlipstickError("out of range", path=root, value=value, allowed=f"at most {_MAX_COUNT}")
        else:
            codes.append(_NONE if value <= 0 and path != _PREFILLING else value)
    return np.array(codes, dtype=np.int64)


_NONE = -(10**6)  # the code of a value below 1, which no degree and no size has


def _within(codes: Mapping[str, IntArray], count: int) -> BoolArray:
    """Return which points have no value below 1 where none is allowed."""
    return np.asarray(
        np.logical_and.reduce([np.ones(count, np.bool_), *(column != _NONE for column in codes.values())])
    )


def _leaves(tree: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, node in tree.items():
        if isinstance(node, Mapping):
            yield from _leaves(node, f"{path}{name}.")
        else:
            yield f"{path}{name}", node


def _choices(question: Question) -> dict[str, tuple[Any, ...]]:
    """Return the degrees of parallelism that a search tries: all that devices and network allow."""
    values = _default_values(question.workload, question.system)
    names = ("tp", "pp", "ep") if "etp" in values else ("tp", "pp")
    choices: dict[str, tuple[Any, ...]] = {f"parallel.{name}": values[name] for name in names}
    return {**choices, "parallel.etp": (1, "tp")} if "etp" in values else choices


_FIELDS = frozenset((*_DEGREES, *_SIZES, _PREFILLING))
PREFILL = Sweep(_OF_BOTH, _FIELDS - {_PREFILLING}, _accepts, _prefill_columns, _choices, needs=_CHOSEN_BY_PLAN)
DECODE = Sweep({**_OF_BOTH, **_OF_DECODE}, _FIELDS, _accepts, _decode_columns, _choices, _DEMANDS, _CHOSEN_BY_PLAN)
