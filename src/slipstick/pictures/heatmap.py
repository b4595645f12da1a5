"""Heat map: one value per row and column, coloured from lowest to highest, the best cell marked."""

from __future__ import annotations

import math
from collections.abc import Sequence

from slipstick.core.errors import SlipstickError
from slipstick.core.units import format_quantity
from slipstick.pictures import svg

_EDGE = 16  # pixels around
_KEY = 46  # pixels down to the key's line
_CELL, _LOW = 84, 30  # pixels: width and height of a cell
_TOP = 76  # pixels above the first row: title, key, names of columns
MOST_CELLS = 2**14

_STYLE = """
.pic .best{fill:none;stroke:var(--k1);stroke-width:3}.pic .none{fill:var(--track)}
.pic .cell{stroke:var(--bg);stroke-width:1}.pic .ondark{fill:var(--bg)}
"""


def heatmap_svg(
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
    title: str,
    *,
    unit: str = "s",
    best: str = "low",
    corner: str = "",
) -> str:
    """Return the SVG of a heat map; a cell shows its value, a cell without a value is grey.

    Parameters
    ----------
    rows, columns : names of the rows (R) and columns (C).
    values : R lists of C values; None or NaN where there is none.
    unit : of the values.
    best : which cell gets the frame: the lowest ("low") or the highest ("high").
    corner : what rows and columns are, such as "MP \\ PP".

    Errors
    ------
    SlipstickError if the shapes do not agree, nothing is finite, or there are too many cells.

    Examples
    --------
    >>> drawn = heatmap_svg(["MP 1", "MP 2"], ["PP 1"], [[2.0], [1.5]], "time of a step")
    >>> "1.5 s" in drawn, drawn.count('class="best"')
    (True, 1)
    """
    finite = [value for row in values for value in row if value is not None and math.isfinite(value)]
    _check(rows, columns, values, finite, best)
    low, high = min(finite), max(finite)
    best_value = low if best == "low" else high
    left = _EDGE * 2 + svg.LETTER * max(len(name) for name in (*rows, corner))
    cell = max(_CELL, _EDGE + svg.LETTER * max(len(name) for name in columns))
    parts = [svg.text(_EDGE, 24, title, "title"), svg.text(_EDGE, _KEY, _key(low, high, unit, best), "soft")]
    parts.append(svg.text(left - 8, _TOP - 8, corner, "soft end"))
    frames = []
    for j, name in enumerate(columns):
        parts.append(svg.text(left + cell * (j + 0.5), _TOP - 8, name, "soft middle"))
    for i, name in enumerate(rows):
        y = _TOP + _LOW * i
        parts.append(svg.text(left - 8, y + _LOW * 2 / 3, name, "end"))
        for j, value in enumerate(values[i]):
            x = left + cell * j
            parts += _cell(x, y, cell, value, (low, high), unit, tip=f"{name}, {columns[j]}")
            if value == best_value:
                frames.append(svg.rect(x + 1, y + 1, cell - 2, _LOW - 2, "best"))
    # a letter of the title takes some 8 pixels
    width = max(left + cell * len(columns) + _EDGE, _EDGE * 2 + 8 * len(title))
    height = _TOP + _LOW * len(rows) + _EDGE
    return svg.document(width, height, [*parts, *frames], title=title, style=_STYLE)


def _check(
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
    finite: list[float],
    best: str,
) -> None:
    if best not in ("low", "high"):
        raise SlipstickError("no such choice", path="heatmap.best", value=best, allowed=["low", "high"])
    if len(values) != len(rows) or any(len(row) != len(columns) for row in values):
        raise SlipstickError("shapes disagree", path="heatmap.values", allowed=f"{len(rows)} rows of {len(columns)}")
    if not finite or len(rows) * len(columns) > MOST_CELLS:
        raise SlipstickError("nothing or too much to draw", path="heatmap.values", value=len(rows) * len(columns))


def _key(low: float, high: float, unit: str, best: str) -> str:
    which = "lowest" if best == "low" else "highest"
    return f"{format_quantity(low, unit)} (faint) to {format_quantity(high, unit)} (full); framed: the {which}"


def _cell(
    x: float, y: float, width: float, value: float | None, ends: tuple[float, float], unit: str, *, tip: str
) -> list[str]:
    if value is None or not math.isfinite(value):
        return [svg.rect(x, y, width, _LOW, "none cell", tip=f"{tip}: none")]
    share = (value - ends[0]) / ((ends[1] - ends[0]) or 1.0)
    words = format_quantity(value, unit)
    mixed = f"fill:color-mix(in srgb,var(--high) {share * 100:.1f}%,var(--low))"
    ink = "middle ondark" if share > 0.5 else "middle"
    return [
        svg.rect(x, y, width, _LOW, "cell", tip=f"{tip}: {words}", style=mixed),
        svg.text(x + width / 2, y + _LOW * 2 / 3, words, ink),
    ]
