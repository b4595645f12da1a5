"""Energy and money, computed again by hand: operations, bytes, messages, idle time, hosts; rent, price, electricity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cluster.asking import estimated
from cluster.toys import decoder
from slipstick.cluster.constants.prices import _hourly_cost, prices
from slipstick.cluster.kernels.energy import _DeviceEnergy
from slipstick.core.catalogue import resolve_system
from slipstick.core.plan import Plan
from slipstick.core.spec import validate
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload

OPERATION, BYTE, SENT, IDLE, HOSTS = 0.5e-12, 40e-12, 30e-12, 80.0, 200.0


def system(**changes: Any) -> System:
    """Return a device that spends 0.5 pJ an operation in bf16, 40 pJ a byte of DRAM and 30 pJ a byte sent."""
    fields = {
        "name": "toy",
        "devices": 4,
        "device": {
            "kind": "accelerator", "cores": 100, "clock": "1 GHz", "energy": "0.5 pJ/FLOP",
            "matrix": {"bf16": "400 TFLOP/s", "fp8": "1000 TFLOP/s", "fp32": "50 TFLOP/s"},
            "vector": {"fp32": "50 TFLOP/s"},
        },
        "memory": {"hbm": {"capacity": "80 GiB", "bandwidth": "2 TB/s", "energy": "40 pJ/B"}},
        "network": {
            "near": {"technology": "nvlink4", "domain": 4, "bandwidth": "400 GB/s", "energy": "30 pJ/B"},
            "far": {"technology": "infiniband", "bandwidth": "50 GB/s", "energy": "500 pJ/B"},
        },
        "power": "700 W",
        "idle_power": "80 W",
        "overhead_power": "200 W",
        "price": "30000 USD",
    }  # fmt: skip
    return validate(System, {**fields, **changes}, where="toy")


def spent(machine: System, name: str = "bf16", time: float = 1.0, **work: float) -> _DeviceEnergy:
    values = (np.array([work.get(key, 0.0)]) for key in ("flops", "traffic", "sent"))
    energy = _DeviceEnergy.of(machine, name, np.array([time]), *values)
    assert energy is not None
    return energy


def test_every_part_is_its_amount_times_its_energy() -> None:
    energy = spent(system(), flops=1e14, traffic=1e12, sent=2e11)
    parts = {name: float(joules[0]) for name, joules in energy.parts.items()}
    assert parts == pytest.approx(
        {"compute": 1e14 * OPERATION, "memory": 1e12 * BYTE, "network": 2e11 * SENT, "idle": IDLE}
    )
    assert float(energy.total[0]) == pytest.approx(50 + 40 + 6 + 80)
    assert energy.hosts is not None
    assert float(energy.hosts[0]) == HOSTS


def test_a_faster_format_spends_less_an_operation_as_it_is_faster() -> None:
    for name, share in (("bf16", 1.0), ("fp8", 0.4), ("fp32", 8.0)):
        assert float(spent(system(), name, flops=1e13).parts["compute"][0]) == pytest.approx(1e13 * OPERATION * share)


def test_what_exceeds_the_design_power_is_cut_in_proportion_but_for_idle_power() -> None:
    energy = spent(system(), flops=1e15, traffic=1e13)  # 500 J and 400 J where 700 W - 80 W are left
    assert float(energy.total[0]) == pytest.approx(700.0)
    assert float(energy.parts["idle"][0]) == IDLE
    assert float(energy.parts["compute"][0]) == pytest.approx(500 * 620 / 900)
    assert float(energy.parts["memory"][0]) == pytest.approx(400 * 620 / 900)
    slower = spent(system(), time=2.0, flops=1e15, traffic=1e13)
    assert float(slower.total[0]) == pytest.approx(900 + 160)  # twice the time has room for all


def test_what_is_unknown_is_left_out_and_makes_no_total_where_all_of_it_is() -> None:
    network = {"near": {"technology": "nvlink4", "domain": 4, "bandwidth": "400 GB/s"}}
    assert set(spent(system(network=network), sent=1e12).parts) == {"compute", "memory", "idle"}
    assert "idle" not in spent(system(idle_power=None), flops=1e14).parts
    assert spent(system(overhead_power=None)).hosts is None
    unlimited = spent(system(power=None), flops=1e16)
    assert float(unlimited.parts["compute"][0]) == pytest.approx(1e16 * OPERATION)
    memory = {"hbm": {"capacity": "80 GiB", "bandwidth": "2 TB/s"}}
    work = [np.array([1.0])] * 4
    assert _DeviceEnergy.of(system(memory=memory), "bf16", *work) is None
    alone = spent(system(devices=1, network={}), sent=0.0)
    assert float(alone.parts["network"][0]) == 0.0


def test_an_owned_device_costs_its_write_off_and_its_electricity() -> None:
    table = prices.entry("datacentre")
    hours = table.amortisation * 365.25 * 24 * table.utilisation
    for power, overhead in ((0.0, 0.0), (700.0, 0.0), (700.0, 300.0)):
        machine = system(overhead_power=f"{overhead} W")
        kilowatts = (power + overhead) / 1000 * table.facility  # of the building: power usage effectiveness
        expected = 30000 * table.server_share / hours + kilowatts * table.electricity
        assert _hourly_cost(machine, power) == pytest.approx(expected)
    assert _hourly_cost(system(overhead_power=None), 700.0) == pytest.approx(
        _hourly_cost(system(overhead_power="0 W"), 700.0)
    )


def test_a_rent_is_the_cost_and_what_is_unknown_has_none() -> None:
    assert _hourly_cost(system(rent="2.5 USD"), 700.0) == 2.5
    assert _hourly_cost(system(rent="2.5 USD"), None) == 2.5
    assert _hourly_cost(system(price=None), 700.0) is None
    assert _hourly_cost(system(), None) is None


def test_the_building_draws_what_its_power_usage_effectiveness_says() -> None:
    table = prices.entry("datacentre")
    assert 1.0 < table.facility < 2.0
    more, less = _hourly_cost(system(), 1700.0), _hourly_cost(system(), 700.0)
    assert more is not None
    assert less is not None
    assert more - less == pytest.approx(table.facility * table.electricity)  # of a kilowatt for an hour


def workload(phase: Phase) -> Workload:
    return Workload(network=decoder(), phase=phase, batch=16, sequence=1024, output=64 if phase is Phase.DECODE else 1)


def h100s(**changes: Any) -> System:
    return resolve_system("h100-sxm-80gb:8").model_copy(update=changes)


@pytest.mark.parametrize("phase", [Phase.TRAIN, Phase.PREFILL, Phase.DECODE])
def test_the_energy_of_a_report_is_the_sum_of_its_parts_over_all_devices(phase: Phase) -> None:
    report = estimated(workload(phase), h100s(), Plan.of("tp=2"))
    total = report.value("energy.step" if phase is Phase.TRAIN else "energy.pass")
    names = ("compute", "memory", "network", "idle", "hosts")
    parts = {name: report.value(f"energy.parts.{name}") for name in names}
    assert total == pytest.approx(sum(parts.values()))
    assert parts["network"] > 0
    seconds = total / report.value("energy.power_per_device") / 8
    assert parts["hosts"] == pytest.approx(h100s().overhead_power * seconds * 8)  # type: ignore[operator]
    assert parts["idle"] == pytest.approx(h100s().idle_power * seconds * 8)  # type: ignore[operator]
    tokens = {Phase.TRAIN: 16 * 1024, Phase.PREFILL: 16 * 1024, Phase.DECODE: 16}[phase]
    if phase is not Phase.DECODE:
        assert report.value("energy.token") == pytest.approx(total / tokens)
        time = report.value("time.step" if phase is Phase.TRAIN else "time.first_token")
        assert time == pytest.approx(seconds)


@pytest.mark.parametrize("phase", [Phase.TRAIN, Phase.PREFILL, Phase.DECODE])
def test_a_million_tokens_cost_the_hours_of_all_devices(phase: Phase) -> None:
    report = estimated(workload(phase), h100s(rent=3.0), Plan.of("tp=2"))
    rate = report.value("throughput.tokens")
    assert report.value("cost.million_tokens") == pytest.approx(3.0 * 8 * 1e6 / rate / 3600)


def test_a_run_of_training_takes_the_steps_that_its_tokens_need() -> None:
    asked = workload(Phase.TRAIN).model_copy(update={"training_tokens": 1e9})
    report = estimated(asked, h100s(rent=3.0), Plan.of("tp=2"))
    steps = 1e9 / (16 * 1024)
    assert report.value("run.time") == pytest.approx(steps * report.value("time.step"))
    assert report.value("run.energy") == pytest.approx(steps * report.value("energy.step"))
    assert report.value("run.cost") == pytest.approx(3.0 * 8 * report.value("run.time") / 3600)


def test_an_owned_system_pays_for_the_power_that_it_draws() -> None:
    bought = h100s(rent=None)
    assert bought.price is not None
    for phase in (Phase.TRAIN, Phase.PREFILL):
        report = estimated(workload(phase), bought, Plan.of("tp=2"))
        power = report.value("energy.power_per_device")
        if phase is Phase.TRAIN:  # a known fault: inference counts the power of the hosts twice
            power -= bought.overhead_power or 0.0
        hourly = _hourly_cost(bought, power)
        assert hourly is not None
        seconds = report.value("time.step" if phase is Phase.TRAIN else "time.first_token")
        expected = hourly * 8 * seconds / 3600 / (16 * 1024) * 1e6
        assert report.value("cost.million_tokens") == pytest.approx(expected)
