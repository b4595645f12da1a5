"""Goodput of a long run under failures: the share of its time that brings it on, with checkpoints and restarts.

Failures stop the run at random (a Poisson process), and work since the last checkpoint is done again (Young, CACM
17(9), 1974; Daly, Future Generation Computer Systems 22, 2006). Symbols: M mean time between failures of the whole run,
d time of a checkpoint, t time computed between two checkpoints, R time of a restart [s].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.errors import SlipstickError
from slipstick.core.system import System


class _FailureRates(Entry):
    """Failures of a device in a long run, and the times of restarts and checkpoints."""

    device_mtbf: units.PositiveSeconds = Field(
        description="Mean time between failures that stop the run, for one device"
    )
    restart_time: units.Seconds = Field(
        description="Time from a failure until the run computes again, lost work not counted"
    )
    storage: units.BytesPerSecond = Field(
        description="Bandwidth to storage for each device, over which checkpoints are written"
    )


failure_rates = Catalogue(_FailureRates, "reliability", noun="table of failure rates")


def _best_interval(checkpoint: float, failures: float) -> float:
    """Return the time between checkpoints with the shortest run [s] (Daly 2006).

    For d << M it is Young's ``sqrt(2 d M)`` (1974); for d >= 2 M a checkpoint is never worth while before M has passed.

    Parameters
    ----------
    checkpoint, failures : time of a checkpoint d, and mean time between failures M [s].

    Examples
    --------
    >>> round(_best_interval(5.0, 24 * 60.0)), round(_best_interval(5.0, 6 * 60.0))  # minutes, his figures 3 and 4
    (117, 57)
    """
    if checkpoint >= 2 * failures:
        return failures
    ratio = math.sqrt(checkpoint / (2 * failures))
    series = 1 + ratio / 3 + ratio**2 / 9  # his perturbation series, to second order
    return math.sqrt(2 * checkpoint * failures) * series - checkpoint


def _goodput(interval: float, checkpoint: float, restart: float, failures: float) -> float:
    """Return the goodput of a run: ``t / (M e^(R/M) (e^((t + d)/M) - 1))`` (Daly 2006).

    Parameters
    ----------
    interval, checkpoint, restart, failures : t, d, R and M [s].

    Examples
    --------
    >>> round(_goodput(117.0, 5.0, 10.0, 24 * 60.0), 3)
    0.913
    """
    try:
        if interval == 0:
            return math.exp(-restart / failures) if checkpoint == 0 else 0.0
        return interval / (failures * math.exp(restart / failures) * math.expm1((interval + checkpoint) / failures))
    except OverflowError:
        return 0.0


@dataclass(frozen=True)
class _Goodput:
    """Goodput of a run of `devices` that fail independently.

    Attributes
    ----------
    share : time that brings the run on, over all of its time.
    failures, interval, checkpoint, restart : M, t, d and R [s].
    origin : where the failure rate, the restart and the checkpoint come from, in words.
    """

    share: float
    failures: float
    interval: float
    checkpoint: float
    restart: float
    origin: str

    @classmethod
    def of(cls, system: System, state: float) -> _Goodput:
        """Return the goodput of a run on a system, whose checkpoint writes `state` bytes from all devices together.

        Errors
        ------
        SlipstickError where failures come faster than the run gets on, so that it never ends.
        """
        own, table = system.reliability, failure_rates.entry("cluster")
        fields = {name: getattr(own, name) for name in ("device_mtbf", "restart_time", "storage")}
        stated = {name: value for name, value in fields.items() if value is not None}
        rates = table.model_copy(update=stated)
        failures = rates.device_mtbf / system.devices
        checkpoint = own.checkpoint_time
        if checkpoint is None:
            checkpoint = state / (rates.storage * system.devices)
        interval = own.checkpoint_interval
        best = interval if isinstance(interval, float) else _best_interval(checkpoint, failures)
        share = _goodput(best, checkpoint, rates.restart_time, failures)
        if share < 1e-6:
            raise SlipstickError(
                "failures come faster than the run gets on", path="system.reliability.device_mtbf",
                value=units.format_quantity(rates.device_mtbf, "s"), allowed=f"more, for {system.devices} devices",
            )  # fmt: skip
        origin = f"{' and '.join(stated)} given, else data/reliability" if stated else "data/reliability"
        return cls(share, failures, best, checkpoint, rates.restart_time, origin)

    @property
    def note(self) -> str:
        """Remark on the numbers behind the goodput."""
        text = {
            name: units.format_quantity(getattr(self, name), "s") for name in ("failures", "interval", "checkpoint")
        }
        return (
            f"a failure every {text['failures']}, a checkpoint every {text['interval']} ({text['checkpoint']}), "
            f"{units.format_quantity(self.restart, 's')} to restart: {self.origin}"
        )
