"""The picture of a search: its points over two objectives, and the frontier."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slipstick.core import svg
from slipstick.core.units import format_quantity
from slipstick.search.evaluate import FIGURES
from slipstick.search.pareto import pareto

if TYPE_CHECKING:
    from slipstick.search.frontier import Frontier

WIDTH, HEIGHT = 900.0, 520.0  # pixels
LEFT, RIGHT, TOP, BOTTOM = 90.0, 30.0, 50.0, 60.0  # pixels around the axes
CLOUD = 3000  # points drawn beside the frontier: more would be a blot
DOT, MARK = 2.2, 5.0  # pixels: radius of a point, of a frontier's point
TICKS = 6  # labels of an axis, at most
GAP = 18.0  # pixels between an axis and its labels
DECADE = 10.0

_STYLE = """
.pic .cloud{fill:var(--k9);fill-opacity:.45}.pic .front{fill:var(--k1)}
.pic .edge{fill:none;stroke:var(--k1);stroke-width:1.6}
"""


def frontier_svg(found: Frontier) -> str:
    """Return the points over the first two objectives (over the first and memory, if there is one only)."""
    names = (*found.objectives, "memory.peak" if found.objectives[0] != "memory.peak" else "time.sample")[:2]
    values = np.stack([found.points[name].to_numpy() for name in names], axis=1)
    sign = np.array([-1.0 if name in found.largest else 1.0 for name in names])
    front = pareto(values * sign)
    shown = np.unique(np.linspace(0, len(values) - 1, min(CLOUD, len(values))).astype(int))
    axes = [_Axis.of(values[:, place], name, FIGURES[name]) for place, name in enumerate(names)]
    x = LEFT + axes[0].share(values[:, 0]) * (WIDTH - LEFT - RIGHT)
    y = HEIGHT - BOTTOM - axes[1].share(values[:, 1]) * (HEIGHT - TOP - BOTTOM)
    parts = [svg.text(LEFT, TOP / 2 + 4, f"{found.task.workload}: {found.how}", "title")]
    parts += [f'<circle cx="{x[n]:.1f}" cy="{y[n]:.1f}" r="{DOT}" class="cloud"/>' for n in shown]
    way = " ".join(f"{x[n]:.1f},{y[n]:.1f}" for n in front)
    parts.append(f'<polyline points="{way}" class="edge"/>')
    for n in front:
        said = zip(names, axes, values[n], strict=True)
        tip = ", ".join(f"{name} {axis.label(value)}" for name, axis, value in said)
        parts.append(f'<circle cx="{x[n]:.1f}" cy="{y[n]:.1f}" r="{MARK}" class="front"><title>{tip}</title></circle>')
    for value in axes[0].ticks():
        at = LEFT + float(axes[0].share(np.array([value]))[0]) * (WIDTH - LEFT - RIGHT)
        parts.append(svg.line(at, TOP, at, HEIGHT - BOTTOM))
        parts.append(svg.text(at, HEIGHT - BOTTOM + GAP, axes[0].label(value), "soft middle"))
    for value in axes[1].ticks():
        at = HEIGHT - BOTTOM - float(axes[1].share(np.array([value]))[0]) * (HEIGHT - TOP - BOTTOM)
        parts += [
            svg.line(LEFT, at, WIDTH - RIGHT, at),
            svg.text(LEFT - GAP / 2, at + 4, axes[1].label(value), "soft end"),
        ]
    parts.append(svg.text(WIDTH - RIGHT, HEIGHT - GAP, names[0], "end"))
    parts.append(svg.text(GAP / 2, TOP - GAP / 2, names[1]))
    return svg.document(WIDTH, HEIGHT, parts, title=f"{names[1]} over {names[0]}", style=_STYLE)


class _Axis:
    """A logarithmic axis where the values span more than a decade, else a plain one."""

    def __init__(self, low: float, high: float, unit: str, *, log: bool) -> None:
        self.low, self.high, self.unit, self.log = low, high, unit, log

    @classmethod
    def of(cls, values: NDArray[np.float64], name: str, unit: str) -> _Axis:
        low, high = float(values.min()), float(values.max())
        if low == high:
            low, high = low / 2, high * 2 or 1.0
        return cls(low, high, unit, log=low > 0 and high / low > 10)

    def share(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where values lie from low (0) to high (1)."""
        if self.log:
            return np.asarray(np.log(values / self.low) / math.log(self.high / self.low))
        return np.asarray((values - self.low) / (self.high - self.low))

    def ticks(self) -> list[float]:
        """Return round values on the axis."""
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [base * DECADE**decade for decade in decades for base in (1, 2, 5)]
        else:
            step = DECADE ** math.floor(math.log10((self.high - self.low) / 2))
            found = [step * n for n in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        inside = [value for value in found if self.low <= value <= self.high]
        return inside[:: max(1, -(-len(inside) // TICKS))]

    def label(self, value: float) -> str:
        """Return a value with its unit."""
        return format_quantity(float(value), self.unit)
