"""Axes of a chart: positions of values, round ticks and the frame around the plot, whose content the caller draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.core.units import format_quantity
from slipstick.pictures import svg

WIDTH, HEIGHT = 900.0, 520.0  # pixels
LEFT, RIGHT, TOP, BOTTOM = 90.0, 30.0, 64.0, 60.0  # pixels around the axes
TITLE = 28.0  # pixels: the title's base line
_TICKS = 6  # labels of an axis, at most
_GAP = 18.0  # pixels between an axis and its labels
_DECADE = 10.0
_DIGITS = 12  # of a round number: sums of steps miss it by less


@dataclass(frozen=True)
class Axis:
    """One axis: from `low` to `high` in the SI unit `unit`, logarithmic or plain; `marks` replaces the round ticks."""

    name: str
    low: float
    high: float
    unit: str = ""
    log: bool = False
    marks: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: ArrayLike, name: str, unit: str = "") -> Axis:
        """Return an axis that holds all values: logarithmic where they span more than a decade.

        Examples
        --------
        >>> Axis.of([1.0, 200.0], "time", "s").log
        True
        """
        numbers = np.asarray(values, np.float64)
        low, high = float(numbers.min()), float(numbers.max())
        if low == high:
            low, high = low / 2, high * 2 or 1.0
        return cls(name, low, high, unit, log=low > 0 and high / low > _DECADE)

    def share(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the relative positions of values, from 0 at the axis's low end to 1 at its high end."""
        numbers = np.asarray(values, np.float64)
        if self.log:
            return np.asarray(np.log(numbers / self.low) / math.log(self.high / self.low))
        return np.asarray((numbers - self.low) / (self.high - self.low))

    def ticks(self) -> list[float]:
        """Return round values on the axis.

        Examples
        --------
        >>> Axis("share", 0.0, 1.0).ticks()
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        """
        if self.marks:
            return list(self.marks)
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = [base * _DECADE**decade for decade in decades for base in (1, 2, 5)]
        else:
            step = self._step()
            values = [step * n for n in range(math.ceil(self.low / step), math.floor(self.high / step + 1e-9) + 1)]
        exact = values if self.log else [round(value, _DIGITS) for value in values]
        inside = [value for value in exact if self.low <= value <= self.high]
        return inside[:: max(1, -(-len(inside) // _TICKS))]

    def label(self, value: float) -> str:
        """Return the text of a value with its unit."""
        return format_quantity(float(value), self.unit)

    def tick(self, value: float) -> str:
        """Return the text of a tick: that of `label`, or with M or G where it would not fit beside the axis.

        Examples
        --------
        >>> Axis("price", 1e6, 2e7, "USD").tick(2e7)
        '20 M USD'
        """
        text = self.label(value)
        if len(text) * svg.LETTER <= LEFT - _GAP or abs(value) < 1e6:  # a small one has no shorter text
            return text
        size, suffix = (1e9, "G") if abs(value) >= 1e9 else (1e6, "M")
        return f"{value / size:.4g} {suffix} {self.unit}".strip()

    def _step(self) -> float:
        """Return the round step between ticks that gives at most `_TICKS` ticks."""
        rough = (self.high - self.low) / (_TICKS - 1)
        decade = _DECADE ** math.floor(math.log10(rough))
        return next(base * decade for base in (1, 2, 5, 10) if base * decade >= rough * (1 - 1e-9))


@dataclass(frozen=True)
class Frame:
    """Plot frame: two axes on a picture of `WIDTH` by `HEIGHT` pixels."""

    across: Axis
    up: Axis

    def x(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the horizontal pixel coordinates of values."""
        return LEFT + self.across.share(values) * (WIDTH - LEFT - RIGHT)

    def y(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the vertical pixel coordinates of values."""
        return HEIGHT - BOTTOM - self.up.share(values) * (HEIGHT - TOP - BOTTOM)

    def document(self, title: str, parts: Sequence[str], style: str = "", below: float = 0.0) -> str:
        """Return the whole SVG: grid and labels, with `parts` drawn over them; `below` pixels of room for a legend."""
        drawn = [svg.text(LEFT, TITLE, title, "title"), *self._grid(), *parts]
        return svg.document(WIDTH, HEIGHT + below, drawn, title=f"{self.up.name} over {self.across.name}", style=style)

    def _grid(self) -> list[str]:
        parts = []
        for value in self.across.ticks():
            at = float(self.x(value))
            parts.append(svg.line(at, TOP, at, HEIGHT - BOTTOM))
            parts.append(svg.text(at, HEIGHT - BOTTOM + _GAP, self.across.tick(value), "soft middle"))
        for value in self.up.ticks():
            at = float(self.y(value))
            parts.append(svg.line(LEFT, at, WIDTH - RIGHT, at))
            parts.append(svg.text(LEFT - _GAP / 2, at + 4, self.up.tick(value), "soft end"))
        parts.append(svg.text(WIDTH - RIGHT, HEIGHT - _GAP, self.across.name, "end"))
        parts.append(svg.text(_GAP / 2, TOP - _GAP / 2, self.up.name))
        return parts
