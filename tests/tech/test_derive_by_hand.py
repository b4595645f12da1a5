"""A device in another technology, computed again by hand: cores by area, clock by power, bandwidth by the edge."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from slipstick.core.catalogue import resolve_system
from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError
from slipstick.core.system import System, Tier
from slipstick.tech import derive, dram_generations, network_generations, nodes
from slipstick.tech.die_edge import _links_along_edge, _stacks_along_edge, _stacks_for_bandwidth, _tier_kind
from slipstick.tech.technology_tables import scaling

LAW, PLAN = scaling.entry("logic").law, scaling.entry("logic").floorplan


@dataclass
class Point:
    """What a core's budget buys: voltage [V], and clock over the nominal one."""

    voltage: float
    clock: float


def logic_power(volts: float) -> float:
    """Power at a voltage and the clock that it allows, over that at the nominal voltage: V (V - Vt)^2."""
    return volts * (volts - LAW.threshold) ** 2 / (LAW.voltage * (LAW.voltage - LAW.threshold) ** 2)


def clock(volts: float) -> float:
    """Clock at a voltage, over the nominal one: (V - Vt)^2 / V."""
    return ((volts - LAW.threshold) ** 2 / volts) / ((LAW.voltage - LAW.threshold) ** 2 / LAW.voltage)


def operating(budget: float) -> Point:
    """Return the point at which logic spends `budget` times its nominal power, by bisection over the voltage."""
    low, high = LAW.threshold, 100.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if logic_power(middle) < budget else (low, middle)
    free = min(low, LAW.ceiling)
    floor = LAW.threshold + LAW.margin
    if free >= floor:
        return Point(free, clock(free))
    return Point(floor, clock(free) * (free / floor) ** 2)  # only the clock falls: V^2 f is the budget


def spent(system: System) -> float:
    """Power of main memory and links at full rate [W]."""
    memory = system.main_memory
    links = sum(tier.bandwidth * (tier.energy or 0.0) for tier in system.network.values())
    return (memory.bandwidth or 0.0) * (memory.energy or 0.0) + links


@pytest.mark.parametrize("name", ["a100-sxm-80gb", "h100-sxm-80gb", "b200-sxm-180gb"])
@pytest.mark.parametrize("node", ["7nm", "5nm", "3nm", "1nm"])
@pytest.mark.parametrize(("area", "power"), [(1.0, 1.0), (1.0, 0.5), (1.5, 1.3), (0.6, 1.0), (1.0, 4.0)])
def test_a_device_is_built_again_from_area_and_power(name: str, node: str, area: float, power: float) -> None:
    old = resolve_system(name)
    assert old.area
    assert old.power
    new = derive(old, node, area=old.area * area, power=old.power * power)
    before, after = old.device_as(Accelerator), new.device_as(Accelerator)
    was, now = nodes.entry(old.node), nodes.entry(node)
    edge = 1 - PLAN.cores - PLAN.cache
    logic = (area - edge * math.sqrt(area)) / (1 - edge)  # interfaces grow as the edge of the die
    assert before.energy
    budget = before.matrix["bf16"] * before.energy + old.power * (power - 1) - (spent(new) - spent(old))
    cores, heat, nominal = logic * was.area / now.area, now.power / was.power, now.frequency / was.frequency
    point = operating(budget / (before.matrix["bf16"] * before.energy) / (cores * heat * nominal))
    assert after.cores == int(before.cores * cores * (1 + 1e-9))
    assert after.clock == pytest.approx(before.clock * point.clock * nominal)
    rate = cores * point.clock * nominal
    for form, value in before.matrix.items():
        assert after.matrix[form] == pytest.approx(value * rate), form
    assert after.vector["fp32"] == pytest.approx(before.vector["fp32"] * rate)
    assert after.energy == pytest.approx(before.energy * heat * (point.voltage / LAW.voltage) ** 2, rel=1e-9, abs=0.0)
    cache = old.memory["l2"]
    assert new.memory["l2"].capacity == pytest.approx(cache.capacity * logic * was.sram / now.sram)
    if cache.bandwidth:
        assert new.memory["l2"].bandwidth == pytest.approx(cache.bandwidth * rate)
    assert new.memory["shared"].capacity == old.memory["shared"].capacity
    cores_power = before.matrix["bf16"] * before.energy * rate * heat * (point.voltage / LAW.voltage) ** 2
    unspent = max(0.0, budget - cores_power)
    assert new.power == pytest.approx(old.power * power - unspent)
    assert new.area == pytest.approx(old.area * area)
    assert new.price == old.price
    if old.price is not None and new != old:
        assert new.source_of("price").startswith("assumed: that of")


@pytest.mark.parametrize(("area", "stacks"), [(1.0, 5), (2.0, 7), (0.5, 3), (0.1, 1)])
def test_stacks_lie_along_the_edge_of_the_die(area: float, stacks: int) -> None:
    old = resolve_system("h100-sxm-80gb")  # five stacks
    assert old.area
    assert _stacks_for_bandwidth(3.35e12, dram_generations.entry("hbm3")) == 5
    assert _stacks_along_edge(5, area) == stacks
    if area < 0.5:
        return  # no room for cores
    for name in (None, "hbm4"):
        new = derive(old, dram=name, area=old.area * area, power="2 kW").main_memory
        was, now = dram_generations.entry("hbm3"), dram_generations.entry(name or "hbm3")
        main = old.main_memory
        assert new.bandwidth == pytest.approx((main.bandwidth or 0) * stacks / 5 * now.bandwidth / was.bandwidth)
        assert new.capacity == pytest.approx(main.capacity * stacks / 5 * now.capacity / was.capacity)
        assert new.energy == pytest.approx((main.energy or 0) * now.energy / was.energy, rel=1e-9, abs=0.0)
        assert new.technology == (name or "hbm3")


def test_a_memory_of_unknown_energy_gets_that_of_its_generation() -> None:
    old = resolve_system("h100-sxm-80gb")
    memory = {**old.memory, old.main_memory_name: old.main_memory.model_copy(update={"energy": None})}
    new = derive(old.model_copy(update={"memory": memory}), dram="hbm4", power="1 kW")
    assert new.main_memory.energy == dram_generations.entry("hbm4").energy


def test_a_device_of_unknown_energy_gives_its_cores_their_share_of_the_power() -> None:
    old = resolve_system("h100-sxm-80gb")
    device = old.device_as(Accelerator).model_copy(update={"energy": None})
    blank = old.model_copy(update={"device": device})
    assert old.power
    new = derive(blank, power=old.power * 0.9)
    point = operating((PLAN.power * old.power - 0.1 * old.power) / (PLAN.power * old.power))
    assert new.device_as(Accelerator).clock == pytest.approx(device.clock * point.clock)
    assert new.device_as(Accelerator).energy is None


def test_links_of_the_die_follow_its_edge_and_generations_replace_their_kind() -> None:
    old = resolve_system("h100-sxm-80gb")
    assert old.area
    assert _links_along_edge(450e9, 4.0) == 900e9
    new = derive(old, area=old.area * 1.44, network=("nvlink6", "xdr"), power="2 kW")
    nvlink, infiniband = network_generations.entry("nvlink6"), network_generations.entry("xdr")
    assert new.network["nvlink"].bandwidth == pytest.approx(1.2 * nvlink.bandwidth)
    assert new.network["nvlink"].energy == nvlink.energy
    assert new.network["infiniband"].bandwidth == infiniband.bandwidth  # outside the die
    assert new.network["infiniband"].domain == old.network["infiniband"].domain
    plain = derive(old, area=old.area * 1.44, power="2 kW")
    assert plain.network["nvlink"].bandwidth == pytest.approx(1.2 * old.network["nvlink"].bandwidth)
    assert plain.network["infiniband"] == old.network["infiniband"]


def test_the_innermost_tier_joins_a_node_unless_it_is_the_only_one() -> None:
    def tiers(*technologies: str) -> dict[str, Tier]:
        return {name: Tier(technology=name, bandwidth=1e9) for name in technologies}

    assert _tier_kind("nvlink4", tiers("nvlink4")) == "scale-up"
    assert _tier_kind("efa", tiers("efa")) == "scale-out"
    both = tiers("ethernet", "efa")
    assert [_tier_kind(name, both) for name in both] == ["scale-up", "scale-out"]
    assert _tier_kind("nvlink4", tiers("efa", "nvlink4")) == "scale-up"


def test_marks_name_what_differs_and_nothing_else() -> None:
    old = resolve_system("h100-sxm-80gb")
    assert derive(old, old.node, dram=old.main_memory.technology, power=old.power, area=old.area) is old
    new = derive(old, "3nm", area="600 mm2", power="500 W", dram="hbm4", network=("nvlink6", "xdr"))
    assert new.name == "h100-sxm-80gb@3nm+600mm2+500W+hbm4+nvlink6+xdr"
    assert (new.node, new.area, new.year, new.aliases) == ("3nm", pytest.approx(600e-6), None, ())
    assert new.source_of("device.clock") == "derived: h100-sxm-80gb at 3nm, 600mm2, 500W, hbm4, nvlink6, xdr"
    assert new.source_of("vendor") == old.source_of("vendor")


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"power": None}, "system.power"), ({"area": None}, "system.area"), ({"node": ""}, "system.node")],
)
def test_what_a_budget_needs_is_asked_for(changes: dict[str, object], said: str) -> None:
    system = resolve_system("h100-sxm-80gb").model_copy(update=changes)
    with pytest.raises(SlipstickError, match=said):
        derive(system, "3nm", area="600 mm2")


def test_a_power_budget_needs_the_devices_own_power() -> None:
    system = resolve_system("h100-sxm-80gb").model_copy(update={"power": None})
    with pytest.raises(SlipstickError, match=r"system\.power"):
        derive(system, "3nm", power="500 W")


def test_a_budget_is_more_than_nothing() -> None:
    old = resolve_system("h100-sxm-80gb")
    for budget in ("0 W", "-5 W"):
        with pytest.raises(SlipstickError, match="more than 0"):
            derive(old, power=budget)
    assert old.power
    with pytest.raises(SlipstickError, match="leaves nothing for the cores") as error:
        derive(old, power="100 W")
    device = old.device_as(Accelerator)
    needed = old.power - device.matrix["bf16"] * (device.energy or 0.0)  # what everything but the cores takes
    assert f"{needed:.4g} W" in str(error.value)


def test_the_energy_of_a_memory_on_the_die_shrinks_with_the_power_of_its_circuits() -> None:
    system = resolve_system("a100-sxm-80gb")
    shared = system.memory["shared"].model_copy(update={"energy": 1e-12})
    known = system.model_copy(update={"memory": {**system.memory, "shared": shared}})
    old, new = derive(known).memory["shared"].energy, derive(known, node="3nm").memory["shared"].energy
    assert old == pytest.approx(1e-12, abs=0)
    assert new is not None
    assert new == pytest.approx(1e-12 / 1.3**2, rel=1e-3, abs=0)  # two nodes, of 1.3 in power each
