"""Figures of energy, carbon and cost of inference, of one point or of each of a sweep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slipstick.cluster.constants.prices import _DeviceHour, _Tariff
from slipstick.cluster.kernels.energy import _DeviceEnergy
from slipstick.core.arrays import FloatArray
from slipstick.core.system import System


def _spent_figures(
    system: System,
    spent: _DeviceEnergy | None,
    time: FloatArray,
    per_token: FloatArray,
    paid: FloatArray,
    metric: Callable[..., Any],
) -> dict[str, Any]:
    """Return the figures of energy, carbon and cost: of a pass of all devices, of a token, and of a million tokens.

    Parameters
    ----------
    spent : energy of one device in a pass; None where unknown.
    time : time of the pass [s].
    per_token : time in which all devices together make a token [s].
    paid : time of all devices that a token pays for [s]: more, where they are not always busy.
    metric : called with (value, unit, note); writes a figure down.
    """
    tree: dict[str, Any] = {}
    hour = _DeviceHour.of(system, None if spent is None else spent.total / time)
    if spent is not None:
        tree = _energy_figures(system, spent, time, per_token, metric)
    if hour is not None:
        tree["cost"] = hour.metrics(metric, system.devices, paid / 3600, {"tokens": 1})
    return tree


def _energy_figures(
    system: System, spent: _DeviceEnergy, time: FloatArray, token_time: FloatArray, metric: Callable[..., Any]
) -> dict[str, Any]:
    power = spent.drawn / time
    of_a_token = power * system.devices * token_time
    hosts = {} if spent.hosts is None else {"hosts": spent.hosts}
    parts = {name: part * system.devices for name, part in {**spent.parts, **hosts}.items() if (part > 0).any()}
    tariff = _Tariff.of(system)
    return {
        "energy": {
            "pass": metric(spent.drawn * system.devices, "J", spent.scope),
            "parts": {name: metric(part, "J") for name, part in parts.items()},
            "power_per_device": metric(power, "W", "with its share of the host, if known"),
            "token": metric(of_a_token, "J"),
        },
        "carbon": {"token": metric(tariff.grams(of_a_token), "g", tariff.carbon_note)},
    }
