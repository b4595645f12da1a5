"""Pictures of a correlator's output plane: the light of one shot by lag, and under it the lobes that lie there."""

from __future__ import annotations

from itertools import groupby

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.optics.lag_separation import JointPlane, LagFlags, lag_flags
from slipstick.pictures import svg
from slipstick.pictures.axes import LEFT, RIGHT, TITLE, WIDTH, Axis, Frame
from slipstick.pictures.curves import STYLE, curve

_STRIP, _GAP, _TOP = 26.0, 34.0, 56.0  # pixels: height of a strip, from one to the next, and above the first
_FOOT = 46.0  # pixels below the strips
_STATES = ("clean", "autocorrelation", "mirror", "autocorrelation and mirror", "nothing")
_STYLE = (
    ".pic .q0{fill:var(--k2)}.pic .q1{fill:var(--k1)}.pic .q2{fill:var(--k3)}.pic .q3{fill:var(--k4)}"
    ".pic .q4{fill:var(--track)}"
)


def lag_runs(flags: LagFlags) -> list[tuple[int, int, str, str]]:
    """Return runs of lags that hold the same: first, last, what lies there, and the part of the correlation it is.

    The part is ``valid``, ``rim`` (lags at which the kernel leaves the signal) or empty.
    """
    states = np.where(flags.autocorrelation, 1, 4)
    states = np.where(flags.mirror, np.where(flags.autocorrelation, 3, 2), states)
    states = np.where(flags.clean, 0, states)
    parts = np.where(flags.valid, 2, flags.correlation.astype(int))
    runs: list[tuple[int, int, str, str]] = []
    for (state, part), lags in groupby(range(len(states)), key=lambda lag: (int(states[lag]), int(parts[lag]))):
        places = list(lags)
        runs.append((places[0], places[-1], _STATES[state], ("", "rim", "valid")[part]))
    return runs


def strip_svg(plane: JointPlane) -> str:
    """Return the SVG of the contamination strip: every lag by colour, and below it the lags that are read."""
    flags, wide = lag_flags(plane), (WIDTH - LEFT - RIGHT) / plane.field
    title = f"Lags of {plane.signal} by {plane.kernel} samples in a field of {plane.field}, signal at {plane.offset}"
    parts = [svg.text(LEFT, TITLE, title, "title")]
    for first, last, state, part in lag_runs(flags):
        x, size = LEFT + first * wide, (last - first + 1) * wide
        tip = f"lags {first} to {last}: {state}" + (f", {part}" if part else "")
        parts.append(svg.rect(x, _TOP, size, _STRIP, f"q{_STATES.index(state)}", tip=tip))
        if part:
            clean = state == "clean"
            kind = "q0" if clean else f"q{_STATES.index(state)}"
            height = _STRIP if part == "valid" else _STRIP / 2
            parts.append(svg.rect(x, _TOP + _GAP, size, height, kind, tip=tip))
    parts.append(svg.text(LEFT - 8, _TOP + _STRIP / 2 + 4, "holds", "soft end"))
    parts.append(svg.text(LEFT - 8, _TOP + _GAP + _STRIP / 2 + 4, "read", "soft end"))
    foot = _TOP + _GAP + _STRIP + _GAP / 2
    parts += [svg.text(LEFT, foot, "0", "soft"), svg.text(WIDTH - RIGHT, foot, f"lag {plane.field - 1}", "soft end")]
    parts.append(svg.text(WIDTH / 2, foot, "half as high: the kernel leaves the signal there", "soft middle"))
    parts.append(_legend(foot + _GAP))
    return svg.document(WIDTH, foot + _FOOT, parts, title="Contamination of lags", style=_STYLE)


def plane_svg(plane: JointPlane, amplitudes: FloatArray) -> str:
    """Return the SVG of a correlation plane [N]: its amplitude by lag, up to four times the largest valid one."""
    valid = amplitudes[plane.valid.start : plane.valid.stop]
    top = 4 * float(valid.max())
    frame = Frame(Axis("lag", 0.0, float(plane.field - 1)), Axis("amplitude", 0.0, top))
    title = f"Correlation plane; at lag 0 the light is {float(amplitudes[0] / valid.mean()):.0f} times the valid mean"
    low, high = (float(x) for x in frame.x([plane.valid.start, plane.valid.stop - 1]))
    y, foot = (float(y) for y in frame.y([top, 0.0]))
    shade = svg.rect(low, y, high - low, foot - y, "q0", tip="valid lags", style="fill-opacity:.15")
    line = curve(frame, np.arange(plane.field), np.minimum(amplitudes, top), 0)
    return frame.document(title, [shade, line], STYLE + _STYLE)


def _legend(y: float) -> str:
    parts, x = [], LEFT
    for place, state in enumerate(_STATES):
        parts.append(svg.rect(x, y - 9, 10, 10, f"q{place}"))  # a square as high as the letters beside it
        parts.append(svg.text(x + 16, y, state, "soft"))
        x += 32 + svg.LETTER * len(state)
    return "".join(parts)
