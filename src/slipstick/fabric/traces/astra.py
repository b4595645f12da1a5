"""ASTRA-sim's inputs: the analytical backend's network YAML and the system JSON.

Its "GB/s" are GiB/s (found by running it), latencies are ns. Dimensions follow each other from the inside: nodes whose
numbers differ in the first dimension only are consecutive.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.files import load_fields, load_json
from slipstick.core.topology import Topology
from slipstick.fabric import builders
from slipstick.fabric.tasks import Endpoint
from slipstick.fabric.topology_file import MAX_LINKS, MAX_NODES, _check_topology

_GIB = 2.0**30
_FAMILIES = ("Ring", "FullyConnected", "Switch")
_NETWORK = ("topology", "npus_count", "bandwidth", "latency")
_ALGORITHMS = {"ring": "ring", "direct": "direct", "halvingDoubling": "halving_doubling", "doubleBinaryTree": "tree"}
_SYSTEM = (
    "scheduling-policy", "endpoint-delay", "active-chunks-per-dimension", "preferred-dataset-splits",
    "all-reduce-implementation", "all-gather-implementation", "reduce-scatter-implementation",
    "all-to-all-implementation", "collective-optimization", "local-mem-bw", "boost-mode", "roofline-enabled",
    "peak-perf",
)  # fmt: skip


@dataclass(frozen=True)
class _AstraSystem:
    """ASTRA-sim system file: endpoint costs, the collective algorithms by dimension, and the splits."""

    endpoint: Endpoint
    algorithms: Mapping[str, tuple[str, ...]]
    splits: int


def read_astra_network(path: str | Path) -> Topology:
    """Return the topology of an ASTRA-sim network file (YAML).

    Errors
    ------
    SlipstickError naming the key, for unknown keys or topologies, lists of different lengths, values out of range.
    """
    where = str(path)
    data = _mapping(load_fields(path), _NETWORK, where)
    lists = {key: _listed(data, key, where) for key in _NETWORK}
    if len({len(values) for values in lists.values()}) != 1:
        lengths = {key: len(values) for key, values in lists.items()}
        raise SlipstickError("not one value a dimension", path=where, value=lengths)
    for family in lists["topology"]:
        if family not in _FAMILIES:
            raise SlipstickError("no such topology", path=f"{where}: topology", value=family, allowed=_FAMILIES)
    counts = [int(_number(count, f"{where}: npus_count", low=1)) for count in lists["npus_count"]]
    speeds = [_number(speed, f"{where}: bandwidth", low=1e-9) * _GIB for speed in lists["bandwidth"]]
    delays = [_number(delay, f"{where}: latency", low=0.0) * 1e-9 for delay in lists["latency"]]
    size = int(np.prod(counts))
    links = sum(
        size * (count if family == "FullyConnected" else 2)
        for family, count in zip(lists["topology"], counts, strict=True)
    )
    if size > MAX_NODES or links > MAX_LINKS:
        raise SlipstickError("too large", path=f"{where}: npus_count", value=size, allowed=f"at most {MAX_NODES} nodes")
    return _check_topology(_build(Path(where).stem, lists["topology"], counts, speeds, delays))


def read_astra_system(path: str | Path) -> _AstraSystem:
    """Return the collective settings of an ASTRA-sim system file (JSON); its compute settings are ignored.

    Errors
    ------
    SlipstickError naming the key, for unknown keys and algorithms and values out of range.
    """
    where = str(path)
    data = _mapping(load_json(path), _SYSTEM, where, required=())
    algorithms: dict[str, tuple[str, ...]] = {}
    for key, value in data.items():
        if key.endswith("-implementation"):
            names = value if isinstance(value, list) else [value]
            for name in names:
                if name not in _ALGORITHMS:
                    raise SlipstickError("no such algorithm", path=f"{where}: {key}", value=name, allowed=_ALGORITHMS)
            collective = key.removesuffix("-implementation").replace("-", "_")
            algorithms[collective] = tuple(_ALGORITHMS[name] for name in names)
    delay = _number(data.get("endpoint-delay", 0), f"{where}: endpoint-delay", low=0.0) * 1e-9
    memory = data.get("local-mem-bw")
    speed = np.inf if memory is None else _number(memory, f"{where}: local-mem-bw", low=1e-9) * 1e9
    splits = int(_number(data.get("preferred-dataset-splits", 1), f"{where}: preferred-dataset-splits", low=1))
    return _AstraSystem(Endpoint(delay, float(speed)), algorithms, splits)


def _build(name: str, families: list[str], counts: list[int], speeds: list[float], delays: list[float]) -> Topology:
    """Return the topology whose nodes are joined along every dimension, one line of nodes at a time."""
    grid = np.arange(int(np.prod(counts))).reshape(counts[::-1])
    kinds = ["npu"] * grid.size
    edges: list[tuple[int, int]] = []
    speed: list[float] = []
    delay: list[float] = []
    for axis, (family, count) in enumerate(zip(families, counts, strict=True)):
        lines = np.moveaxis(grid, len(counts) - 1 - axis, -1).reshape(-1, count)
        for line in lines.tolist():
            new = _line(family, line, kinds)
            edges += new
            speed += [speeds[axis]] * len(new)
            delay += [delays[axis]] * len(new)
    angle = 2 * np.pi * np.arange(len(kinds)) / len(kinds)
    place = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    single = len(families) == 1
    family = (
        {"Ring": "ring", "FullyConnected": "fully_connected", "Switch": "switch"}[families[0]] if single else "graph"
    )
    shape = (counts[0],) if single else ()
    built = builders._assemble(name, kinds, edges, speed, 0.0, family=family, shape=shape, position=place)
    built.latency[:] = np.repeat(delay, 2)
    return built


def _line(family: str, line: list[int], kinds: list[str]) -> list[tuple[int, int]]:
    if family == "Switch":
        kinds.append("switch")
        return [(node, len(kinds) - 1) for node in line]
    if family == "FullyConnected":
        return list(itertools.combinations(line, 2))
    around = list(itertools.pairwise(line))
    return [*around, (line[-1], line[0])] if len(line) > 2 else around


def _mapping(data: Any, known: tuple[str, ...], where: str, required: tuple[str, ...] | None = None) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise SlipstickError("not a mapping", path=where, allowed=list(known))
    for key in data:
        if key not in known:
            raise SlipstickError("no such key", path=where, value=key, allowed=list(known))
    missing = [key for key in (known if required is None else required) if key not in data]
    if missing:
        raise SlipstickError(f"missing: {', '.join(missing)}", path=where)
    return data


def _listed(data: Mapping[str, Any], key: str, where: str) -> list[Any]:
    if not isinstance(data[key], list) or not data[key]:
        raise SlipstickError("not a list", path=f"{where}: {key}", value=data[key], allowed="one value a dimension")
    return list(data[key])


def _number(value: Any, where: str, *, low: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < 1e15:
        raise SlipstickError("not a number in range", path=where, value=value, allowed=f"from {low:g}")
    return float(value)
