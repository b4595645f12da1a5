"""Picture of a tracked heart rate over time: estimates, the tracked rate with its interval, and the reference."""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.pictures.axes import HEIGHT, LEFT, Axis, Frame
from slipstick.pictures.curves import KEY, STYLE, curve, legend
from slipstick.vitals.rate_band import RateBand
from slipstick.vitals.tracker_settings import BPM

_STYLE = ".pic .band{fill:var(--k0);opacity:.18}.pic .mark{opacity:.55}" + STYLE
_MARK = 2.2  # pixels: radius of an estimate's point
_ROOM = 2.0  # bpm above and below what is drawn
_POINTS = 4_000  # at most of a line or of a cloud: a picture of some 300 kB
_TRACKED, _ESTIMATE, _REFERENCE = 0, 1, 2  # colours of the palette


def rate_picture(
    times: FloatArray, band: RateBand, estimates: FloatArray, reference: FloatArray | None, title: str
) -> str:
    """Return the SVG of one series: `times` in s, `band` of one series, estimates [methods, steps], all in bpm.

    Long series are thinned out to some thousand points.

    Examples
    --------
    >>> band = RateBand(*(np.array([[70.0, 71.0]]) + shift for shift in (0, -2, 2)))
    >>> rate_picture(np.array([0.0, 1.0]), band, np.array([[70.0, 95.0]]), None, "demo").count("<circle")
    2
    """
    shown_at = np.unique(np.linspace(0, len(times) - 1, min(len(times), _POINTS)).astype(int))
    at, middle, low, high = times[shown_at], band.value[0][shown_at], band.low[0][shown_at], band.high[0][shown_at]
    points = estimates[:, shown_at]
    truth = None if reference is None else reference[shown_at]
    everything = np.concatenate([low, high, points.ravel(), [] if truth is None else truth])
    span = (float(np.nanmin(everything)) - _ROOM, float(np.nanmax(everything)) + _ROOM)
    ends = (float(at[0]), float(at[-1]) if len(at) > 1 else float(at[0]) + 1)
    frame = Frame(Axis("time", *ends, "s"), Axis("heart rate", *span, BPM))
    known = _runs(middle)
    drawn = [*(_area(frame, at[run], low[run], high[run]) for run in known), *_points(frame, at, points)]
    names = ["tracked, with its interval", "estimates"]
    if truth is not None:
        drawn += [curve(frame, at[run], truth[run], _REFERENCE) for run in _runs(truth)]
        names.append("reference")
    drawn += [curve(frame, at[run], middle[run], _TRACKED) for run in known]
    drawn += legend(names, LEFT, HEIGHT + KEY / 2)
    return frame.document(title, drawn, _STYLE, below=KEY * len(names))


def _area(frame: Frame, times: FloatArray, low: FloatArray, high: FloatArray) -> str:
    """Return the SVG of the area between two lines."""
    across = np.concatenate([frame.x(times), frame.x(times)[::-1]])
    up = np.concatenate([frame.y(high), frame.y(low)[::-1]])
    return f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, up, strict=True))}" class="band"/>'


def _points(frame: Frame, times: FloatArray, estimates: FloatArray) -> list[str]:
    """Return the SVG of every estimate that is there, as a small point."""
    return [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_MARK}" class="mark f{_ESTIMATE}"/>'
        for method in estimates
        for x, y in zip(frame.x(times), frame.y(method), strict=True)
        if not np.isnan(y)
    ]


def _runs(values: FloatArray) -> list[np.ndarray]:
    """Return the places of each run of values without a gap."""
    known = np.flatnonzero(~np.isnan(values))
    return [run for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1) if len(run)]
