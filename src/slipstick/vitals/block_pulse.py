"""Pulse from blocks of skin: quality from out-of-plane motion, block fusion, pose regression, Fourier reconstruction.

The chain of MOMBAT (arXiv 2005.04618) as far as its abstract and a patent's claims tell it: quality of each moment from
out-of-plane movement, and a Fourier basis that rebuilds poor moments. Every parameter is ours. The exact chain is
covered by a granted patent (US 10,755,125): it is a mode by name, ``mombat``, and never the default.
"""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import FloatArray

_FAST, _FAR = 12.0, 8.0  # degrees a second, degrees: motion that halves a moment's quality, about; ours
_MEAN = 5  # samples over which a turning rate is averaged
_ROUNDS = 3  # of the block weights
_RIDGE = 0.02  # of the Fourier reconstruction, a sample
_POOR = 0.5  # quality below which a sample is rebuilt
_MOST_POOR = 0.5  # share of poor samples above which the reconstruction is under-determined
_TINY = 1e-18


def motion_quality(pose: FloatArray, rate: float) -> FloatArray:
    """Return the quality of each moment [time] in 0 to 1, from yaw and pitch of the head [time, 7] in degrees.

    q = exp(-0.5 (v / 12 deg/s)^2 - 0.5 (d / 8 deg)^2), v the turning rate and d the distance from the median pose.

    Examples
    --------
    >>> still = np.zeros((90, 7))
    >>> float(motion_quality(still, 30.0).min())
    1.0
    """
    angles = pose[:, :2]
    turning = np.abs(np.gradient(angles, axis=0)).sum(1) * rate
    speed = np.convolve(turning, np.ones(_MEAN) / _MEAN, "same")
    distance = np.abs(angles - np.median(angles, 0)).sum(1)
    return np.asarray(np.exp(-0.5 * (speed / _FAST) ** 2 - 0.5 * (distance / _FAR) ** 2))


def block_weights(signals: FloatArray) -> FloatArray:
    """Return the weights [blocks] of signals [time, blocks]: 1 / variance, times the squared correlation with the mean.

    Blocks that see something else than the others count little: the step that matters for coded video.

    Examples
    --------
    >>> wave, noise = np.sin(np.arange(300) / 4), np.random.default_rng(0).normal(0, 1, (300, 3))
    >>> weights = block_weights(np.column_stack([wave[:, None] + 0.1 * noise, 2 * noise[:, :1]]))
    >>> bool(weights[:3].sum() > 0.99)
    True
    """
    precision = 1 / np.maximum(signals.var(0), _TINY)
    weights = precision / precision.sum()
    centred = signals - signals.mean(0)
    deviation = np.maximum(np.sqrt((centred**2).sum(0)), _TINY)
    for _ in range(_ROUNDS):
        mean = centred @ weights
        correlation = mean @ centred / deviation / max(float(np.sqrt((mean**2).sum())), _TINY)
        unscaled = np.maximum(correlation, 0) ** 2 * precision
        if not unscaled.sum() > 0:
            return np.asarray(weights)
        weights = unscaled / unscaled.sum()
    return np.asarray(weights)


def without_pose(signal: FloatArray, nuisances: FloatArray) -> FloatArray:
    """Return a signal [time] less what nuisances [time, n], such as the head's pose, explain by least squares."""
    basis = np.column_stack([np.ones(len(signal)), nuisances])
    return np.asarray(signal - basis @ np.linalg.lstsq(basis, signal, rcond=None)[0])


def fourier_fill(signal: FloatArray, quality: FloatArray, rate: float, low: float, high: float) -> FloatArray | None:
    """Return a signal [time] whose poor moments a Fourier model rebuilds; None where too many are poor.

    y(t) = sum a_k cos(2 pi k t / T) + b_k sin(2 pi k t / T) over the band, by weighted ridge least squares:
    (B'QB + 0.02 n I) c = B'Q y. With half of the window poor only the ridge decides: no estimate.

    Examples
    --------
    >>> time = np.arange(300) / 30.0
    >>> wave, quality = np.sin(2 * np.pi * 1.2 * time), np.ones(300)
    >>> broken = np.where((time > 4) & (time < 6), 5.0, wave)
    >>> filled = fourier_fill(broken, np.where(broken == 5, 0.0, 1.0), 30.0, 0.7, 4.0)
    >>> bool(np.corrcoef(filled, wave)[0, 1] > 0.9)
    True
    >>> fourier_fill(broken, 0 * quality, 30.0, 0.7, 4.0) is None
    True
    """
    if (quality < _POOR).mean() > _MOST_POOR:
        return None
    count = len(signal)
    seconds = count / rate
    orders = np.arange(np.ceil(low * seconds), np.floor(high * seconds) + 1)
    phases = 2 * np.pi * np.outer(np.arange(count) / count, orders)
    basis = np.hstack([np.cos(phases), np.sin(phases)])
    weighted = basis * quality[:, None]
    system = weighted.T @ basis + _RIDGE * count * np.eye(basis.shape[1])
    model = basis @ np.linalg.solve(system, weighted.T @ signal)
    share = np.clip(quality / _POOR - 1, 0, 1)
    return np.asarray(share * signal + (1 - share) * model)
