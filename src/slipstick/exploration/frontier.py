"""What a search found: the points as columns, and of them those that no other beats."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.pareto import knee, pareto
from slipstick.exploration.evaluate import FIGURES, Task, report_of
from slipstick.report.report import Report, Table

if TYPE_CHECKING:
    import polars

# what users call a figure -> its path, and whether large is good
OBJECTIVES = {
    "time": ("time.sample", False), "step": ("time.step", False), "memory": ("memory.peak", False),
    "price": ("price", False), "devices": ("devices", False), "throughput": ("throughput.samples", True),
}  # fmt: skip


ROWS = 200  # of the frontier on a page


@dataclass(frozen=True, eq=False)
class Frontier:
    """The points that fit, as a polars table: `index` in the space, the axes' values, the figures.

    `objectives` are paths of figures; `largest` names those of which more is better. `how` says how the points were
    found, `tried` how many there were.
    """

    task: Task
    points: polars.DataFrame
    objectives: tuple[str, ...]
    largest: frozenset[str]
    how: str
    tried: int

    @property
    def costs(self) -> np.ndarray:
        """The objectives of every point, all to be small, [points, objectives]."""
        columns = [self.points[name].to_numpy() * (-1 if name in self.largest else 1) for name in self.objectives]
        return np.stack(columns, axis=1)

    @property
    def pareto(self) -> polars.DataFrame:
        """The points that no other beats, sorted by the first objective."""

        front: polars.DataFrame = self.points[pareto(self.costs).tolist()]
        return front

    def best(self, objective: str | None = None) -> Report:
        """Return the whole report of the point that is best in one objective; the first one unless named."""
        path = self.objectives[0] if objective is None else objective_of(objective)[0]
        values = self.points[path].to_numpy() * (-1 if path in self.largest else 1)
        return self.report(int(self.points["index"][int(values.argmin())]))

    def knee(self) -> Report:
        """Return the report of the best bargain: the frontier's point nearest to the best of every objective."""
        front = pareto(self.costs)
        return self.report(int(self.points["index"][int(front[knee(self.costs[front])])]))

    def report(self, index: int) -> Report:
        """Return the whole report of the point with this number in the space."""
        return report_of(self.task, index)

    def table(self, rows: int = 20) -> Table:
        """Return the frontier's first rows as a table with units."""
        front = self.pareto.head(rows)
        axes = {path.removeprefix("plan.").rpartition(".")[2] or path: path for path in self.task.space.axes}
        figures = [name for name in FIGURES if name in self.objectives or name in ("time.step", "memory.peak")]
        columns = {**dict.fromkeys(axes, ""), **{name: FIGURES[name] for name in figures}}
        cells = [front[name].to_list() for name in (*axes.values(), *figures)]
        return Table.of(columns, zip(*cells, strict=True))

    def write(self, path: str | Path) -> None:
        """Write the points as parquet, whole or not at all, with what was asked beside them."""
        write_parquet(self.points, path)

    def json(self) -> str:
        """Return how the points were found and the frontier's points, as JSON."""
        front = self.pareto.fill_nan(None).to_dicts()
        found = {"how": self.how, "tried": self.tried, "kept": len(self.points), "frontier": front}
        return json.dumps(found, indent=2)

    def __rich__(self) -> Any:
        """Return what a rich console prints: how many points there were, and the frontier."""
        from rich.console import Group

        from slipstick.report.as_text import render_breakdown

        front = self.pareto
        counts = f"{self.how}; {len(self.points):,} keep the conditions, {len(front):,} are beaten by none\n"
        best = f"\nthe first in {self.objectives[0]}: {self.words(int(front['index'][0]))}"
        return Group(counts, render_breakdown("frontier", self.table()), best)

    def words(self, index: int) -> str:
        """Return a point as `slipstick estimate` takes it: the system, and the plan behind --plan."""
        point = self.task.space.point(index)
        plan = [(path.rpartition(".")[2], value) for path, value in point.items() if path.startswith("plan.")]
        texts = [f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in plan]
        changes = [f" --set {path}='{value}'" for path, value in point.items() if "." in path and path[:4] != "plan"]
        return f"{self.task.workload} {point['system']} --plan {','.join(texts)}{''.join(changes)}"

    def plot(self) -> str:
        """Return an SVG of the points over the first two objectives, the frontier marked."""
        from slipstick.exploration.frontier_picture import frontier_svg

        return frontier_svg(self)

    def html(self) -> str:
        """Return a self-contained page: the picture, and the frontier's points."""
        from slipstick.pictures import svg
        from slipstick.report.as_html import table_html

        title = f"{self.task.workload}: {' and '.join(self.objectives)}"
        return svg.page(title, [self.plot(), table_html(self.table(rows=ROWS))])


def objective_of(name: str) -> tuple[str, bool]:
    """Return the figure that a word names, and whether more of it is better.

    Errors
    ------
    SlipstickError for an unknown one, with the nearest.
    """
    if name in OBJECTIVES:
        return OBJECTIVES[name]
    if name in FIGURES:
        return name, name.startswith("throughput")
    raise SlipstickError("no such objective", path="minimize", value=name, allowed=[*OBJECTIVES, *FIGURES])


def write_parquet(table: polars.DataFrame, path: str | Path) -> None:
    """Write a table whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        table.write_parquet(temporary)
        os.chmod(temporary, 0o644)  # as open() would have made it
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def description(task: Task, objectives: Sequence[str], subject_to: str) -> str:
    """Return what was asked as JSON: what tells one run's folder from another's."""
    asked: dict[str, Any] = {
        "workload": task.workload, "phase": task.phase, "batch": task.batch, "sequence": task.sequence,
        "output": task.output, "axes": {path: list(values) for path, values in task.space.axes.items()},
        "fixed": dict(task.space.fixed), "objectives": list(objectives), "subject_to": subject_to,
    }  # fmt: skip
    return json.dumps(asked, indent=2, sort_keys=True)
