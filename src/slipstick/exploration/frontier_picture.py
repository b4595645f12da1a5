"""The picture of a search: its points over two objectives, and the frontier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slipstick.core.pareto import pareto
from slipstick.exploration.evaluate import FIGURES
from slipstick.pictures.axes import Axis, Frame

if TYPE_CHECKING:
    from slipstick.exploration.frontier import Frontier

CLOUD = 3000  # points drawn beside the frontier: more would be a blot
DOT, MARK = 2.2, 5.0  # pixels: radius of a point, of a frontier's point

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
    axes = [Axis.of(values[:, place], name, FIGURES[name]) for place, name in enumerate(names)]
    frame = Frame(*axes)
    x, y = frame.x(values[:, 0]), frame.y(values[:, 1])
    parts = [f'<circle cx="{x[n]:.1f}" cy="{y[n]:.1f}" r="{DOT}" class="cloud"/>' for n in shown]
    way = " ".join(f"{x[n]:.1f},{y[n]:.1f}" for n in front)
    parts.append(f'<polyline points="{way}" class="edge"/>')
    for n in front:
        said = zip(names, axes, values[n], strict=True)
        tip = ", ".join(f"{name} {axis.label(value)}" for name, axis, value in said)
        parts.append(f'<circle cx="{x[n]:.1f}" cy="{y[n]:.1f}" r="{MARK}" class="front"><title>{tip}</title></circle>')
    return frame.document(f"{found.task.workload}: {found.how}", parts, _STYLE)
