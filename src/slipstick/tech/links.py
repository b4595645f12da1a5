"""Links: which tier a generation can stand for, and how many links a budget allows. Pure functions that broadcast."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import FloatArray
from slipstick.core.system import Tier

SCALE_OUT = ("infiniband", "efa", "efa-slow", "ethernet")  # technologies of data/collectives that join nodes


def kind(name: str, tiers: Mapping[str, Tier]) -> str:
    """Return whether a tier joins devices inside a node (scale-up) or nodes (scale-out).

    The innermost tier is scale-up whatever it is made of, unless it is the only one and made for joining nodes.
    """
    outward = tiers[name].technology in SCALE_OUT
    if outward and name == next(iter(tiers)) and len(tiers) > 1:
        return "scale-up"
    return "scale-out" if outward else "scale-up"


def power(tiers: Mapping[str, Tier]) -> float:
    """Return the power [W] of one device's links at full rate."""
    return sum(tier.bandwidth * (tier.energy or 0.0) for tier in tiers.values())


def links(bandwidth: ArrayLike, area: ArrayLike) -> FloatArray:
    """Return the bandwidth [B/s] of links along a die whose area is a multiple of the old one's: as its perimeter.

    Source: DeepFlow (arXiv 2211.03309): links are limited by perimeter x links a millimetre.

    Examples
    --------
    >>> links(450e9, [1.0, 4.0]).tolist()
    [450000000000.0, 900000000000.0]
    """
    return np.asarray(np.asarray(bandwidth, np.float64) * np.sqrt(np.asarray(area, np.float64)))
