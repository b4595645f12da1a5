"""Realisability of a kernel as a mask in the Fourier plane of two lenses that dims light and never delays it.

A mask m of mirrors has real values from 0 to 1, so that its impulse response h is Hermitian, h(-r) = conj h(r), and
largest on the axis, |h(r)| <= h(0): h is positive definite (Bochner). Most convolution kernels are not. What remains is
the nearest such response, a pair of masks whose fields are subtracted, or a hologram on a carrier (Lee, Applied Optics
13, 1974 and 18, 1979), which passes any kernel and wastes most of the light. The statements follow from the Fourier
transform; the searches over centres and signs are our own.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import BoolArray, ComplexArray, FloatArray
from slipstick.core.errors import SlipstickError

MAX_SIDE = 2**12  # frequencies of a side: a complex spectrum of 256 MiB
_EXACT = 1e-9  # relative error below which a mask counts as exact: rounding of the transforms alone


@dataclass(frozen=True, eq=False)
class AmplitudeMask:
    """Nearest mask to a kernel: values [side, side] from 0 to 1, the zero frequency first.

    Parameters
    ----------
    gain : factor to the kernel's spectrum, with its sign: the camera sees the square and not the sign.
    centre : row and column of the tap that stands on the axis.
    error : root mean square of the difference to the kernel's spectrum, over that of the spectrum.
    """

    values: FloatArray
    gain: float
    centre: tuple[int, int]
    error: float

    @property
    def exact(self) -> bool:
        """Whether the mask's response is the kernel, up to rounding."""
        return self.error < _EXACT


@dataclass(frozen=True, eq=False)
class MaskPair:
    """Two masks whose fields, subtracted, are the part of a kernel that is even about its centre."""

    positive: FloatArray
    negative: FloatArray
    gain: float
    centre: tuple[int, int]
    error: float


@dataclass(frozen=True, eq=False)
class LeeHologram:
    """Binary mask [side * period, side * period] that carries a kernel in its first diffraction order.

    Parameters
    ----------
    efficiency : share of the light that falls on the mask which the first order carries.
    error : of the first order's response, relative and after the best complex gain.
    """

    values: BoolArray
    period: int
    response: ComplexArray
    efficiency: float
    error: float


def checked_kernel(kernel: ArrayLike, side: int) -> FloatArray:
    """Return a kernel [rows, columns] of finite numbers that a field of `side` samples takes.

    Errors
    ------
    SlipstickError for what is no table of finite numbers, all zeros, larger than the field, or a field out of range.
    """
    try:
        taps = np.asarray(kernel, np.float64)
    except (TypeError, ValueError):
        raise SlipstickError("not a table of numbers", path="kernel") from None
    if taps.ndim != 2 or not taps.size:
        raise SlipstickError("not a table of rows and columns", path="kernel", value=taps.shape)
    if not np.isfinite(taps).all():
        raise SlipstickError("only finite numbers", path="kernel")
    if not taps.any():
        raise SlipstickError("all taps are zero", path="kernel")
    if not max(taps.shape) <= side <= MAX_SIDE:
        allowed = f"{max(taps.shape)} (the kernel) to {MAX_SIDE}"
        raise SlipstickError("out of range", path="field", value=side, allowed=allowed)
    return taps


def kernel_spectrum(kernel: FloatArray, side: int, centre: tuple[int, int]) -> ComplexArray:
    """Return the spectrum [side, side] of a kernel whose tap `centre` stands on the axis."""
    field = np.zeros((side, side))
    field[: kernel.shape[0], : kernel.shape[1]] = kernel
    spectrum: ComplexArray = np.fft.fft2(np.roll(field, (-centre[0], -centre[1]), axis=(0, 1)))
    return spectrum


def impulse_response(mask: ArrayLike) -> ComplexArray:
    """Return the response [side, side] to a point on the axis of a mask, with the axis in the middle.

    Examples
    --------
    >>> float(abs(impulse_response(np.ones((4, 4)))[2, 2]))
    1.0
    """
    response: ComplexArray = np.fft.fftshift(np.fft.ifft2(np.asarray(mask)))
    return response


def nearest_mask(kernel: ArrayLike, side: int) -> AmplitudeMask:
    """Return the mask whose response is nearest to a kernel, over all of its taps as centre and both signs.

    The nearest non-negative real function to a spectrum H in the mean square is max(Re H, 0): projection on a convex
    cone, frequency by frequency.

    Examples
    --------
    >>> nearest_mask([[1, 2, 1], [2, 4, 2], [1, 2, 1]], 16).exact
    True
    >>> nearest_mask([[1, 0, -1]], 16).exact
    False
    """
    taps = checked_kernel(kernel, side)
    norm = math.sqrt(side**2 * float((taps**2).sum()))  # Parseval: that of the spectrum, whatever the centre

    def fitted(centre: tuple[int, int], sign: int) -> AmplitudeMask:
        spectrum = sign * kernel_spectrum(taps, side, centre)
        values = np.maximum(spectrum.real, 0.0)
        top = float(values.max())
        error = float(np.linalg.norm(spectrum - values)) / norm
        return AmplitudeMask(values / top if top else values, sign / top if top else 0.0, centre, error)

    choices = itertools.product(_centres(taps), (1, -1))
    return min((fitted(centre, sign) for centre, sign in choices), key=lambda mask: mask.error)


def mask_pair(kernel: ArrayLike, side: int) -> MaskPair:
    """Return two masks, by the positive and the negative part of the real spectrum, over all taps as centre.

    The fields must be subtracted, which a camera does not do: it sees the square of each.
    """
    taps = checked_kernel(kernel, side)
    norm = math.sqrt(side**2 * float((taps**2).sum()))

    def lost(centre: tuple[int, int]) -> float:
        return float(np.linalg.norm(kernel_spectrum(taps, side, centre).imag)) / norm

    centre = min(_centres(taps), key=lost)
    real = kernel_spectrum(taps, side, centre).real
    top = float(np.abs(real).max())
    return MaskPair(np.maximum(real, 0) / top, np.maximum(-real, 0) / top, 1 / top, centre, lost(centre))


def lee_hologram(kernel: ArrayLike, side: int, period: int = 8) -> LeeHologram:
    """Return the binary hologram of any kernel: stripes of `period` mirrors, as wide as the spectrum is strong.

    A frequency has a square of mirrors. The stripes' place is the phase; it is told apart to less than a mirror, as
    rows of the square are offset by parts of one. Of a spectrum H of at most 1, with fine stripes, the first order is
    H / pi: its efficiency is the mean of |H|^2 over pi^2, at most a tenth. Source: Lee, Applied Optics 18, 3661 (1979);
    the offsets are our own.

    Errors
    ------
    SlipstickError for a period below 3 mirrors, in which no phase can be told, or a hologram that is too large.
    """
    taps = checked_kernel(kernel, side)
    if not 3 <= period <= MAX_SIDE // side:
        raise SlipstickError("out of range", path="period", value=period, allowed=f"3 to {MAX_SIDE // side} mirrors")
    centre = (taps.shape[0] // 2, taps.shape[1] // 2)
    spectrum = np.fft.fftshift(kernel_spectrum(taps, side, centre))
    target = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(spectrum)))
    values = _stripes(spectrum / np.abs(spectrum).max(), period)
    response = _first_order(values, period)
    power = float(np.vdot(response, response).real)
    gain = np.vdot(response, target) / max(power, np.finfo(np.float64).tiny)
    error = float(np.linalg.norm(gain * response - target) / np.linalg.norm(target))
    return LeeHologram(values, period, response, power, error)


def _stripes(spectrum: ComplexArray, period: int) -> BoolArray:
    """Return which mirrors are on: a stripe in every square of `period` x `period` mirrors, one for each frequency."""
    cell = np.arange(period)
    offsets = (cell + 0.5) / period - 0.5  # of a row of mirrors, in mirrors
    carrier = (cell + offsets[:, None]) / period
    phase, width = np.angle(spectrum) / (2 * math.pi), np.arcsin(np.minimum(np.abs(spectrum), 1.0)) / math.pi
    turns = carrier[None, :, None, :] + phase[:, None, :, None]
    side = len(spectrum) * period
    on: BoolArray = np.abs(turns - np.rint(turns)) < width[:, None, :, None] / 2
    return on.reshape(side, side)


def _first_order(values: BoolArray, period: int) -> ComplexArray:
    """Return the response [side, side] that a hologram [side * period, side * period] has in its first order.

    A carrier of one turn in `period` mirrors moves it by `side` places back. The axis stands in the middle of the mask,
    between mirrors of one frequency, which turns the phases of the response; that is undone.
    """
    mirrors = len(values)
    side = mirrors // period
    places = np.arange(-(side // 2), side - side // 2)
    plane = np.fft.ifft2(values)[np.ix_(places % mirrors, (places - side) % mirrors)]
    turned = np.exp(-2j * math.pi * (side // 2 * period + (period - 1) / 2) * places / mirrors)
    response: ComplexArray = plane * turned[:, None] * turned
    return response


def _centres(taps: FloatArray) -> list[tuple[int, int]]:
    return list(itertools.product(range(taps.shape[0]), range(taps.shape[1])))
