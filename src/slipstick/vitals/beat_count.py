"""Counting of beats: the mean rate over a window from the phase of a pulse signal, not from the peak of its spectrum.

The peak of a Hann window weighs the middle of the window; where the rate varies within it that costs half a beat a
minute against the mean over the window. The phase at both ends does not. Ours.
"""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.vitals.band_pass import hann_dft

_SMOOTH = 0.7  # s: deviation of the Gaussian low-pass around the tracked rate
_PEAK, _FAR, _FARTHEST = 12.0, 12.0, 40.0  # a minute: where the peak may lie, and where the noise beside it is measured
_HALF = 6.0  # quality at which half of the correction is taken
_AGREE = 3.0  # a minute: a difference of weak signals that halves the correction
_CLEAR = 10.0  # quality from which signals that disagree are not weak
_STEP = 1.0  # a minute: of the spectrum around the tracked rate


def phase_rate(signal: FloatArray, rate: float, window: int, beats: float) -> float:
    """Return the mean rate [1/min] of the last `window` samples of a signal [time] whose rate is near `beats`.

    u(t) = y(t) exp(-2 pi i f0 t), smoothed over 0.7 s; the rate is f0 plus the change of its phase over the window.

    Examples
    --------
    >>> time = np.arange(600) / 30.0
    >>> round(phase_rate(np.cos(2 * np.pi * 1.3 * time), 30.0, 300, 75.0))
    78
    """
    count = len(signal)
    turned = signal * np.exp(-2j * np.pi * beats / 60 * np.arange(count) / rate)
    reach = int(3 * _SMOOTH * rate)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (_SMOOTH * rate)) ** 2)
    weights = np.convolve(np.ones(count), kernel, "same")
    smooth = np.convolve(turned, kernel, "same") / weights
    phase = np.unwrap(np.angle(smooth[-window:]))
    return float(beats + (phase[-1] - phase[0]) / (2 * np.pi) * 60 * rate / (window - 1))


def pulse_quality(signal: FloatArray, rate: float, window: int, beats: float) -> float:
    """Return the peak's power within 12 a minute of `beats` over the median power 12 to 40 a minute away."""
    grid = np.arange(max(beats - _FARTHEST, 20.0), beats + _FARTHEST, _STEP)  # 20 a minute: below all hearts
    power = np.abs(hann_dft(signal[-window:], rate, grid)) ** 2
    distance = np.abs(grid - beats)
    far = float(np.median(power[distance > _FAR]))
    return float(power[distance <= _PEAK].max() / max(far, np.finfo(float).tiny))


def counted_rate(signals: list[FloatArray], rate: float, window: int, beats: float) -> tuple[float, FloatArray]:
    """Return the rate [1/min] by counting the beats of two signals, and [their rates, their qualities].

    The rates are combined by the squares of their qualities. The correction of `beats` is shrunk by q / (q + 6), so
    that a weak signal leaves the tracked rate alone, and the more the farther weak signals disagree.
    """
    rates = np.array([phase_rate(signal, rate, window, beats) for signal in signals])
    qualities = np.array([pulse_quality(signal, rate, window, beats) for signal in signals])
    weights = qualities**2 / (qualities**2).sum()
    combined, quality = float(weights @ rates), float(weights @ qualities)
    apart = float(np.ptp(rates)) / _AGREE
    agreement = 1 / (1 + apart**2 / (1 + (float(qualities.min()) / _CLEAR) ** 2))
    corrected = beats + (combined - beats) * quality / (quality + _HALF) * agreement
    return corrected, np.stack([rates, qualities])
