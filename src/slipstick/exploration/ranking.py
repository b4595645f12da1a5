"""Best points of a search in order: rank, plan as text to paste, time figures, utilisation, rates, money and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.plan import short_keys
from slipstick.exploration.calibration_marks import _calibrations, _starred
from slipstick.exploration.figures import COPIES, PEAK, Objective
from slipstick.exploration.points import Task
from slipstick.exploration.space import _value_text
from slipstick.report.metric import Table

if TYPE_CHECKING:
    import polars

_MEAN_WAIT, _FIRST_P99 = "time.queue.mean", "time.queue.first_token"  # columns of searches that ask for them
# columns of the table: figure -> heading, in order; those that a search does not have are left off
_HEADINGS = {
    "time.step": "step", "time.sample": "sample", "time.first_token": "TTFT", "time.per_token": "TPOT",
    _MEAN_WAIT: "wait", "time.queue.p99": "wait p99", _FIRST_P99: "TTFT p99", "efficiency.mfu": "MFU",
    "throughput.tokens_per_device": "tok/s/dev", "load.tokens_per_device": "tok/s/dev",
    "cost.million_tokens": "USD/Mtok", PEAK: "memory", "devices": "devices",
}  # fmt: skip
_UNIT_IN_HEADING = ("tok/s/dev", "USD/Mtok")
# figure -> figures that say little beside it
_HIDDEN = {
    "time.per_token": ("time.step",), "load.tokens_per_device": ("throughput.tokens_per_device",),
    _FIRST_P99: ("time.queue.p99",),
}  # fmt: skip
_WORKLOAD = "workload."


@dataclass(frozen=True)
class _Ranking:
    """Best points of a search, in the order of its objectives.

    Of points whose figures are all equal (the same plan in other words) the first is taken.
    """

    task: Task
    objectives: Sequence[Objective]
    rows: Sequence[Mapping[str, Any]]  # rank, system, sizes, plan, command, and the figures by path

    conditions: Sequence[str] = ()  # paths of the figures that have bounds

    @classmethod
    def of(
        cls,
        task: Task,
        points: polars.DataFrame,
        objectives: Sequence[Objective],
        costs: FloatArray,
        count: int,
        conditions: Sequence[str] = (),
    ) -> _Ranking:
        """Return the `count` best points by `costs`, [points, objectives]; those without an objective have no rank."""
        order = np.lexsort((np.arange(len(costs)), *costs.T[::-1]))
        order = order[np.isfinite(costs[order]).all(axis=1)]
        rows: list[dict[str, Any]] = []
        known: set[tuple[Any, ...]] = set()
        for place in order:
            if len(rows) == count:
                break
            figures = points[int(place)].fill_nan(None).row(0, named=True)
            point = task.space.point(figures["index"])
            own = (_value_text(point["system"]), *(figures[path] for path in task.units))
            if own not in known:
                known.add(own)
                rows.append({"rank": len(rows) + 1, "index": figures["index"], **_row(task, point, figures)})
        marks = _calibrations(task, [row.pop("index") for row in rows])
        marked = [{**row, "calibration": mark} for row, mark in zip(rows, marks, strict=True)]
        return cls(task, objectives, marked, conditions)

    def table(self) -> Table:
        """Return the points as a table: the objectives, the conditions, the usual figures, and the plan to paste."""
        units, axes = self.task.units, self.task.space.axes
        asked = dict.fromkeys((*(goal.path for goal in self.objectives), *self.conditions))
        optional = {"devices": COPIES in units, **{path: path in asked for path in (_MEAN_WAIT, _FIRST_P99)}}
        paths = [path for path in _HEADINGS if path in units and optional.get(path, True)]
        hidden = {path for first, others in _HIDDEN.items() if first in paths for path in others} - asked.keys()
        paths = [path for path in (*(path for path in asked if path not in _HEADINGS), *paths) if path not in hidden]
        names = ["rank", *(["system"] if "system" in axes else [])]
        names += [path.removeprefix(_WORKLOAD) for path in axes if path.startswith(_WORKLOAD)]
        figures = {_HEADINGS.get(path, path): units[path] for path in paths}
        figures |= dict.fromkeys(figures.keys() & set(_UNIT_IN_HEADING), "")
        last = ("calibration", "plan") if any(row["calibration"] for row in self.rows) else ("plan",)
        columns = {**dict.fromkeys(names, ""), **figures, **dict.fromkeys(last, "")}
        return Table.of(columns, [[row[name] for name in (*names, *paths, *last)] for row in self.rows])

    def text(self) -> tuple[Table, str]:
        """Return the printed form: the table with the varied fields of each plan, and the commands to paste."""
        (table, remark), axes = _starred(self.table()), self.task.space.axes
        varied = tuple(f"{key}=" for key, path in short_keys().items() if f"plan.{path}" in axes)
        plans = [[text for text in row["plan"].split(",") if text.startswith(varied)] for row in self.rows]
        short = [(*cells[:-1], ",".join(plan)) for cells, plan in zip(table.rows, plans, strict=True)]
        lines = [f"{row['rank']:>4}  {row['command']}" for row in self.rows]
        remarks = [remark, ""] if remark else []
        return replace(table, rows=tuple(short)), "\n".join([*remarks, "for slipstick estimate:", *lines])


def _row(task: Task, point: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    sizes = {path.removeprefix(_WORKLOAD): value for path, value in point.items() if path.startswith(_WORKLOAD)}
    return {
        "system": _value_text(point["system"]), **sizes, "plan": _plan_text(point),
        "command": _command(task, figures["index"]), **{path: figures[path] for path in task.units},
    }  # fmt: skip


def _plan_text(point: Mapping[str, Any]) -> str:
    """Return the plan of a point as ``--plan`` takes it, in the order of the plan's own fields.

    Examples
    --------
    >>> _plan_text({"system": "h100-sxm:8", "plan.parallel.pp": 1, "plan.parallel.tp": 8})
    'pp=1,tp=8'
    """
    keys = {f"plan.{whole}": key for key, whole in short_keys().items()}
    return ",".join(f"{keys[path]}={_value_text(value)}" for path, value in point.items() if path in keys)


def _command(task: Task, index: int) -> str:
    """Return a point as the arguments of `slipstick estimate`: network, system, phase, sizes, plan and overrides."""
    point = task.space.point(index)
    options = dict(task.options)
    options |= {path.removeprefix(_WORKLOAD): value for path, value in point.items() if path.startswith(_WORKLOAD)}
    asked = [f"--{name.replace('_', '-')} {value}" for name, value in options.items() if not isinstance(value, Mapping)]
    text = _plan_text(point)
    asked += [f"--plan {text}"] if text else []
    asked += [f"--set {path}='{value}'" for path, value in point.items() if path.startswith("system.")]
    return " ".join([task.workload_name, _value_text(point["system"]), *asked])


def _point_name(task: Task, index: int) -> str:
    """Return the name of a point in a picture: the fields of its plan that vary, and its sizes."""
    point, axes = task.space.point(index), task.space.axes
    sizes = [f"{path.removeprefix(_WORKLOAD)} {point[path]}" for path in axes if path.startswith(_WORKLOAD)]
    plan = _plan_text({path: point[path] for path in axes})
    return ", ".join(filter(None, (plan, *sizes)))
