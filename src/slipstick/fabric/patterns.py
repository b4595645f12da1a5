"""Traffic patterns: the load of a collective on every link, as a few flows that each span many links.

A ring's steps are all alike: each moves 1/N of the data over the same links. Together they are one flow that takes each
link as often as messages of one step cross it. So a collective of hundreds of messages is one `Pattern`, which shares
links with all else that is under way; where nothing else is, it takes as long as its messages do (tested).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.topology import Topology
from slipstick.fabric.routing import _Routes, routes


@dataclass(frozen=True, eq=False)
class Pattern:
    """Traffic pattern: for D bytes of data, link ``links[i]`` carries ``weight[i]`` * D; `latency` [s] adds once."""

    links: IntArray
    weight: FloatArray
    latency: float = 0.0

    def time(self, topology: Topology, size: float) -> float:
        """Return the seconds that the pattern takes for `size` bytes on an otherwise idle fabric."""
        if not len(self.links):
            return self.latency
        return size * float((self.weight / topology.bandwidth[self.links]).max()) + self.latency

    @classmethod
    def of_links(
        cls, topology: Topology, routes_taken: IntArray, amount: FloatArray | float, latency: float
    ) -> Pattern:
        """Return the pattern that adds a load of `amount` (share of the data) per occurrence of a link in `links`."""
        carried = np.bincount(routes_taken, np.broadcast_to(amount, routes_taken.shape), minlength=topology.links)
        links = np.flatnonzero(carried)
        return cls(links.astype(np.int64), carried[links].astype(np.float64), latency)

    @classmethod
    def of_messages(
        cls, topology: Topology, pairs: Iterable[tuple[int, int]], amount: float = 1.0, steps: int = 1
    ) -> Pattern:
        """Return the pattern of concurrent messages of `amount` (share of the data) each, in `steps` equal steps."""
        ends = np.array([pair for pair in pairs if pair[0] != pair[1]], np.int64).reshape(-1, 2)
        paths = routes(topology, ends[:, 0], ends[:, 1])
        return cls.of_links(topology, paths.links, amount, steps * _longest(topology, paths))

    @classmethod
    def of_tree(
        cls, topology: Topology, sources: Sequence[int], targets: Sequence[int], amount: float = 1.0
    ) -> Pattern:
        """Return the traffic of an in-network all-reduce: one message, summed from sources and copied to targets.

        Switches add up and copy, so that each link of the routes carries the `amount` once.
        """
        pairs = np.array([(s, t) for s in sources for t in targets if s != t], np.int64).reshape(-1, 2)
        paths = routes(topology, pairs[:, 0], pairs[:, 1])
        return cls.of_links(topology, np.unique(paths.links), amount, _longest(topology, paths))

    @classmethod
    def of_rings(cls, topology: Topology, groups: Iterable[Sequence[int]], amount: float, passes: int) -> Pattern:
        """Return the pattern of concurrent rings over equal groups; members send `amount` of the data in each pass.

        A pass is a reduce-scatter or an all-gather: N - 1 steps.
        """
        lists = [list(group) for group in groups]
        pairs = [pair for group in lists for pair in pairwise([*group, group[0]])]
        return cls.of_messages(topology, pairs, amount * passes, passes * (len(lists[0]) - 1))

    @classmethod
    def together(cls, patterns: Sequence[Pattern], topology: Topology) -> Pattern:
        """Return the pattern of several that run as one flow: the sum of their loads, the longest latency."""
        links = np.concatenate([pattern.links for pattern in patterns])
        weight = np.concatenate([pattern.weight for pattern in patterns])
        return cls.of_links(topology, links, weight, max(pattern.latency for pattern in patterns))


def all_reduce(topology: Topology, nodes: Sequence[int]) -> Pattern:
    """Return the traffic pattern of an all-reduce among some nodes, as the FRED paper runs it on each fabric.

    Switches that add up: once up, once down. The whole of a mesh: a hierarchical ring, two parts in opposite order of
    the dimensions. A tree whose groups of nodes are all equal: rings inside, then across, the data following in pieces.
    Else: a ring in the order given. Source: FRED (arXiv 2406.19580), sections 4 and 5.

    Examples
    --------
    >>> from slipstick.fabric.topology_file import resolve_topology
    >>> wafer, fred = resolve_topology("wafer-mesh"), resolve_topology("wafer-fred-d")
    >>> slow, fast = (all_reduce(fabric, range(20)).time(fabric, 1e9) for fabric in (wafer, fred))
    >>> 3.7 < slow / fast < 3.9
    True
    """
    members = [int(node) for node in nodes]
    if len(members) < 2:
        return Pattern(np.zeros(0, np.int64), np.zeros(0))
    if in_network(topology):
        return Pattern.of_tree(topology, members, members)
    if _is_whole_grid(topology, members):
        return _grid(topology, np.array(members).reshape(topology.shape))
    inner = _groups(topology, members)
    if len(inner) > 1 and len(inner[0]) > 1 and len({len(group) for group in inner}) == 1:
        return _levels(topology, np.array(inner), 1.0)
    count = len(members)
    return Pattern.of_rings(topology, [members], (count - 1) / count, 2)


def in_network(topology: Topology) -> bool:
    """Return whether the fabric's switches can reduce and copy the data that pass through them."""
    switches = np.array(topology.kinds) == "switch"
    return bool(switches.any() and topology.reduces[switches].all())


def _is_grid(topology: Topology) -> bool:
    """Return whether the nodes form a two-dimensional mesh or torus."""
    return topology.family in ("mesh", "torus", "wafer_mesh") and len(topology.shape) == 2


def _longest(topology: Topology, paths: _Routes) -> float:
    """Return the largest latency [s] of some paths."""
    owner = np.repeat(np.arange(len(paths)), paths.hops)
    return float(np.bincount(owner, topology.latency[paths.links], minlength=1).max(initial=0.0))


def _is_whole_grid(topology: Topology, members: list[int]) -> bool:
    return _is_grid(topology) and min(topology.shape) > 1 and members == topology.npus.tolist()


def _grid(topology: Topology, grid: IntArray) -> Pattern:
    """Return the two parts of a grid's hierarchical ring, sized so that links of both dimensions are equally busy."""
    rows, columns = grid.shape
    first, second = (rows - 1) * columns - (columns - 1), (columns - 1) * rows - (rows - 1)
    whole = first + second
    return Pattern.together(
        [_levels(topology, grid, first / whole), _levels(topology, np.ascontiguousarray(grid.T), second / whole)],
        topology,
    )


def _levels(topology: Topology, grid: IntArray, share: float) -> Pattern:
    """Return the pattern of a two-level ring on `share` of the data: scatter in rows, all-reduce across, gather."""
    outer, inner = grid.shape
    inside = Pattern.of_rings(topology, grid.tolist(), share * (inner - 1) / inner, 2)
    across = Pattern.of_rings(topology, grid.T.tolist(), share / inner * (outer - 1) / outer, 2)
    both = Pattern.together([inside, across], topology)
    return Pattern(both.links, both.weight, inside.latency + across.latency)


def _groups(topology: Topology, members: list[int]) -> list[list[int]]:
    """Return the members grouped by the switch to which they are attached; one group if there is no switch."""
    switch = np.full(len(topology.nodes), -1)
    up = np.array(topology.kinds)[topology.target] == "switch"
    switch[topology.source[up]] = topology.target[up]
    groups: dict[int, list[int]] = {}
    for node in members:
        groups.setdefault(int(switch[node]), []).append(node)
    return list(groups.values())
