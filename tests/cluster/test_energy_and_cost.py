"""Energy and money, computed again by hand: work, clocks, idle time, hosts; rent, price, electricity, carbon."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cluster.asking import estimated
from cluster.toys import decoder
from slipstick.cluster.constants.prices import _DeviceHour, prices
from slipstick.cluster.kernels.device_power import _power_findings, _PowerModel, power_shares
from slipstick.cluster.kernels.energy import _DeviceEnergy
from slipstick.core.catalogue import resolve_system
from slipstick.core.plan import Plan
from slipstick.core.site import Site
from slipstick.core.spec import validate
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload

OPERATION, BYTE, SENT, IDLE, HOSTS = 0.5e-12, 40e-12, 30e-12, 80.0, 200.0
CHIP = power_shares.entry("shares").chip * (700 - IDLE)  # W, as long as the device runs


def hourly(machine: System, power: float | None) -> float | None:
    hour = _DeviceHour.of(machine, power)
    return None if hour is None else hour.dollars


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
        {"compute": 1e14 * OPERATION, "memory": 1e12 * BYTE, "network": 2e11 * SENT, "chip": CHIP, "idle": IDLE}
    )
    assert float(energy.total[0]) == pytest.approx(50 + 40 + 6 + CHIP + 80)
    assert energy.hosts is not None
    assert float(energy.hosts[0]) == HOSTS
    assert float(energy.drawn[0]) == float(energy.total[0]) + HOSTS
    assert energy.note == ""


def test_a_faster_format_spends_less_an_operation_as_it_is_faster() -> None:
    for name, share in (("bf16", 1.0), ("fp8", 0.4), ("fp32", 8.0)):
        assert float(spent(system(), name, flops=1e13).parts["compute"][0]) == pytest.approx(1e13 * OPERATION * share)


def test_what_exceeds_the_design_power_is_cut_in_proportion_but_for_idle_power() -> None:
    energy = spent(system(), flops=1e15, traffic=1e13)  # 500 J and 400 J where 700 W - 80 W are left
    assert float(energy.total[0]) == pytest.approx(700.0)
    assert float(energy.parts["idle"][0]) == IDLE
    assert float(energy.parts["compute"][0]) == pytest.approx(500 * 620 / (900 + CHIP))
    assert float(energy.parts["memory"][0]) == pytest.approx(400 * 620 / (900 + CHIP))
    slower = spent(system(), time=3.0, flops=1e15, traffic=1e13)
    assert float(slower.total[0]) == pytest.approx(900 + 3 * (CHIP + IDLE))  # three times the time has room for all


@pytest.mark.parametrize("work", ["flops", "traffic", "sent", "time"])
@pytest.mark.parametrize("power", [None, "700 W"])
def test_more_work_never_costs_less_energy_and_never_more_than_the_limit(work: str, power: str | None) -> None:
    """Also more time for the same work: a device that waits draws idle power and its clocks."""
    machine, base = system(power=power), {"flops": 1e14, "traffic": 1e12, "sent": 2e11, "time": 1.0}
    energies = [float(spent(machine, **{**base, work: base[work] * more}).total[0]) for more in (1, 2, 5, 20, 100)]
    assert energies == sorted(energies)
    if power:
        assert all(energy <= 700 * (1 if work != "time" else 100) * (1 + 1e-12) for energy in energies)


def test_a_part_that_is_unknown_is_left_out() -> None:
    network = {"near": {"technology": "nvlink4", "domain": 4, "bandwidth": "400 GB/s"}}
    assert set(spent(system(network=network), sent=1e12).parts) == {"compute", "memory", "chip", "idle"}
    assert spent(system(overhead_power=None)).hosts is None
    unlimited = spent(system(power=None), flops=1e16)
    assert float(unlimited.parts["compute"][0]) == pytest.approx(1e16 * OPERATION)
    assert set(unlimited.parts) == {"compute", "memory", "network", "idle"}
    assert "power limit unknown" in unlimited.note
    alone = spent(system(devices=1, network={}), sent=0.0)
    assert float(alone.parts["network"][0]) == 0.0


def own(**changes: Any) -> System:
    """Return a device of one's own, of which nobody has said what its operations and bytes cost."""
    device = {
        "kind": "accelerator", "cores": 100, "clock": "1 GHz", "matrix": {"bf16": "400 TFLOP/s"}, "vector": {},
    }  # fmt: skip
    memory = {"hbm": {"capacity": "80 GiB", "bandwidth": "2 TB/s"}}
    unknown = dict.fromkeys(("power", "idle_power", "overhead_power"))
    return system(**{"device": device, "memory": memory, "devices": 1, "network": {}, **unknown, **changes})


def test_the_power_limit_alone_gives_every_power_and_energy() -> None:
    shares = power_shares.entry("shares")
    energy = spent(own(power="500 W"), flops=1e14, traffic=1e12)
    idle, byte = shares.idle * 500, shares.memory * 500 / 2e12
    operation = (shares.reach * 500 - idle - byte * 2e12) / 400e12
    expected = {"compute": 1e14 * operation, "memory": 1e12 * byte, "network": 0.0, "chip": shares.chip * (500 - idle)}
    assert {name: float(joules[0]) for name, joules in energy.parts.items()} == pytest.approx(
        {**expected, "idle": idle}
    )
    assert energy.note == "idle power and energy of operations and energy of memory derived from the power limit"
    assert _power_findings(own(power="500 W")) == ()
    memory = {"hbm": {"capacity": "80 GiB", "bandwidth": "2 TB/s", "technology": "hbm3"}}
    model = _PowerModel.of(own(power="500 W", memory=memory))
    assert model is not None
    assert model.byte == pytest.approx(3.9e-12 * 8)  # what its generation states
    assert model.derived == ("idle power", "energy of operations")


def test_what_the_catalogue_states_follows_the_rule_that_stands_for_what_it_does_not() -> None:
    stated = resolve_system("h100-sxm-80gb")
    model = _PowerModel.of(stated.model_copy(update={"device": stated.device.model_copy(update={"energy": None})}))
    assert model is not None
    assert model.operation == pytest.approx(stated.device.energy, rel=2e-3)  # type: ignore[attr-defined]


@pytest.mark.parametrize("changes", [{}, {"idle_power": "50 W"}, {"overhead_power": "100 W"}])
def test_unknown_power_is_no_figure_but_a_finding(changes: dict[str, str]) -> None:
    work = [np.array([1.0])] * 4
    assert _DeviceEnergy.of(own(**changes), "bf16", *work) is None
    (finding,) = _power_findings(own(**changes))
    assert finding.path == "system.power"
    report = estimated(workload(Phase.TRAIN), own(**changes), Plan.of("others=off"))
    assert [key for key in report.flat() if key.startswith(("energy", "carbon", "cost"))] == []
    assert "power_is_known" in [warning.check for warning in report.warnings]


@pytest.mark.parametrize("phase", [Phase.TRAIN, Phase.PREFILL, Phase.DECODE])
def test_a_device_of_ones_own_never_shows_zero(phase: Phase) -> None:
    report = estimated(workload(phase), own(power="500 W"), Plan.of("others=off"))
    figures = {key: metric.value for key, metric in report.flat().items() if key.startswith(("energy", "carbon"))}
    assert "energy.parts.network" not in figures  # there are no links
    assert len(figures) >= 7
    assert all(value > 0 for value in figures.values())


def test_a_busy_node_of_h100_lies_between_light_decode_and_the_measured_maximum() -> None:
    """At most 8.4 kW for the node (2412.08602), 76 % of 10.2 kW under intensive work (2506.14551; abstracts seen)."""
    node = resolve_system("dgx-h100")

    def kilowatts(phase: str, **asked: Any) -> float:
        from slipstick import estimate

        return 8e-3 * estimate("llama-2-13b", node, phase=phase, **asked).value("energy.power_per_device")

    training = kilowatts("train", batch=64, sequence=4096)
    decode = kilowatts("decode", batch=8, sequence=1024, output=128)
    busy = kilowatts("decode", batch=512, sequence=1024, output=128)
    assert 5.0 < decode < 6.0 < training < 8.4
    assert decode < busy < training
    assert busy > 5.4
    assert training == pytest.approx(0.76 * 10.2, rel=0.1)
    most = _DeviceEnergy.of(node, "bf16", np.array([1.0]), np.array([900e12]), np.array([1e12]), np.array([0.0]))
    assert most is not None
    assert 8e-3 * float(most.drawn[0]) == pytest.approx(8.4)


def test_an_owned_device_costs_its_write_off_and_its_electricity() -> None:
    table = prices.entry("datacentre")
    hours = table.amortisation * 365.25 * 24 * table.utilisation
    for power, overhead in ((0.0, 0.0), (700.0, 0.0), (700.0, 300.0)):
        machine = system(overhead_power=f"{overhead} W")
        kilowatts = (power + overhead) / 1000 * table.facility  # of the building: power usage effectiveness
        expected = 30000 * table.server_share / hours + kilowatts * table.electricity
        assert hourly(machine, power) == pytest.approx(expected)
    assert hourly(system(overhead_power=None), 700.0) == pytest.approx(hourly(system(overhead_power="0 W"), 700.0))


def test_a_rent_is_the_cost_and_what_is_unknown_has_none() -> None:
    assert hourly(system(rent="2.5 USD"), 700.0) == hourly(system(rent="2.5 USD/h"), None) == 2.5
    assert hourly(system(rent="60 USD/day"), None) == hourly(system(rent=2.5), None) == 2.5
    assert hourly(system(rent="2.5 USD"), None) == 2.5
    assert hourly(system(price=None), 700.0) is None
    assert hourly(system(), None) is None


def test_the_building_draws_what_its_power_usage_effectiveness_says() -> None:
    table = prices.entry("datacentre")
    assert 1.0 < table.facility < 2.0
    more, less = hourly(system(), 1700.0), hourly(system(), 700.0)
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
    names = ("compute", "memory", "network", "chip", "idle", "hosts")
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


def test_the_hours_origin_stands_in_the_report() -> None:
    rented = estimated(workload(Phase.TRAIN), h100s(rent=3.0), Plan.of("tp=2"))
    assert rented["cost.device_hour"].text == "3 USD"
    assert "as given" in rented["cost.device_hour"].note
    site = Site(electricity=1.0, facility=1.0)
    owned = [estimated(workload(Phase.TRAIN), h100s(site=place), Plan.of("tp=2")) for place in (Site(), site)]
    kilowatts = owned[0].value("energy.power_per_device") / 1000
    for report, price, pue in zip(owned, (0.08, 1.0), (1.25, 1.0), strict=True):
        written_off = 28000 * 1.5 / (4 * 365.25 * 24 * 0.85)
        assert report.value("cost.device_hour") == pytest.approx(written_off + kilowatts * pue * price)
        assert report.value("cost.million_tokens") == pytest.approx(
            report.value("cost.device_hour") * 8 / 3600 / report.value("throughput.tokens") * 1e6
        )
    assert owned[0]["cost.device_hour"].note.endswith("data/cost")
    assert "electricity and facility given, else data/cost" in owned[1]["cost.device_hour"].note


@pytest.mark.parametrize("phase", [Phase.TRAIN, Phase.PREFILL, Phase.DECODE])
def test_the_carbon_of_a_token_is_that_of_its_joules_in_the_building(phase: Phase) -> None:
    report = estimated(workload(phase), h100s(site=Site(carbon=100.0, facility=1.5)), Plan.of("tp=2"))
    assert report.value("carbon.token") == pytest.approx(report.value("energy.token") * 1.5 / 3.6e6 * 100)
    assert report["carbon.token"].note == "at 100 g/kWh and a PUE of 1.5: given"


@pytest.mark.parametrize("phase", [Phase.TRAIN, Phase.PREFILL, Phase.DECODE])
def test_an_owned_system_pays_once_for_the_power_of_device_and_host(phase: Phase) -> None:
    bought = h100s(rent=None)
    report = estimated(workload(phase), bought, Plan.of("tp=2"))
    alone = report.value("energy.power_per_device") - (bought.overhead_power or 0.0)
    assert report.value("cost.device_hour") == pytest.approx(hourly(bought, alone))
