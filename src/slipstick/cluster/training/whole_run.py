"""Metrics of a whole training run: its time with failures, its energy, carbon and cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from slipstick.cluster.constants.prices import _DeviceHour, _Tariff
from slipstick.cluster.training.goodput import _Goodput
from slipstick.core.system import System
from slipstick.core.units import format_quantity
from slipstick.report.metric import Metric

_JOULES_A_KWH = 3.6e6
_GOODPUT_SOURCE = "failures as a Poisson process: Daly (2006)"


@dataclass(frozen=True)
class _WholeRun:
    """Whole run of equal steps on a system.

    Attributes
    ----------
    steps, step : their number, and the time of one without failures [s].
    joules : energy of one step in the racks of all devices; None where unknown.
    hour : cost of a device hour; None where unknown.
    state : bytes of a checkpoint.
    """

    system: System
    steps: float
    step: float
    joules: float | None
    hour: _DeviceHour | None
    state: float

    def metrics(self, metric: Callable[..., Metric]) -> dict[str, Any]:
        """Return the metrics of the run by name.

        Devices draw in all of the run's time what they draw in a step, as work that is done again does.

        Errors
        ------
        SlipstickError where failures come faster than the run gets on.
        """
        goodput = _Goodput.of(self.system, self.state)
        time = self.steps * self.step / goodput.share
        tree = {
            "time": metric(time, "s", "with failures and checkpoints"),
            "goodput": replace(metric(goodput.share, "fraction", goodput.note), source=_GOODPUT_SOURCE),
        }
        if self.joules is not None:
            tree |= self._drawn(metric, self.steps * self.joules / goodput.share)
        if self.hour is not None:
            spent = self.hour.dollars * self.system.devices * time / 3600
            tree["cost"] = metric(
                spent, "USD", f"{self.system.devices} devices, {self.hour.dollars:.4g} USD an hour each"
            )
        return tree

    def _drawn(self, metric: Callable[..., Metric], joules: float) -> dict[str, Metric]:
        """Return the energy in the racks and of the building, and its carbon."""
        tariff = _Tariff.of(self.system)
        building = tariff.building_joules(joules)
        pue = f"with the building's cooling, a PUE of {tariff.table.facility:g}: {tariff.origin('facility')}"
        return {
            "energy": metric(joules, "J", f"in the racks, {_other_unit(joules)}"),
            "facility_energy": replace(
                metric(building, "J", f"{pue}, {_other_unit(building)}"), source="energy in the racks times PUE"
            ),
            "carbon": metric(tariff.grams(joules), "g", tariff.carbon_note),
        }


def _other_unit(joules: float) -> str:
    """Return an energy in the unit that its metric is not printed in: watt-hours beside joules, or the reverse.

    Examples
    --------
    >>> _other_unit(7.2e6), _other_unit(3.6e12)
    ('2 kWh', '3,600 GJ')
    """
    if format_quantity(joules, "J").endswith("J"):
        return f"{joules / _JOULES_A_KWH:.4g} kWh"
    return f"{joules / 1e9:,.4g} GJ"
