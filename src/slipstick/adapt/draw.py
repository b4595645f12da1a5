"""Accuracy against what it costs: a line for each method, a point for each setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from slipstick.core import svg
from slipstick.core.axes import BOTTOM, HEIGHT, RIGHT, WIDTH, Axis, Frame

KEY = 18.0  # pixels from one line of the legend to the next
BELOW = 20.0  # pixels between the legend and the axis
LETTERS = 190.0  # pixels: the legend's width
Point = tuple[float, float, str]  # cost, accuracy (a fraction), what it is

_STYLE = ".pic .curve{fill:none;stroke-width:1.8}" + svg.palette("s", "stroke") + svg.palette("f", "fill")


def accuracy_svg(series: Mapping[str, Sequence[Point]], title: str, cost: str, unit: str = "") -> str:
    """Return accuracy over `cost` (its name, in `unit`) as an SVG; points of one name are joined in order of cost."""
    costs = [point[0] for points in series.values() for point in points]
    margin = (max(costs) - min(costs)) * 0.04
    frame = Frame(Axis(cost, min(costs) - margin, max(costs) + margin, unit), Axis("accuracy", 0.0, 1.0, "fraction"))
    parts = []
    for place, (name, points) in enumerate(series.items()):
        ordered = sorted(points)
        x, y = frame.x([point[0] for point in ordered]), frame.y([point[1] for point in ordered])
        way = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        parts.append(f'<polyline points="{way}" class="curve s{place}"/>')
        for a, b, (_, value, said) in zip(np.asarray(x), np.asarray(y), ordered, strict=True):
            tip = f"{name}, {said}: {100 * value:.1f} %"
            parts.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" class="f{place}"><title>{tip}</title></circle>')
        key = HEIGHT - BOTTOM - BELOW - KEY * (len(series) - 1 - place)
        left = WIDTH - RIGHT - LETTERS
        parts.append(svg.line(left, key - 4, left + 22, key - 4, f"curve s{place}"))
        parts.append(svg.text(left + 28, key, name))
    return frame.document(title, parts, _STYLE)
