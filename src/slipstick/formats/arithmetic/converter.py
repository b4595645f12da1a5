"""Analog-to-digital converters: codes and values of sums, with equal or growing steps, and the best range."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import BoolArray, Float32Array, FloatArray

_RANGES = 48  # tried between the smallest and the largest: neighbours differ by a tenth, finer ones change nothing
_SMALLEST = 2.0**-7  # of the largest sum: below it a converter of 16 bits would waste seven of them


@dataclass(frozen=True, slots=True)
class Converter:
    """Converter of `bits` bits that tells sums up to `span` apart; larger ones clip. Ties go to the even code.

    `signed` converters have as many codes below as above zero. With `companding` mu > 0 steps grow with the sum: codes
    are equal steps of sign(p) ln(1 + mu |p| / span) / ln(1 + mu) (mu-law).

    Examples
    --------
    >>> converter = Converter(3, True, 6.0)
    >>> converter.read([-9, -1.1, 0.9, 2.9, 5.1]).tolist()
    [-6.0, -2.0, 0.0, 2.0, 6.0]
    """

    bits: int
    signed: bool
    span: float
    companding: float = 0.0

    @property
    def top(self) -> int:
        """The largest code of either sign."""
        return (1 << self.bits - self.signed) - 1

    @property
    def step(self) -> np.float32:
        """Sum by which neighbouring codes of equal steps differ; 1 where steps grow, whose codes are sums already."""
        return np.float32(1 if self.companding else self.span / self.top)

    @property
    def inverse(self) -> np.float32:
        """Codes per unit of the sum, in fp32: the factor that every kernel multiplies with."""
        return np.float32(self.top / self.span)

    def codes(self, sums: ArrayLike) -> Float32Array:
        """Return the code of each sum, to be added up; where steps grow, the sum that the code stands for."""
        currents = np.asarray(sums, np.float32)
        least, most = np.float32(-self.top if self.signed else 0), np.float32(self.top)
        if not self.companding:
            return np.asarray(np.rint(np.clip(currents * self.inverse, least, most)), np.float32)
        share = _compressed(np.abs(currents) / self.span, self.companding)
        clipped = np.clip(np.rint(self.top * np.sign(currents) * share), least, most)
        share = _expanded(np.abs(clipped) / self.top, self.companding)
        return np.asarray(np.sign(clipped) * self.span * share, np.float32)

    def clips(self, sums: ArrayLike) -> BoolArray:
        """Return whether each sum is beyond the range, so that its code does not follow it."""
        currents = np.asarray(sums, np.float32)
        levels = currents * self.inverse
        return np.asarray((levels > self.top) | (levels < (-self.top if self.signed else 0)))

    def values(self, codes: ArrayLike) -> Float32Array:
        """Return the sums that codes stand for which were added up."""
        return np.asarray(codes, np.float32) * self.step

    def read(self, sums: ArrayLike) -> Float32Array:
        """Return sums as the converter gives them."""
        return self.values(self.codes(sums))


def _compressed(share: FloatArray, mu: float) -> FloatArray:
    return np.asarray(np.log1p(mu * share.astype(np.float64)) / np.log1p(mu))


def _expanded(share: FloatArray, mu: float) -> FloatArray:
    return np.asarray(np.expm1(share.astype(np.float64) * np.log1p(mu)) / mu)


def best_range(converter: Converter, sums: FloatArray) -> float:
    """Return the range with the least mean squared error over samples of sums; the converter's own if all are 0."""
    largest = min(float(np.abs(sums).max(initial=0)), converter.span)
    if largest == 0:
        return converter.span
    ranges = largest * np.geomspace(_SMALLEST, 1, _RANGES)
    errors = [np.square(replace(converter, span=float(span)).read(sums) - sums).mean() for span in ranges]
    return float(ranges[int(np.argmin(errors))])
