"""Picture of an arena: the bytes of every tensor over the calls of an inference, with the bound."""

from __future__ import annotations

from slipstick.core.units import format_quantity
from slipstick.edge.arena.arena_layout import ArenaLayout
from slipstick.edge.arena.liveness import _live_bytes, _overlaps_of
from slipstick.pictures import svg
from slipstick.pictures.timeline import ticks

_WIDTH, _HEIGHT = 960.0, 480.0  # pixels
_LEFT, _TOP, _RIGHT, _BOTTOM = 80.0, 56.0, 20.0, 40.0  # pixels around the plot
_TITLE, _NOTE, _TICK, _AXIS = 24.0, 42.0, 18.0, 34.0  # pixels: lines of text above the plot, and below it
_LABEL = 14.0  # pixels: the least height of a box with a name
_WHOLE = 1.02  # of the arena: the top of the axis


def arena_svg(layout: ArenaLayout, title: str) -> str:
    """Return the SVG of an arena: a box for each tensor, as wide as the calls during which it lives, over its bytes.

    Boxes of scratch are grey; the dashed steps are the bytes alive at each call, whose greatest is the bound.
    """
    steps = max(len(layout.problem.steps), 1)
    across = (_WIDTH - _LEFT - _RIGHT) / steps
    up = (_HEIGHT - _TOP - _BOTTOM) / (layout.size * _WHOLE or 1.0)
    floor = _HEIGHT - _BOTTOM
    parts = [svg.text(_LEFT, _TITLE, title, "title"), svg.text(_LEFT, _NOTE, _summary(layout), "soft")]
    for tick in ticks(0.0, layout.size / 2**10):
        y = floor - tick * 2**10 * up
        parts += [svg.line(_LEFT, y, _WIDTH - _RIGHT, y), svg.text(_LEFT - 8, y + 4, f"{tick:g} KiB", "soft end")]
    for number, (block, offset) in enumerate(layout.blocks):
        x, y = _LEFT + block.first * across, floor - (offset + block.size) * up
        width, height = (block.last - block.first + 1) * across - 1, max(block.size * up - 1, 0.5)
        colour = f"f{number % (svg.COLOURS - 1)}" if block.tensor is not None else f"f{svg.COLOURS - 1}"
        tip = f"{block.name}: {block.size} B at {offset}, calls {block.first} to {block.last}"
        parts.append(svg.rect(x, y, width, height, colour, tip=tip))
        words = svg._fitted(_layer_of(block.name), width - 6)
        if words and height >= _LABEL:
            parts.append(svg.text(x + width / 2, y + height / 2 + 4, words, "in middle"))
    blocks = [block for block, _ in layout.blocks]
    for place, live in enumerate(_live_bytes(blocks, _overlaps_of(layout.problem, blocks))):
        y = floor - live * up
        parts.append(svg.line(_LEFT + place * across, y, _LEFT + (place + 1) * across, y, "live"))
    for tick in ticks(0.0, float(steps)):
        parts.append(svg.text(_LEFT + tick * across, floor + _TICK, f"{tick:g}", "soft middle"))
    parts.append(svg.text((_LEFT + _WIDTH) / 2, floor + _AXIS, "kernel calls", "soft middle"))
    style = svg.palette("f", "fill") + ".pic .in{fill:var(--bg);pointer-events:none}.pic .live{stroke:var(--ink);"
    style += "stroke-width:1.5;stroke-dasharray:4 3;fill:none}"
    return svg.document(_WIDTH, _HEIGHT, parts, title=title, style=style)


def _summary(layout: ArenaLayout) -> str:
    size, bound = format_quantity(float(layout.size), "B"), format_quantity(float(layout.bound), "B")
    return f"{size} ({layout.method}); bound {bound} (most bytes alive at one call)"


def _layer_of(name: str) -> str:
    """Return the layer in the name of a tensor that TensorFlow gave.

    Examples
    --------
    >>> _layer_of("model/conv2d_8/Conv2D;model/batch_normalization_3/FusedBatchNormV3"), _layer_of("input")
    ('conv2d_8', 'input')
    """
    *scopes, last = name.partition(";")[0].split("/")
    return scopes[-1] if len(scopes) > 1 else last
