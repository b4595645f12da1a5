"""Picture of a serving search: throughput of a device over interactivity, with the frontier of each system."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.pareto import pareto
from slipstick.exploration.system_key import STYLE, _SystemKey
from slipstick.pictures import svg
from slipstick.pictures.axes import Axis, Frame

_CLOUD = 3000  # points drawn beside the frontiers: more would be a blot
_DOT, _MARK = 2.0, 4.5  # pixels: radius of a point, of a frontier's point
_NAMED = 7  # points of a frontier that carry their plan
_LIFT = 9.0  # pixels from a point to its words
_FEW = 3  # systems: of more, only the plans that no other system beats are named
_LINE, _SMALL_LETTER = 11.0, 5.4  # pixels: height of a line of small words, mean width of a letter


def _serving_svg(
    rates: tuple[FloatArray, FloatArray],
    systems: tuple[Sequence[str], Collection[str]],
    name: Callable[[int], str],
    title: str,
) -> str:
    """Return the SVG of serving points with the frontier of each system.

    Parameters
    ----------
    rates : of one user, and of one device [token/s], [points] each.
    systems : name of each point's system, and those whose device nobody measured: their points are hollow.
    name : called with a point's place; returns its plan and sizes in words.
    """
    interactivity, per_device = rates
    across, up = Axis.of(interactivity, "token/s that one user sees"), Axis.of(per_device, "token/s of a device")
    frame = Frame(across, up)
    x, y = frame.x(interactivity), frame.y(per_device)
    costs = np.stack([-interactivity, -per_device], axis=1)
    drawn = np.unique(np.linspace(0, len(x) - 1, min(_CLOUD, len(x))).astype(int))
    key = _SystemKey(list(dict.fromkeys(systems[0])), systems[1])
    parts = [key.point(x[n], y[n], _DOT, systems[0][n], more="cloud") for n in drawn]
    of_system = np.array([key.systems.index(system) for system in systems[0]])
    fronts, remarks = [], []
    for place in range(len(key.systems)):
        own = np.flatnonzero(of_system == place)
        fronts.append(own[pareto(costs[own])])
        remarks.append(f"{len(own):,} points, {len(fronts[-1])} beaten by none")
    few = len(fronts) <= _FEW
    for system, front in zip(key.systems, fronts, strict=True):
        parts += _frontier(x, y, front, system, name, key)
    room = _Room()
    for front in fronts if few else [pareto(costs)]:
        parts += _plans(x, y, front, name, room)
    legend, below = key.legend(remarks, lines=True)
    return frame.document(title, [*parts, *legend], STYLE, below)


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
    x: FloatArray, y: FloatArray, front: IntArray, system: str, name: Callable[[int], str], key: _SystemKey
) -> list[str]:
    """Return the SVG of one system's frontier: its line, and its points with tooltips."""
    way = " ".join(f"{x[n]:.1f},{y[n]:.1f}" for n in front)
    points = [key.point(x[n], y[n], _MARK, system, f"{system}: {name(int(n))}") for n in front]
    return [f'<polyline points="{way}" class="{key.line(system)}"/>', *points]


def _plans(x: FloatArray, y: FloatArray, front: IntArray, name: Callable[[int], str], room: _Room) -> list[str]:
    """Return the SVG of the plans of some of a frontier's points, where they stand over no other words."""
    parts = []
    for n in front[np.unique(np.linspace(0, len(front) - 1, min(_NAMED, len(front))).astype(int))]:
        words = name(int(n))
        end, line, width = x[n] - _LIFT, y[n] + _LIFT / 2, len(words) * _SMALL_LETTER
        if end - width > 0 and room.take(end - width, line, width):
            parts.append(svg.text(end, line, words, "small soft end"))
    return parts
