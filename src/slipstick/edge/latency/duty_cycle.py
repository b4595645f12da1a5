"""Power of a board under a duty cycle, and the life of its battery."""

from __future__ import annotations


def _duty_power(period: float, busy: float, active: float, sleep: float, captured: float = 0.0) -> float:
    """Return the mean power [W] of a board that is busy for `busy` [s] once a `period` [s], and asleep between.

    Where the work fills the period, the board never sleeps.

    Parameters
    ----------
    active, sleep : power of the busy board and of the sleeping one [W].
    captured : energy of the sensors in a period [J].

    Examples
    --------
    >>> _duty_power(period=10.0, busy=1.0, active=0.5, sleep=0.25)
    0.275
    """
    worked = min(busy, period)
    return (active * worked + sleep * (period - worked) + captured) / period


def _battery_life(battery: float, power: float) -> float:
    """Return the life of a battery [s] of so many joules under a mean power [W], its own losses not counted.

    Examples
    --------
    >>> _battery_life(27_000.0, 0.0075) / 3600
    1000.0
    """
    return battery / power
