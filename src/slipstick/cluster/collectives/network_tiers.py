"""Which links each kind of parallelism uses, and what its messages cost there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from slipstick.cluster.collectives.collective_time import Tier, collective
from slipstick.cluster.constants.links import load_link_constants
from slipstick.cluster.sweep.plans import AUTO_TIER
from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.collective_price import CollectivePrice
from slipstick.core.errors import SlipstickError
from slipstick.core.system import System


def tiers_of(system: System) -> list[Tier]:
    """Return the system's network, innermost first; the outermost tier reaches every device.

    Errors
    ------
    SlipstickError if several devices have no network, or if no tier reaches all of them.
    """
    share = system.calibration.network
    found = [
        Tier(name, tier.domain or system.devices, tier.bandwidth * share, load_link_constants(tier.technology))
        for name, tier in system.network.items()
    ]
    if system.devices == 1:
        return found
    if not found:
        raise SlipstickError("several devices need a network", path="system.network", value=system.devices)
    if found[-1].domain < system.devices:
        raise SlipstickError(
            "no network tier reaches all devices",
            path=f"system.network.{found[-1].name}.domain",
            value=found[-1].domain,
            allowed=f"at least {system.devices}, or fewer devices",
        )
    return found


def messages(
    op: str, size: ArrayLike, ranks: ArrayLike, stride: ArrayLike, forced: IntArray, tiers: Sequence[Tier]
) -> FloatArray:
    """Return the time (s) of a collective; where `forced` names a tier, every rank is reached over that tier.

    Shapes broadcast to `forced`, (u,); a group of one rank costs nothing.
    """
    if not tiers:
        return np.zeros(np.shape(forced))
    if tiers[0].price is not None:
        return _priced(tiers[0].price, op, size, ranks, stride, np.shape(forced))
    time = collective(op, size, ranks, tiers=tiers, stride=stride).time
    for index in np.unique(forced[forced != AUTO_TIER]):
        over = collective(op, size, ranks, tiers=[tiers[index]], stride=1).time
        time = np.where(forced == index, over, time)
    return np.broadcast_to(time, np.shape(forced))


def _priced(
    price: CollectivePrice, op: str, size: ArrayLike, ranks: ArrayLike, stride: ArrayLike, shape: tuple[int, ...]
) -> FloatArray:
    """Ask for every element of the broadcast arrays, of equal ones once."""
    arrays = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in (size, ranks, stride)), np.zeros(shape))[:3]
    rows, which = np.unique(np.stack([a.ravel() for a in arrays], axis=1), axis=0, return_inverse=True)
    times = np.array([price(op, float(s), int(n), int(d)) for s, n, d in rows])
    return np.asarray(times[which.ravel()].reshape(arrays[0].shape))
