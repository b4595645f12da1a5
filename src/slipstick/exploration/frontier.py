"""Frontier, the result of `search`: its feasible points as columns, and their Pareto frontier."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.pareto import knee, pareto
from slipstick.core.plan import short_keys
from slipstick.exploration.calibration_marks import _calibrations, _starred
from slipstick.exploration.figures import ACCURACY, INTERACTIVITY, PEAK, PER_DEVICE, Objective, _figure_path
from slipstick.exploration.measured_accuracies import FORMATS
from slipstick.exploration.parquet import _write_parquet
from slipstick.exploration.points import Task
from slipstick.exploration.ranking import _command, _point_name, _Ranking
from slipstick.exploration.space import _value_text
from slipstick.exploration.treatment import Treatment
from slipstick.report.metric import Metric, Table
from slipstick.report.report import Report

if TYPE_CHECKING:
    import polars

_TOP = 10  # best points in JSON and on a page
_PAGE_ROWS = 200  # of the frontier on a page
_JSON_POINTS = 10_000  # in a text; all of them are in the parquet file


@dataclass(frozen=True, eq=False)
class Frontier:
    """Result of a search: the feasible points as a polars table, with `index` in the space, axes and figures.

    `method` says how the points were chosen, `tried` how many there were. A point without a figure for some objective,
    such as the price of a system that nobody knows, stays among the `points` but is on no frontier. `as_it_came` is the
    accuracy of the network before any format, where it was measured.
    """

    task: Task
    points: polars.DataFrame
    objectives: tuple[Objective, ...]
    method: str
    tried: int
    ranking: int = 0  # best points that are printed in place of the frontier; 0: the frontier is
    conditions: tuple[str, ...] = ()  # paths of the figures that the points had to keep within bounds
    as_it_came: Metric | None = None

    @property
    def costs(self) -> FloatArray:
        """Objectives of every point, as costs to minimise, [points, objectives]."""
        return np.stack([self.points[goal.path].to_numpy() * goal.sign for goal in self.objectives], axis=1)

    @property
    def pareto(self) -> polars.DataFrame:
        """Pareto-optimal points, sorted by the first objective."""
        front: polars.DataFrame = self.points[pareto(self.costs).tolist()]
        return front

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of every figure of the points, by path."""
        return self.task.units

    def best(self, objective: str | None = None) -> Report:
        """Return the full Report of the point that is best in one figure, by default the first objective.

        Errors
        ------
        SlipstickError for a figure that the points do not have, or none of them knows.
        """
        goal = self.objectives[0] if objective is None else Objective.of(_figure_path(objective, self.units, "best"))
        costs = self.points[goal.path].to_numpy() * goal.sign
        if np.isnan(costs).all():
            raise SlipstickError("no point has this figure", path="best", value=goal.path)
        return self.report(int(self.points["index"][int(np.nanargmin(costs))]))

    def knee(self) -> Report:
        """Return the full Report of the knee: the Pareto point nearest to the best of every objective."""
        front = pareto(self.costs)
        return self.report(int(self.points["index"][int(front[knee(self.costs[front])])]))

    def report(self, index: int) -> Report:
        """Return the full Report of the point with this index in the space."""
        return self.task.report(index)

    def table(self, rows: int = 20) -> Table:
        """Return the first Pareto points as a table with units: axes, objectives, conditions, time and memory.

        Where accuracy was measured, time and memory are left out unless they are objectives or conditions.
        """
        front = self.pareto.head(rows).fill_nan(None)
        axes = {_short(path): path for path in self.task.space.axes}
        asked = {*(goal.path for goal in self.objectives), *self.conditions}
        column_paths = asked if self.task.scored else {"time.step", PEAK, *asked}
        figures = [path for path in self.units if path in column_paths]
        columns = {**dict.fromkeys(axes, ""), **{path: self.units[path] for path in figures}}
        cells = [front[path].to_list() for path in (*axes.values(), *figures)]
        marks = _calibrations(self.task, front["index"].to_list())
        if any(marks):
            columns, cells = {**columns, "calibration": ""}, [*cells, marks]
        return Table.of(columns, zip(*cells, strict=True))

    def write(self, path: str | Path) -> None:
        """Write all feasible points, not the frontier alone, to a parquet file, atomically."""
        _write_parquet(self.points, path)

    def json(self) -> str:
        """Return the frontier, all points, their units and how they were chosen, as JSON."""
        points = self.points.head(_JSON_POINTS)
        answer = {
            "how": self.method,
            "tried": self.tried,
            "kept": len(self.points),
            "objectives": [goal.path for goal in self.objectives],
            "units": dict(self.units),
            "top": list(self._ranked(self.ranking or _TOP).rows),
            "frontier": self._marked_frontier(),
            "points": points.fill_nan(None).to_dicts(),
            "points_left_off": len(self.points) - len(points),
        }
        return json.dumps(answer, indent=2, allow_nan=False)

    def _marked_frontier(self) -> list[dict[str, Any]]:
        """Return the frontier's points, each with its mark if its device was never measured."""
        points: list[dict[str, Any]] = self.pareto.fill_nan(None).to_dicts()
        marks = _calibrations(self.task, [int(point["index"]) for point in points])
        return [{**point, "calibration": mark} for point, mark in zip(points, marks, strict=True)]

    def __rich__(self) -> Any:
        """Return what a rich console prints: how many points there were, and the frontier."""
        from rich.console import Group

        from slipstick.report.as_text import render_breakdown

        front = self.pareto
        counts = f"{self.method}; {len(self.points):,} meet the conditions, {_beaten(len(front))}"
        if self.ranking:
            table, commands = self._ranked(self.ranking).text()
            return Group(f"{counts}{self._unknown()}\n", render_breakdown("best", table), f"\n{commands}")
        table, remark = _starred(self.table())
        best = f"\n{remark}\n" if remark else ""
        first = int(front["index"][0])
        best += f"\nthe first in {self.objectives[0].path}: {self.words(first)}"
        if treated := Treatment.of(self.task.space.point(first)).words:
            best += f"\nits accuracy is that of slipstick adapt with {treated}"
        return Group(f"{counts}{self._unknown()}\n", render_breakdown("frontier", table), best)

    def __str__(self) -> str:
        """Return the frontier as plain text: what ``print`` shows."""
        from slipstick.report.as_text import to_text

        return to_text(self)

    def _unknown(self) -> str:
        """Return the sentence that counts the points left off the frontier for want of an objective."""
        counts = {goal.path: int(self.points[goal.path].is_nan().sum()) for goal in self.objectives}
        return "".join(f"; of {count:,} the {path} is unknown" for path, count in counts.items() if count)

    def top(self, count: int = 10) -> Table:
        """Return the best points, by the first objective, as a table with the plan of each to paste into ``--plan``."""
        return self._ranked(count).table()

    def _ranked(self, count: int) -> _Ranking:
        return _Ranking.of(self.task, self.points, self.objectives, self.costs, count, self.conditions)

    def words(self, index: int) -> str:
        """Return a point as arguments of `slipstick estimate`: network, system, phase, sizes, and the plan."""
        return _command(self.task, index)

    def plot(self) -> str:
        """Return the SVG of the points over the first two objectives, with the frontier marked.

        A search that weighs accuracy against something has its families of formats in it.
        """
        if self._accuracy_costs:
            return next(iter(self._families().values()))
        from slipstick.exploration.frontier_picture import _frontier_svg

        figures = {path: self.points[path].to_numpy() for path in self.units}
        title = f"{self.task.workload_name}: {self.method}"
        return _frontier_svg(figures, self.units, self.objectives, self._systems(), title)

    def pictures(self) -> dict[str, str]:
        """Return the SVG pictures by name: the frontier, and of a serving search throughput over interactivity.

        A search that weighs accuracy has a picture of it against each other objective.
        """
        if self._accuracy_costs:
            return self._families()
        return {**({"serving": self._serving()} if self._is_serving else {}), "frontier": self.plot()}

    @property
    def _accuracy_costs(self) -> list[str]:
        """Objectives against which accuracy is drawn; none without accuracy, or where no number format is stated."""
        paths = [goal.path for goal in self.objectives]
        if ACCURACY not in paths or FORMATS not in {**self.task.space.axes, **self.task.space.fixed}:
            return []
        return [path for path in paths if path != ACCURACY and not self.points[path].is_nan().all()]

    def _families(self) -> dict[str, str]:
        """Return the SVG of accuracy against each other objective, by the objective's path."""
        from slipstick.exploration.family_picture import _family_svg, _FamilyPoints

        points = [self.task.space.point(index) for index in self.points["index"].to_list()]
        words = (
            [str(point[FORMATS]) for point in points], [_value_text(point["system"]) for point in points],
            [Treatment.of(point).words for point in points],
        )  # fmt: skip
        level = None if self.as_it_came is None else self.as_it_came.value
        title = f"{Path(self.task.workload_name).stem}: accuracy on {self.task.scored}"
        accuracies = self.points[ACCURACY].to_numpy()
        return {
            path: _family_svg(
                _FamilyPoints(self.points[path].to_numpy(), accuracies, *words, level), (path, self.units[path]), title
            )
            for path in self._accuracy_costs
        }

    @property
    def _is_serving(self) -> bool:
        rates = [path for path in (INTERACTIVITY, PER_DEVICE) if path in self.units]
        return len(rates) > 1 and not any(self.points[path].is_nan().any() for path in rates)

    def _serving(self) -> str:
        """Return the SVG of the tokens a second of a device over those that one user sees."""
        from slipstick.exploration.serving_picture import _serving_svg

        index = self.points["index"].to_numpy()
        rates = self.points[INTERACTIVITY].to_numpy(), self.points[PER_DEVICE].to_numpy()
        title = f"{self.task.workload_name}: {self.method}"
        return _serving_svg(rates, self._systems(), lambda place: _point_name(self.task, int(index[place])), title)

    def _systems(self) -> tuple[list[str], set[str]]:
        """Return the name of each point's system, and the names of those whose device nobody measured."""
        count = len(self.points)
        stated = "system" in self.points.columns
        names = self.points["system"].to_list() if stated else [_value_text(self.task.space.fixed["system"])] * count
        first = dict(zip(reversed(names), reversed(self.points["index"].to_list()), strict=True))
        marks = dict(zip(first, _calibrations(self.task, list(first.values())), strict=True))
        return names, {name for name, mark in marks.items() if mark}

    def html(self) -> str:
        """Return a self-contained HTML page: the picture, and the frontier's points."""
        from slipstick.pictures import svg
        from slipstick.report.as_html import table_html

        title = f"{self.task.workload_name}: {' and '.join(goal.path for goal in self.objectives)}"
        tables = [table_html(self.top(self.ranking or _TOP)), table_html(self.table(rows=_PAGE_ROWS))]
        return svg.page(title, [*self.pictures().values(), *tables])

    def _repr_html_(self) -> str:
        """Return the notebook's HTML: the page in a frame, so that its style stays inside."""
        from slipstick.report.as_html import framed

        return framed(self.html())


def _beaten(count: int) -> str:
    """Return the phrase that counts the points of the frontier."""
    return "1 is beaten by none" if count == 1 else f"{count:,} are beaten by none"


def _short(path: str) -> str:
    """Return the short name of an axis: a plan field's short key, as ``--plan`` reads it, else the path's last part."""
    keys = {f"plan.{whole}": key for key, whole in short_keys().items()}
    return keys.get(path) or path.rpartition(".")[2]
