"""Picture of a pulse's spectrum over time, with the tracked rate drawn over it."""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.pictures import svg
from slipstick.pictures.axes import Axis, Frame
from slipstick.pictures.curves import STYLE, curve
from slipstick.vitals.pulse_windows import PulseWindows
from slipstick.vitals.tracker_settings import BPM

_STYLE = ".pic .power{fill:var(--k0)}" + STYLE
_COLUMNS, _ROWS = 150, 60  # rectangles at most: a picture of some 500 kB
_FAINT = 0.05  # share of the peak below which nothing is drawn
_PATH = 1  # colour of the tracked rate


def spectrum_picture(windows: PulseWindows, title: str) -> str:
    """Return the SVG of the power at each rate and window over the window's peak, and the tracked rates."""
    shown_at = np.unique(np.linspace(0, len(windows.ends) - 1, min(len(windows.ends), _COLUMNS)).astype(int))
    beats, power = _coarse(windows.beats, windows.spectra[shown_at])
    ends = windows.ends[shown_at]
    step = float(np.median(np.diff(ends))) if len(ends) > 1 else 1.0
    across = Axis("end of the window", float(ends[0] - step / 2), float(ends[-1] + step / 2), "s")
    height = float(beats[1] - beats[0])
    frame = Frame(across, Axis("heart rate", float(beats[0] - height / 2), float(beats[-1] + height / 2), BPM))
    left, right = frame.x(ends - step / 2), frame.x(ends + step / 2)
    top, bottom = frame.y(beats + height / 2), frame.y(beats - height / 2)
    drawn = [
        svg.rect(
            left[at], top[row], right[at] - left[at], bottom[row] - top[row], "power", style=f"opacity:{share:.2f}"
        )
        for at, column in enumerate(power)
        for row, share in enumerate(column)
        if share > _FAINT
    ]
    if len(ends) > 1:
        drawn.append(curve(frame, ends, windows.rates[shown_at], _PATH))
    return frame.document(title, drawn, _STYLE)


def _coarse(beats: FloatArray, spectra: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return spectra [windows, rows] over their peaks, the largest of neighbouring rates each, and the rows' rates."""
    wide = -(-len(beats) // _ROWS)
    count = len(beats) // wide
    power = spectra[:, : count * wide].reshape(len(spectra), count, wide).max(2)
    middle = beats[: count * wide].reshape(count, wide).mean(1)
    return middle, power / np.maximum(power.max(1, keepdims=True), np.finfo(float).tiny)
