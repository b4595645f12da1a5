"""Curves on a chart: lines, points with tooltips, and a legend."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from numpy.typing import ArrayLike

from slipstick.pictures import svg
from slipstick.pictures.axes import Frame

_DOT = 3.5  # pixels: radius of a point
KEY = 20.0  # pixels from one line of a legend to the next
_SAMPLE, BESIDE = 22.0, 28.0  # pixels: length of a legend's line, and where its words begin
HEADROOM = 1.08  # of the highest point: where an axis ends

STYLE = ".pic .curve{fill:none;stroke-width:2}" + svg.palette("s", "stroke") + svg.palette("f", "fill")


def curve(frame: Frame, across: ArrayLike, up: ArrayLike, place: int) -> str:
    """Return the SVG of a line through points in order, in palette colour `place`."""
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(frame.x(across), frame.y(up), strict=True))
    return f'<polyline points="{way}" class="curve s{place}"/>'


def dots(frame: Frame, across: ArrayLike, up: ArrayLike, place: int, tips: Sequence[str]) -> list[str]:
    """Return the SVG of points in palette colour `place`, with `tips` as their tooltips."""
    return [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_DOT}" class="f{place}"><title>{escape(tip)}</title></circle>'
        for x, y, tip in zip(frame.x(across), frame.y(up), tips, strict=True)
    ]


def legend(names: Sequence[str], left: float, top: float) -> list[str]:
    """Return the SVG of a legend: curve names one below the other, each after a line of its colour."""
    parts = []
    for place, name in enumerate(names):
        y = top + KEY * place
        parts.append(svg.line(left, y - _DOT, left + _SAMPLE, y - _DOT, f"curve s{place}"))
        parts.append(svg.text(left + BESIDE, y, name))
    return parts
