"""Detectors of a correlator and the converters behind them: what they collect over several shots, and read.

An output detector gives the amplitude of the light where its readout is linear (the assumption of PhotoFourier, Li et
al., arXiv 2211.05276, as far as we know it), its intensity where it is a plain photodetector.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from slipstick.core.arrays import AnyArray, Float32Array, FloatArray
from slipstick.formats.arithmetic.converter import Converter

if TYPE_CHECKING:
    from slipstick.optics.shot_layers import ShotLayer

Readout = Literal["linear", "square_sqrt", "square_integrate"]
_AT_ONCE = 2**22  # taps unfolded at a time, so that a layer's memory is bounded


class _Settings(Protocol):
    """What detectors take of an arithmetic."""

    @property
    def readout(self) -> Readout: ...
    @property
    def collected(self) -> int: ...
    @property
    def adc_bits(self) -> int: ...
    @property
    def adc_range(self) -> float: ...
    @property
    def snr(self) -> float: ...
    @property
    def seed(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Detectors:
    """Detectors that collect `shots` shots of amplitudes up to `largest`, and the converter of `bits` bits behind each.

    Parameters
    ----------
    snr : signal-to-noise ratio [dB] of a shot that fills its share of the converter's range; 0: no noise.

    Examples
    --------
    >>> amplitudes = np.array([[3.0], [4.0]])
    >>> [Detectors(way, 2, 12, 8.0).value(amplitudes).round(1).item() for way in ("linear", "square_integrate")]
    [7.0, 5.0]
    """

    readout: Readout
    shots: int
    bits: int
    largest: float
    snr: float = 0.0
    seed: int = 0

    @classmethod
    def of(cls, own: _Settings, full: int) -> Detectors:
        """Return the detectors of an arithmetic for shots whose largest amplitude is `full`."""
        return cls(own.readout, own.collected, own.adc_bits, full * (own.adc_range or 1.0), own.snr, own.seed)

    @property
    def linear(self) -> bool:
        """Whether detectors give amplitudes."""
        return self.readout == "linear"

    @cached_property
    def converter(self) -> Converter:
        """Converter of what one detector collects: amplitudes, or intensities."""
        return Converter(self.bits, False, (self.largest if self.linear else self.largest**2) * self.shots)

    def collected(self, amplitudes: FloatArray) -> FloatArray:
        """Return the charge that detectors collect of amplitudes [shots, ...]: their sum, or that of their squares."""
        return np.asarray(amplitudes.sum(0) if self.linear else np.square(amplitudes).sum(0))

    def value(self, amplitudes: FloatArray) -> FloatArray:
        """Return the number that a conversion of amplitudes [shots, ...] stands for."""
        return np.asarray(self.levels(self.collected(amplitudes)) * self.unit, np.float64)

    @property
    def unit(self) -> np.float32:
        """Amplitude that a level of 1 stands for: a step of the converter, or 1 where levels are roots."""
        return self.converter.step if self.linear else np.float32(1)

    def levels(self, collected: AnyArray) -> Float32Array:
        """Return the levels of conversions, to be added up: codes of sums, or roots of readings of squares."""
        if self.snr:
            random = np.random.default_rng([self.seed, zlib.crc32(np.ascontiguousarray(collected).tobytes())])
            deviation = self.converter.span / self.shots**0.5 * 10 ** (-self.snr / 20)  # decibels of a ratio of powers
            collected = collected + random.normal(0, deviation, collected.shape)
        return self.converter.codes(collected) if self.linear else np.asarray(np.sqrt(self.converter.read(collected)))


def layer_readings(layer: ShotLayer, detectors: Detectors) -> Float32Array:
    """Return the sums of a layer's conversions, [b, n, rows, columns], positive less negative weights."""
    groups, results = layer.window.groups, []
    for inputs in _image_chunks(layer, detectors):
        rows, columns = layer.window.output(inputs.shape[2:], layer.weights.shape[2:])
        total = np.zeros((groups, len(inputs), rows, columns, len(layer.weights) // groups), np.float32)
        for group, collected in _conversions(layer, detectors, inputs):
            own = collected.shape[1] // 2
            levels = detectors.levels(collected)
            total[group] += (levels[:, :own] - levels[:, own:]).reshape(total.shape[1:])
        results.append((total * detectors.unit).transpose(1, 0, 4, 2, 3).reshape(len(inputs), -1, rows, columns))
    return np.concatenate(results)


def layer_collected(layer: ShotLayer, detectors: Detectors) -> Iterator[AnyArray]:
    """Yield the charges of every conversion of a layer, [places, filters], negative weights behind positive ones."""
    for inputs in _image_chunks(layer, detectors):
        for _, collected in _conversions(layer, detectors, inputs):
            yield collected


def _image_chunks(layer: ShotLayer, detectors: Detectors) -> Iterator[AnyArray]:
    """Yield the inputs of a few images at a time."""
    taps = layer.weights.shape[2] * layer.weights.shape[3] * (layer.depth if detectors.linear else 1)
    many = max(1, _AT_ONCE // (layer.inputs.shape[2] * layer.inputs.shape[3] * taps))
    for first in range(0, len(layer.inputs), many):
        yield layer.inputs[first : first + many]


def _conversions(layer: ShotLayer, detectors: Detectors, inputs: AnyArray) -> Iterator[tuple[int, AnyArray]]:
    """Yield (group, what detectors collect of positive, then of negative weights [places, 2 n]) of every conversion."""
    groups, (filters, channels, *kernel) = layer.window.groups, layer.weights.shape
    patches, own = layer.window.patches(inputs, (kernel[0], kernel[1])), filters // groups
    for group in range(groups):
        signed = layer.weights[group * own : (group + 1) * own]
        both = np.concatenate((np.maximum(signed, 0), np.maximum(-signed, 0))).astype(np.float32)
        mine = patches[:, group * channels : (group + 1) * channels]
        for first in range(0, channels, layer.depth):
            last = min(first + layer.depth, channels)
            if detectors.linear:
                yield group, _dot(mine, both, slice(first, last))
                continue
            squares = np.square(_dot(mine, both, slice(first, first + 1)))
            for channel in range(first + 1, last):
                squares += np.square(_dot(mine, both, slice(channel, channel + 1)))
            yield group, squares


def _dot(patches: AnyArray, weights: AnyArray, channels: slice) -> Float32Array:
    """Return the amplitudes [places, n] of channels together, in fp32, which holds sums of whole numbers exactly."""
    unfolded = patches[:, channels].transpose(0, 2, 3, 1, 4, 5).astype(np.float32)
    own = weights[:, channels].reshape(len(weights), -1)
    return np.asarray(unfolded.reshape(-1, own.shape[1]) @ own.T)
