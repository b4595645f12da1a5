"""Site and reliability of a system: what its electricity and its failures cost, where they differ from the tables."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from slipstick.core import units
from slipstick.core.spec import Spec


class Site(Spec):
    """Site of a system: prices, carbon and cooling of its building; an unknown value is that of data/cost.

    Examples
    --------
    >>> Site(electricity="50 USD/MWh", carbon="30 g/kWh").electricity
    0.05
    """

    facility: float | None = Field(
        default=None, ge=1, description="Power usage effectiveness (PUE): power of the building over that in its racks"
    )
    electricity: units.DollarsPerKilowattHour | None = Field(
        default=None, description="Price of electricity; unknown: data/cost"
    )
    carbon: units.GramsPerKilowattHour | None = Field(
        default=None,
        description="CO2 emitted for a kilowatt-hour of electricity, equivalents included; unknown: data/cost",
    )
    amortisation: units.Years | None = Field(
        default=None, description="Time in which an owned device is written off; unknown: data/cost"
    )
    utilisation: float | None = Field(
        default=None, gt=0, le=1, description="Share of all hours in which an owned device works"
    )
    server_share: float | None = Field(
        default=None, ge=1, description="Price with host, network, racks and building, over that of the devices"
    )


class Reliability(Spec):
    """Failures of a long run and its checkpoints; an unknown value is that of data/reliability.

    Examples
    --------
    >>> Reliability(device_mtbf="50,000 h", checkpoint_interval="30 min").checkpoint_interval
    1800.0
    """

    device_mtbf: units.PositiveSeconds | None = Field(
        default=None,
        description="Mean time between failures that stop the run, for one device; unknown: data/reliability",
    )
    restart_time: units.Seconds | None = Field(
        default=None,
        description="Time from a failure until the run computes again; unknown: data/reliability",
    )
    storage: units.BytesPerSecond | None = Field(
        default=None,
        description="Bandwidth of checkpoints to storage, for each device; unknown: data/reliability",
    )
    checkpoint_time: units.Seconds | None = Field(
        default=None, description="Time in which a checkpoint stops the run; unknown: its bytes over `storage`"
    )
    checkpoint_interval: units.PositiveSeconds | Literal["auto"] | None = Field(
        default=None, description="Time between checkpoints; unknown or auto: the optimum of Daly (2006)"
    )
