"""A System scaled to another technology node, DRAM or network generation, under budgets of area and power."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from slipstick.core import units
from slipstick.core.catalogue import resolve_system
from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError
from slipstick.core.spec import leaves, validate
from slipstick.core.system import Memory, System, Tier
from slipstick.tech import logic
from slipstick.tech import technology_tables as tables
from slipstick.tech.die_edge import _links_along_edge, _stacks_along_edge, _stacks_for_bandwidth, _tier_kind

_SQUARE_MILLIMETRE = 1e-6
_TEXTS = ("name", "aliases", "source", "note", "year")  # leaves that need no source


@dataclass(frozen=True)
class _Change:
    """Requested change of a system: node, die area over the old one, power budget [W] if known, generations."""

    node: tables.LogicNode | None
    before: tables.LogicNode | None
    area: float
    power: float | None
    dram: tables.DramGeneration | None
    links: tuple[tables.NetworkGeneration, ...]

    def factor(self, column: str) -> float:
        """Return the ratio of a logic-table column at the new node to that at the old node."""
        if self.node is None or self.before is None:
            return 1.0
        new, old = getattr(self.node, column), getattr(self.before, column)
        return float(new / old)


def derive(
    system: System,
    node: str | None = None,
    *,
    area: float | str | None = None,
    power: float | str | None = None,
    dram: str | None = None,
    network: str | Sequence[str] | None = None,
) -> System:
    """Return a system scaled to another logic node, DRAM or network generation, its architecture unchanged.

    Cores and caches fill the area that they had (interfaces do not shrink); memory and links take their power first,
    and the cores' voltage and clock follow from what is left of the budget. The given system is taken to run at its
    nominal voltage, so a derived system should not be derived again.

    Parameters
    ----------
    system : the system to scale; its `node` names a row of data/tech/logic.yaml.
    node : the new logic node, such as ``3nm``; its own unless given.
    area, power : budgets of the die [m2, or text such as "826 mm2"] and of the device [W]; its own unless given.
    dram : a row of data/tech/dram.yaml, such as ``hbm4``: bandwidth and capacity follow its stacks.
    network : one or more rows of data/tech/network.yaml, such as ``ndr`` or ``("nvlink6", "xdr")``.

    Errors
    ------
    SlipstickError for an unknown name, or a budget that leaves nothing for the cores.

    Source: DeepFlow (arXiv 2211.03309) and arXiv 2407.14645, the node sweep.

    Examples
    --------
    >>> future = derive(resolve_system("a100"), "2nm", dram="hbm4", power="700 W")
    >>> future.name, future.device.rate_of("bf16") > 2 * 312e12
    ('a100-sxm-80gb@2nm+700W+hbm4', True)
    >>> derive(resolve_system("a100"), "7nm", power="400 W") == resolve_system("a100")
    True
    """
    change = _change(system, node, area, power, dram, (network,) if isinstance(network, str) else tuple(network or ()))
    tiers = _links(system, change)
    marks = _marks(system, change, tiers)
    if not marks:
        return system
    memory = _main(system, change)
    point, spent = _cores(system, change, memory, tiers)
    compute = _compute(system, point)
    caches = {name: _cache(name, part, change, point) for name, part in system.memory.items()}
    data: dict[str, Any] = {
        **system.__dict__,
        "name": f"{system.name}@{'+'.join(marks)}",
        "aliases": (),
        "year": None,
        "note": "",
        "node": change.node.name if change.node else system.node,
        "area": system.area * change.area if system.area else None,
        "power": spent,
        "device": {**system.device.__dict__, **compute},
        "memory": {**caches, system.main_memory_name: memory},
        "network": tiers,
    }
    return _with_sources(system, validate(System, data, where=data["name"]), f"{system.name} at {', '.join(marks)}")


def resolve(text: str) -> System:
    """Return the derived system of a name such as ``a100-sxm-80gb@3nm+hbm4+500W``, or with a device count, ``...:64``.

    These are the names that `derive` gives its results.

    Examples
    --------
    >>> resolve("h100@2nm+hbm4+600mm2+xdr").name
    'h100-sxm-80gb@2nm+600mm2+hbm4+xdr'
    """
    name, colon, number = text.partition(":")
    base, _, asked = name.partition("@")
    changes: dict[str, Any] = {"network": []}
    for mark in asked.split("+") if asked else ():
        key = _field(mark.strip())
        if key == "network":
            changes[key].append(mark.strip())
        else:
            changes[key] = mark.strip()
    return derive(resolve_system(f"{base}{colon}{number}"), **changes)


def _field(mark: str) -> str:
    """Return the argument of `derive` that a part of a derived name stands for."""
    known: dict[str, list[str]] = {
        "node": tables.nodes.names(),
        "dram": tables.dram_generations.names(),
        "network": tables.network_generations.names(),
    }
    for key, table in known.items():
        if mark.casefold() in table:
            return key
    for key, end in (("area", "mm2"), ("power", "W")):
        if mark.endswith(end):
            return key
    allowed = [name for table in known.values() for name in table]
    raise SlipstickError("no such technology", value=mark, allowed=[*allowed, "600mm2", "500W"])


def _change(
    system: System,
    node: str | None,
    area: float | str | None,
    power: float | str | None,
    dram: str | None,
    network: Sequence[str],
) -> _Change:
    if node is not None and not system.node:
        raise SlipstickError("is missing, so nothing says what to scale from", path="system.node")
    ratio = 1.0
    if area is not None:
        if system.area is None:
            raise SlipstickError("is missing, so an area budget cannot be compared with it", path="system.area")
        ratio = _positive(area, "m2", "area") / system.area
    return _Change(
        node=None if node is None else tables.nodes.entry(node),
        before=None if node is None else tables.nodes.entry(system.node),
        area=ratio,
        power=system.power if power is None else _positive(power, "W", "power"),
        dram=None if dram is None else tables.dram_generations.entry(dram),
        links=tuple(tables.network_generations.entry(name) for name in network),
    )


def _positive(value: float | str, unit: str, path: str) -> float:
    budget = units.parse(value, unit)
    if budget <= 0:
        raise SlipstickError("not a budget", path=path, value=value, allowed="more than 0")
    return budget


def _marks(system: System, change: _Change, tiers: dict[str, Tier]) -> list[str]:
    """Return what differs from the given system, as its name tells it; nothing if nothing does."""
    marks = []
    if change.node and change.node != change.before:
        marks.append(change.node.name)
    if change.area != 1.0 and system.area:
        marks.append(f"{system.area * change.area / _SQUARE_MILLIMETRE:.6g}mm2")
    if change.power is not None and change.power != system.power:
        marks.append(f"{change.power:.6g}W")
    if change.dram and change.dram.name != system.main_memory.technology:
        marks.append(change.dram.name)
    if tiers != system.network:
        marks += [generation.name for generation in change.links]
    return marks


def _links(system: System, change: _Change) -> dict[str, Tier]:
    """Return the network: tiers of the kind that a generation replaces become it; links of the die follow its edge."""
    tiers = {}
    for name, tier in system.network.items():
        kind = _tier_kind(name, system.network)
        for generation in change.links:
            if generation.replaces == kind:
                new = {key: getattr(generation, key) for key in ("technology", "bandwidth", "energy")}
                tier = tier.model_copy(update=new)
        if kind == "scale-up" and change.area != 1.0:
            tier = tier.model_copy(update={"bandwidth": float(_links_along_edge(tier.bandwidth, change.area))})
        tiers[name] = tier
    for generation in change.links:
        if generation.replaces not in {_tier_kind(name, system.network) for name in system.network}:
            raise SlipstickError(f"{system.name} has no {generation.replaces} tier", value=generation.name)
    return tiers


def _main(system: System, change: _Change) -> Memory:
    """Return the main memory: stacks along the edge of the die, of the new generation, derated as the old ones were."""
    memory = system.main_memory
    if memory.bandwidth is None:
        raise SlipstickError("is missing", path=f"system.memory.{system.main_memory_name}.bandwidth")
    if change.dram is None and change.area == 1.0:
        return memory
    old = tables.dram_generations.entry(memory.technology)
    new = change.dram or old
    present = _stacks_for_bandwidth(memory.bandwidth, old)
    share = float(_stacks_along_edge(present, change.area)) / present
    return memory.model_copy(
        update={
            "technology": new.name,
            "bandwidth": memory.bandwidth * share * (new.bandwidth / old.bandwidth),
            "capacity": memory.capacity * share * (new.capacity / old.capacity),
            "energy": new.energy if memory.energy is None else memory.energy * (new.energy / old.energy),
        }
    )


def _cores(system: System, change: _Change, memory: Memory, tiers: dict[str, Tier]) -> tuple[logic.Peak, float]:
    """Return what the cores reach in the area and power that memory and links leave, and the device's power [W]."""
    device, plan = system.device_as(Accelerator), tables.scaling.entry("logic").floorplan
    if system.power is None or change.power is None:
        raise SlipstickError("is missing, so nothing says what power there is to share out", path="system.power")
    rate = device.matrix.get("bf16", max(device.matrix.values()))
    before = plan.power * system.power if device.energy is None else rate * device.energy
    outside = _outside(memory, tiers) - _outside(system.main_memory, system.network)
    budget = before + change.power - system.power - outside
    if budget <= 0:
        raise SlipstickError(
            "leaves nothing for the cores",
            path="power",
            value=units.format_quantity(change.power, "W"),
            allowed=f"more than {units.format_quantity(change.power - budget, 'W')} with this memory and these links",
        )
    point = logic._peak(
        change.factor("area"),
        change.factor("power"),
        area=_logic_area(change.area),
        power=budget / before,
        frequency=change.factor("frequency"),
        law=tables.scaling.entry("logic").law,
    )
    return point, change.power - max(0.0, budget - before * float(point.power))


def _logic_area(area: float) -> float:
    """Return the area of cores and caches, over that of a die which is `1 / area` as large.

    The interfaces along the edge take what the edge is long: the rest is logic.

    Examples
    --------
    >>> _logic_area(1.0)
    1.0
    """
    plan = tables.scaling.entry("logic").floorplan
    edge = 1 - plan.cores - plan.cache
    left = (area - edge * area**0.5) / (1 - edge)
    if left <= 0:
        raise SlipstickError("leaves nothing for the cores", path="area", value=f"{area:.3g} of the system's own")
    return float(left)


def _outside(memory: Memory, tiers: dict[str, Tier]) -> float:
    """Return the power [W] of main memory and links at full rate; what is unknown takes its share of the cores'."""
    links = sum(tier.bandwidth * (tier.energy or 0.0) for tier in tiers.values())
    return (memory.bandwidth or 0.0) * (memory.energy or 0.0) + links


def _compute(system: System, point: logic.Peak) -> dict[str, Any]:
    """Return the new fields of the compute units. What is less than a whole core widens the others."""
    device, rate = system.device_as(Accelerator), float(point.rate)
    return {
        "cores": max(1, int(device.cores * float(point.cores) * (1 + 1e-9))),
        "clock": device.clock * float(point.clock),
        "matrix": {name: value * rate for name, value in device.matrix.items()},
        "vector": {name: value * rate for name, value in device.vector.items()},
        "energy": None if device.energy is None else device.energy * float(point.energy),
    }


def _cache(name: str, part: Memory, change: _Change, point: logic.Peak) -> Memory:
    """Return a memory of the die: a core's own stays as it is, a shared cache fills its area and feeds every core."""
    energy = None if part.energy is None else part.energy * change.factor("power")
    if name == "shared":
        return part.model_copy(update={"energy": energy})
    size = _logic_area(change.area) / change.factor("sram")
    return part.model_copy(
        update={
            "capacity": part.capacity * size,
            "bandwidth": part.bandwidth * float(point.rate) if part.bandwidth else None,
            "energy": energy,
        }
    )


def _with_sources(before: System, after: System, change: str) -> System:
    """Return the derived system with a source at every leaf that changed."""
    old = leaves(before)
    changed = {
        path: f"derived: {change}"
        for path, value in leaves(after).items()
        if old.get(path) != value and not path.startswith(_TEXTS)
    }
    if before.price is not None:
        changed["price"] = f"assumed: that of {before.name}, though nothing says so"
    return after.model_copy(update={"sources": {**before.sources, **changed}})
