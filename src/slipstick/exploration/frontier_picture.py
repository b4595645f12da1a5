"""Picture of a search: its points over two objectives, with the Pareto frontier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.pareto import pareto
from slipstick.exploration.figures import PEAK, Objective
from slipstick.exploration.system_key import STYLE, _SystemKey
from slipstick.pictures.axes import Axis, Frame

_CLOUD = 3000  # points drawn beside the frontier: more would be a blot
_DOT, _MARK = 2.2, 5.0  # pixels: radius of a point, of a frontier's point

_EDGE = ".pic .front{fill:none;stroke:var(--ink);stroke-width:1.2}"


def _frontier_svg(
    figures: Mapping[str, FloatArray],
    units: Mapping[str, str],
    objectives: Sequence[Objective],
    systems: tuple[Sequence[str], Collection[str]],
    title: str,
) -> str:
    """Return the SVG of points over the first two objectives; a single objective is drawn over memory or devices.

    Parameters
    ----------
    figures, units : of every point by the figure's path [points], and the unit of each.
    systems : name of each point's system, and those whose device nobody measured: their points are hollow.
    """
    goals = _drawn(objectives, units)
    values = np.stack([figures[goal.path] for goal in goals], axis=1)
    known = np.flatnonzero(np.isfinite(values).all(axis=1))
    values, names = values[known], [systems[0][n] for n in known.tolist()]
    key = _SystemKey(list(dict.fromkeys(names)), systems[1])
    front = pareto(values * np.array([goal.sign for goal in goals]))
    drawn_points = np.unique(np.linspace(0, len(values) - 1, min(_CLOUD, len(values))).astype(int))
    axes = [Axis.of(values[:, place], goal.path, units[goal.path]) for place, goal in enumerate(goals)]
    frame = Frame(*axes)
    x, y = frame.x(values[:, 0]), frame.y(values[:, 1])
    parts = [key.point(x[n], y[n], _DOT, names[n], more="cloud") for n in drawn_points]
    way = " ".join(f"{x[n]:.1f},{y[n]:.1f}" for n in front)
    parts.append(f'<polyline points="{way}" class="front"/>')
    for n in front:
        labels = zip(goals, axes, values[n], strict=True)
        tip = ", ".join(f"{goal.path} {axis.label(value)}" for goal, axis, value in labels)
        parts.append(key.point(x[n], y[n], _MARK, names[n], f"{names[n]}: {tip}"))
    counts, best = Counter(names), Counter(names[n] for n in front)
    legend, below = key.legend(
        [f"{counts[name]:,} points, {best[name]} on the frontier" for name in key.systems], lines=False
    )
    return frame.document(title, [*parts, *legend], STYLE + _EDGE, below)


def _drawn(objectives: Sequence[Objective], units: Mapping[str, str]) -> tuple[Objective, Objective]:
    """Return the two objectives that the picture's axes show."""
    if len(objectives) > 1:
        return objectives[0], objectives[1]
    second_axes = (path for path in (PEAK, "time.sample", "devices") if path in units)
    return objectives[0], Objective.of(next(path for path in second_axes if path != objectives[0].path))
