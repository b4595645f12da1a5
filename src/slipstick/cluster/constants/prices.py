"""Hourly cost of one device [USD], from its rent, or from its price, its power and the cost table; carbon of energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from pydantic import Field

from slipstick.core import units
from slipstick.core.arrays import FloatArray
from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.system import System

_HOURS_A_YEAR = 365.25 * 24
_JOULES_A_KWH = 3.6e6

_Amount = TypeVar("_Amount", float, FloatArray)


class _Prices(Entry):
    """Costs of owning a device in a data centre, besides its own price: servers, electricity, working hours."""

    electricity: units.DollarsPerKilowattHour = Field(description="Price of electricity")
    amortisation: units.Years = Field(description="Time in which an owned device is written off")
    utilisation: float = Field(gt=0, le=1, description="Share of all hours in which an owned device works")
    facility: float = Field(
        ge=1, description="Power usage effectiveness (PUE): power of the building over that in its racks"
    )
    server_share: float = Field(
        ge=1, description="Price of host, network, racks and building with the devices, over that of the devices"
    )
    carbon: units.GramsPerKilowattHour = Field(
        description="CO2 emitted for a kilowatt-hour of electricity, equivalents included"
    )


prices = Catalogue(_Prices, "cost", noun="table of prices")


@dataclass(frozen=True)
class _Tariff:
    """Tariff of a system: the table of prices, with what its `site` states instead."""

    table: _Prices
    stated: frozenset[str]  # fields that the site states

    @classmethod
    def of(cls, system: System) -> _Tariff:
        """Return the tariff of a system: each field of its site, or else that of the table."""
        stated = {name: value for name, value in system.site.model_dump().items() if value is not None}
        return cls(prices.entry("datacentre").model_copy(update=stated), frozenset(stated))

    def origin(self, *fields: str) -> str:
        """Return where fields of the tariff come from, in words."""
        stated = [name for name in fields if name in self.stated]
        if len(stated) == len(fields):
            return "given"
        return f"{' and '.join(stated)} given, else data/cost" if stated else "data/cost"

    def building_joules(self, joules: _Amount) -> _Amount:
        """Return the energy that the building draws for `joules` in its racks [J]: times its PUE."""
        return joules * self.table.facility

    def grams(self, joules: _Amount) -> _Amount:
        """Return the CO2 emitted for `joules` in the racks [g]: the building's energy times the grid's intensity."""
        return self.building_joules(joules) / _JOULES_A_KWH * self.table.carbon

    @property
    def carbon_note(self) -> str:
        """Remark on the factors between joules and grams."""
        table = self.table
        return f"at {table.carbon:g} g/kWh and a PUE of {table.facility:g}: {self.origin('carbon', 'facility')}"


@dataclass(frozen=True)
class _DeviceHour:
    """Cost of one device for an hour [USD], of each point of a sweep or of one, and how it was found, in words."""

    dollars: float | FloatArray
    note: str

    @classmethod
    def of(cls, system: System, power: float | FloatArray | None) -> _DeviceHour | None:
        """Return the cost of a device hour at a device's own `power` [W], its share of the host excluded.

        Rent where the system states it; else the price over its working hours, servers around it included, and
        electricity of device and host, the building's cooling by its PUE. None if neither rent nor price and power are
        known.

        Examples
        --------
        >>> from slipstick.core.catalogue import resolve_system
        >>> 1 < _DeviceHour.of(resolve_system("h100-sxm-80gb"), 700.0).dollars < 4
        True
        """
        if system.rent is not None:
            return cls(system.rent, "rent of a device, as given")
        if system.price is None or power is None:
            return None
        tariff = _Tariff.of(system)
        table = tariff.table
        written_off = system.price * table.server_share / (table.amortisation * _HOURS_A_YEAR * table.utilisation)
        drawn = power + (system.overhead_power or 0.0)
        electricity = drawn * table.facility * 3600 / _JOULES_A_KWH * table.electricity
        return cls(written_off + electricity, _owned(system, tariff, written_off, electricity))

    def metrics(self, metric: Any, devices: int, hours: Any, units_made: dict[str, Any]) -> dict[str, Any]:
        """Return the metrics of cost: of a million of each unit that `hours` of `devices` make, and an hour of one."""
        spent = self.dollars * devices * hours
        figures = {f"million_{name}": metric(spent / number * 1e6, "USD") for name, number in units_made.items()}
        return {**figures, "device_hour": metric(self.dollars, "USD", self.note)}


def _owned(system: System, tariff: _Tariff, written_off: float, electricity: float | FloatArray) -> str:
    """Return the origin of an owned device's hour in words: its price over its working hours, and electricity."""
    table = tariff.table
    origin = tariff.origin("server_share", "amortisation", "utilisation", "electricity", "facility")
    price = units.format_quantity(system.price or 0.0, "USD")
    years, share = f"{table.amortisation:g} years", f"{100 * table.utilisation:g} %"
    meter = (
        f"{np.mean(electricity):.2g} for electricity at {table.electricity:g} USD/kWh and a PUE of {table.facility:g}"
    )
    return f"{written_off:.3g} for {price} x {table.server_share:g} over {years} of {share}, {meter}: {origin}"
