"""DRAM under budgets of perimeter, area and power: stacks, bandwidth, capacity. Pure functions that broadcast."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import FloatArray
from slipstick.tech.technology_tables import DramGeneration


def stacks(present: ArrayLike, area: ArrayLike) -> FloatArray:
    """Return how many stacks fit along a die: the perimeter grows with the root of the area. At least one.

    Parameters
    ----------
    present : stacks of the design that is scaled.
    area : die area over that design's.

    Source: DeepFlow (arXiv 2211.03309): links to DRAM are limited by the perimeter.

    Examples
    --------
    >>> stacks(5, [0.5, 1.0, 2.0]).tolist()
    [3.0, 5.0, 7.0]
    """
    fitting = np.floor(np.asarray(present, np.float64) * np.sqrt(np.asarray(area, np.float64)) * (1 + 1e-9))
    return np.asarray(np.maximum(fitting, 1.0))


def count(bandwidth: float, generation: DramGeneration) -> int:
    """Return the stacks that a device must have to reach a bandwidth [B/s] with stacks of a generation.

    Examples
    --------
    >>> from slipstick.tech.technology_tables import dram_generations
    >>> count(3.35e12, dram_generations.entry("hbm3"))
    5
    """
    return max(1, int(np.ceil(bandwidth / generation.bandwidth * (1 - 1e-9))))


def power(bandwidth: ArrayLike, energy: ArrayLike) -> FloatArray:
    """Return the power [W] of DRAM and its interface at full bandwidth [B/s] for an energy of one byte [J/B]."""
    return np.asarray(np.multiply(bandwidth, energy, dtype=np.float64))
