"""Energy of an inference and the life of a battery under a duty cycle."""

from __future__ import annotations

from dataclasses import dataclass

_HOUR = 3600.0  # s


@dataclass(frozen=True)
class DutyCycle:
    """Duty cycle of a board: it wakes up every `period` [s], captures, infers, and sleeps for the rest.

    Parameters
    ----------
    capture : seconds of capture before an inference, in which sensors draw `sensors` [W] beside the board.
    """

    period: float
    capture: float = 0.0
    sensors: float = 0.0


def inference_energy(time: float, power: float) -> float:
    """Return the energy of an inference [J]: its time [s] at the power of the busy board [W]."""
    return time * power


def mean_power(duty: DutyCycle, time: float, active: float, sleep: float) -> float:
    """Return the mean power [W] of a board that infers for `time` [s] once a period.

    Where capture and inference fill the period, the board never sleeps.

    Examples
    --------
    >>> mean_power(DutyCycle(period=10.0), time=1.0, active=0.1, sleep=0.001)
    0.0109
    """
    busy = min(duty.capture + time, duty.period)
    used = active * busy + duty.sensors * min(duty.capture, duty.period) + sleep * (duty.period - busy)
    return round(used / duty.period, 15)


def battery_life(capacity: float, voltage: float, power: float) -> float:
    """Return the life of a battery [s] of `capacity` [Ah] at `voltage` [V] under a mean power [W], without its losses.

    Examples
    --------
    >>> battery_life(2.0, 3.0, 0.006) / 3600
    1000.0
    """
    return capacity * _HOUR * voltage / power
