"""Figures of many points at once: the plans of a training space as arrays, anything else report by report."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.exploration.space import Space
from slipstick.report.report import Report

Columns = dict[str, NDArray[np.float64]]
FIGURES = {
    "time.step": "s", "time.sample": "s", "memory.peak": "B", "throughput.samples": "sample/s", "price": "USD",
    "devices": "",
}  # fmt: skip
_CHOICES = {"recompute": "RECOMPUTE", "schedule": "SCHEDULE", "tp_pattern": "TP_PATTERN", "tp_overlap": "TP_OVERLAP"}


@dataclass(frozen=True)
class Task:
    """What is asked of every point: a workload by name or file, a phase, its sizes, and the space."""

    workload: str
    space: Space
    phase: str = "train"
    batch: int | None = None
    sequence: int | None = None
    output: int | None = None
    vectorised: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "vectorised", self.phase == "train" and not _has_auto(self.space))


def report_of(task: Task, index: int) -> Report:
    """Return the whole report of one point.

    Errors
    ------
    SlipstickError where the point is impossible.
    """
    from slipstick.engines.closed_form import estimate_report

    point = task.space.point(index)
    plan = {path.removeprefix("plan."): value for path, value in point.items() if path.startswith("plan.")}
    changes = {path: value for path, value in point.items() if path.startswith(("system.", "workload."))}
    return estimate_report(
        task.workload, point["system"], plan, phase=task.phase, batch=task.batch, sequence=task.sequence,
        output=task.output, set=changes,
    )  # fmt: skip


def evaluate(task: Task, first: int, last: int) -> Columns:
    """Return the figures of the points from `first` to `last` - 1; of an impossible one they are not numbers.

    Points of one system, workload and set of formats and kernels are one call of the cluster model.
    """
    if not task.vectorised:
        return _one_by_one(task, first, last)
    inner = [path for path in task.space.axes if _column(path) is not None]
    outer = [path for path in task.space.axes if path not in inner]
    if list(task.space.axes) != [*outer, *inner]:
        return _in_order(task, first, last, [*outer, *inner])
    size = math.prod(len(task.space.axes[path]) for path in inner)
    parts = []
    for start in range(first // size * size, last, size):
        low, high = max(first, start), min(last, start + size)
        parts.append(_plans(task, inner, start, low - start, high - start))
    return {name: np.concatenate([part[name] for part in parts]) for name in FIGURES}


def _in_order(task: Task, first: int, last: int, order: list[str]) -> Columns:
    """Evaluate with the plan's columns innermost, and put the points back into their order."""
    axes = task.space.axes
    turned = Task(task.workload, Space({path: axes[path] for path in order}, task.space.fixed), task.phase, task.batch,
                  task.sequence, task.output)  # fmt: skip
    sizes = [len(values) for values in axes.values()]
    places = np.stack(np.unravel_index(np.arange(first, last), sizes))
    where = [list(axes).index(path) for path in order]
    index = np.ravel_multi_index(tuple(places[where]), [sizes[place] for place in where])
    order_of = np.argsort(index)
    found = {name: np.empty(last - first) for name in FIGURES}
    for run in np.split(order_of, np.flatnonzero(np.diff(index[order_of]) > 1) + 1):
        part = evaluate(turned, int(index[run[0]]), int(index[run[-1]]) + 1)
        for name, values in part.items():
            found[name][run] = values
    return found


def _plans(task: Task, inner: list[str], start: int, low: int, high: int) -> Columns:
    """Return the figures of plans `low` to `high` - 1 of one setting, whose first point has the number `start`."""
    from slipstick.cluster.assembly import training_setting
    from slipstick.cluster.sweep.plans import Plans, possible
    from slipstick.cluster.training.step import train
    from slipstick.engines.question import ask

    point = task.space.point(start)
    changes = {path: value for path, value in point.items() if path.startswith(("system.", "workload."))}
    plan = {p.removeprefix("plan."): v for p, v in point.items() if p.startswith("plan.") and p not in inner}
    question = ask(
        task.workload, point["system"], Plan.of(plan), phase="train", batch=task.batch, sequence=task.sequence,
        set=changes,
    )  # fmt: skip
    system, workload = question.system, question.workload
    count = high - low
    found = {name: np.full(count, np.nan) for name in FIGURES}
    found["devices"][:] = system.devices
    found["price"][:] = _price(system.price, system.devices)
    base = _resolved(question.plan)
    columns: dict[str, NDArray[Any]] = {
        f.name: getattr(Plans.of([base], system), f.name) for f in fields(Plans) if f.name != "etp"
    }
    sizes = [len(task.space.axes[path]) for path in inner]
    places = np.unravel_index(np.arange(low, high), sizes) if inner else ()
    for path, place in zip(inner, places, strict=True):
        name = _column(path)
        assert name is not None  # noqa: S101  inner holds nothing else
        values = [_code(name, value, system.network) for value in task.space.axes[path]]
        columns[name] = np.asarray(values)[place]
    columns = {name: np.broadcast_to(value, (count,)) for name, value in columns.items()}
    if "plan.parallel.dp" not in task.space.axes and task.space.fixed.get("plan.parallel.dp", "auto") == "auto":
        columns["dp"] = system.devices // (columns["tp"] * columns["pp"] * columns["cp"])
    columns["tp_pattern"] = np.where(columns["sp"], _RS_AG, columns["tp_pattern"])
    plans = Plans.of_columns(count, columns)
    good = np.flatnonzero(plans.dp > 0)
    good = good[possible(plans.take(good), workload, system)]
    if good.size:
        step = train(training_setting(workload, system, base), plans.take(good))
        found["time.step"][good] = step.time
        found["time.sample"][good] = step.time / workload.batch
        found["throughput.samples"][good] = workload.batch / step.time
        found["memory.peak"][good] = step.peak_memory
    return found


def _price(price: float | None, devices: int) -> float:
    """Return the price [USD] of all devices; not a number where that of one is unknown."""
    return math.nan if price is None else price * devices


_RS_AG = 2  # the message pattern that sequence parallelism implies


def _resolved(plan: Plan) -> Plan:
    """Return the plan with dp 1 where it is left to the devices: the columns hold the real one."""
    parallel = plan.parallel
    known = {"dp": 1 if parallel.dp == "auto" else parallel.dp, "etp": 1 if parallel.etp == "auto" else parallel.etp}
    return plan.model_copy(update={"parallel": parallel.model_copy(update=known)})


def _code(name: str, value: Any, network: Mapping[str, object]) -> Any:
    """Return a value as the columns of the cluster model have it.

    Errors
    ------
    SlipstickError for a value that the field does not know, with the nearest.
    """
    from slipstick.cluster.sweep import plans

    if name in _CHOICES:
        choices: tuple[str, ...] = getattr(plans, _CHOICES[name])
        if value not in choices:
            raise SlipstickError("no such choice", path=f"plan.{name}", value=value, allowed=choices)
        return choices.index(value)
    if name.endswith("_tier"):
        tiers = {"auto": plans.AUTO_TIER, **{tier: place for place, tier in enumerate(network)}}
        if value not in tiers:
            raise SlipstickError("no such tier", path=f"plan.{name}", value=value, allowed=tiers)
        return tiers[value]
    if not isinstance(value, bool | int):
        raise SlipstickError("not a whole number", path=f"plan.{name}", value=value)
    return value


def _column(path: str) -> str | None:
    """Return the column of the cluster model's plans that a path stands for, or None."""
    from slipstick.cluster.sweep.plans import Plans

    group, _, name = path.removeprefix("plan.").rpartition(".")
    if not path.startswith("plan.") or group not in ("parallel", "collectives", "offload"):
        return None
    name = f"offload_{name}" if group == "offload" else name
    return name if name in {f.name for f in fields(Plans)} else None


def _has_auto(space: Space) -> bool:
    """Tell whether a field other than dp is left to the verb, which then chooses point by point."""
    values = itertools.chain(space.fixed.items(), ((path, v) for path, found in space.axes.items() for v in found))
    return any(value == "auto" and path != "plan.parallel.dp" for path, value in values if path.startswith("plan.p"))


def _one_by_one(task: Task, first: int, last: int) -> Columns:
    found = {name: np.full(last - first, np.nan) for name in FIGURES}
    for place, index in enumerate(range(first, last)):
        try:
            report = report_of(task, index)
        except SlipstickError:
            continue
        system = report.inputs["system"]
        found["devices"][place], found["price"][place] = system["devices"], _price(system["price"], system["devices"])
        flat = report.flat()
        for name in FIGURES.keys() & flat.keys():
            found[name][place] = flat[name].value
    return found
