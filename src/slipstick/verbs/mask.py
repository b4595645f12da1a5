"""`mask`: a convolution kernel as a mask of mirrors in a Fourier plane."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipstick.optics.mask_report import mask_report
from slipstick.report.report import Report

if TYPE_CHECKING:
    from slipstick.core.arrays import FloatArray


def mask(kernel: str | Path | FloatArray, *, field: int = 64, period: int = 8) -> Report:
    """Return whether a mask that dims light and never delays it has a kernel as its response, and what does else.

    The nearest such mask; two masks whose fields are subtracted; a binary hologram that carries any kernel in its
    first diffraction order, with the light that it leaves.

    Parameters
    ----------
    kernel
        Rows of taps, ``"1 0 -1; 2 0 -2; 1 0 -1"``, a CSV file, or an array [rows, columns].
    field
        Frequencies of a side of the plane, which the mask has mirrors for.
    period
        Mirrors of a stripe of the hologram.

    Returns
    -------
    Report
        `detail` has the masks, `pictures()` draws them and what they make of a point.

    Errors
    ------
    SlipstickError for a kernel that is no table of finite numbers, a field smaller than the kernel, a period below 3.

    Examples
    --------
    >>> gauss, edges = mask("1 2 1; 2 4 2; 1 2 1"), mask("1 0 -1; 2 0 -2; 1 0 -1")
    >>> round(gauss.value("mask.error"), 6), round(edges.value("mask.error"), 6)
    (0.0, 0.5)
    """
    return mask_report(kernel, field=field, period=period)
