"""Systems in other technologies: identity, budgets, monotone in every generation, names that read back."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from slipstick.core.catalogue import resolve_system, systems
from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError
from slipstick.core.spec import leaves, override
from slipstick.core.system import System
from slipstick.tech import derive, dram_generations, network_generations, nodes, resolve
from slipstick.tech.derive import _logic_area
from slipstick.tech.die_edge import _tier_kind

CHIPS = [name for name, system in systems.items() if isinstance(system.device, Accelerator)]
DEVICES = [name for name in CHIPS if resolve_system(name).devices == 1]
GPUS = ["a100-sxm-80gb", "h100-sxm-80gb", "b200-sxm-180gb"]
HBM = [name for name in dram_generations.names() if name.startswith("hbm")]


def rate(system: System) -> float:
    return system.device_as(Accelerator).matrix["bf16"]


def full_power(system: System) -> float:
    """What a device spends with its cores, its memory and its links all at full rate."""
    memory = system.main_memory
    links = sum(tier.bandwidth * (tier.energy or 0.0) for tier in system.network.values())
    energy = system.device_as(Accelerator).energy or 0.0
    return rate(system) * energy + (memory.bandwidth or 0) * (memory.energy or 0.0) + links


@pytest.mark.parametrize("name", CHIPS)
def test_its_own_node_and_budgets_change_nothing(name: str) -> None:
    system = resolve_system(name)
    assert derive(system) is system
    own = derive(system, system.node, area=system.area, power=system.power, dram=system.main_memory.technology)
    assert own == system


@pytest.mark.parametrize("name", DEVICES)
def test_every_device_goes_to_every_node(name: str) -> None:
    system = resolve_system(name)
    found = [derive(system, node) for node in nodes.names()]
    for old, new in pairwise(found):
        assert rate(new) > rate(old) * (1 - 1e-12)
        assert new.device_as(Accelerator).cores >= old.device_as(Accelerator).cores
        assert (new.device_as(Accelerator).energy or 0.0) < (old.device_as(Accelerator).energy or 0.0)
        assert all(new.memory[m].capacity >= old.memory[m].capacity for m in new.memory)


@pytest.mark.parametrize("name", GPUS)
@pytest.mark.parametrize("node", ["12nm", "5nm", "2nm", "1nm"])
@pytest.mark.parametrize("budget", [0.8, 1.0, 1.7])
def test_power_stays_in_the_budget(name: str, node: str, budget: float) -> None:
    system = resolve_system(name)
    assert system.power
    spare = system.power - full_power(system)  # host interface, fans, leakage: as before
    found = derive(system, node, power=system.power * budget, dram="hbm3e")
    assert found.power
    assert found.power <= system.power * budget * (1 + 1e-9)
    assert full_power(found) + spare <= found.power * (1 + 1e-9)


@pytest.mark.parametrize("name", GPUS)
def test_cores_fit_the_area(name: str) -> None:
    system = resolve_system(name)
    assert system.area
    for area in (0.5, 1.0, 2.0):
        found = derive(system, "3nm", area=system.area * area)
        shrink = nodes.entry("3nm").area / nodes.entry(system.node).area
        room = system.device_as(Accelerator).cores * _logic_area(area)  # in cores of the old node
        assert room - shrink < found.device_as(Accelerator).cores * shrink <= room * (1 + 1e-6)
        assert found.area == pytest.approx(system.area * area)


def test_interfaces_do_not_shrink_with_the_die() -> None:
    shares = [_logic_area(area) / area for area in (0.3, 0.5, 1.0, 2.0)]
    assert shares == sorted(shares)


@pytest.mark.parametrize("budget", ["area", "power"])
def test_more_of_a_budget_is_never_slower(budget: str) -> None:
    system = resolve_system("h100")
    own = float(getattr(system, budget))
    found = [rate(derive(system, "3nm", **{budget: own * share})) for share in (0.6, 0.8, 1.0, 1.5, 2.0)]  # type: ignore[arg-type]
    assert found == sorted(found)


def test_newer_dram_is_faster_larger_and_thriftier() -> None:
    found = [derive(resolve_system("a100"), dram=name, power="1500 W").main_memory for name in HBM]
    for old, new in pairwise(found):
        assert (new.bandwidth or 0) > (old.bandwidth or 0)
        assert new.capacity >= old.capacity
        assert new.energy <= old.energy


def test_dram_keeps_the_derating_of_the_device() -> None:
    system, table = resolve_system("h100"), dict(dram_generations.items())
    found = derive(system, dram="hbm4").main_memory
    before = (system.main_memory.bandwidth or 0) / table["hbm3"].bandwidth
    np.testing.assert_allclose((found.bandwidth or 0) / table["hbm4"].bandwidth, before)


def test_faster_memory_takes_its_power_from_the_cores() -> None:
    assert rate(derive(resolve_system("h100"), dram="hbm4")) < rate(resolve_system("h100"))


def test_networks_replace_the_tier_of_their_kind() -> None:
    found = derive(resolve_system("h100"), network=("nvlink6", "xdr"), power="1 kW")
    table = dict(network_generations.items())
    assert found.network["nvlink"].bandwidth == table["nvlink6"].bandwidth
    assert found.network["infiniband"].bandwidth == table["xdr"].bandwidth
    assert found.network["nvlink"].domain == 8
    assert derive(resolve_system("h100"), network="ndr") == resolve_system("h100")


def test_kinds_of_tiers() -> None:
    tiers = resolve_system("gaudi2").network
    assert [_tier_kind(name, tiers) for name in tiers] == ["scale-up", "scale-out"]
    tiers = resolve_system("tpu-v5e").network
    assert [_tier_kind(name, tiers) for name in tiers] == ["scale-up", "scale-out"]


def test_changed_leaves_say_so() -> None:
    system = resolve_system("a100")
    found = derive(system, "3nm", dram="hbm4")
    old = leaves(system)
    for path, value in leaves(found).items():
        if path.startswith(("device.", "memory", "power")) and value != old[path]:
            assert found.source_of(path).startswith("derived: "), path
    assert found.source_of("device.matrix.bf16") == "derived: a100-sxm-80gb at 3nm, hbm4"


@pytest.mark.parametrize("name", ["a100-sxm-80gb@3nm+hbm4", "h100-sxm-80gb@2nm+600mm2+500W+hbm4e+nvlink6+gdr-x8"])
def test_derived_names_read_back(name: str) -> None:
    assert resolve(name).name == name
    assert resolve(f"{name}:64") == resolve(name).scaled(64)
    assert resolve("h100") == resolve_system("h100")


def test_names_may_hold_spaces() -> None:
    assert derive(resolve_system("a100"), "3 nm", dram="HBM4") == derive(resolve_system("a100"), "3nm", dram="hbm4")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"node": "4mm"}, "4nm"),
        ({"dram": "hbm33"}, "hbm3"),
        ({"network": "nrd"}, "ndr"),
        ({"power": "60 W"}, "leaves nothing for the cores"),
        ({"area": "1 mm2"}, "leaves nothing for the cores"),
        ({"area": "-1 mm2"}, "budget"),
        ({"power": "3 V"}, "voltage"),
    ],
)
def test_bad_wishes_are_named(asked: dict[str, str], said: str) -> None:
    with pytest.raises(SlipstickError, match=said):
        derive(resolve_system("h100"), **asked)  # type: ignore[arg-type]


def test_what_is_not_known_is_asked_for() -> None:
    with pytest.raises(SlipstickError, match=r"system\.node"):
        derive(override(resolve_system("h100"), {"node": ""}), "3nm")
    with pytest.raises(SlipstickError, match=r"system\.area"):
        derive(resolve_system("gaudi3"), area="500 mm2")
    with pytest.raises(SlipstickError, match="no scale-up"):
        derive(resolve_system("h100").model_copy(update={"network": {}}), network="nvlink5")
    with pytest.raises(SlipstickError, match="no such technology"):
        resolve("h100@hbm44")


def test_energies_that_systems_copy_from_the_table_of_dram_are_still_its_own() -> None:
    copied = [
        (name, memory.energy, row.group(1))
        for name, system in systems.items()
        for level, memory in system.memory.items()
        if (row := re.fullmatch(r"data/tech/dram\.yaml: (\S+)", system.source_of(f"memory.{level}.energy")))
    ]
    assert len(copied) > 20
    for name, energy, row in copied:
        assert energy == pytest.approx(dram_generations.entry(row).energy, rel=1e-12, abs=0.0), name
