"""Network tiers: the links of a system as seen from one device, from the innermost tier outwards."""

from __future__ import annotations

from dataclasses import dataclass

from slipstick.cluster.constants.links import _LinkConstants
from slipstick.core.collective_price import CollectivePrice
from slipstick.core.errors import SlipstickError
from slipstick.core.system import System


@dataclass(frozen=True)
class NetworkTier:
    """Network tier: one level of a system's network, such as NVLink in a node or InfiniBand between nodes.

    Attributes
    ----------
    name : the link technology, "nvlink4".
    domain : devices joined by this tier and those inside it: 8 in a node, 4096 over the cluster.
    bandwidth : bytes per second one way per device, as the data sheet says.
    constants : latencies and efficiencies of collectives, from `LinkConstants.of_technology(name)`.
    price : times collectives on the whole network instead of the closed form; only the innermost tier's is used.
    """

    name: str
    domain: int
    bandwidth: float
    constants: _LinkConstants
    price: CollectivePrice | None = None


def _tiers_of(system: System) -> list[NetworkTier]:
    """Return the network tiers of a system, innermost first; the outermost tier reaches every device.

    Errors
    ------
    SlipstickError if several devices have no network, or if no tier reaches all of them.
    """
    share = system.calibration.network
    tiers = [
        NetworkTier(
            name, tier.domain or system.devices, tier.bandwidth * share, _LinkConstants.of_technology(tier.technology)
        )
        for name, tier in system.network.items()
    ]
    if system.devices == 1:
        return tiers
    if not tiers:
        raise SlipstickError("several devices need a network", path="system.network", value=system.devices)
    if tiers[-1].domain < system.devices:
        raise SlipstickError(
            "no network tier reaches all devices",
            path=f"system.network.{tiers[-1].name}.domain",
            value=tiers[-1].domain,
            allowed=f"at least {system.devices}, or fewer devices",
        )
    return tiers
