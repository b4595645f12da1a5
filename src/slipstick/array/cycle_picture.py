"""Bar chart of a network on several arrays: cycles per layer, one bar per array."""

from __future__ import annotations

from collections.abc import Mapping

from slipstick.array.estimate import ArrayRun
from slipstick.core.errors import SlipstickError
from slipstick.pictures import svg
from slipstick.pictures.axes import LEFT, RIGHT, TITLE, WIDTH, Axis, Frame

_GAP = 0.2  # of a layer's width, between it and the next
_MARK, _SPACE = 10.0, 16.0  # pixels: a legend's square, and what follows its words
_STYLE = svg.palette("b", "fill") + ".pic .wait{fill-opacity:.45}"


def layers_svg(runs: Mapping[str, ArrayRun]) -> str:
    """Return the SVG of cycles per layer, one bar per labelled run, paler where the array waits for the DRAM.

    Errors
    ------
    SlipstickError without runs, or for runs of different networks.
    """
    sizes = {tuple(layer.product.name for layer in run.layers) for run in runs.values()}
    if len(sizes) != 1:
        raise SlipstickError("not of one network", path="draw", value=[*runs], allowed="one or more runs of it")
    [names] = sizes
    most = max(layer.total_cycles for run in runs.values() for layer in run.layers)
    frame = Frame(Axis("layer", 0.5, len(names) + 0.5), Axis("cycles", 0.0, most, "cycle"))
    wide = (WIDTH - LEFT - RIGHT) / len(names)
    bar = wide * (1 - _GAP) / len(runs)
    parts = [_legend(list(runs))]
    for number, (label, run) in enumerate(runs.items()):
        for place, layer in enumerate(run.layers):
            x = LEFT + wide * (place + _GAP / 2) + bar * number
            tip = f"{layer.product.name}, {label}: {layer.total_cycles:,.0f} cycles, bound by {layer.bound}"
            inside = min(float(layer.cycles), layer.total_cycles)
            for low, high, more in ((0.0, inside, ""), (inside, layer.total_cycles, " wait")):
                top, foot = float(frame.y(high)), float(frame.y(low))
                if foot > top:
                    parts.append(svg.rect(x, top, bar, foot - top, f"b{number % svg.COLOURS}{more}", tip=tip))
    first = next(iter(runs.values()))
    return frame.document(f"{first.workload.network.name}: cycles of every layer", parts, _STYLE)


def _legend(labels: list[str]) -> str:
    parts, x = [], LEFT
    for number, label in enumerate(labels):
        parts.append(svg.rect(x, TITLE + _MARK, _MARK, _MARK, f"b{number % svg.COLOURS}"))
        parts.append(svg.text(x + _MARK + 4, TITLE + 2 * _MARK, label, "soft"))
        x += _MARK + 4 + svg.LETTER * len(label) + _SPACE
    return "".join(parts)
