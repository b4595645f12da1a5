"""Accuracy against what it costs: a line for each method, a point for each setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slipstick.core.axes import LEFT, TOP, Axis, Frame
from slipstick.core.curves import KEY, STYLE, curve, dots, legend

MARGIN = 0.04  # of the span of costs, at both ends
Point = tuple[float, float, str]  # cost, accuracy (a fraction), what it is


def accuracy_svg(series: Mapping[str, Sequence[Point]], title: str, cost: str, unit: str = "") -> str:
    """Return accuracy over `cost` (its name, in `unit`) as an SVG; points of one name are joined in order of cost."""
    costs = [point[0] for points in series.values() for point in points]
    margin = (max(costs) - min(costs)) * MARGIN
    frame = Frame(Axis(cost, min(costs) - margin, max(costs) + margin, unit), Axis("accuracy", 0.0, 1.0, "fraction"))
    parts = legend(list(series), LEFT + KEY / 2, TOP + KEY)  # cheap and accurate: where no curve begins
    for place, (name, points) in enumerate(series.items()):
        ordered = sorted(points)
        across, up = [point[0] for point in ordered], [point[1] for point in ordered]
        tips = [f"{name}, {said}: {100 * value:.1f} %" for _, value, said in ordered]
        parts += [curve(frame, across, up, place), *dots(frame, across, up, place, tips)]
    return frame.document(title, parts, STYLE)
