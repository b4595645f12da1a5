"""Picture of a serving search: throughput of a device over interactivity, with the frontier of each system."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import numpy as np

from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.pareto import pareto
from slipstick.pictures import svg
from slipstick.pictures.axes import TOP, WIDTH, Axis, Frame
from slipstick.pictures.curves import KEY

_CLOUD = 3000  # points drawn beside the frontiers: more would be a blot
_DOT, _MARK = 2.0, 4.5  # pixels: radius of a point, of a frontier's point
_NAMED = 7  # points of a frontier that carry their plan
_LIFT = 9.0  # pixels from a point to its words

_STYLE = (
    """
.pic .cloud{fill:var(--k9);fill-opacity:.35}.pic .edge{fill:none;stroke-width:1.8}
"""
    + svg.palette("s", "stroke")
    + svg.palette("f", "fill")
)


def _serving_svg(
    interactivity: FloatArray, per_device: FloatArray, systems: Sequence[str], name: Callable[[int], str], title: str
) -> str:
    """Return the SVG of serving points; the frontier of each system in a colour of its own.

    Parameters
    ----------
    interactivity, per_device : what one user sees, and what one device gives [token/s], [points].
    systems : name of each point's system.
    name : called with a point's place; returns its plan and sizes in words.
    """
    across, up = Axis.of(interactivity, "token/s that one user sees"), Axis.of(per_device, "token/s of a device")
    frame = Frame(across, up)
    x, y = frame.x(interactivity), frame.y(per_device)
    drawn = np.unique(np.linspace(0, len(x) - 1, min(_CLOUD, len(x))).astype(int))
    parts = [f'<circle cx="{x[n]:.1f}" cy="{y[n]:.1f}" r="{_DOT}" class="cloud"/>' for n in drawn]
    names = list(dict.fromkeys(systems))
    of_system = np.array([names.index(system) for system in systems])
    for place, system in enumerate(names):
        own = np.flatnonzero(of_system == place)
        front = own[pareto(np.stack([-interactivity[own], -per_device[own]], axis=1))]
        parts += _frontier(x, y, front, place % svg.COLOURS, name)
        words = f"{system}: {len(own):,} points, {len(front)} beaten by none"
        parts.append(svg.text(WIDTH - 320, TOP + KEY * (place + 1), words, f"f{place % svg.COLOURS}"))
    return frame.document(title, parts, _STYLE)


def _frontier(x: FloatArray, y: FloatArray, front: IntArray, colour: int, name: Callable[[int], str]) -> list[str]:
    """Return the SVG of one frontier: its line, its points with tooltips, and the plans of some of them."""
    way = " ".join(f"{x[n]:.1f},{y[n]:.1f}" for n in front)
    parts = [f'<polyline points="{way}" class="edge s{colour}"/>']
    said = set(np.unique(np.linspace(0, len(front) - 1, min(_NAMED, len(front))).astype(int)).tolist())
    for place, n in enumerate(front):
        words = name(int(n))
        tip = f"<title>{escape(words)}</title>"
        parts.append(f'<circle cx="{x[n]:.1f}" cy="{y[n]:.1f}" r="{_MARK}" class="f{colour}">{tip}</circle>')
        if place in said:
            side = " end" if x[n] > WIDTH / 2 else ""
            shift = -_LIFT if side else _LIFT
            parts.append(svg.text(x[n] + shift, y[n] - _LIFT / 2, words, f"small soft{side}"))
    return parts
