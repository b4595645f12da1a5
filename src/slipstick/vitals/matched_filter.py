"""Kelly's adaptive matched filter for a pulse in many channels: blocks of skin in three colours, and the head's pose.

For a rate f: noise covariance S from all other frequencies of the past, template a of blood's colour in every block.
T(f) = |a' S^-1 X|^2 / [(a' S^-1 a)(m + X^H S^-1 X)], X the channels' DFT at f (Kelly, IEEE Trans. AES 22, 1986; from
memory, unverified; what follows it is ours).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import Float32Array, FloatArray
from slipstick.vitals.band_pass import hann_dft

# blood volume in R, G, B: PBV's signature (from memory, unverified); green alone is as good
COLOURS = np.array([0.33, 0.77, 0.53])
_LOW, _HIGH = 0.65, 4.05  # Hz: bins from which noise is learnt
_APART = 8.0  # a minute: bins nearer to f or 2f are no noise
_SHRINK = 0.1  # of the covariance's off-diagonal
_SECOND = 0.3  # weight of the second harmonic's statistic
_STEP = 3  # every third rate of the grid has a covariance of its own


@dataclass(frozen=True, eq=False)
class PulseFilter:
    """Adaptive matched filter of one moment: its statistic over the rate, and the beam towards any rate.

    Parameters
    ----------
    beats : grid [1/min].
    statistic : T(f) + 0.3 T(2f), [beats].
    channels : [time, channels], the past, band-passed.
    """

    beats: FloatArray
    statistic: FloatArray
    channels: FloatArray
    template: FloatArray
    rate: float

    @classmethod
    def of(cls, channels: FloatArray, template: FloatArray, rate: float, window: int, beats: FloatArray) -> PulseFilter:
        """Return the filter of the channels' past [time, channels] for their last `window` samples, at `beats`."""
        centres = beats[::_STEP]
        noise = _Noise.of(channels, rate)
        powers = noise.statistic(channels[-window:], template, centres)
        at_double = np.interp(2 * centres, centres, powers, right=0.0)
        combined = powers + _SECOND * np.where(2 * centres <= centres[-1], at_double, 0)
        return cls(beats, np.interp(beats, centres, combined), channels, template, rate)

    def beam(self, beats: float) -> FloatArray:
        """Return the signal [time] that the filter sees towards a rate: y = x S^-1 a / (a' S^-1 a)."""
        covariance = _Noise.of(self.channels, self.rate).covariances(np.array([beats]))[0][0]
        weights = np.linalg.solve(covariance, self.template)
        return np.asarray(self.channels @ weights / (self.template @ weights))


@dataclass(frozen=True, eq=False)
class _Noise:
    """Outer products of the past's DFT bins: what the covariance at a rate is added up from."""

    beats: FloatArray  # of the bins
    products: Float32Array  # [bins, channels, channels], real part
    total: Float32Array
    rate: float

    @classmethod
    def of(cls, channels: FloatArray, rate: float) -> _Noise:
        count = len(channels)
        frequencies = np.fft.rfftfreq(count, 1 / rate)
        inside = (frequencies >= _LOW) & (frequencies <= _HIGH)
        bins = np.fft.rfft(channels, axis=0)[inside] / np.sqrt(count)
        parts = np.stack([bins.real, bins.imag], 1).astype(np.float32)
        products = parts.transpose(0, 2, 1) @ parts
        return cls(np.asarray(frequencies[inside] * 60, np.float64), products, products.sum(0), rate)

    def covariances(self, beats: FloatArray) -> tuple[Float32Array, FloatArray]:
        """Return the noise covariance [beats, channels, channels] at each rate, and the number of its bins."""
        near = (np.abs(self.beats - beats[:, None]) <= _APART) | (np.abs(self.beats - 2 * beats[:, None]) <= _APART)
        count = (~near).sum(1)
        channels = len(self.total)
        excluded = near.astype(np.float32) @ self.products.reshape(len(self.beats), -1)
        summed = self.total - excluded.reshape(-1, channels, channels)
        covariance = summed * ((1 - _SHRINK) / count)[:, None, None].astype(np.float32)
        diagonal = np.einsum("fii->fi", covariance)
        diagonal /= 1 - _SHRINK
        return covariance, count.astype(float)

    def statistic(self, window: FloatArray, template: FloatArray, beats: FloatArray) -> FloatArray:
        """Return T of each rate."""
        covariance, count = self.covariances(beats)
        values = hann_dft(window, self.rate, beats)
        right = np.stack([np.broadcast_to(template, values.shape), values.real, values.imag], -1).astype(np.float32)
        solved = np.linalg.solve(covariance, right)
        response = solved[..., 0] @ template
        along = np.einsum("c,fck->fk", template, solved[..., 1:])
        energy = (values.real * solved[..., 1] + values.imag * solved[..., 2]).sum(1)
        return np.asarray((along**2).sum(1) / response / (count + energy), np.float64)
