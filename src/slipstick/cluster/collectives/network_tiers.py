"""Network tiers: the links of a system as one device sees them, from the innermost outwards."""

from __future__ import annotations

from dataclasses import dataclass

from slipstick.cluster.constants.links import LinkConstants
from slipstick.core.collective_price import CollectivePrice
from slipstick.core.errors import SlipstickError
from slipstick.core.system import System


@dataclass(frozen=True)
class NetworkTier:
    """One level of the network as one device sees it.

    Attributes
    ----------
    name : the link technology, "nvlink4".
    domain : devices joined by this tier and those inside it: 8 in a node, 4096 over the cluster.
    bandwidth : bytes per second one way per device, as the data sheet says.
    constants : what the collectives need besides, from `LinkConstants.of_technology(name)`.
    price : what prices collectives instead of the closed form, for the whole network: asked of the innermost tier.
    """

    name: str
    domain: int
    bandwidth: float
    constants: LinkConstants
    price: CollectivePrice | None = None


def tiers_of(system: System) -> list[NetworkTier]:
    """Return the system's network, innermost first; the outermost tier reaches every device.

    Errors
    ------
    SlipstickError if several devices have no network, or if no tier reaches all of them.
    """
    share = system.calibration.network
    tiers = [
        NetworkTier(
            name, tier.domain or system.devices, tier.bandwidth * share, LinkConstants.of_technology(tier.technology)
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
