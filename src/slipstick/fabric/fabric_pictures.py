"""Pictures of a fabric: its nodes and links, and the load of each link, still or moving through time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.core.units import format_quantity
from slipstick.fabric.flows import FabricRun
from slipstick.pictures import svg

_WIDTH, _SIDE, _TOP, _FOOT = 960.0, 46.0, 58.0, 56.0  # pixels: the picture, and what is left around the fabric
_TALLEST, _LOWEST = 640.0, 220.0
_THIN, _THICK, _APART = 1.2, 8.0, 3.2  # pixels: an idle link, a full one, the two directions from the middle
_STEPS = 6  # colours from idle to full
_HEAD, _LINE = 26.0, 18.0  # pixels: the title's line from above, the legend's from below
_SAMPLE, _KEY, _WORDS = 26.0, 70.0, 130.0  # pixels of the legend: a link, from one to the next, the words before
_CROWDED = 80  # nodes from which they are drawn small and without numbers
_SECONDS = 1.2  # that the animation shows each window
_MAX_LINKS = 20_000  # a picture of more is nothing but ink
_RADIUS = {"npu": 11.0, "switch": 9.0, "io": 5.0}

_STYLE = """
.pic{--w0:#ccd4e0;--w1:#9dbbe8;--w2:#4f83d1;--w3:#e0a02c;--w4:#d9662c;--w5:#b3202c}
@media(prefers-color-scheme:dark){.pic{--w0:#39424f;--w1:#3f5f94;--w2:#6f97e8;--w3:#e8b64a;--w4:#f08a4b;--w5:#ff6b6b}}
.pic .link{stroke-linecap:round}.pic .npu{fill:var(--bg);stroke:var(--ink);stroke-width:1.4}
.pic .switch{fill:var(--track);stroke:var(--soft);stroke-width:1.4}.pic .adds{fill:var(--low);stroke:var(--high)}
.pic .io{fill:var(--soft)}
""" + "".join(f".pic .w{step}{{stroke:var(--w{step});fill:var(--w{step})}}" for step in range(_STEPS))


@dataclass(frozen=True, eq=False)
class _LoadWindow:
    """Time window of `seconds` [s], and the bytes that each link `carried` in it, [links]."""

    name: str
    seconds: float
    carried: FloatArray


def load_windows(run: FabricRun, topology: Topology, count: int = 1) -> list[_LoadWindow]:
    """Return the load of every link in windows of equal length; a transfer's bytes are spread evenly over its time.

    Every byte is in exactly one window: the windows' sums are `FabricRun.bytes_on`.
    """
    edges = np.linspace(0.0, run.time, count + 1)
    dag = run.dag
    begin = run.begin
    latest = np.maximum(run.end - dag.tail, begin + 1e-15)
    windows = []
    for start, stop in pairwise(edges):
        inside = np.clip((np.minimum(latest, stop) - np.maximum(begin, start)) / (latest - begin), 0.0, 1.0)
        bytes_moved = (dag.size * inside)[dag.task_of_link] * dag.weight
        carried = np.bincount(dag.links, bytes_moved, minlength=topology.links).astype(np.float64)
        name = f"{format_quantity(float(start), 's')} to {format_quantity(float(stop), 's')}"
        windows.append(_LoadWindow(name, float(stop - start), carried))
    return windows


def _load_svg(topology: Topology, windows: Sequence[_LoadWindow] = (), title: str = "") -> str:
    """Return the SVG of a fabric, with the width and colour of each link by its utilisation.

    Several windows follow each other (CSS animation; readers who asked their screen for less motion see the first).
    Without windows: the fabric alone. Links say their load when pointed at.

    Errors
    ------
    SlipstickError for a topology without positions, or with too many links to see.

    Examples
    --------
    >>> from slipstick.fabric.builders import mesh
    >>> _load_svg(mesh((5, 4), 750e9, 2e-8)).count('class="npu"')
    20
    """
    place = _placed(topology)
    height = float(place[:, 1].max()) + _FOOT + _SIDE
    parts = [svg.text(_SIDE / 2, _HEAD, title or topology.name, "title")]
    if not windows:
        parts += _links(topology, place, None)
    for number, window in enumerate(windows):
        late = f"animation-delay:{(number - len(windows)) * _SECONDS:.1f}s"
        moving = f' class="window" style="{late}"' if len(windows) > 1 else ""
        inner = _links(topology, place, window)
        inner.append(svg.text(_WIDTH - _SIDE / 2, _HEAD, window.name, "soft end"))
        inner.append(svg.text(_WIDTH - _SIDE / 2, height - _LINE + 4, _busiest(topology, window), "soft end"))
        parts.append(f"<g{moving}>{''.join(inner)}</g>")
    parts += _nodes(topology, place)
    parts += _legend(topology, height) if windows else []
    style = _STYLE + (_moving(len(windows)) if len(windows) > 1 else "")
    return svg.document(_WIDTH, height, parts, title=title or topology.name, style=style)


def load_page(topology: Topology, windows: Sequence[_LoadWindow], title: str) -> str:
    """Return an HTML page of link-utilisation maps: the topology drawn once per time window, with a slider.

    Links are coloured by the share of their bandwidth that is used in the window. The page loads nothing else.
    """
    pictures = "".join(
        f'<div class="step" {"" if number == 0 else "hidden"}>{_load_svg(topology, [window], title)}</div>'
        for number, window in enumerate(windows)
    )
    slider = (
        f"<label>{escape(title)}: window "
        f'<input type="range" min="0" max="{len(windows) - 1}" value="0" id="at"></label>'
        "<script>const s=document.querySelectorAll('.step'),a=document.getElementById('at');"
        "a.oninput=()=>s.forEach((e,i)=>e.hidden=i!=a.value)</script>"
    )
    return svg.page(title, [pictures + slider])


def _placed(topology: Topology) -> FloatArray:
    """Return the pixel coordinates of every node."""
    if topology.links > _MAX_LINKS:
        raise SlipstickError("too many links to see", path=topology.name, value=topology.links, allowed=f"{_MAX_LINKS}")
    spot = topology.position
    if spot is None:  # a graph of one's own: around a circle
        angle = 2 * np.pi * np.arange(len(topology.nodes)) / len(topology.nodes)
        spot = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    low, span = spot.min(axis=0), np.ptp(spot, axis=0)
    across = _WIDTH - 2 * _SIDE
    down = np.clip(across * span[1] / max(span[0], 1e-9), _LOWEST if span[1] else 0.0, _TALLEST)
    scale = np.array([across, down]) / np.maximum(span, 1e-9)
    return np.asarray((spot - low) * scale + [_SIDE, _TOP + _SIDE / 2])


def _links(topology: Topology, place: FloatArray, window: _LoadWindow | None) -> list[str]:
    start, end = place[topology.source], place[topology.target]
    way = end - start
    length = np.maximum(np.hypot(*way.T), 1e-9)
    side = np.stack([-way[:, 1], way[:, 0]], axis=1) / length[:, None] * _APART
    load = np.zeros(topology.links) if window is None else _load(topology, window)
    widest = topology.bandwidth.max(initial=0.0)
    lines = []
    for link in np.argsort(load, kind="stable"):
        (x, y), (to_x, to_y) = start[link] + side[link], end[link] + side[link]
        step = int(np.clip(np.ceil(load[link] * (_STEPS - 1) - 1e-9), 0, _STEPS - 1))
        share = topology.bandwidth[link] / widest / 2 if window is None else load[link]  # a fabric alone: by bandwidth
        width = _THIN + (_THICK - _THIN) * float(np.clip(share, 0.0, 1.0))
        ends = f"{topology.nodes[topology.source[link]]} to {topology.nodes[topology.target[link]]}"
        tip = f"{ends}: {format_quantity(float(topology.bandwidth[link]), 'B/s')}"
        tip += f", {100 * load[link]:.0f} % loaded" if window is not None else ""
        lines.append(
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" class="link w{step}" '
            f'stroke-width="{width:.1f}"><title>{escape(tip)}</title></line>'
        )
    return lines


def _nodes(topology: Topology, place: FloatArray) -> list[str]:
    shapes = []
    crowded = len(topology.nodes) > _CROWDED
    for number, (name, kind, (x, y)) in enumerate(zip(topology.nodes, topology.kinds, place, strict=True)):
        radius = _RADIUS[kind] * (0.5 if crowded else 1.0)
        look = f"{kind} adds" if topology.reduces[number] else kind
        tip = f"<title>{escape(name)}{', adds up what passes' if topology.reduces[number] else ''}</title>"
        if kind == "switch":
            corner = f'x="{x - 2 * radius:.1f}" y="{y - radius:.1f}" width="{4 * radius:.1f}" height="{2 * radius:.1f}"'
            shapes.append(f'<rect {corner} rx="3" class="{look}">{tip}</rect>')
        else:
            shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" class="{look}">{tip}</circle>')
        if kind == "npu" and not crowded:
            shapes.append(svg.text(x, y + 4, name.removeprefix("npu"), "small middle"))
    return shapes


def _load(topology: Topology, window: _LoadWindow) -> FloatArray:
    """Return the utilisation of every link in a time window; 0 in a window of no length."""
    return window.carried / (topology.bandwidth * window.seconds) if window.seconds else np.zeros(topology.links)


def _busiest(topology: Topology, window: _LoadWindow) -> str:
    load = _load(topology, window)
    link = int(load.argmax())
    ends = f"{topology.nodes[topology.source[link]]} to {topology.nodes[topology.target[link]]}"
    return f"busiest: {ends}, {100 * load[link]:.0f} %"


def _legend(topology: Topology, height: float) -> list[str]:
    x, y = _SIDE / 2, height - _LINE
    parts = [svg.text(x, y + 4, "load over capacity", "soft")]
    for step in range(_STEPS):
        share = step / (_STEPS - 1)
        left = x + _WORDS + _KEY * step
        width = _THIN + (_THICK - _THIN) * share
        parts.append(
            f'<line x1="{left:.0f}" y1="{y:.0f}" x2="{left + _SAMPLE:.0f}" y2="{y:.0f}" class="link w{step}" '
            f'stroke-width="{width:.1f}"/>'
        )
        parts.append(svg.text(left + _SAMPLE + 6, y + 4, f"{100 * share:.0f} %", "small soft"))
    return parts


def _moving(count: int) -> str:
    share = 100 / count
    return (
        f".pic .window{{opacity:0;animation:show {count * _SECONDS:.1f}s linear infinite both}}"
        f"@keyframes show{{0%,{share - 0.01:.2f}%{{opacity:1}}{share:.2f}%,100%{{opacity:0}}}}"
        "@media(prefers-reduced-motion:reduce){.pic .window{animation:none}.pic .window:first-of-type{opacity:1}}"
    )
