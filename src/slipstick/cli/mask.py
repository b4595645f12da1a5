"""Command `mask`: from a kernel to its masks in a Fourier plane."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from slipstick.cli.options import PLAIN, Shown
from slipstick.cli.output import _put

_Kernel = Annotated[str, Parameter(help='Rows of taps, "1 0 -1; 2 0 -2; 1 0 -1", or a CSV file.')]
_Field = Annotated[int, Parameter(help="Frequencies of a side of the plane.")]
_Period = Annotated[int, Parameter(help="Mirrors of a stripe of the hologram.")]


def mask(kernel: _Kernel, *, field: _Field = 64, period: _Period = 8, display: Shown = PLAIN) -> None:
    """Say whether a mask of mirrors in a Fourier plane can be a kernel, and what passes it otherwise."""
    from slipstick.verbs.mask import mask as verb

    _put(verb(kernel, field=field, period=period), display)
