"""Placement problem: operators, their data, devices, links, and the routes (ways) between devices.

All times are whole ticks, so that every solver works on the very same numbers and an optimum is an optimum.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.core.workload import Op

Forwarding = Literal["store", "cut-through"]
_RESOLUTION = 200_000  # ticks of the whole work on one device: 5 in a million of it is rounded away


@dataclass(frozen=True)
class _Way:
    """Way from one device to another: its links in order."""

    source: int
    target: int
    links: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Problem:
    """Placement problem: operators of a graph, and the devices and links that they are placed on.

    ``durations[k, d]`` ticks that operator k takes on device d, ``memory[k]`` bytes that it keeps there, ``groups[k]``
    the number of its co-location class, ``names[k]`` its name, ``edges[e]`` = (from, to), ``sent[e, l]`` ticks that
    edge e's data occupy link l, ``latency[l]`` ticks, ``capacity[d]`` bytes. `tick` is in seconds.
    """

    names: tuple[str, ...]
    durations: IntArray
    memory: FloatArray
    groups: IntArray
    edges: IntArray
    sent: IntArray
    latency: IntArray
    capacity: FloatArray
    devices: tuple[str, ...]
    links: tuple[str, ...]
    ways: tuple[_Way, ...]
    forwarding: Forwarding
    tick: float

    @property
    def serial(self) -> int:
        """Serial time [ticks]: all operators on the fastest single device, ignoring its memory limit."""
        return int(self.durations.sum(axis=0).min())

    @property
    def critical_path(self) -> int:
        """Ticks of the longest chain of operators, each on its fastest device, without transfers: no plan is faster."""
        best = self.durations.min(axis=1)
        ends = np.zeros(len(best), np.int64)
        inputs = self.inputs
        for k in self.order:
            ends[k] = best[k] + max((int(ends[i]) for i in inputs[k]), default=0)
        return int(ends.max(initial=0))

    @property
    def inputs(self) -> list[list[int]]:
        """Numbers of the operators that each operator reads from."""
        inputs: list[list[int]] = [[] for _ in self.names]
        for before, after in self.edges:
            inputs[after].append(int(before))
        return inputs

    @property
    def order(self) -> list[int]:
        """Topological order of the operators: each comes behind those that it reads."""
        waits = np.bincount(self.edges[:, 1], minlength=len(self.names))
        following: list[list[int]] = [[] for _ in self.names]
        for before, after in self.edges:
            following[before].append(int(after))
        ready = [int(k) for k in np.flatnonzero(waits == 0)]
        for k in ready:
            for after in following[k]:
                waits[after] -= 1
                if not waits[after]:
                    ready.append(after)
        if len(ready) < len(self.names):
            raise SlipstickError("operators wait for each other in a circle", path="graph")
        return ready

    def between(self, source: int, target: int) -> list[int]:
        """Return the indices of the routes (ways) from one device to another."""
        return [n for n, way in enumerate(self.ways) if (way.source, way.target) == (source, target)]

    def occupied(self, edge: int, links: tuple[int, ...]) -> tuple[list[tuple[int, int]], int]:
        """Return the time spans [ticks] that an edge's data occupy each link of a route, and their earliest arrival.

        Store and forward: a link begins when the one before has delivered all. Cut-through: all links at once, for as
        long as the slowest takes.
        """
        if self.forwarding == "cut-through":
            longest = max(int(self.sent[edge, link]) for link in links)
            return [(0, longest) for _ in links], longest + int(self.latency[list(links)].sum())
        spans, at = [], 0
        for link in links:
            end = at + int(self.sent[edge, link])
            spans.append((at, end))
            at = end + int(self.latency[link])
        return spans, at


@dataclass(frozen=True)
class OperatorCosts:
    """Costs of the operations of a graph, by their names.

    `seconds` of each, the same on every device or one mapping a device; `transfers` [B] from one operation to another
    that reads it; `memory` [B] that each keeps where it runs.
    """

    seconds: Mapping[str, float] | Sequence[Mapping[str, float]]
    transfers: Mapping[tuple[str, str], float] = field(default_factory=dict)
    memory: Mapping[str, float] = field(default_factory=dict)


def problem_of(
    ops: Sequence[Op], costs: OperatorCosts, topology: Topology, *, capacity: float = math.inf,
    devices: int | None = None, forwarding: Forwarding = "store", resolution: int = _RESOLUTION,
) -> Problem:  # fmt: skip
    """Return the placement problem of a graph of operations on the compute nodes of a topology.

    Parameters
    ----------
    capacity : bytes of a device.
    devices : number of the topology's compute nodes, the best connected ones; all of them by default.
    resolution : ticks of all operations on the fastest device.

    Errors
    ------
    SlipstickError for operations without a time, devices that cannot reach each other, an operation (or a class of
    them) larger than a device.
    """
    count = topology.npus.size if devices is None else devices
    if not 1 <= count <= topology.npus.size:
        raise SlipstickError("out of range", path="devices", value=count, allowed=f"1 to {topology.npus.size}")
    by_device = [costs.seconds] * count if isinstance(costs.seconds, Mapping) else list(costs.seconds)
    number = {op.name: k for k, op in enumerate(ops)}
    for op in ops:
        if any(op.name not in times for times in by_device):
            raise SlipstickError("has no time", path=f"graph.{op.name}")
    table = np.array([[times[op.name] for times in by_device] for op in ops])
    tick = float(table.sum(axis=0).min()) / resolution or 1.0
    pairs = [(number[a], number[b]) for a, b in costs.transfers]
    placed_nodes = best_connected(topology, count)
    used, ways = _ways(topology, placed_nodes)
    rate = topology.bandwidth[used]
    sent = np.array(list(costs.transfers.values())).reshape(-1, 1) / rate[None, :]
    problem = Problem(
        names=tuple(op.name for op in ops),
        durations=np.rint(table / tick).astype(np.int64),
        memory=np.array([costs.memory.get(op.name, 0.0) for op in ops]),
        groups=_classes(ops),
        edges=np.array(pairs, np.int64).reshape(-1, 2),
        sent=np.ceil(sent / tick - 1e-9).astype(np.int64),
        latency=np.ceil(topology.latency[used] / tick - 1e-9).astype(np.int64),
        capacity=np.full(count, capacity),
        devices=tuple(topology.nodes[node] for node in placed_nodes),
        links=tuple(f"{topology.nodes[topology.source[n]]} to {topology.nodes[topology.target[n]]}" for n in used),
        ways=ways,
        forwarding=forwarding,
        tick=tick,
    )
    _check_memory(problem)
    return problem


def _check_memory(problem: Problem) -> None:
    """Raise SlipstickError if something fits nowhere, or all of it does not fit on all devices together."""
    for group in range(int(problem.groups.max(initial=-1)) + 1):
        members = np.flatnonzero(problem.groups == group)
        need = float(problem.memory[members].sum())
        if need > problem.capacity.max():
            names = ", ".join(problem.names[k] for k in members[:3])
            raise SlipstickError(
                f"{need:.4g} bytes that must stay together fit no device", path=f"memory.{names}",
                allowed=f"at most {problem.capacity.max():.4g}",
            )  # fmt: skip
    if problem.memory.sum() > problem.capacity.sum():
        raise SlipstickError(
            "does not fit the devices together", path="memory", value=f"{problem.memory.sum():.4g} bytes",
            allowed=f"at most {problem.capacity.sum():.4g}",
        )  # fmt: skip


def _classes(ops: Sequence[Op]) -> IntArray:
    keys = [op.colocate or f"\0{op.name}" for op in ops]
    return np.unique(keys, return_inverse=True)[1].astype(np.int64) if keys else np.zeros(0, np.int64)


def best_connected(topology: Topology, count: int) -> list[int]:
    """Return the indices of `count` compute nodes with high mutual bandwidth (greedy choice), in ascending order.

    From every node on, the node with the most bandwidth to and from those chosen is added; the best of these sets, the
    first of equal ones. On a DGX-1 that makes a pair with two links between them, not with one.

    Examples
    --------
    >>> from slipstick.fabric.topology_file import resolve_topology
    >>> best_connected(resolve_topology("dgx1-v100"), 2)
    [0, 3]
    """
    npus = topology.npus
    joined = np.zeros((len(topology.nodes),) * 2)
    np.add.at(joined, (topology.source, topology.target), topology.bandwidth)
    between = (joined + joined.T)[np.ix_(npus, npus)]
    best, most = list(range(count)), float(between[:count, :count].sum())
    for first in range(len(npus)):
        members = [first]
        while len(members) < count:
            gain = between[:, members].sum(axis=1)
            gain[members] = -1.0
            members.append(int(gain.argmax()))
        total = float(between[np.ix_(members, members)].sum())
        if total > most:
            best, most = sorted(members), total
    return [int(npus[place]) for place in best]


def _ways(topology: Topology, placed_nodes: Sequence[int]) -> tuple[list[int], tuple[_Way, ...]]:
    """Return the links that ways between the chosen nodes use, and all shortest ways, as places in that list."""
    from_node: dict[int, list[int]] = {}
    for link, source in enumerate(topology.source):
        from_node.setdefault(int(source), []).append(link)
    ways: list[tuple[int, int, tuple[int, ...]]] = []
    for source, target in itertools.permutations(range(len(placed_nodes)), 2):
        paths = _shortest(topology, from_node, placed_nodes[source], placed_nodes[target])
        if not paths:
            names = f"{topology.nodes[placed_nodes[source]]} to {topology.nodes[placed_nodes[target]]}"
            raise SlipstickError("no way", path=f"topology {topology.name}", value=names)
        ways += [(source, target, path) for path in paths]
    used = sorted({link for _, _, path in ways for link in path})
    place = {link: n for n, link in enumerate(used)}
    return used, tuple(_Way(s, t, tuple(place[link] for link in path)) for s, t, path in ways)


def _shortest(topology: Topology, from_node: Mapping[int, list[int]], start: int, end: int) -> list[tuple[int, ...]]:
    paths: list[tuple[int, tuple[int, ...]]] = [(start, ())]
    seen = {start}
    while paths:
        arrived = [path for node, path in paths if node == end]
        if arrived:
            return arrived
        paths = [
            (int(topology.target[link]), (*path, link))
            for node, path in paths
            for link in from_node.get(node, ())
            if int(topology.target[link]) not in seen
        ]
        seen |= {node for node, _ in paths}
    return []
