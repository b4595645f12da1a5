"""Picture of hybrid parallelism: speed-up over the number of devices, for data parallelism and for wider workers."""

from __future__ import annotations

import numpy as np

from slipstick.cluster.convergence.speedup_curves import Curves
from slipstick.pictures import svg
from slipstick.pictures.axes import LEFT, TOP, WIDTH, Axis, Frame
from slipstick.pictures.curves import HEADROOM, KEY, STYLE, curve, dots, legend

_BESIDE = 4.0  # pixels between a crossover's line and its words
_SMALL = 12.0  # pixels from one line of small words to the next

_STYLE = STYLE + ".pic .cross{stroke-width:1;stroke-dasharray:4 3}"


def hybrid_svg(curves: Curves, title: str) -> str:
    """Return the SVG of speed-up curves, crossovers as dashed lines; points of unknown epochs are left out."""
    names = ["data parallelism alone", *(f"hybrid, {width} devices a worker" for width in curves.hybrid)]
    values = [curves.alone, *curves.hybrid.values()]
    top = max(float(np.nanmax(speedups)) for speedups in values if np.isfinite(speedups).any())
    counts = np.asarray(curves.counts, float)
    across = Axis("devices", counts[0], max(counts[-1], counts[0] * 2), log=True, marks=tuple(counts.tolist()))
    frame = Frame(across, Axis("speed-up over one device, in time to converge", 0.0, top * HEADROOM))
    parts = legend(names, LEFT + KEY / 2, TOP + 3 * KEY)
    for place, (name, speedups) in enumerate(zip(names, values, strict=True)):
        known = np.isfinite(speedups)
        tips = [f"{name}: {v:.3g} x with {n:g} devices" for n, v in zip(counts[known], speedups[known], strict=True)]
        parts.append(curve(frame, counts[known], speedups[known], place))
        parts += dots(frame, counts[known], speedups[known], place, tips)
    for place, width in enumerate(curves.hybrid, start=1):
        at = curves.crossover(width)
        if at is not None:
            parts += _crossover(frame, at, place, f"M={width} wins from {at}")
    return frame.document(title, parts, _STYLE)


def _crossover(frame: Frame, at: int, place: int, words: str) -> list[str]:
    x = float(frame.x(at))
    text_x, side = (x + _BESIDE, "small") if x < WIDTH / 2 else (x - _BESIDE, "small end")
    return [
        svg.line(x, float(frame.y(0)), x, TOP, f"cross s{place}"),
        svg.text(text_x, TOP + _SMALL * place, words, side),
    ]
