"""Picture of a serving search: throughput of a device over interactivity, with the frontier of each system."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import numpy as np

from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.pareto import pareto
from slipstick.pictures import svg
from slipstick.pictures.axes import BOTTOM, HEIGHT, LEFT, Axis, Frame
from slipstick.pictures.curves import KEY

_CLOUD = 3000  # points drawn beside the frontiers: more would be a blot
_DOT, _MARK = 2.0, 4.5  # pixels: radius of a point, of a frontier's point
_NAMED = 7  # points of a frontier that carry their plan
_LIFT = 9.0  # pixels from a point to its words
_LINE, _SMALL_LETTER = 11.0, 5.4  # pixels: height of a line of small words, mean width of a letter

_STYLE = (
    """
.pic .cloud{fill:var(--k9);fill-opacity:.35}.pic .edge{fill:none;stroke-width:1.8}
"""
    + svg.palette("s", "stroke")
    + svg.palette("f", "fill")
)


def _serving_svg(
    rates: tuple[FloatArray, FloatArray], systems: Sequence[str], name: Callable[[int], str], title: str
) -> str:
    """Return the SVG of serving points; the frontier of each system in a colour of its own.

    Parameters
    ----------
    rates : of one user, and of one device [token/s], [points] each.
    systems : name of each point's system.
    name : called with a point's place; returns its plan and sizes in words.
    """
    interactivity, per_device = rates
    across, up = Axis.of(interactivity, "token/s that one user sees"), Axis.of(per_device, "token/s of a device")
    frame = Frame(across, up)
    x, y = frame.x(interactivity), frame.y(per_device)
    drawn = np.unique(np.linspace(0, len(x) - 1, min(_CLOUD, len(x))).astype(int))
    parts = [f'<circle cx="{x[n]:.1f}" cy="{y[n]:.1f}" r="{_DOT}" class="cloud"/>' for n in drawn]
    names = list(dict.fromkeys(systems))
    of_system = np.array([names.index(system) for system in systems])
    room = _Room()
    for place, system in enumerate(names):
        own = np.flatnonzero(of_system == place)
        front = own[pareto(np.stack([-interactivity[own], -per_device[own]], axis=1))]
        words = f"{system}: {len(own):,} points, {len(front)} beaten by none"
        line = HEIGHT - BOTTOM - KEY * (len(names) - place)
        parts.append(svg.text(LEFT + _LIFT, line, words, f"f{place % svg.COLOURS}"))
        room.take(LEFT, line, len(words) * svg.LETTER)
        parts += _frontier(x, y, front, place % svg.COLOURS, name, room)
    return frame.document(title, parts, _STYLE)


class _Room:
    """Room of a picture that words have taken, so that none stand over others."""

    def __init__(self) -> None:
        self._boxes: list[tuple[float, float, float]] = []

    def take(self, left: float, line: float, width: float) -> bool:
        """Take the room of a line of words, and return True; or return False where other words stand there."""
        for own_left, own_line, own_width in self._boxes:
            apart = left + width < own_left or own_left + own_width < left
            if not apart and abs(line - own_line) < _LINE:
                return False
        self._boxes.append((left, line, width))
        return True


def _frontier(
    x: FloatArray, y: FloatArray, front: IntArray, colour: int, name: Callable[[int], str], room: _Room
) -> list[str]:
    """Return the SVG of one frontier: its line, its points with tooltips, and the plans of some of them."""
    way = " ".join(f"{x[n]:.1f},{y[n]:.1f}" for n in front)
    parts = [f'<polyline points="{way}" class="edge s{colour}"/>']
    named = set(np.unique(np.linspace(0, len(front) - 1, min(_NAMED, len(front))).astype(int)).tolist())
    for place, n in enumerate(front):
        words = name(int(n))
        tip = f"<title>{escape(words)}</title>"
        parts.append(f'<circle cx="{x[n]:.1f}" cy="{y[n]:.1f}" r="{_MARK}" class="f{colour}">{tip}</circle>')
        end, line, width = x[n] - _LIFT, y[n] + _LIFT / 2, len(words) * _SMALL_LETTER
        if place in named and end - width > 0 and room.take(end - width, line, width):
            parts.append(svg.text(end, line, words, "small soft end"))
    return parts
