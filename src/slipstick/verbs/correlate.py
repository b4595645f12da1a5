"""`correlate`: the lags of a joint transform correlator, which of them are clean, and what one shot loses."""

from __future__ import annotations

from slipstick.optics.detectors import Readout
from slipstick.report.report import Report


def correlate(
    signal: int = 256,
    kernel: int = 9,
    field: int | None = None,
    offset: int | None = None,
    *,
    readout: Readout = "linear",
    bits: int = 8,
    depth: int = 1,
) -> Report:
    """Flag the lags of a joint transform correlator, clean or contaminated, and simulate shots through its two lenses.

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
        ``linear``, ``square_sqrt`` (a conversion every shot, its root digitally) or ``square_integrate`` (charge of
        intensities).
    bits
        Of the modulators' and the detectors' converters; 0 for ideal ones.
    depth
        Shots whose charge a detector collects before a conversion.

    Returns
    -------
    Report
        The breakdown "lags" has what lies at every lag, `pictures()` the contamination strip and the correlation plane,
        `detail` the flags of every lag.

    Errors
    ------
    SlipstickError for a kernel longer than the signal, and a field in which both have no room.

    Examples
    --------
    >>> report = correlate(256, 25, field=960)
    >>> report.value("lags.valid"), report.value("lags.clean"), report.value("field.smallest")
    (232.0, 193.0, 999.0)
    """
    from slipstick.engines.correlator_shot import correlator_plane, correlator_report

    return correlator_report(correlator_plane(signal, kernel, field, offset), readout, bits, depth)
