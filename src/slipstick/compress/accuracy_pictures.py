"""Pictures of compression: accuracy against cost, one line per method, and sensitivity by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.core.pareto import pareto
from slipstick.pictures import svg
from slipstick.pictures.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Frame
from slipstick.pictures.curves import BESIDE, KEY, STYLE, curve, dots, legend

_MARGIN = 0.04  # of the span of costs, at both ends
_GAP = 0.2  # of a layer's width, between it and the next
_FRONT = 99  # the place in the palette of what is drawn without a colour of its own
_FRONT_STYLE = f".pic .s{_FRONT}{{stroke:currentColor;stroke-width:1;stroke-dasharray:3 4;opacity:.6}}"
Point = tuple[float, float, str]  # cost, accuracy (a fraction), label


def accuracy_svg(series: Mapping[str, Sequence[Point]], title: str, cost: str, unit: str = "") -> str:
    """Return the SVG of accuracy against `cost` (in `unit`); points of one name are joined in order of cost.

    A broken line joins the points that no other one beats in both.
    """
    costs = [point[0] for points in series.values() for point in points]
    margin = (max(costs) - min(costs)) * _MARGIN
    frame = Frame(Axis(cost, min(costs) - margin, max(costs) + margin, unit), Axis("accuracy", 0.0, 1.0, "fraction"))
    # dear and inaccurate: where no method ends that anybody would show; a single one is named by the title
    longest = BESIDE + svg.LETTER * max(len(name) for name in series)
    parts = legend(list(series), WIDTH - longest, HEIGHT - BOTTOM - KEY * len(series)) if len(series) > 1 else []
    every = sorted(point[:2] for points in series.values() for point in points)
    front = [every[n] for n in pareto(np.array([[spent, -share] for spent, share in every]))]
    parts.append(curve(frame, [spent for spent, _ in front], [share for _, share in front], _FRONT))
    for place, (name, points) in enumerate(series.items()):
        ordered = sorted(points)
        across, up = [point[0] for point in ordered], [point[1] for point in ordered]
        tips = [f"{name}, {label}: {100 * value:.1f} %" for _, value, label in ordered]
        parts += [curve(frame, across, up, place), *dots(frame, across, up, place, tips)]
    return frame.document(title, parts, STYLE + _FRONT_STYLE)


def sensitivity_svg(names: Sequence[str], kinds: Sequence[str], values: ArrayLike) -> str:
    """Return the SVG of layer sensitivities, one bar per layer: change of the output per noise in the layer.

    Parameters
    ----------
    names, kinds : of the layers, in their order.
    values : as `slipstick.compress.sensitivity.sensitivities` measures them, [layers].
    """
    heights: NDArray[np.float64] = np.asarray(values, np.float64)
    distinct_kinds = list(dict.fromkeys(kinds))
    most = float(heights.max(initial=0.0)) or 1.0
    frame = Frame(Axis("layer", 0.5, len(names) + 0.5), Axis("output moved over noise in the layer", 0.0, most))
    wide = (WIDTH - LEFT - RIGHT) / max(1, len(names))
    foot = float(frame.y(0.0))
    parts = []
    for place, (name, kind, value) in enumerate(zip(names, kinds, heights, strict=True)):
        top = float(frame.y(value))
        left, tip = LEFT + wide * (place + _GAP / 2), f"{name}, {kind}: {value:.2f}"
        parts.append(svg.rect(left, top, wide * (1 - _GAP), foot - top, f"f{distinct_kinds.index(kind)}", tip=tip))
    # at the right: late layers are less sensitive, and the bars are low there
    keys = legend(distinct_kinds, WIDTH - RIGHT - 8 * KEY, TOP + KEY)
    return frame.document("How sensitive the network is to each layer", [*parts, *keys], STYLE)
