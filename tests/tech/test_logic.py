"""The voltage law and its budgets: truths of the algebra, for any numbers."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstick.core.catalogue import resolve_system, systems
from slipstick.core.device_kinds import Accelerator
from slipstick.tech import derive, nodes, operation_energy
from slipstick.tech.logic import _clock, _operating_point, _peak, _voltage
from slipstick.tech.technology_tables import scaling

volts = st.floats(0.05, 2.0)
budgets = st.floats(1e-4, 1e4)

LAW = scaling.entry("logic").law


@given(nominal=st.floats(0.3, 1.5), share=st.floats(0.02, 0.95), power=budgets)
def test_the_voltage_solves_the_cubic(nominal: float, share: float, power: float) -> None:
    threshold = nominal * share
    found = float(_voltage(power, nominal, threshold))
    level = power * nominal * (nominal - threshold) ** 2
    assert found >= threshold
    # far below nominal power V is near Vt, where the square loses half of its digits
    np.testing.assert_allclose(found * (found - threshold) ** 2, level, rtol=1e-6, atol=1e-12 * threshold**3)


def test_the_voltage_equals_numpys_largest_root() -> None:
    for power in (0.01, 0.3, 1.0, 2.0, 40.0):
        level = power * 0.8 * 0.6**2
        roots = np.roots([1.0, -0.4, 0.04, -level])
        np.testing.assert_allclose(_voltage(power, 0.8, 0.2), max(roots[np.abs(roots.imag) < 1e-9].real), rtol=1e-9)


@given(power=budgets)
def test_no_budget_is_exceeded_and_none_is_left_between_the_limits(power: float) -> None:
    limits = LAW
    level, ratio = _operating_point(power, limits)
    spent = float((level / limits.voltage) ** 2 * ratio)
    assert spent <= power * (1 + 1e-9)
    assert limits.threshold + limits.margin - 1e-12 <= level <= limits.ceiling + 1e-12
    if level < limits.ceiling - 1e-9:
        np.testing.assert_allclose(spent, power, rtol=1e-9)


@given(power=budgets, more=st.floats(1.0, 10.0))
def test_more_power_is_never_slower(power: float, more: float) -> None:
    slow, fast = _operating_point([power, power * more], LAW)[1]
    assert fast >= slow * (1 - 1e-12)


def test_nominal_power_is_nominal_clock() -> None:
    level, ratio = _operating_point(1.0, LAW)
    np.testing.assert_allclose([level, ratio], [LAW.voltage, 1.0])
    np.testing.assert_allclose(_clock(LAW.voltage, LAW.voltage, LAW.threshold), 1.0)


@given(area=st.floats(0.01, 100), node=st.floats(0.05, 4), heat=st.floats(0.2, 2), power=st.floats(0.01, 100))
def test_the_peak_keeps_its_budgets(area: float, node: float, heat: float, power: float) -> None:
    found = _peak(node, heat, area=area, power=power, law=LAW)
    assert float(found.power) <= power * (1 + 1e-9)
    np.testing.assert_allclose(found.cores * node, area)
    np.testing.assert_allclose(found.rate, found.cores * found.clock)


@given(area=st.floats(0.05, 20), power=st.floats(0.05, 20), more=st.floats(1, 5))
def test_more_of_a_budget_is_never_slower(area: float, power: float, more: float) -> None:
    base, larger, stronger = _peak(
        1.0, area=[area, area * more, area], power=[power, power, power * more], law=LAW
    ).rate
    assert stronger >= base * (1 - 1e-12)
    assert larger >= base * (1 - 1e-9)  # equal where the voltage is at its floor: power then buys the rate


def test_every_node_is_denser_and_thriftier_than_the_one_before() -> None:
    table = [node for _, node in nodes.items()]
    for column in ("area", "power", "sram", "energy"):
        values = [getattr(row, column) for row in table]
        assert values == sorted(values, reverse=True), column
    rates = _peak([row.area for row in table], [row.power for row in table], law=LAW).rate
    assert (np.diff(rates) > 0).all()


@given(heat=st.floats(0.2, 1.0), power=budgets)
def test_at_the_same_power_the_same_cores_in_a_newer_node_are_no_slower(heat: float, power: float) -> None:
    old, new = _peak([1.0, 1.0], [1.0, heat], power=power, law=LAW).clock
    assert new >= old * (1 - 1e-12)


ACCELERATORS = [name for name, system in systems.items() if isinstance(system.device, Accelerator)]


@pytest.mark.parametrize("name", ACCELERATORS)
def test_no_format_spends_more_than_the_device_may(name: str) -> None:
    compute, power = resolve_system(name).device_as(Accelerator), resolve_system(name).power
    assert compute.energy
    assert power
    for key, rate in compute.matrix.items():
        assert 0 < operation_energy(compute.energy, compute.matrix, key) * rate < power


def test_an_operation_is_thriftier_in_every_newer_node() -> None:
    for name in ("bf16", "fp8", "int8"):
        found = []
        for node in nodes.names():
            compute = derive(resolve_system("h100"), node).device_as(Accelerator)
            assert compute.energy
            found.append(operation_energy(compute.energy, compute.matrix, name))
        assert found == sorted(found, reverse=True)


def test_full_steps_are_the_studys() -> None:
    table = dict(nodes.items())
    full = ["12nm", "10nm", "7nm", "5nm", "3nm", "2nm", "1.4nm", "1nm"]
    for old, new in pairwise(full):
        np.testing.assert_allclose(table[old].area / table[new].area, 1.8, rtol=2e-3)
        np.testing.assert_allclose(table[old].power / table[new].power, 1.3, rtol=2e-3)


def test_a_million_points_are_one_call() -> None:
    factors = np.linspace(0.05, 3, 1000)
    start = time.process_time()
    found = _peak(factors[:, None], 1.0, power=np.linspace(0.2, 4, 1000)[None, :], law=LAW)
    assert found.rate.shape == (1000, 1000)
    assert time.process_time() - start < 5
    spot = _peak(factors[7], 1.0, power=np.linspace(0.2, 4, 1000)[11], law=LAW)
    np.testing.assert_array_equal(found.rate[7, 11], spot.rate)
