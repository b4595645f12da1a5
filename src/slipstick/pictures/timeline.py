"""Timeline: a lane per processor, device or link, with its activities over time, coloured by category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from slipstick.core.errors import SlipstickError
from slipstick.core.units import format_quantity
from slipstick.pictures import svg

WIDTH = 960  # pixels of the picture, as wide as a page's column
ROW, BAR = 24, 18  # pixels of a lane, and of the bar on it
TOP, FOOT = 64, 34  # pixels above the first lane (title, legend) and below the last (axis)
EDGE = 20  # pixels around
LEGEND_ROW = 18  # pixels
MOST_SPANS = 2**16  # a file of some 10 MB


@dataclass(frozen=True)
class Span:
    """Bar of a timeline (Gantt chart): an activity of one lane, from `start` to `end` [s].

    Activities of one `category` have one colour; `label` is the text on hover.
    """

    start: float
    end: float
    label: str
    category: str


@dataclass(frozen=True)
class Lane:
    """One row of the timeline; where activities overlap, the later in the list is drawn on top."""

    name: str
    spans: tuple[Span, ...]


def timeline_svg(lanes: Sequence[Lane], title: str, unit: str = "s") -> str:
    """Return the SVG of a timeline with axis and legend; a span's tooltip shows its label, start and end.

    Parameters
    ----------
    lanes : from top to bottom.
    unit : of `start` and `end`, such as "s".

    Errors
    ------
    SlipstickError if a span ends before it starts, or there are too many or none.

    Examples
    --------
    >>> lane = Lane("NPU 0", (Span(0.0, 1e-3, "forward", "compute"), Span(1e-3, 3e-3, "gradients", "DP")))
    >>> timeline_svg([lane], "one step").count("<rect")
    6
    """
    spans = [span for lane in lanes for span in lane.spans]
    _check(spans)
    first, last = min(span.start for span in spans), max(span.end for span in spans)
    colours = {name: place % svg.COLOURS for place, name in enumerate(dict.fromkeys(s.category for s in spans))}
    left = EDGE * 2 + svg.LETTER * max(len(lane.name) for lane in lanes)
    legend, rows = _legend(colours)
    top = TOP + (rows - 1) * LEGEND_ROW
    scale = (WIDTH - EDGE - left) / ((last - first) or 1.0)
    parts = [svg.text(EDGE, 24, title, "title"), *legend]
    bottom = top + ROW * len(lanes)
    for tick in ticks(first, last):
        x = left + (tick - first) * scale
        parts += [svg.line(x, top, x, bottom), svg.text(x, bottom + 16, format_quantity(tick, unit), "soft middle")]
    for place, lane in enumerate(lanes):
        parts += _lane(lane, top + ROW * place, left, first, scale, colours, unit)
    return svg.document(WIDTH, bottom + FOOT, parts, title=title, style=svg.palette("f", "fill") + _INSIDE)


def ticks(first: float, last: float, most: int = 8) -> list[float]:
    """Return round values from `first` to `last`, at most about `most` of them.

    Examples
    --------
    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not last > first:
        return [first]
    power = floor(log10((last - first) / most))
    count = next(count for count in (1, 2, 5, 10) if count * 10.0**power * most >= (last - first) * (1 - 1e-9))
    step = count * 10.0**power
    places = range(ceil(first / step - 1e-9), floor(last / step + 1e-9) + 1)
    return [float(f"{place * count}e{power}") for place in places]


_INSIDE = ".pic .in{fill:var(--bg);pointer-events:none}"


def _check(spans: list[Span]) -> None:
    if not spans or len(spans) > MOST_SPANS:
        raise SlipstickError("nothing or too much to draw", path="timeline", value=len(spans), allowed=f"{MOST_SPANS}")
    for span in spans:
        if not span.end >= span.start:
            raise SlipstickError("ends before it starts", path=f"timeline.{span.label}", value=(span.start, span.end))


def _legend(colours: dict[str, int]) -> tuple[list[str], int]:
    """Return the SVG parts of the legend and its number of rows."""
    x, row, parts = float(EDGE), 0, []
    for name, colour in colours.items():
        width = EDGE * 2 + svg.LETTER * len(name)
        if x + width > WIDTH and x > EDGE:
            x, row = float(EDGE), row + 1
        y = 38 + row * LEGEND_ROW  # below the title
        parts += [svg.rect(x, y, 10, 10, f"f{colour}"), svg.text(x + EDGE, y + 10, name, "soft")]
        x += width
    return parts, row + 1


def _lane(
    lane: Lane, y: float, left: float, first: float, scale: float, colours: dict[str, int], unit: str
) -> list[str]:
    parts = [svg.text(left - 8, y + 16, lane.name, "end"), svg.rect(left, y + 3, WIDTH - EDGE - left, BAR, "track")]
    for span in lane.spans:
        x, width = left + (span.start - first) * scale, max((span.end - span.start) * scale, 0.5)
        when = f"{format_quantity(span.start, unit)} to {format_quantity(span.end, unit)}"
        tip = f"{span.label} ({span.category}): {when}"
        parts.append(svg.rect(x, y + 3, width, BAR, f"f{colours[span.category]}", tip=tip))
        words = svg._fitted(span.label, width - 6)
        if words:
            parts.append(svg.text(x + width / 2, y + 16, words, "in middle"))
    return parts
