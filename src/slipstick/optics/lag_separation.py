"""Separation of the lobes of a joint transform correlator: which lags of the correlation are clean, and where they fit.

A field of N samples holds a kernel of K samples at 0 and a signal of M samples at the offset D. After square law and
second lens every lag, modulo N, may hold the autocorrelations (|l| <= M - 1), the correlation (D - K + 1 to
D + M - 1) and its mirror image. The law is derived; the correlator is that of Weaver and Goodman, Applied Optics 5(7),
1966 (from memory).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError

Lags = Literal["valid", "all"]
_MAX_FIELD = 2**24  # samples: what a picture or a mask of one field may take in memory


@dataclass(frozen=True)
class JointPlane:
    """Input plane of a joint transform correlator: `field` samples, the kernel at 0, the signal at `offset`.

    Errors
    ------
    SlipstickError for a kernel longer than the signal, a signal that overlaps the kernel, or a field that is too small.

    Examples
    --------
    >>> plane = JointPlane(signal=256, kernel=9, field=1015, offset=256)
    >>> plane.valid, plane.clean
    (range(256, 504), True)
    """

    signal: int
    kernel: int
    field: int
    offset: int

    def __post_init__(self) -> None:
        if not 1 <= self.kernel <= self.signal:
            allowed = f"1 to {self.signal}, the samples of the signal; exchange the two if the kernel is the longer"
            raise SlipstickError("out of range", path="correlator.kernel", value=self.kernel, allowed=allowed)
        if not self.kernel + self.signal <= self.field <= _MAX_FIELD:
            allowed = f"{self.kernel + self.signal}, both side by side, to {_MAX_FIELD}"
            raise SlipstickError("out of range", path="correlator.field", value=self.field, allowed=allowed)
        if not self.kernel <= self.offset <= self.field - self.signal:
            allowed = f"{self.kernel} to {self.field - self.signal}: behind the kernel and inside the field"
            raise SlipstickError("out of range", path="correlator.offset", value=self.offset, allowed=allowed)

    @property
    def valid(self) -> range:
        """Lags at which the kernel lies wholly inside the signal: all that a convolution of a network reads."""
        return range(self.offset, self.offset + self.signal - self.kernel + 1)

    @property
    def clean(self) -> bool:
        """Whether every valid lag is free of both autocorrelation and mirror."""
        return any(self.offset in offsets for offsets in clean_offsets(self.signal, self.kernel, self.field))


@dataclass(frozen=True, eq=False)
class LagFlags:
    """Flags of every lag of a field, arrays [field] of truth values: the lobes that lie there, one or several."""

    correlation: NDArray[np.bool_]
    autocorrelation: NDArray[np.bool_]
    mirror: NDArray[np.bool_]
    valid: NDArray[np.bool_]

    @property
    def clean(self) -> NDArray[np.bool_]:
        """Lags that hold the correlation and nothing else."""
        return self.correlation & ~self.autocorrelation & ~self.mirror


def lag_flags(plane: JointPlane) -> LagFlags:
    """Return the lobes that lie at every lag of a field.

    Examples
    --------
    >>> flags = lag_flags(JointPlane(signal=4, kernel=3, field=13, offset=4))
    >>> flags.clean.nonzero()[0].tolist(), flags.valid.nonzero()[0].tolist()
    ([4, 5], [4, 5])
    """
    size, last = plane.field, plane.offset + plane.signal - 1
    first = plane.offset - plane.kernel + 1
    flags = LagFlags(*(np.zeros(size, np.bool_) for _ in range(4)))
    flags.autocorrelation[: plane.signal] = True
    flags.autocorrelation[max(0, size - plane.signal + 1) :] = True
    flags.correlation[first : last + 1] = True
    flags.mirror[size - last : size - first + 1] = True
    flags.valid[plane.valid.start : plane.valid.stop] = True
    return flags


def clean_offsets(signal: int, kernel: int, field: int, lags: Lags = "valid") -> tuple[range, range]:
    """Return the offsets of the signal at which no lag that is asked for is contaminated: below and above the mirror.

    Parameters
    ----------
    lags : ``valid``: those at which the kernel lies inside the signal. ``all``: every lag of the correlation.
    """
    rim = kernel - 1 if lags == "all" else 0  # lags beside the valid ones, on either side, that count too
    least, most = signal + rim, field - 2 * signal + (kernel if lags == "valid" else 1)
    most = min(most, field - signal)
    # the mirror, of lags N - D - M + 1 to N - D + K - 1, begins behind the last lag, or ends before the first
    last = field - 2 * signal + (kernel if lags == "valid" else 1)
    below = range(least, min(most, last // 2) + 1)
    above = range(max(least, -(-(field + kernel + rim) // 2)), most + 1)
    return below, above


def smallest_field(signal: int, kernel: int, lags: Lags = "valid") -> JointPlane:
    """Return the smallest field in which the lags that are asked for are clean, and the signal's place in it.

    4 M - K samples for the valid lags at D = M, 4 M + 2 K - 3 for all at D = M + K - 1.

    Errors
    ------
    SlipstickError for a kernel longer than the signal.

    Examples
    --------
    >>> [smallest_field(256, kernel).field for kernel in (9, 25, 256)], smallest_field(256, 9, "all").field
    ([1015, 999, 768], 1039)
    """
    if lags == "all":
        return JointPlane(signal, kernel, 4 * signal + 2 * kernel - 3, signal + kernel - 1)
    return JointPlane(signal, kernel, 4 * signal - kernel, signal)


def largest_signal(field: int, kernel: int, lags: Lags = "valid") -> JointPlane:
    """Return the longest signal whose asked lags are clean in a field, and its place.

    Errors
    ------
    SlipstickError for a field in which not even a signal as short as the kernel is clean.

    Examples
    --------
    >>> largest_signal(1024, 25).signal, largest_signal(1024, 25, "all").signal, largest_signal(256, 3).signal
    (262, 244, 64)
    """
    signal = (field + kernel) // 4 if lags == "valid" else (field - 2 * kernel + 3) // 4
    if signal < kernel or kernel < 1:
        least = smallest_field(max(kernel, 1), max(kernel, 1), lags).field
        raise SlipstickError("too small for a clean lag", path="correlator.field", value=field, allowed=f"from {least}")
    return JointPlane(signal, kernel, field, signal + (kernel - 1 if lags == "all" else 0))


def packed_pieces(signal: int, piece: int, kernel: int) -> int:
    """Return the number of pieces, such as small images, in one signal with K - 1 zeros between neighbours.

    Their correlations do not mix then, with zeros at their borders.

    Examples
    --------
    >>> packed_pieces(256, 7 * 9, 2 * 9 + 3)  # images of 7x7 whose rows have guards of 2, kernels of 3x3
    3
    """
    return (signal + kernel - 1) // (piece + kernel - 1)
