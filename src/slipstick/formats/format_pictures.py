"""Pictures of formats: the bits of a group before and after decomposition; a pool's vectors as a grid."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import IntArray
from slipstick.core.errors import SlipstickError
from slipstick.formats.integer_rows import _whole_codes
from slipstick.formats.swis import Swis
from slipstick.pictures import svg

_CELL, _MARGIN, _TITLE = 22.0, 16.0, 40.0  # pixels
_LABEL, _GAP = 52.0, 60.0  # pixels: a weight's number at the left, and what parts the two pictures
_BASE, _HEAD = 15.0, 12.0  # pixels: a text's foot below the top of its cell, and of a heading
_PIXEL, _APART = 14.0, 6.0  # pixels: one weight of a pool's vector, and what parts vectors
MAX_VECTORS = 1024  # of a pool, in one picture
_STYLE = (
    ".pic .one{fill:var(--k0)}.pic .zero{fill:var(--track)}.pic .lost{fill:var(--k1)}"
    ".pic .shared{fill:none;stroke:var(--ink);stroke-width:1.5}"
    ".pic .up{fill:var(--k0)}.pic .down{fill:var(--k1)}"
)


def group_svg(codes: ArrayLike, form: Swis) -> str:
    """Return the SVG of one group's weight magnitudes bit by bit, before and after rounding to `form`.

    Framed columns are the positions that the group shares; bits that were there and are gone are marked.

    Errors
    ------
    SlipstickError unless `codes` is one group.
    """
    whole = _whole_codes(codes).reshape(-1)
    if len(whole) != form.group:
        raise SlipstickError("not one group", path="draw", value=len(whole), allowed=f"{form.group} codes")
    rounded = form.recode(whole[None])[0]
    after_x = _MARGIN + _LABEL + form.bits * _CELL + _GAP + _LABEL
    parts = [
        *_bits(whole, np.abs(rounded), form.bits, _MARGIN + _LABEL, "int8"),
        *_bits(rounded, np.abs(rounded), form.bits, after_x, form.name),
    ]
    used = int(np.bitwise_or.reduce(np.abs(rounded))) if len(rounded) else 0
    for place in range(form.bits):
        if used >> place & 1:
            x = after_x + (form.bits - 1 - place) * _CELL
            parts.append(svg.rect(x, _TITLE + _CELL, _CELL - 2, _CELL * len(whole), "shared"))
    error = ((rounded - whole) ** 2).sum()
    foot = _TITLE + _CELL * (len(whole) + 1) + 24
    parts.append(svg.text(_MARGIN, foot, f"bits lost in orange; sum of squared errors {error}", "soft"))
    width = after_x + form.bits * _CELL + _MARGIN
    title = f"A group of {form.group} weights with {form.shifts} shared positions"
    parts.append(svg.text(_MARGIN, 24, title, "title"))
    return svg.document(width, foot + _MARGIN, parts, title=title, style=_STYLE)


def pool_svg(pool: ArrayLike, *, columns: int = 0) -> str:
    """Return the SVG of a pool's vectors [size, vector] as strips: blue above zero, orange below, darker if larger.

    Errors
    ------
    SlipstickError for arrays that are not a pool, or more than 1,024 vectors.
    """
    values = np.asarray(pool, np.float64)
    if values.ndim != 2 or not 1 <= len(values) <= MAX_VECTORS:
        raise SlipstickError("not a pool", path="draw", value=values.shape, allowed=f"[1 to {MAX_VECTORS}, weights]")
    size, length = values.shape
    across = columns or max(1, math.ceil(math.sqrt(size * 2 / length)))
    order = np.argsort(-np.linalg.norm(values, axis=1), kind="stable")
    largest = float(np.abs(values).max()) or 1.0
    wide = length * _PIXEL + _APART
    parts = [svg.text(_MARGIN, 24, f"A pool of {size} vectors of {length} weights, the longest first", "title")]
    for place, index in enumerate(order):
        x, y = _MARGIN + place % across * wide, _TITLE + place // across * (_PIXEL + _APART)
        for at, value in enumerate(values[index]):
            parts.append(svg.rect(x + at * _PIXEL, y, _PIXEL - 1, _PIXEL, "zero"))
            style = f"fill-opacity:{abs(value) / largest:.2f}"
            tip = f"vector {index}, weight {at}: {value:g}"
            shade = "up" if value >= 0 else "down"
            parts.append(svg.rect(x + at * _PIXEL, y, _PIXEL - 1, _PIXEL, shade, tip=tip, style=style))
    height = _TITLE + math.ceil(size / across) * (_PIXEL + _APART) + _MARGIN
    width = max(2 * _MARGIN + across * wide, 420.0)  # the title's width
    return svg.document(width, height, parts, title=f"A pool of {size} vectors", style=_STYLE)


def _bits(whole: IntArray, magnitudes: IntArray, bits: int, left: float, title: str) -> list[str]:
    """Return the SVG elements of one row of bits per weight, the highest bit at the left, its value in front."""
    parts = [svg.text(left, _TITLE + _HEAD, title, "bold")]
    for row, value in enumerate(whole):
        y = _TITLE + _CELL * (row + 1)
        parts.append(svg.text(left - 8, y + _BASE, int(value), "end"))
        for place in range(bits):
            x = left + (bits - 1 - place) * _CELL
            here, stays = abs(int(value)) >> place & 1, int(magnitudes[row]) >> place & 1
            kind = "zero" if not here else "one" if stays else "lost"
            parts.append(svg.rect(x, y + 1, _CELL - 2, _CELL - 2, kind, tip=f"2^{place}"))
            parts.append(svg.text(x + (_CELL - 2) / 2, y + _BASE, here, "small middle"))
    return parts
