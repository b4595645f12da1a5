"""Command `correlate`: from sizes to the lags of a correlator."""

from __future__ import annotations

from slipstick.cli.options import PLAIN, Shown
from slipstick.cli.output import _put
from slipstick.optics.detectors import Readout


def correlate(
    signal: int = 256,
    kernel: int = 9,
    *,
    field: int | None = None,
    offset: int | None = None,
    readout: Readout = "linear",
    bits: int = 8,
    depth: int = 1,
    display: Shown = PLAIN,
) -> None:
    """Flag the lags of a joint transform correlator, clean or contaminated, and simulate shots through its lenses.

    Parameters
    ----------
    signal
        Samples of the signal.
    kernel
        Samples of the kernel, from its first tap to its last.
    field
        Samples of the field that both lie in. Default: the smallest whose valid lags are clean.
    offset
        Where the signal begins; the kernel begins at 0. Default: behind a place as long as the signal.
    readout
        linear, square_sqrt (a conversion every shot) or square_integrate (charge of intensities).
    bits
        Of the converters; 0 for ideal ones.
    depth
        Shots whose charge a detector collects before a conversion.
    """
    from slipstick.verbs.correlate import correlate as verb

    _put(verb(signal, kernel, field, offset, readout=readout, bits=bits, depth=depth), display)
