"""Switches of a wafer: ports and memory, and area and power derived from the I/O bandwidth along chiplet edges.

A chiplet must be large enough for its ports' I/O along its four edges: side = bandwidth / (4 density). Source: FRED
(arXiv 2406.19580), section 6, for the density and the totals; the law and the count of both directions are ours.
"""

from __future__ import annotations

from pydantic import Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry
from slipstick.report.report import Metric


class SwitchSpec(Entry):
    """Two levels of logical switches, each built of several chiplets that carry a slice of every port.

    Examples
    --------
    >>> spec = switches.resolve("fred-wafer")
    >>> spec.lower_ports, spec.upper_ports
    ((12, 12, 12, 11, 11), 20)
    """

    middles: int = Field(description="Middle stages of each switch (m)")
    npus: int = Field(description="NPUs at each lower switch")
    io: tuple[int, ...] = Field(description="I/O controllers at each lower switch")
    uplinks: int = Field(description="Ports from each lower switch to the upper one")
    npu_bandwidth: units.BytesPerSecond = Field(description="Bandwidth of the port of an NPU, one way")
    io_bandwidth: units.BytesPerSecond = Field(description="Bandwidth of the port of an I/O controller")
    memory: units.Bytes = Field(description="SRAM of a switch for its configurations")
    lower_chiplets: int = Field(description="Chiplets of the lower level")
    upper_chiplets: int = Field(description="Chiplets of the upper level")
    edge_density: float = Field(
        json_schema_extra={"unit": "B/s/m"}, description="I/O bandwidth along a metre of chiplet edge"
    )
    energy: float = Field(
        json_schema_extra={"unit": "J/B"}, description="Energy of a byte in or out of a chiplet at full load"
    )
    published_power: units.Watts = Field(description="Power of all switches, as published")
    published_area: units.SquareMetres = Field(description="Area of all switches, as published")
    dense_density: float = Field(
        json_schema_extra={"unit": "B/s/m"}, description="I/O bandwidth along a metre of edge, in a denser technology"
    )
    dense_share: float = Field(description="Published area at that density over the present one")

    @property
    def lower_ports(self) -> tuple[int, ...]:
        """Number of ports per lower switch: NPUs, I/O controllers, uplinks."""
        return tuple(self.npus + io + self.uplinks for io in self.io)

    @property
    def upper_ports(self) -> int:
        """Number of ports of the upper switch."""
        return self.uplinks * len(self.io)

    def overheads(self) -> dict[str, Metric]:
        """Return area [m2] and power [W]: computed where the law applies, next to the published values.

        The law alone is below the published area at the denser I/O: there something else binds, logic by our inference,
        and no constant is fitted to that one row.

        Examples
        --------
        >>> metrics = switches.resolve("fred-wafer").overheads()
        >>> {name: round(metric.value * 1e6) for name, metric in metrics.items() if metric.unit == "m2"}
        {'area': 29416, 'area published': 25195, 'area at denser I/O': 339, 'area at denser I/O published': 1260}
        """
        law = "I/O along chiplet edges, both directions"
        dense = _switch_area(self, density=self.dense_density)
        return {
            "area": Metric(_switch_area(self), "m2", "estimated", law),
            "area published": Metric(self.published_area, "m2", "published", self.sources.get("published_area", "")),
            "area at denser I/O": Metric(dense, "m2", "estimated", law),
            "area at denser I/O published": Metric(
                self.dense_share * self.published_area, "m2", "published", self.sources.get("dense_share", "")
            ),
            "power": Metric(_switch_power(self), "W", "estimated", self.sources.get("energy", "")),
            "power published": Metric(self.published_power, "W", "published", self.sources.get("published_power", "")),
        }


switches = Catalogue(SwitchSpec, "switches", noun="switch")


def _beachfront_area(bandwidth: float, density: float, floor: float = 0.0) -> float:
    """Return the area (m2) of a square chiplet with `bandwidth` (B/s, both ways) of I/O along its edges.

    Parameters
    ----------
    density : I/O of a metre of edge, B/s/m.
    floor : the area that its logic needs at least, m2.

    Examples
    --------
    A chiplet of 12 TB/s at 107.4 GB/s/mm has sides of 27.9 mm:

    >>> round(_beachfront_area(12e12, 107.4e12) * 1e6)
    780
    """
    return max((bandwidth / (4 * density)) ** 2, floor)


def _chiplet_bandwidths(spec: SwitchSpec) -> tuple[float, float]:
    """Return the I/O (B/s, both ways) of a chiplet of the lower level (the mean) and of the upper one."""
    up = spec.uplinks * spec.npu_bandwidth
    ports = len(spec.io) * (spec.npus * spec.npu_bandwidth + up) + sum(spec.io) * spec.io_bandwidth
    return 2 * ports / spec.lower_chiplets, 2 * len(spec.io) * up / spec.upper_chiplets


def _switch_area(spec: SwitchSpec, *, density: float | None = None, floor: float = 0.0) -> float:
    """Return the area (m2) of all chiplets at an I/O density (B/s/m), the spec's own unless given."""
    lower, upper = _chiplet_bandwidths(spec)
    edge_density = density or spec.edge_density
    below = spec.lower_chiplets * _beachfront_area(lower, edge_density, floor)
    return below + spec.upper_chiplets * _beachfront_area(upper, edge_density, floor)


def _switch_power(spec: SwitchSpec) -> float:
    """Return the power (W) of all chiplets at full load: bytes in and out of every port times the energy of a byte.

    The energy is calibrated on the one total that is published, so that total is no evidence for the law; it says how
    power follows ports and their bandwidth.
    """
    lower, upper = _chiplet_bandwidths(spec)
    return spec.energy * (spec.lower_chiplets * lower + spec.upper_chiplets * upper)
