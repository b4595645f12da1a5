"""Best points of a search in order: rank, plan as text to paste, time figures, utilisation, rates, money and memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.plan import short_keys
from slipstick.exploration.figures import PEAK
from slipstick.exploration.space import _value_text
from slipstick.report.metric import Table

if TYPE_CHECKING:
    from slipstick.exploration.frontier import Frontier
    from slipstick.exploration.points import Task

# columns of the table: figure -> heading, in order; those that a search does not have are left off
_HEADINGS = {
    "time.step": "step", "time.sample": "sample", "time.first_token": "first token", "time.per_token": "per token",
    "time.request": "request", "time.queue.mean": "wait", "time.queue.p99": "wait p99", "efficiency.mfu": "MFU",
    "throughput.tokens_per_device": "per device", "cost.million_tokens": "per Mtoken", PEAK: "memory",
}  # fmt: skip
_HIDDEN = {"time.request": ("time.step",)}  # with the first figure, these say little: they stay out of the table
_WORKLOAD = "workload."


def _ranks(frontier: Frontier, count: int) -> list[dict[str, Any]]:
    """Return the best points as rows by name: rank, system, sizes that vary, plan, command, and the figures by path."""
    costs = frontier.costs
    order = np.lexsort((np.arange(len(costs)), *costs.T[::-1]))
    order = order[np.isfinite(costs[order]).all(axis=1)][:count]
    points = frontier.points[order.tolist()].fill_nan(None)
    rows = []
    for rank, row in enumerate(points.iter_rows(named=True), start=1):
        point = frontier.task.space.point(row["index"])
        sizes = {path.removeprefix(_WORKLOAD): point[path] for path in point if path.startswith(_WORKLOAD)}
        rows.append(
            {
                "rank": rank, "system": _value_text(point["system"]), **sizes, "plan": plan_text(point),
                "command": command(frontier.task, row["index"]), **{path: row[path] for path in frontier.units},
            }
        )  # fmt: skip
    return rows


def _ranked_table(frontier: Frontier, count: int) -> Table:
    """Return the best points as a table, with the objectives and the usual figures as columns."""
    rows = _ranks(frontier, count)
    paths = [path for path in _HEADINGS if path in frontier.units]
    hidden = {path for shown, others in _HIDDEN.items() if shown in paths for path in others}
    goals = [goal.path for goal in frontier.objectives]
    paths = [path for path in (*(goal for goal in goals if goal not in _HEADINGS), *paths) if path not in hidden]
    names = ["rank", *(["system"] if "system" in frontier.task.space.axes else [])]
    names += [path.removeprefix(_WORKLOAD) for path in frontier.task.space.axes if path.startswith(_WORKLOAD)]
    columns = {**dict.fromkeys(names, ""), **{_HEADINGS.get(path, path): frontier.units[path] for path in paths}}
    return Table.of({**columns, "plan": ""}, [[row[name] for name in (*names, *paths, "plan")] for row in rows])


def plan_text(point: Mapping[str, Any]) -> str:
    """Return the plan of a point as ``--plan`` takes it, in the order of the plan's own fields.

    Examples
    --------
    >>> plan_text({"system": "h100-sxm:8", "plan.parallel.pp": 1, "plan.parallel.tp": 8})
    'pp=1,tp=8'
    """
    keys = {f"plan.{whole}": key for key, whole in short_keys().items()}
    return ",".join(f"{keys[path]}={_value_text(value)}" for path, value in point.items() if path in keys)


def command(task: Task, index: int) -> str:
    """Return a point as the arguments of `slipstick estimate`: network, system, phase, sizes, plan and overrides."""
    point = task.space.point(index)
    options = {name: task.options[name] for name in ("phase", "batch", "sequence", "output") if name in task.options}
    options |= {path.removeprefix(_WORKLOAD): value for path, value in point.items() if path.startswith(_WORKLOAD)}
    asked = [f"--{name} {value}" for name, value in options.items()]
    text = plan_text(point)
    asked += [f"--plan {text}"] if text else []
    asked += [f"--set {path}='{value}'" for path, value in point.items() if path.startswith("system.")]
    return " ".join([task.workload_name, _value_text(point["system"]), *asked])


def point_name(task: Task, index: int) -> str:
    """Return what distinguishes a point from others of its system in few words, as a picture shows it."""
    point, axes = task.space.point(index), task.space.axes
    sizes = [f"{path.removeprefix(_WORKLOAD)} {point[path]}" for path in axes if path.startswith(_WORKLOAD)]
    plan = plan_text({path: point[path] for path in axes})
    return ", ".join(filter(None, (plan, *sizes)))
