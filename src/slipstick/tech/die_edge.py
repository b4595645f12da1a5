"""Interfaces along the edge of a die: DRAM stacks and links, which the perimeter limits. Pure functions that broadcast.

Source: DeepFlow (arXiv 2211.03309): links to DRAM and to other devices are limited by the perimeter.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import FloatArray
from slipstick.core.system import Tier
from slipstick.tech.technology_tables import DramGeneration

_SCALE_OUT = ("infiniband", "efa", "efa-slow", "ethernet")  # technologies of data/collectives that join nodes


def _stacks_along_edge(present: ArrayLike, area: ArrayLike) -> FloatArray:
    """Return the number of DRAM stacks that fit along a die's edge: at least one, growing with the root of its area.

    Parameters
    ----------
    present : stacks of the design that is scaled.
    area : die area over that design's.

    Examples
    --------
    >>> _stacks_along_edge(5, [0.5, 1.0, 2.0]).tolist()
    [3.0, 5.0, 7.0]
    """
    fitting = np.floor(np.asarray(present, np.float64) * np.sqrt(np.asarray(area, np.float64)) * (1 + 1e-9))
    return np.asarray(np.maximum(fitting, 1.0))


def _stacks_for_bandwidth(bandwidth: float, generation: DramGeneration) -> int:
    """Return the number of DRAM stacks of a generation that reach a bandwidth [B/s], at least one.

    Examples
    --------
    >>> from slipstick.tech.technology_tables import dram_generations
    >>> _stacks_for_bandwidth(3.35e12, dram_generations.entry("hbm3"))
    5
    """
    return max(1, int(np.ceil(bandwidth / generation.bandwidth * (1 - 1e-9))))


def _links_along_edge(bandwidth: ArrayLike, area: ArrayLike) -> FloatArray:
    """Return the bandwidth [B/s] of links along a die scaled by `area` (a ratio): it grows with the perimeter.

    Examples
    --------
    >>> _links_along_edge(450e9, [1.0, 4.0]).tolist()
    [450000000000.0, 900000000000.0]
    """
    return np.asarray(np.asarray(bandwidth, np.float64) * np.sqrt(np.asarray(area, np.float64)))


def _tier_kind(name: str, tiers: Mapping[str, Tier]) -> str:
    """Return the kind of a network tier: scale-up (joins devices in a node) or scale-out (joins nodes).

    The innermost tier is scale-up whatever it is made of, unless it is the only one and made for joining nodes.
    """
    outward = tiers[name].technology in _SCALE_OUT
    if outward and name == next(iter(tiers)) and len(tiers) > 1:
        return "scale-up"
    return "scale-out" if outward else "scale-up"
