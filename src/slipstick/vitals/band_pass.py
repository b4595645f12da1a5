"""Spectra and filters of pulse signals: zero-phase band-pass, the Hann window's DFT at any rate, peak over the rest."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from slipstick.core.arrays import AnyArray, FloatArray

_ORDER = 3  # of the Butterworth filter, applied forwards and backwards; ours, as the field's habit


def band_pass(signals: FloatArray, rate: float, low: float, high: float) -> FloatArray:
    """Return signals [time, ...] with what lies outside of `low` to `high` [Hz] removed, at `rate` samples a second.

    Zero-phase Butterworth filter of order 3 (its squared magnitude over the DFT); a line is taken out first, and the
    ends are mirrored, so that no step rings through the signal. What needs the future (the last half second of a live
    signal) is least sure.

    Examples
    --------
    >>> time = np.arange(300) / 30.0
    >>> both = np.sin(2 * np.pi * 1.2 * time) + np.sin(2 * np.pi * 0.1 * time) + 5
    >>> float(np.abs(band_pass(both, 30.0, 0.7, 4.0) - np.sin(2 * np.pi * 1.2 * time))[60:240].max()) < 0.05
    True
    """
    count = len(signals)
    line = np.linspace(-1, 1, count)
    basis = np.column_stack([np.ones(count), line])
    flat = signals.reshape(count, -1)
    flat = flat - basis @ np.linalg.lstsq(basis, flat, rcond=None)[0]
    mirrored = np.concatenate([-flat[::-1], flat, -flat[::-1]])
    frequencies = np.fft.rfftfreq(len(mirrored), 1 / rate)
    with np.errstate(divide="ignore"):
        gain = 1 / (1 + (low / frequencies) ** (2 * _ORDER)) / (1 + (frequencies / high) ** (2 * _ORDER))
    filtered = np.fft.irfft(np.fft.rfft(mirrored, axis=0) * gain[:, None], len(mirrored), axis=0)
    return np.asarray(filtered[count : 2 * count].reshape(signals.shape))


def hann_dft(signals: FloatArray, rate: float, beats: FloatArray) -> AnyArray:
    """Return the DFT [beats, ...] of signals [time, ...] under a Hann window at `beats` per minute.

    Scaled by the root of the window's energy, so that white noise keeps its variance.

    Examples
    --------
    >>> wave = np.sin(2 * np.pi * 1.5 * np.arange(300) / 30.0)
    >>> beats = np.arange(42.0, 220.0, 0.5)
    >>> float(beats[np.abs(hann_dft(wave, 30.0, beats)).argmax()])
    90.0
    """
    turns = _hann_turns(len(signals), rate, np.asarray(beats, np.float64).tobytes())
    return np.asarray(np.tensordot(turns, signals, 1))


@lru_cache(maxsize=16)
def _hann_turns(count: int, rate: float, beats: bytes) -> AnyArray:
    """Return the DFT's rows [beats, time], the Hann window of unit energy in them."""
    window = np.hanning(count + 2)[1:-1]
    hertz = np.frombuffer(beats) / 60
    turns = np.exp(-2j * np.pi * np.outer(hertz, np.arange(count) / rate))
    return np.asarray(turns * window / np.sqrt((window**2).sum()))


def peak_to_rest(power: FloatArray, beats: FloatArray, half_width: float) -> float:
    """Return the power of a spectrum within `half_width` per minute of its peak and of its double, over all the rest.

    Examples
    --------
    >>> beats = np.arange(40.0, 200.0)
    >>> peak_to_rest(np.where(beats == 70, 3.0, 0.01), beats, 2.0) > 1
    True
    """
    top = beats[power.argmax()]
    near = (np.abs(beats - top) <= half_width) | (np.abs(beats - 2 * top) <= half_width)
    return float(power[near].sum() / max(power[~near].sum(), np.finfo(float).tiny))
