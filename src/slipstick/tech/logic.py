"""Logic under budgets of area and power: voltage, clock, cores and peak rate. Pure functions that broadcast.

The law is that of DeepFlow (arXiv 2211.03309, hardware components): dynamic power ``P ~ V^2 f`` and clock
``f ~ (V - Vt)^2 / V``, so that ``P ~ V (V - Vt)^2``. Voltages in V; clocks and powers as ratios of the nominal ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import FloatArray
from slipstick.tech.technology_tables import Law


@dataclass(frozen=True)
class Peak:
    """Scaled die: its cores, clock, peak rate and dynamic power, as ratios to the design that it was scaled from.

    `rate` is cores x clock; `power` is the cores' dynamic power; `energy` is that of one operation; `cores` is not
    rounded; `voltage` alone is no ratio but in V.
    """

    cores: FloatArray
    voltage: FloatArray
    clock: FloatArray
    rate: FloatArray
    power: FloatArray
    energy: FloatArray


def _voltage(power: ArrayLike, nominal: float, threshold: float) -> FloatArray:
    """Return the voltage V at which logic spends a multiple of its nominal power [V].

    The largest root of ``V (V - Vt)^2 = power * Vn (Vn - Vt)^2``, in closed form (the cosine form of the cubic).

    Parameters
    ----------
    power : dynamic power over that at the nominal voltage; any shape.
    nominal, threshold : Vn and Vt [V], 0 < Vt < Vn.

    Source: DeepFlow (arXiv 2211.03309), micro-architecture engine; the closed form is algebra.

    Examples
    --------
    >>> float(_voltage(1.0, 0.8, 0.2).round(12))
    0.8
    """
    level = np.maximum(np.asarray(power, np.float64), 0.0) * nominal * (nominal - threshold) ** 2
    # With V = (2/3) Vt (1 + y): 4 y^3 - 3 y = r, so y = cos(arccos(r) / 3), continued by the hyperbolic cosine.
    r = 27 * level / (2 * threshold**3) - 1
    below = np.cos(np.arccos(np.clip(r, -1.0, 1.0)) / 3)
    above = np.cosh(np.arccosh(np.maximum(r, 1.0)) / 3)
    return np.asarray(2 * threshold / 3 * (1 + np.where(r > 1, above, below)))


def _clock(volts: ArrayLike, nominal: float, threshold: float) -> FloatArray:
    """Return the clock at a voltage, over the nominal clock: ``(V - Vt)^2 / V`` over the same at Vn.

    Examples
    --------
    >>> float(_clock(0.8, 0.8, 0.2))
    1.0
    """
    v = np.asarray(volts, np.float64)
    return np.asarray((v - threshold) ** 2 / v / ((nominal - threshold) ** 2 / nominal))


def _operating_point(power: ArrayLike, law: Law) -> tuple[FloatArray, FloatArray]:
    """Return (voltage [V], clock ratio) of logic that may spend `power` times its nominal power.

    Below threshold + margin the voltage stays there and the clock alone falls, by (V / V_clamped)^2, so that the
    budget is still met; at the ceiling both stay, and the rest of the budget is not spent.

    Examples
    --------
    >>> from slipstick.tech.technology_tables import scaling
    >>> volts, ratio = _operating_point([0.1, 1.0, 9.0], scaling.entry("logic").law)
    >>> volts.round(2).tolist(), bool(ratio[0] < ratio[1] < ratio[2])
    ([0.55, 0.8, 0.9], True)
    """
    free = np.minimum(_voltage(power, law.voltage, law.threshold), law.ceiling)
    floor = law.threshold + law.margin
    volts = np.maximum(free, floor)
    ratio = _clock(free, law.voltage, law.threshold) * (free / volts) ** 2
    return volts, ratio


def _peak(
    node_area_factor: ArrayLike,
    node_power_factor: ArrayLike = 1.0,
    *,
    area: ArrayLike = 1.0,
    power: ArrayLike = 1.0,
    frequency: ArrayLike = 1.0,
    law: Law,
) -> Peak:
    """Return the peak of a die under budgets of area and power; everything broadcasts, a million points are one call.

    Parameters
    ----------
    node_area_factor, node_power_factor : area and power of the same logic in the new node, over the old one.
    area, power : the cores' budgets, over what the old design spends on its cores.
    frequency : nominal clock of the new node, over the old one.
    law : `scaling.entry("logic").law` of data/tech.

    Source: DeepFlow (arXiv 2211.03309): cores from the area, then voltage and clock from the power each may spend.

    Examples
    --------
    >>> from slipstick.tech.technology_tables import scaling
    >>> dense = _peak([1.0, 1 / 1.8], [1.0, 1 / 1.3], law=scaling.entry("logic").law)
    >>> dense.rate.round(2).tolist()
    [1.0, 1.55]
    """
    shape = np.broadcast(node_area_factor, node_power_factor, area, power, frequency).shape
    cores = np.broadcast_to(np.divide(area, node_area_factor, dtype=np.float64), shape)
    return _at_cores(cores, node_power_factor, power=power, frequency=frequency, law=law)


def _at_cores(
    cores: ArrayLike, node_power_factor: ArrayLike, *, power: ArrayLike, frequency: ArrayLike, law: Law
) -> Peak:
    """Return the peak of a die, as `_peak` does, for a given number of cores (over that of the old design)."""
    count, factor, nominal_clock = (np.asarray(x, np.float64) for x in (cores, node_power_factor, frequency))
    nominal = count * factor * nominal_clock  # dynamic power at the nominal voltage and clock
    volts, ratio = _operating_point(np.asarray(power, np.float64) / nominal, law)
    speed = np.asarray(ratio * nominal_clock)
    energy = np.asarray(factor * (volts / law.voltage) ** 2)
    rate = np.asarray(count * speed)
    return Peak(count, volts, speed, rate, np.asarray(rate * energy), energy)


def operation_energy(energy: float, rates: Mapping[str, float], name: str) -> float:
    """Return the energy [J] of one operation of the matrix units in a number format.

    Assumed: matrix units at full rate draw the same power in every format, so that a format of twice the rate costs
    half the energy an operation. Without a bf16 rate, `energy` is that of the fastest format.

    Parameters
    ----------
    energy : of one bf16 operation [J], as `Accelerator.energy`.
    rates : dense rate by number format [FLOP/s], as `Accelerator.matrix`.
    name : a format of `rates`.

    Examples
    --------
    >>> operation_energy(0.5e-12, {"bf16": 1000e12, "fp8": 2000e12}, "fp8")
    2.5e-13
    """
    return energy * rates.get("bf16", max(rates.values())) / rates[name]
