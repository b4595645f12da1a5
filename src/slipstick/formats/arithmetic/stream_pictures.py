"""Pictures of streams: errors of products and sums against length by generator, and correlation by pairs of seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from slipstick.formats.arithmetic.bit_streams import LENGTHS
from slipstick.pictures import svg
from slipstick.pictures.axes import Axis, Frame
from slipstick.pictures.curves import STYLE, curve, dots, legend

if TYPE_CHECKING:
    from slipstick.core.arrays import FloatArray

_CELL, _LEFT, _TOP, _FOOT = 12.0, 60.0, 48.0, 60.0  # pixels: a cell, and room around the cells
_TITLE, _LINE, _LEAST = 24.0, 18.0, 460.0  # pixels: the title's foot, a line of text, the least width
_LEGEND = (110.0, 350.0)  # pixels: left and top
_MARGIN = 1.2  # from the edge of the axis to its outermost length, as a factor
_STYLE = ".pic .up{fill:var(--k0)}.pic .down{fill:var(--k1)}.pic .zero{fill:var(--track)}"


def length_svg(errors: Mapping[str, Sequence[float]], title: str) -> str:
    """Return the SVG of root mean square errors [of each length] by generator, both axes logarithmic."""
    values = np.array(list(errors.values()))
    ends = float(10 ** np.floor(np.log10(values[values > 0].min()))), float(values.max() * 2)
    across = Axis(
        "cycles of a stream", LENGTHS[0] / _MARGIN, LENGTHS[-1] * _MARGIN, log=True, marks=tuple(map(float, LENGTHS))
    )
    frame = Frame(across, Axis("root mean square error", *ends, log=True))
    parts = []
    for place, (name, up) in enumerate(errors.items()):
        parts.append(curve(frame, LENGTHS, up, place))
        tips = [f"{name}, {length} cycles: {value:.4f}" for length, value in zip(LENGTHS, up, strict=True)]
        parts += dots(frame, LENGTHS, up, place, tips)
    return frame.document(title, [*parts, *legend(list(errors), *_LEGEND)], STYLE)


def seeds_svg(correlations: FloatArray, name: str) -> str:
    """Return the SVG of the correlation of streams by seeds of the input and of the weight: blue 1, orange -1."""
    rows, columns = correlations.shape
    parts = [svg.text(_LEFT, _TITLE, f"{name}: correlation by seeds, mean {np.nanmean(correlations):+.3f}", "title")]
    for row, column in np.ndindex(rows, columns):
        value = float(np.nan_to_num(correlations[row, column]))
        x, y = _LEFT + column * _CELL, _TOP + (rows - 1 - row) * _CELL
        parts.append(svg.rect(x, y, _CELL - 1, _CELL - 1, "zero"))
        tip, style = f"seeds {row} and {column}: {value:+.2f}", f"fill-opacity:{min(abs(value), 1):.2f}"
        parts.append(svg.rect(x, y, _CELL - 1, _CELL - 1, "up" if value >= 0 else "down", tip=tip, style=style))
    foot, width = _TOP + rows * _CELL, max(_LEFT * 2 + columns * _CELL, _LEAST)
    parts.append(svg.text(_LEFT, foot + _LINE, "across the weight's seed, upwards the input's", "soft"))
    parts.append(svg.text(_LEFT, foot + 2 * _LINE, "blue: overlap most (1), orange: least (-1), grey: 0", "soft"))
    return svg.document(width, foot + _FOOT, parts, title=f"Correlation of streams of {name}", style=_STYLE)
