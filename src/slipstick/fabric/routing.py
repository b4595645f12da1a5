"""Routes over a topology, as arrays of links: shortest paths, dimension-order routing, equal-cost multipath.

A `_Routes` holds one path a pair of nodes, one after the other: path i is ``links[starts[i]:starts[i + 1]]``.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology

_GRIDS = ("mesh", "torus", "wafer_mesh", "ring")  # a ring is a torus of one dimension
_ROUTINGS = ("auto", "dimension", "shortest", "ecmp", "tree")


@dataclass(frozen=True, eq=False)
class _Routes:
    """Routes as paths of links, one per requested pair of nodes."""

    starts: IntArray
    links: IntArray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def path(self, index: int) -> IntArray:
        """Return the links of one path, from source to target."""
        return self.links[self.starts[index] : self.starts[index + 1]]

    @property
    def hops(self) -> IntArray:
        """Number of links of each path, [paths]."""
        return np.diff(self.starts)


def routes(topology: Topology, sources: ArrayLike, targets: ArrayLike, routing: str = "auto") -> _Routes:
    """Return the routes between pairs of nodes: a path of links from each source to its target.

    ``dimension``: along the last axis first (X), then the others (Y, Z), the shorter way round in a torus or ring,
    forwards if both are as long. ``shortest``: fewest hops, of those the one whose next node has the lowest number.
    ``ecmp``: fewest hops, each pair takes one of the equal next hops by a fixed hash of its ends. ``tree``: fewest
    hops, up by the target's number, so that targets spread over the upper switches and all traffic to one comes down
    the same way. ``auto``: dimension order in meshes and tori, else shortest.

    Errors
    ------
    SlipstickError for an unknown routing, dimension order without dimensions, or a target out of reach.

    Examples
    --------
    >>> from slipstick.fabric.builders import mesh
    >>> grid = mesh((5, 4), 750e9, 2e-8)
    >>> path = routes(grid, [0], [19]).path(0)
    >>> [grid.nodes[grid.target[link]] for link in path]
    ['npu1', 'npu2', 'npu3', 'npu7', 'npu11', 'npu15', 'npu19']
    """
    source, target = np.atleast_1d(np.asarray(sources, np.int64)), np.atleast_1d(np.asarray(targets, np.int64))
    if routing not in _ROUTINGS:
        raise SlipstickError("no such routing", path="routing", value=routing, allowed=_ROUTINGS)
    grid = topology.family in _GRIDS
    if routing == "dimension" and not grid:
        raise SlipstickError("has no dimensions", path="routing", value=topology.name, allowed="meshes and tori")
    if routing == "dimension" or (routing == "auto" and grid):
        nodes = _dimension_order(topology, source, target)
    else:
        nodes = _shortest(topology, source, target, _CHOICES.get(routing, _first))
    return _as_links(topology, nodes)


def _dimension_order(topology: Topology, source: IntArray, target: IntArray) -> list[IntArray]:
    """Return the nodes of each path, step by step (-1 after arrival); nodes off the grid use their neighbour."""
    wrap, shape = topology.family in ("torus", "ring"), topology.shape
    size = int(np.prod(shape))
    gate = np.arange(len(topology.nodes))
    outside = (topology.source >= size) & (topology.target < size)
    gate[topology.source[outside]] = topology.target[outside]
    at, end = gate[source], gate[target]
    steps = [np.where(source == at, -1, source), at]
    place, goal = (np.stack(np.unravel_index(nodes, shape)) for nodes in (at, end))
    for axis in reversed(range(len(shape))):
        ahead = goal[axis] - place[axis]
        if wrap:
            ahead = (ahead + shape[axis] // 2) % shape[axis] - shape[axis] // 2
            ahead = np.where((2 * ahead == -shape[axis]), -ahead, ahead)
        for step in range(int(np.abs(ahead).max(initial=0))):
            moving = step < np.abs(ahead)
            place[axis] = np.where(moving, (place[axis] + np.sign(ahead)) % shape[axis], place[axis])
            steps.append(np.where(moving, np.ravel_multi_index(tuple(place), shape), -1))
    steps.append(np.where(target == end, -1, target))
    return [np.where(source == target, -1, nodes) for nodes in steps]


def _shortest(topology: Topology, source: IntArray, target: IntArray, choose: _Choice) -> list[IntArray]:
    """Return the nodes of each shortest path, step by step, by the distances to all requested targets."""
    ends, which = np.unique(target, return_inverse=True)
    distance = _distances(topology, ends)
    if (distance[which, source] < 0).any():
        lost = int(np.flatnonzero(distance[which, source] < 0)[0])
        names = f"{topology.nodes[source[lost]]} to {topology.nodes[target[lost]]}"
        raise SlipstickError("no way", path="routing", value=names)
    order = np.lexsort((topology.target, topology.source))
    first = np.searchsorted(topology.source[order], np.arange(len(topology.nodes) + 1))
    steps, at = [source.copy()], source.copy()
    while (at != target).any():
        following = at.copy()
        for pair in np.flatnonzero(at != target):
            node = at[pair]
            near = topology.target[order[first[node] : first[node + 1]]]
            good = near[distance[which[pair], near] == distance[which[pair], node] - 1]
            choice = choose(int(source[pair]), int(target[pair]), len(steps)) % len(good)
            following[pair] = good[choice]
        steps.append(np.where(at == target, -1, following))
        at = following
    return steps


def _first(source: int, target: int, step: int) -> int:
    """Return the candidate neighbour with the lowest number."""
    return 0


def _hash(source: int, target: int, step: int) -> int:
    """Return a deterministic hash per pair of nodes, which spreads pairs over equal-cost paths."""
    return zlib.crc32(f"{source} {target} {step}".encode())


def _by_target(source: int, target: int, step: int) -> int:
    """Return the candidate neighbour chosen by the target alone (target number modulo the number of candidates)."""
    return target


_Choice = Callable[[int, int, int], int]
_CHOICES: dict[str, _Choice] = {"ecmp": _hash, "tree": _by_target}


def _distances(topology: Topology, targets: ArrayLike) -> IntArray:
    """Return hops from every node to each target, [targets, nodes]; -1 where no path exists."""
    ends = np.atleast_1d(np.asarray(targets, np.int64))
    hops = np.full((len(ends), len(topology.nodes)), -1, np.int64)
    hops[np.arange(len(ends)), ends] = 0
    hop = 0
    while True:
        reached = hops == hop
        step = np.zeros_like(reached)
        for row in range(len(ends)):
            step[row, topology.source[reached[row, topology.target]]] = True
        new = step & (hops < 0)
        if not new.any():
            return hops
        hop += 1
        hops[new] = hop


def _as_links(topology: Topology, steps: list[IntArray]) -> _Routes:
    """Return the links of paths that are given as nodes step by step (-1: no node)."""
    number = {(int(s), int(t)): link for link, (s, t) in enumerate(zip(topology.source, topology.target, strict=True))}
    table = np.stack(steps, axis=1)
    starts, links = [0], []
    for row in table:
        path = row[row >= 0]
        links += [number[int(a), int(b)] for a, b in pairwise(path)]
        starts.append(len(links))
    return _Routes(np.array(starts, np.int64), np.array(links, np.int64))
