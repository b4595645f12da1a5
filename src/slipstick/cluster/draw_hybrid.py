"""The picture of hybrid parallelism: speed-up over the number of devices, data-parallel alone and in wider workers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from slipstick.cluster.hybrid import Curves
from slipstick.core import svg
from slipstick.core.axes import LEFT, TOP, WIDTH, Axis, Frame

DOT = 3.5  # pixels: radius of a point
KEY = 20.0  # pixels from one line of the legend to the next
ROOM = 1.08  # of the highest point: where the axis ends

_STYLE = (
    ".pic .curve{fill:none;stroke-width:2}.pic .cross{stroke-width:1;stroke-dasharray:4 3}"
    + svg.palette("s", "stroke")
    + svg.palette("f", "fill")
)


def hybrid_svg(found: Curves, title: str) -> str:
    """Return the curves with their crossovers as dashed lines; points of unknown epochs are left out."""
    names = {1: "data parallelism alone"} | {width: f"hybrid, {width} devices a worker" for width in found.hybrid}
    values = [found.alone, *found.hybrid.values()]
    top = max(float(np.nanmax(curve)) for curve in values if np.isfinite(curve).any())
    across = Axis(
        "devices", found.counts[0], found.counts[-1] * 1.0001, log=True, marks=tuple(map(float, found.counts))
    )
    frame = Frame(across, Axis("speed-up over one device, in time to converge", 0.0, top * ROOM))
    parts = []
    for place, (name, curve) in enumerate(zip(names.values(), values, strict=True)):
        parts += _curve(frame, found.counts, curve, place, name)
    for place, width in enumerate(found.hybrid, start=1):
        at = found.crossover(width)
        if at is not None:
            x = float(frame.x(at))
            parts.append(svg.line(x, float(frame.y(0)), x, TOP, f"cross s{place}"))
            beside, side = (x + 4, "small") if x < WIDTH / 2 else (x - 4, "small end")
            parts.append(svg.text(beside, TOP + 12 * place, f"M={width} wins from {at}", side))
    return frame.document(title, parts, _STYLE)


def _curve(frame: Frame, counts: Sequence[int], curve: np.ndarray, place: int, name: str) -> list[str]:
    known = np.isfinite(curve)
    x, y = frame.x(np.asarray(counts)[known]), frame.y(curve[known])
    way = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    parts = [f'<polyline points="{way}" class="curve s{place}"/>']
    for a, b, count, value in zip(x, y, np.asarray(counts)[known], curve[known], strict=True):
        tip = f"{name}: {value:.3g} x with {count} devices"
        parts.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{DOT}" class="f{place}"><title>{tip}</title></circle>')
    key = TOP + 60 + KEY * place
    parts.append(svg.line(LEFT + 10, key - 4, LEFT + 34, key - 4, f"curve s{place}"))
    parts.append(svg.text(LEFT + 40, key, name))
    return parts
