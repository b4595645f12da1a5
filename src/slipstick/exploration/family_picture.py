"""Picture of a search that weighs accuracy: accuracy against a cost, the families of number formats by colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.pareto import pareto
from slipstick.exploration.system_key import STYLE, _SystemKey
from slipstick.formats import format_of
from slipstick.formats.layer_patterns import pieces
from slipstick.pictures import svg
from slipstick.pictures.axes import HEIGHT, LEFT, RIGHT, WIDTH, Axis, Frame
from slipstick.pictures.curves import KEY

_MARK, _DOT = 5.5, 3.5  # pixels: radius of a frontier's point, of another
_MIXED = "mixed"  # family of a network whose layers are of several
_PLAIN = "int"
_BESIDE, _BELOW = 4.0, 12.0  # pixels from the edge, and from a level down to the words that name it
_LINES = 6  # of the points that are not drawn
_HEADROOM = 0.03  # of an axis beyond its points
_EDGE = ".pic .front{fill:none;stroke:var(--ink);stroke-width:1.2}.pic .float{stroke:var(--soft);stroke-dasharray:6 4}"


@dataclass(frozen=True)
class _FamilyPoints:
    """Points of a search over one cost: the cost and the accuracy of each, [points], NaN where a cost is unknown.

    `formats`, `systems` and `treatments` are the words of each point; `as_it_came` is the accuracy of the network
    before any format, None where it is unknown.
    """

    costs: FloatArray
    accuracies: FloatArray
    formats: Sequence[str]
    systems: Sequence[str]
    treatments: Sequence[str]
    as_it_came: float | None = None

    def name(self, place: int) -> str:
        """Return the name of a point: its format, what was done to the network, and the system."""
        words = (self.formats[place], self.treatments[place], f"on {self.systems[place]}")
        return " ".join(filter(None, words))


def _family_of(formats: str) -> str:
    """Return the family of a network's formats: its arithmetic's, or if products are exact its encoding's.

    Integers of any width are one family; layers of two families besides integers make the network mixed.

    Examples
    --------
    >>> [_family_of(text) for text in ("int4;last=int8", "swis:3;last=int8", "int8@mul7u_09Y", "swis:2;fc=pool")]
    ['int', 'swis', 'approximate', 'mixed']
    """
    families = {_family(text) for _, text in pieces(formats) if text != "fp32"} or {_PLAIN}
    others = families - {_PLAIN} or families
    return next(iter(others)) if len(others) == 1 else _MIXED


def _family(text: str) -> str:
    form = format_of(text)
    if form.arithmetic.exact_products or form.arithmetic.family == "bit_serial":
        return form.encoding.name.partition(":")[0].rstrip("0123456789")
    return form.arithmetic.family


def _family_svg(points: _FamilyPoints, cost: tuple[str, str], title: str) -> str:
    """Return the SVG of accuracy over a cost (its path and unit); points whose cost is unknown are listed below.

    Points of networks that were retrained are filled, those of networks as they came hollow. The line joins the points
    that are beaten by none in these two figures.
    """
    known = np.flatnonzero(np.isfinite(points.costs) & np.isfinite(points.accuracies))
    costs, accuracies = points.costs[known], points.accuracies[known]
    names = [_family_of(text) for text in points.formats]
    key = _SystemKey(list(dict.fromkeys(names)))
    hollow = _SystemKey(key.systems, key.systems)
    levels = [] if points.as_it_came is None else [points.as_it_came]
    frame = Frame(_wider(Axis.of(costs, *cost)), _wider(Axis("accuracy.top1", *_ends([*accuracies, *levels]))))
    x, y = frame.x(costs), frame.y(accuracies)
    front = pareto(np.stack([costs, -accuracies], axis=1)).tolist()
    parts = []
    if points.as_it_came is not None:
        level = float(frame.y(points.as_it_came))
        parts.append(svg.line(LEFT, level, WIDTH - RIGHT, level, "float"))
        parts.append(svg.text(LEFT + _BESIDE, level + _BELOW, f"as it came: {points.as_it_came:.1%}", "soft small"))
    way = " ".join(f"{x[n]:.1f},{y[n]:.1f}" for n in front)
    parts.append(f'<polyline points="{way}" class="front"/>')
    for n, place in enumerate(known.tolist()):
        drawn = key if points.treatments[place] else hollow
        tip = f"{points.name(place)}: {accuracies[n]:.1%}, {frame.across.label(costs[n])}"
        parts.append(drawn.point(x[n], y[n], _MARK if n in front else _DOT, names[place], tip))
    counts, best = Counter(names[place] for place in known.tolist()), Counter(names[known[n]] for n in front)
    remarks = [f"{counts[name]} points, {best[name]} on the line" for name in key.systems]
    legend, below = key.legend(remarks, lines=False)
    notes = _notes(points, cost[0])
    parts += [svg.text(LEFT, HEIGHT + below + KEY * row, line, "soft small") for row, line in enumerate(notes)]
    return frame.document(title, [*parts, *legend], STYLE + _EDGE, below + KEY * len(notes))


def _notes(points: _FamilyPoints, path: str) -> list[str]:
    """Return the lines below the legend: what hollow points are, and which points are not drawn."""
    lines = []
    if not all(points.treatments):
        lines.append("hollow: weights put into the format as they came; filled: retrained in it")
    unknown = [points.name(place) for place in np.flatnonzero(~np.isfinite(points.costs)).tolist()]
    if unknown:
        text = f"not drawn, as {path} is unknown ({len(unknown)}): {'; '.join(unknown)}"
        wrapped = wrap(text, int((WIDTH - LEFT - RIGHT) / svg.LETTER * 1.2))  # letters of 10 pixels, not of 12
        lines += wrapped[:_LINES] + (["..."] if len(wrapped) > _LINES else [])
    return lines


def _ends(values: Sequence[float]) -> tuple[float, float, str]:
    low, high = min(values), max(values)
    return (low, high, "fraction") if high > low else (low / 2, high + (1 - high) / 2, "fraction")


def _wider(axis: Axis) -> Axis:
    """Return an axis with room beyond its outermost points."""
    if axis.log:
        factor = (axis.high / axis.low) ** _HEADROOM
        return Axis(axis.name, axis.low / factor, axis.high * factor, axis.unit, log=True)
    room = (axis.high - axis.low) * _HEADROOM
    return Axis(axis.name, axis.low - room, axis.high + room, axis.unit)
