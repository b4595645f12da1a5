"""Hourly cost of one device [USD], from its rent, or from its price, its power and the cost table."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import Field

from slipstick.core import units
from slipstick.core.arrays import FloatArray
from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.system import System

_HOURS_A_YEAR = 365.25 * 24
_JOULES_A_KWH = 3.6e6

_Power = TypeVar("_Power", float, FloatArray)


class _Prices(Entry):
    """Costs of owning a device in a data centre, besides its own price: servers, electricity, working hours."""

    electricity: Annotated[float, units.stated("USD/kWh")] = Field(
        ge=0, json_schema_extra={"unit": "USD/kWh"}, description="Price of electricity"
    )
    amortisation: Annotated[float, units.stated("years")] = Field(
        gt=0, json_schema_extra={"unit": "years"}, description="Time in which an owned device is written off"
    )
    utilisation: float = Field(gt=0, le=1, description="Share of all hours in which an owned device works")
    facility: float = Field(
        ge=1, description="Power usage effectiveness (PUE): power of the building over that of its devices"
    )
    server_share: float = Field(
        ge=1, description="Price of host, network, racks and building with the devices, over that of the devices"
    )


prices = Catalogue(_Prices, "cost", noun="table of prices")


def _hourly_cost(system: System, power: _Power | None) -> _Power | float | None:
    """Return the cost of one device hour [USD] at `power` [W]; None if neither rent nor price and power are known.

    Rent where the system states it; else the price over its working hours, servers around it included, and electricity.

    Examples
    --------
    >>> from slipstick.core.catalogue import resolve_system
    >>> 1 < _hourly_cost(resolve_system("h100-sxm-80gb"), 700.0) < 4
    True
    """
    if system.rent is not None:
        return system.rent
    if system.price is None or power is None:
        return None
    table = prices.entry("datacentre")
    working_hours = table.amortisation * _HOURS_A_YEAR * table.utilisation
    drawn = power + (system.overhead_power or 0.0)
    electricity = drawn * table.facility * 3600 / _JOULES_A_KWH * table.electricity
    return system.price * table.server_share / working_hours + electricity
