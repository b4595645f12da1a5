"""Pictures of a multiplier: the error of every pair of operands as a heat map, and how often each error occurs."""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.formats.multipliers.multiplier import Multiplier
from slipstick.pictures import svg

_SIDE = 32  # cells along an axis: 1,024 in all
_CELL, _LEFT, _TOP, _FOOT = 12.0, 60.0, 48.0, 56.0  # pixels: a cell, and room around the cells
_TITLE, _LINE, _LEAST = 24.0, 18.0, 420.0  # pixels: the title's foot, a line of text, and the least width
_WIDTH, _HEIGHT, _BARS = 560.0, 220.0, 41  # pixels of the histogram, and its bars
_STYLE = ".pic .up{fill:var(--k0)}.pic .down{fill:var(--k1)}.pic .zero{fill:var(--track)}"


def errors_svg(multiplier: Multiplier) -> str:
    """Return the SVG of mean errors by operands: blue where products are too large, orange where too small."""
    errors = _by_value(multiplier)
    side = min(_SIDE, len(errors))
    step = len(errors) // side
    means = errors.reshape(side, step, side, step).mean(axis=(1, 3))
    largest = float(np.abs(means).max()) or 1.0
    low = int(np.sort(multiplier.values)[0])
    parts = [svg.text(_LEFT, _TITLE, f"{multiplier.name}: error by operands, at most {largest:,.0f}", "title")]
    for row in range(side):
        for column in range(side):
            value = float(means[row, column])
            first, second = low + row * step, low + column * step
            x, y = _LEFT + column * _CELL, _TOP + (side - 1 - row) * _CELL
            parts.append(svg.rect(x, y, _CELL - 1, _CELL - 1, "zero"))
            style = f"fill-opacity:{abs(value) / largest:.2f}"
            tip = f"{first} x {second}: {value:+,.1f}"
            parts.append(svg.rect(x, y, _CELL - 1, _CELL - 1, "up" if value >= 0 else "down", tip=tip, style=style))
    foot, width = _TOP + side * _CELL, max(_LEFT * 2 + side * _CELL, _LEAST)
    parts.append(
        svg.text(_LEFT, foot + _LINE, f"second operand, {low} to {low + len(errors) - 1}; upwards the first", "soft")
    )
    parts.append(svg.text(_LEFT, foot + 2 * _LINE, "blue: too large, orange: too small", "soft"))
    return svg.document(width, foot + _FOOT, parts, title=f"Errors of {multiplier.name}", style=_STYLE)


def histogram_svg(multiplier: Multiplier) -> str:
    """Return the SVG of how often errors occur, all pairs of operands alike."""
    errors = multiplier.errors.ravel()
    span = max(1, int(np.abs(errors).max()))
    counts, edges = np.histogram(errors, _BARS, (-span - 0.5, span + 0.5))
    shares = counts / counts.sum()
    bar = _WIDTH / _BARS
    parts = [svg.text(_LEFT, _TITLE, f"{multiplier.name}: how often each error occurs", "title")]
    for place, share in enumerate(shares):
        height = _HEIGHT * float(share / shares.max())
        tip = f"{edges[place]:,.0f} to {edges[place + 1]:,.0f}: {share:.2%}"
        centre = place - _BARS // 2
        kind = "up" if centre > 0 else "down" if centre < 0 else "zero"
        parts.append(svg.rect(_LEFT + place * bar, _TOP + _HEIGHT - height, bar - 1, max(height, 0.5), kind, tip=tip))
    foot = _TOP + _HEIGHT + _LINE
    parts.append(svg.text(_LEFT, foot, f"-{span:,}", "soft"))
    parts.append(svg.text(_LEFT + _WIDTH, foot, f"+{span:,}", "soft end"))
    parts.append(
        svg.text(_LEFT + _WIDTH / 2, foot, f"error of a product; the highest bar is {shares.max():.1%}", "soft middle")
    )
    return svg.document(_LEFT * 2 + _WIDTH, foot + _LINE, parts, title=f"Histogram of {multiplier.name}", style=_STYLE)


def _by_value(multiplier: Multiplier) -> FloatArray:
    """Return errors with operands in the order of their values."""
    order = np.argsort(multiplier.values)
    return np.asarray(multiplier.errors[np.ix_(order, order)], np.float64)
