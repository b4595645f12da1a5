"""Picture of a switch: its micro-switches by level, a colour per flow, reductions and copies highlighted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slipstick.core.errors import SlipstickError
from slipstick.fabric.switch.clos_network import Fred
from slipstick.fabric.switch.flow_routing import _must_route, _Routed
from slipstick.fabric.switch.switch_flow import Flow
from slipstick.pictures import svg

_ROW = 30  # pixels from wire to wire in the innermost level
_STAGE = 108  # pixels of a stage of wires and micro-switches
_BOX = 24  # pixels: width of a micro-switch
_RIM = 9  # pixels of a box beyond its outermost wires
_EDGE = 20  # pixels around
_TOP, _FOOT = 58, 14  # pixels above and below the network
_MAX_PORTS = 32  # more lines than a reader can follow

_STYLE = """
.pic .wire{stroke:var(--line);stroke-width:1;fill:none}.pic .flow{stroke-width:3;fill:none;stroke-linecap:round}
.pic .box{fill:var(--track);stroke:var(--line)}.pic .lit{fill:var(--bg);stroke:var(--ink);stroke-width:2}
"""

_Point = tuple[float, float]


@dataclass
class _Canvas:
    """Canvas of a picture: wires below, flows above them, boxes and letters on top."""

    wires: list[str]
    flows: list[str]
    boxes: list[str]

    def wire(self, start: _Point, end: _Point, colour: int | None, tip: str = "") -> None:
        bend = (start[0] + end[0]) / 2
        path = f"M{start[0]:.1f} {start[1]:.1f}C{bend:.1f} {start[1]:.1f} {bend:.1f} {end[1]:.1f} "
        path += f"{end[0]:.1f} {end[1]:.1f}"
        if colour is None:
            self.wires.append(f'<path d="{path}" class="wire"/>')
        else:
            self.flows.append(f'<path d="{path}" class="flow s{colour}"><title>{tip}</title></path>')

    def box(self, x: float, top: float, bottom: float, kind: str, lit: str) -> None:
        self.boxes.append(svg.rect(x, top, _BOX, bottom - top, "lit" if lit else "box", tip=f"{kind} micro-switch"))
        style = "middle bold" if lit else "middle soft small"
        self.boxes.append(svg.text(x + _BOX / 2, (top + bottom) / 2 + 4, lit or kind, style))


def switch_svg(switch: Fred, flows: Sequence[Flow], title: str = "") -> str:
    """Return the SVG of a switch that carries `flows`, inputs on the left, outputs on the right.

    A micro-switch that adds shows a bold R, one that copies a bold D, an innermost one that does both RD.

    Errors
    ------
    SlipstickError if the flows conflict, or the switch has more ports than can be read.

    Examples
    --------
    >>> drawn = switch_svg(Fred(4), [Flow.of([0, 1], [0, 1])])
    >>> drawn.count(">R</text>") >= 1 and drawn.count(">D</text>") >= 1
    True
    """
    if switch.ports > _MAX_PORTS:
        raise SlipstickError("too many ports to draw", path="switch.ports", value=switch.ports, allowed=f"{_MAX_PORTS}")
    routed = _must_route(switch, flows)
    colours = {place: place % svg.COLOURS for place in range(len(flows))}
    canvas = _Canvas([], [], [])
    height, width = _height(switch), _width(switch)
    left = _EDGE + _STAGE / 2
    ports = _draw(canvas, routed, list(colours.values()), left, _TOP, height)
    parts = [svg.text(_EDGE, 24, title or f"Fred_{switch.middles}({switch.ports})", "title")]
    parts.append(svg.text(_EDGE, _TOP - 16, "coloured: flows; R: adds its inputs; D: copies to both outputs", "soft"))
    for port in range(switch.ports):
        for side, at, x in ((0, ports[0][port], _EDGE + _BOX), (1, ports[1][port], left + width + _STAGE / 2 - _BOX)):
            owner = _owner(flows, port, side)
            canvas.wire(at, (x, at[1]), None if owner is None else colours[owner], f"flow {owner}")
            parts.append(svg.text(x - 6 if side == 0 else x + 6, at[1] + 4, port, "" if side else "end"))
    parts += [*canvas.wires, *canvas.flows, *canvas.boxes]
    style = _STYLE + svg.palette("s", "stroke")
    return svg.document(width + _STAGE + 2 * _EDGE, height + _TOP + _FOOT, parts, title=title or "switch", style=style)


def _height(switch: Fred) -> float:
    if switch.ports <= 2:
        return _ROW * max(switch.ports, 1) + _ROW / 2
    return max(sum(_height(switch.inner(way)) for way in range(switch.ways)), _ROW * switch.ports)


def _width(switch: Fred) -> float:
    return _BOX if switch.ports <= 2 else _width(switch.inner(0)) + 2 * _STAGE


def _owner(flows: Sequence[Flow], port: int, side: int) -> int | None:
    mine = (place for place, flow in enumerate(flows) if port in (flow.outputs if side else flow.inputs))
    return next(mine, None)


def _draw(
    canvas: _Canvas, routed: _Routed, colours: list[int], x: float, y: float, height: float
) -> list[list[_Point]]:
    """Draw a (sub-)switch from its upper left corner; return the positions of its input and output ports."""
    switch, right = routed.switch, x + _width(routed.switch)
    at = [y + height * (port + 0.5) / switch.ports for port in range(switch.ports)]
    ends = [[(x, place) for place in at], [(right, place) for place in at]]
    if switch.ports == 1:
        owner = _owner(routed.flows, 0, 0)
        canvas.wire(ends[0][0], ends[1][0], None if owner is None else colours[owner], "a wire")
        return ends
    for side, start in enumerate((x, right - _BOX)):
        if side and switch.ports == 2:
            break
        for pair in range(switch.pairs):
            box = (start, at[2 * pair] - _RIM, at[2 * pair + 1] + _RIM)
            canvas.box(*box, "RD" if switch.ports == 2 else "RD"[side], _lit(routed, pair, side))
        if switch.demux:
            canvas.box(start, at[-1] - _RIM, at[-1] + _RIM, ("1:m", "m:1")[side], "")
    if switch.ports > 2:
        _draw_middles(canvas, routed, colours, (x, y, height), at)
    return ends


def _draw_middles(
    canvas: _Canvas, routed: _Routed, colours: list[int], corner: tuple[float, float, float], at: list[float]
) -> None:
    """Draw a level's middle sub-switches one below the other, the wires between, and the level's micro-switches."""
    switch, (x, top, height) = routed.switch, corner
    whole = sum(_height(switch.inner(way)) for way in range(switch.ways))
    for way, inner in enumerate(routed.inner):
        share = height * _height(inner.switch) / whole
        mine = [colour for colour, taken in zip(colours, routed.colours, strict=True) if taken == way]
        inside = _draw(canvas, inner, mine, x + _STAGE, top, share)
        top += share
        for side, ports in enumerate(inside):
            edge = x + _width(switch) - _BOX if side else x + _BOX
            for pair, port in enumerate(ports):
                owner = _owner(inner.flows, pair, side)
                colour = None if owner is None else mine[owner]
                height_out = _tap(switch, at, pair, way)
                lone = 2 * pair + 1 == switch.ports and switch.piece
                outside = ((edge + _BOX if side else edge - _BOX) if lone else edge, height_out)
                canvas.wire(port, outside, colour, f"middle {way}")


def _tap(switch: Fred, at: list[float], pair: int, way: int) -> float:
    """Return the height at which a micro-switch meets the wire to a middle."""
    if 2 * pair + 1 >= switch.ports:
        return at[-1]
    low, high = at[2 * pair], at[2 * pair + 1]
    return low + (high - low) * (way + 0.5) / switch.ways


def _lit(routed: _Routed, pair: int, side: int) -> str:
    """Return the action of a two-port micro-switch on flows that have both its ports: R, D, RD or none."""
    both = {2 * pair, 2 * pair + 1}
    adds = any(both <= flow.inputs for flow in routed.flows)
    copies = any(both <= flow.outputs for flow in routed.flows)
    if routed.switch.ports == 2:
        return ("R" if adds else "") + ("D" if copies else "")
    return ("R" if adds else "") if side == 0 else ("D" if copies else "")
