"""Noise of a receiver: signal-to-noise ratio and bits of a detected optical power, and the power that some bits need.

Standard physics of photodetectors: with the current I = R P in a bandwidth B, the variances of shot noise, 2 q I B, of
the transimpedance amplifier, i_n^2 B (thermal noise included), and of the laser's relative intensity noise, RIN I^2 B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_CHARGE = 1.602176634e-19  # C: of an electron, exact by the definition of the SI (2019)
_DECIBEL = 10.0  # per factor of ten in power
_BIT, _SINE = 6.02, 1.76  # dB: of one bit, and of a full-scale sine's quantisation noise (Bennett 1948)


@dataclass(frozen=True)
class Receiver:
    """Receiver of one detector.

    Parameters
    ----------
    responsivity : current per optical power [A/W].
    noise : input current noise of the amplifier [A/sqrt(Hz)].
    rin : relative intensity noise of the laser [1/Hz].
    bandwidth : of a shot [Hz].

    Examples
    --------
    >>> receiver = Receiver(1.0, 20e-12, 1e-14, 5e9)
    >>> round(receiver.snr(receiver.power(38.0)), 6), receiver.power(44.0)
    (38.0, None)
    """

    responsivity: float
    noise: float
    rin: float
    bandwidth: float

    def snr(self, power: float) -> float:
        """Return the signal-to-noise ratio [dB] of an optical power [W] on the detector."""
        current = self.responsivity * power
        shot = 2 * _CHARGE * current
        variance = (shot + self.noise**2 + self.rin * current**2) * self.bandwidth
        return _DECIBEL * math.log10(current**2 / variance)

    def power(self, snr: float) -> float | None:
        """Return the optical power [W] that gives a signal-to-noise ratio [dB]; None: the laser's own noise forbids it.

        The root of (1 - s RIN B) I^2 - 2 s q B I - s i_n^2 B = 0, s the ratio as a factor.
        """
        ratio = 10 ** (snr / _DECIBEL)
        rest = 1 - ratio * self.rin * self.bandwidth
        if rest <= 0:
            return None
        shot, amplifier = ratio * 2 * _CHARGE * self.bandwidth, ratio * self.noise**2 * self.bandwidth
        current = (shot + math.sqrt(shot**2 + 4 * rest * amplifier)) / (2 * rest)
        return current / self.responsivity


def effective_bits(snr: float) -> float:
    """Return the bits of a signal-to-noise ratio [dB]: (SNR - 1.76 dB) / 6.02 dB.

    Examples
    --------
    >>> round(effective_bits(49.92), 3)
    8.0
    """
    return (snr - _SINE) / _BIT


def needed_snr(bits: float, shots: int) -> float:
    """Return the ratio [dB] of one shot of which `shots` add up to one conversion of so many bits: noise averages.

    Examples
    --------
    >>> round(needed_snr(8, 16), 2)
    37.88
    """
    return _BIT * bits + _SINE - _DECIBEL * math.log10(shots)
