"""Pulse signals from colours over time: GREEN, CHROM, POS, LGI, OMIT and PBV, each a projection of three colours.

Colours are means over skin, [time, 3] as R, G, B in any linear scale. A pulse signal has no unit and no sign that means
anything but one: it grows with the volume of blood. Equations as they are remembered from the papers that each function
names (from memory, unverified), filtered over the whole signal: filters inside windows of 1.6 s lose rates below 60.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.vitals.band_pass import band_pass

LOW, HIGH = 0.7, 4.0  # Hz: 42 to 240 a minute; ours, the field's habit
_WINDOW = 1.6  # s: of CHROM and POS (from memory)
_SIGNATURE = (0.33, 0.77, 0.53)  # of blood volume in R, G, B (de Haan and van Leest, 2014; from memory)
_TINY = 1e-12  # of a deviation: a channel that stands still


def normalised(colours: FloatArray) -> FloatArray:
    """Return colours [time, ..., 3] over their mean over time, less 1."""
    return np.asarray(colours / np.maximum(colours.mean(0), _TINY) - 1)


def green(colours: FloatArray, rate: float) -> FloatArray:
    """Return the negative green channel (Verkruysse et al., 2008): blood absorbs green."""
    return -band_pass(normalised(colours)[:, 1], rate, LOW, HIGH)


def chrom(colours: FloatArray, rate: float) -> FloatArray:
    """Return CHROM (de Haan and Jeanne, 2013): X - (sd X / sd Y) Y in windows, X = 3R - 2G, Y = 1.5R + G - 1.5B."""
    filtered = band_pass(normalised(colours), rate, LOW, HIGH)
    first = filtered @ np.array([3.0, -2.0, 0.0])
    second = filtered @ np.array([1.5, 1.0, -1.5])  # Source: de Haan and Jeanne, 2013 (from memory)
    return -_overlap_add(first, second, rate, -1.0, np.hanning(_samples(rate) + 2)[1:-1], _samples(rate) // 2)


def pos(colours: FloatArray, rate: float) -> FloatArray:
    """Return POS (Wang et al., 2017): S1 + (sd S1 / sd S2) S2 in sliding windows, S1 = G - B, S2 = G + B - 2R."""
    count, length = len(colours), min(_samples(rate), len(colours))
    pieces = np.lib.stride_tricks.sliding_window_view(colours, length, axis=0)  # [windows, 3, length]
    scaled = pieces / np.maximum(pieces.mean(-1, keepdims=True), _TINY)
    first = scaled[:, 1] - scaled[:, 2]
    second = scaled[:, 1] + scaled[:, 2] - 2 * scaled[:, 0]
    ratio = first.std(-1) / np.maximum(second.std(-1), _TINY)
    summed = first + ratio[:, None] * second
    summed -= summed.mean(-1, keepdims=True)
    signal = np.zeros(count)
    for offset in range(length):
        signal[offset : offset + len(summed)] += summed[:, offset]
    return -band_pass(signal, rate, LOW, HIGH)


def lgi(colours: FloatArray, rate: float) -> FloatArray:
    """Return LGI (Pilz et al., 2018): green after the strongest direction of the colours is projected out."""
    filtered = band_pass(normalised(colours), rate, LOW, HIGH)
    strongest = np.linalg.svd(filtered.T @ filtered)[0][:, 0]
    return np.asarray(-(filtered - np.outer(filtered @ strongest, strongest))[:, 1])


def omit(colours: FloatArray, rate: float) -> FloatArray:
    """Return OMIT (Alvarez Casado and Bordallo Lopez, 2022): green without the first vector of a QR of the colours."""
    scaled = np.asarray(colours / np.maximum(colours.mean(0), _TINY))
    first = np.linalg.qr(scaled.T)[0][:, 0]
    return -band_pass((scaled - np.outer(scaled @ first, first))[:, 1], rate, LOW, HIGH)


def pbv(colours: FloatArray, rate: float) -> FloatArray:
    """Return PBV (de Haan and van Leest, 2014): the projection W = Q^-1 p that keeps blood's colour alone."""
    filtered = band_pass(normalised(colours), rate, LOW, HIGH)
    covariance = filtered.T @ filtered
    covariance += np.eye(3) * np.trace(covariance) * _TINY
    weights = np.linalg.solve(covariance, np.array(_SIGNATURE))
    return np.asarray(-(filtered @ (weights / np.linalg.norm(weights))))


def _samples(rate: float) -> int:
    return max(2, round(_WINDOW * rate))


def _overlap_add(
    first: FloatArray, second: FloatArray, rate: float, sign: float, window: FloatArray, hop: int
) -> FloatArray:
    """Return first + sign (sd first / sd second) second, computed in windows, weighted and added up."""
    count, length = len(first), min(len(window), len(first))
    signal = np.zeros(count)
    starts = [*range(0, count - length, hop), count - length]
    for start in starts:
        part = slice(start, start + length)
        ratio = first[part].std() / max(float(second[part].std()), _TINY)
        piece = first[part] + sign * ratio * second[part]
        signal[part] += (piece - piece.mean()) * window[:length]
    return signal


PULSE_METHODS: dict[str, Callable[[FloatArray, float], FloatArray]] = {
    "green": green, "chrom": chrom, "pos": pos, "lgi": lgi, "omit": omit, "pbv": pbv,
}  # fmt: skip
