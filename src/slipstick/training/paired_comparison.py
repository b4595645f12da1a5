"""Paired comparison of two networks on the same images: change of accuracy, confidence interval, McNemar's test."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError

_Z = 1.959964  # of the normal distribution, two-sided 5 %


@dataclass(frozen=True)
class Paired:
    """Paired result on `images` images: `lost` were right only before, `won` only after.

    Examples
    --------
    >>> found = Paired(1000, lost=30, won=10)
    >>> round(found.change, 3), [round(bound, 3) for bound in found.interval], found.p_value < 0.01
    (-0.02, [-0.032, -0.008], True)
    """

    images: int
    lost: int
    won: int

    @property
    def change(self) -> float:
        """Change of accuracy, after minus before, as a fraction."""
        return (self.won - self.lost) / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the change. Source: Agresti, Categorical Data Analysis, section 11.1.1."""
        spread = self.won + self.lost - (self.won - self.lost) ** 2 / self.images
        half = _Z * math.sqrt(max(spread, 0.0)) / self.images
        return self.change - half, self.change + half

    @property
    def p_value(self) -> float:
        """P-value of McNemar's exact test (Psychometrika 12, 1947) that both networks are equally accurate."""
        changed, fewer = self.won + self.lost, min(self.won, self.lost)
        tail = sum(math.comb(changed, n) for n in range(fewer + 1))
        return float(min(1.0, 2 * tail / 2**changed)) if changed < 1000 else self._normal()

    def _normal(self) -> float:
        """Return the p-value by the normal approximation of the binomial, precise for this many changed answers."""
        distance = abs(self.won - self.lost) / math.sqrt(self.won + self.lost)
        return math.erfc(distance / math.sqrt(2))


def paired(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Paired:
    """Return the paired comparison of two networks, from which images each gets right, [images] each.

    Errors
    ------
    SlipstickError for different numbers of images, or none.
    """
    if before.shape != after.shape or not len(before):
        raise SlipstickError("not the same images", path="paired", value=[list(before.shape), list(after.shape)])
    return Paired(len(before), int((before & ~after).sum()), int((~before & after).sum()))
