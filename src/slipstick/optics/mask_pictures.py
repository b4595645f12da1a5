"""Pictures of masks: mirrors in the Fourier plane, and what they make of a point of light."""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.optics.fourier_mask import impulse_response
from slipstick.optics.mask_study import MaskStudy
from slipstick.pictures import svg

_EDGE, _SIDE, _TOP, _GAP = 16, 192, 64, 12  # pixels: around, of a panel, above the panels, below a name
_MOST = 64  # cells of a side that are drawn: the middle of a larger plane
_RANGE = 1e-4  # least response that is drawn, over the largest: 40 dB of intensity below it is dark
_STYLE = ".pic .paper{fill:#000}.pic .lit{fill:#fff}"


def mask_pictures(study: MaskStudy) -> dict[str, str]:
    """Return the mask, the hologram and the intensity that each makes of a point, as one row of panels."""
    mask = np.fft.fftshift(study.nearest.values)
    hologram = study.hologram.values.astype(float)
    panels = {
        "nearest mask": mask,
        "its point response, 40 dB": _decibels(np.abs(impulse_response(study.nearest.values)) ** 2),
        f"hologram, its middle {min(_MOST, study.side)} mirrors": hologram,
        "its first order, 40 dB": _decibels(np.abs(study.hologram.response) ** 2),
    }
    title = f"Masks of a kernel of {study.kernel.shape[0]} x {study.kernel.shape[1]} taps"
    parts = [svg.text(_EDGE, 24, title, "title")]
    for place, (name, values) in enumerate(panels.items()):
        left = _EDGE + place * (_SIDE + 2 * _EDGE)
        parts += [svg.text(left, _TOP - _GAP, name, "soft"), *_panel(values, left)]
    width = _EDGE + len(panels) * (_SIDE + 2 * _EDGE)
    return {"masks": svg.document(width, _TOP + _SIDE + _EDGE, parts, title=title, style=_STYLE)}


def _decibels(intensity: FloatArray) -> FloatArray:
    """Return intensity from 0 (40 dB or more below the largest) to 1, in equal steps of decibels."""
    share = np.maximum(intensity / intensity.max(), _RANGE)
    return np.asarray(1 - np.log10(share) / np.log10(_RANGE))


def _panel(values: FloatArray, left: float) -> list[str]:
    """Return the cells of the middle of a plane, white where it is 1."""
    rows, columns = (min(_MOST, side) for side in values.shape)
    top, first = (values.shape[0] - rows) // 2, (values.shape[1] - columns) // 2
    part = values[top : top + rows, first : first + columns]
    high, wide = _SIDE / rows, _SIDE / columns
    cells = [svg.rect(left, _TOP, _SIDE, _SIDE, "paper")]
    for (row, column), value in np.ndenumerate(part):
        if value > 1 / 255:
            style = f"fill-opacity:{value:.2f}"
            cells.append(svg.rect(left + column * wide, _TOP + row * high, wide, high, "lit", style=style))
    return cells
