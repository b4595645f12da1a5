"""Money: what an hour of one device costs, from its rent or from its price, power and the cost table."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from slipstick.core.files import load_yaml
from slipstick.core.system import System

HOURS_A_YEAR = 365.25 * 24
JOULES_A_KWH = 3.6e6


@cache
def cost_table() -> dict[str, float]:
    """Return the assumptions of data/cost by name: USD/kWh, years, and shares."""
    with resources.as_file(resources.files("slipstick.data") / "cost" / "datacentre.yaml") as path:
        data: dict[str, Any] = load_yaml(path)
    return {name: _number(row["value"]) for name, row in data.items() if isinstance(row, dict)}


def _number(value: str | float) -> float:
    return float(str(value).split()[0])


def hourly_cost(system: System, power: float | None) -> float | None:
    """Return USD for an hour of one device that draws `power` W, None where rent, or price and power, are unknown.

    Rent where the system states it; else the price over its working hours, servers around it included, and electricity.

    Examples
    --------
    >>> from slipstick.core.catalogue import resolve_system
    >>> 1 < hourly_cost(resolve_system("h100-sxm-80gb"), 700.0) < 4
    True
    """
    if system.rent is not None:
        return system.rent
    if system.price is None or power is None:
        return None
    table = cost_table()
    working_hours = table["amortisation"] * HOURS_A_YEAR * table["utilisation"]
    drawn = power + (system.overhead_power or 0.0)
    electricity = drawn * table["facility"] * 3600 / JOULES_A_KWH * table["electricity"]
    return system.price * table["server_share"] / working_hours + electricity
