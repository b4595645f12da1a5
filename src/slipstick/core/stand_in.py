"""Smooth stand-in of an arithmetic: the function whose derivative training passes back in place of the hardware's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from slipstick.core.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class StandIn:
    """Smooth stand-in for training: forward the format's values, backward the gradient of a smooth function.

    ``straight-through``: the product itself, its derivative 1 from `low` to `high` and 0 outside; None: no bound,
    because the scale follows the tensor. Source: Bengio et al., arXiv 1308.3432.

    ``poisson``: for sums of which a cycle counts at most `counted` products. With s the sum of products of one sign,
    the expected count under Poisson arrivals, n - exp(-s) sum_{i<n} (n - i) s^i / i!, positive and negative sums apart.
    Source: the training code of REX-SC (nanocad-lab/rex-sc).

    ``clipped``: the sum, held from `low` to `high` as a converter of that range does; derivative 0 outside.

    Examples
    --------
    >>> StandIn("poisson", counted=2).value(2.0).round(9).tolist()
    1.458658867
    """

    kind: Literal["straight-through", "poisson", "clipped"] = "straight-through"
    low: float | None = None
    high: float | None = None
    counted: int = 0

    def value(self, sums: ArrayLike) -> FloatArray:
        """Return the smooth function of sums of products, elementwise; for ``poisson`` of one sign, from 0."""
        s = np.asarray(sums, np.float64)
        if self.kind == "poisson":
            n = self.counted
            return n - np.exp(-s) * sum((n - i) * s**i / math.factorial(i) for i in range(n))
        return np.clip(s, self.low, self.high) if self.kind == "clipped" else s

    def derivative(self, sums: ArrayLike) -> FloatArray:
        """Return the derivative of `value`: for ``poisson`` exp(-s) sum_{i<n} s^i / i!, the share of cycles below n."""
        s = np.asarray(sums, np.float64)
        if self.kind == "poisson":
            return np.exp(-s) * sum(s**i / math.factorial(i) for i in range(self.counted))
        if self.kind == "clipped":
            low, high = (-math.inf, math.inf) if self.low is None or self.high is None else (self.low, self.high)
            return np.asarray((s >= low) & (s <= high), np.float64)
        return np.ones_like(s)
