"""Photodetector: the current of light that falls on it, its saturation and its noise; the transfer of one correlator.

Standard physics of a photodiode with a transimpedance amplifier: shot noise 2 q (I + I_d) B, thermal noise 4 k T B / R,
the amplifier's i_n^2 B, and the laser's relative intensity noise 10^(RIN / 10) I^2 B.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from slipstick.core.errors import SlipstickError
from slipstick.formats.arithmetic.converter import Converter
from slipstick.optics.joint_transform import sampled_correlation

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from slipstick.core.arrays import FloatArray
    from slipstick.optics.detectors import Readout
    from slipstick.optics.lag_separation import JointPlane

_CHARGE = 1.602176634e-19  # C, of the electron: exact by definition of the SI
_BOLTZMANN = 1.380649e-23  # J/K: exact by definition of the SI
_DECIBELS = 20.0  # of a factor of amplitudes or currents, by definition
_QUANTISATION = 1.76, 6.02  # dB of a full-scale sine over quantisation noise, and dB a bit: textbook, 20 log10(2)


@dataclass(frozen=True)
class Photodetector:
    """Photodiode with its amplifier. The defaults are generic values (assumed), of no paper and no data sheet.

    Parameters
    ----------
    responsivity [A/W], load [Ohm], temperature [K], amplifier_noise [A/sqrt(Hz)], intensity_noise of the laser [dB/Hz],
    dark_current [A]; saturation : current [A] at which the response has fallen to a half, 0 for none.

    Examples
    --------
    >>> round(Photodetector().bits(1e-4, 5e9), 1)  # of 0.1 mA in 5 GHz
    5.6
    """

    responsivity: float = 1.0
    load: float = 50e3
    temperature: float = 300.0
    amplifier_noise: float = 20e-12
    intensity_noise: float = -140.0
    dark_current: float = 10e-9
    saturation: float = 0.0

    def current(self, power: ArrayLike) -> FloatArray:
        """Return the current [A] of light of a power [W]."""
        current = self.responsivity * np.asarray(power, np.float64)
        return np.asarray(current / (1 + current / self.saturation) if self.saturation else current)

    def noise(self, current: ArrayLike, bandwidth: float) -> FloatArray:
        """Return the standard deviation [A] of a current [A] in a bandwidth [Hz]."""
        signal = np.asarray(current, np.float64)
        shot = 2 * _CHARGE * (signal + self.dark_current)
        thermal = 4 * _BOLTZMANN * self.temperature / self.load + self.amplifier_noise**2
        laser = 10 ** (self.intensity_noise / 10) * signal**2
        return np.asarray(np.sqrt((shot + thermal + laser) * bandwidth))

    def snr(self, current: float, bandwidth: float) -> float:
        """Return the signal-to-noise ratio [dB] of a current [A] in a bandwidth [Hz]."""
        return float(_DECIBELS * np.log10(current / self.noise(current, bandwidth)))

    def bits(self, current: float, bandwidth: float) -> float:
        """Return the bits that a converter can use of a current [A] in a bandwidth [Hz]: (SNR - 1.76 dB) / 6.02 dB."""
        offset, step = _QUANTISATION
        return (self.snr(current, bandwidth) - offset) / step


@dataclass(frozen=True)
class CorrelatorTransfer:
    """Transfer of one correlator from codes to codes: modulators, lenses, detectors with noise, converters.

    Parameters
    ----------
    dac_bits, adc_bits : of the modulators' and the detectors' converters; 0: ideal ones.
    depth : shots that a detector collects before a conversion.
    extinction : ratio [dB] of the powers of a modulator at 1 and at 0; 0: ideal, dark at 0.
    detector : None: without noise. power : light [W] on a detector at full amplitude. clock : shots a second [1/s]; the
        detector's bandwidth is half of it.
    """

    readout: Readout = "linear"
    dac_bits: int = 8
    adc_bits: int = 8
    depth: int = 16
    extinction: float = 0.0
    detector: Photodetector | None = None
    power: float = 1e-4
    clock: float = 10e9
    seed: int = 0


def full_transfer(signals: FloatArray, kernels: FloatArray, plane: JointPlane, own: CorrelatorTransfer) -> FloatArray:
    """Return the valid lags [shots / depth, M - K + 1] that conversions stand for: sums of `depth` shots.

    Parameters
    ----------
    signals [shots, M] and kernels [shots, K] : amplitudes from 0 to 1. The converters' range is that of the largest
        reading.

    Errors
    ------
    SlipstickError for amplitudes outside 0 to 1, such as negative ones, and shots that the depth does not divide.

    Examples
    --------
    >>> from slipstick.optics.lag_separation import smallest_field
    >>> rows = np.random.default_rng(0).random((2, 8)), np.random.default_rng(1).random((2, 3))
    >>> full_transfer(*rows, smallest_field(8, 3), CorrelatorTransfer(depth=1)).shape
    (2, 6)
    """
    for name, values in (("signal", signals), ("kernel", kernels)):
        if not (values.min() >= 0 and values.max() <= 1):
            message = f"amplitudes of the {name} are not between 0 and 1; signed values are shots of their own"
            value = (float(values.min()), float(values.max()))
            raise SlipstickError(message, path=f"correlator.{name}", value=value, allowed="0 to 1")
    if len(signals) % own.depth:
        allowed = f"a divisor of {len(signals)}, the shots"
        raise SlipstickError("does not divide the shots", path="correlator.depth", value=own.depth, allowed=allowed)
    rows = [torch.from_numpy(np.ascontiguousarray(_modulated(values, own))) for values in (signals, kernels)]
    amplitudes = sampled_correlation(rows[0], rows[1], plane).numpy() / plane.kernel  # of full amplitude
    light = amplitudes if own.readout == "linear" else np.square(amplitudes)
    collected = _detected(light, own).reshape(-1, own.depth, light.shape[1]).sum(1)
    if own.adc_bits:
        collected = Converter(own.adc_bits, False, float(collected.max())).read(collected).astype(np.float64)
    return np.asarray(plane.kernel * (collected if own.readout == "linear" else np.sqrt(np.maximum(collected, 0))))


def _modulated(values: FloatArray, own: CorrelatorTransfer) -> FloatArray:
    """Return the amplitudes of light behind modulators."""
    driven = Converter(own.dac_bits, False, 1.0).read(values).astype(np.float64) if own.dac_bits else values
    leak = (
        10 ** (-own.extinction / _DECIBELS) if own.extinction else 0.0
    )  # decibels of powers: half of them of amplitudes
    return np.asarray(leak + (1 - leak) * driven, np.float64)


def _detected(light: FloatArray, own: CorrelatorTransfer) -> FloatArray:
    """Return the signals of detectors over that of full amplitude, with their noise."""
    if own.detector is None:
        return light
    full = float(own.detector.current(own.power))
    current = own.detector.current(own.power * light)
    deviation = own.detector.noise(current, own.clock / 2)
    noisy = current + deviation * np.random.default_rng(own.seed).standard_normal(current.shape)
    return np.asarray(noisy / full)
