"""Task graph of a fabric: transfers over links, fixed times in lanes, and the tasks on which each task waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slipstick.core.arrays import BoolArray, FloatArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.fabric.messages import CollectiveSchedule
from slipstick.fabric.routing import _Routes, routes


@dataclass(frozen=True)
class Endpoint:
    """Endpoint costs of a message: `delay` [s] before it leaves, and once more when all has arrived; the time to add
    it up in the local memory, which reads both and writes one (`memory_bandwidth` [B/s], infinite: no time)."""

    delay: float = 0.0
    memory_bandwidth: float = np.inf


@dataclass(frozen=True, eq=False)
class Dag:
    """Directed acyclic graph of tasks, each a transfer (with links) or a fixed time (without).

    A transfer of ``size[i]`` bytes begins `delay` [s] after it is ready, takes its share of every link in
    ``links[starts[i]:starts[i + 1]]`` (each counted `weight` times), and is delivered `tail` [s] after its last byte
    has left: the links' latencies and what the receiver adds. A fixed time of ``seconds[i]`` occupies its lane alone,
    if it has one (-1: none). Lower `priority` goes first: it takes links at once, and lanes when they fall free.
    `edges` [n, 2]: a task waits for those before it.
    """

    size: FloatArray
    seconds: FloatArray
    lane: IntArray
    priority: IntArray
    delay: FloatArray
    tail: FloatArray
    starts: IntArray
    links: IntArray
    weight: FloatArray
    edges: IntArray

    def __len__(self) -> int:
        return len(self.size)

    @property
    def waits(self) -> IntArray:
        """Number of tasks that each task waits for, [tasks]."""
        return np.bincount(self.edges[:, 1], minlength=len(self)).astype(np.int64)

    @property
    def following(self) -> tuple[IntArray, IntArray]:
        """Successors of all tasks: the start of each task's part in the list, and the list."""
        order = np.argsort(self.edges[:, 0], kind="stable")
        counts = np.bincount(self.edges[:, 0], minlength=len(self))
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), self.edges[order, 1]

    @property
    def task_of_link(self) -> IntArray:
        """Number of the task to which each entry of `links` belongs."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    @classmethod
    def join(cls, parts: Sequence[Dag], edges: ArrayLike = ()) -> Dag:
        """Return several task graphs as one; `edges` [n, 2] refer to tasks by number in the joined graph."""
        lengths = np.cumsum([0, *(len(part) for part in parts)])
        entries = np.cumsum([0, *(len(part.links) for part in parts)])
        between = np.asarray(edges, np.int64).reshape(-1, 2)
        return cls(
            **{name: np.concatenate([getattr(part, name) for part in parts])
               for name in ("size", "seconds", "lane", "priority", "delay", "tail", "links", "weight")},
            starts=np.concatenate(
                [[0], *(part.starts[1:] + first for part, first in zip(parts, entries, strict=False))]
            ),
            edges=np.concatenate([*(part.edges + first for part, first in zip(parts, lengths, strict=False)), between]),
        )  # fmt: skip


def lower(
    schedule: CollectiveSchedule,
    topology: Topology,
    size: float,
    *,
    nodes: ArrayLike | None = None,
    routing: str = "auto",
    endpoint: Endpoint | None = None,
    priority: int = 0,
) -> Dag:
    """Return the task graph of a collective schedule: its messages as transfers over a topology.

    Parameters
    ----------
    size : bytes of the vector that the schedule cuts into chunks (of one rank's part in ``all_to_all``).
    nodes : the node of each rank; by default the compute nodes in order.

    Errors
    ------
    SlipstickError if ranks and nodes do not match, or a message is to be added up in a switch that cannot.
    """
    place = topology.npus if nodes is None else np.asarray(nodes, np.int64)
    if len(place) != schedule.ranks:
        raise SlipstickError(
            "not one node a rank",
            path=f"collective {schedule.algorithm}",
            value=len(place),
            allowed=f"{schedule.ranks}",
        )
    cuts = schedule.ranks if schedule.collective == "all_to_all" else schedule.chunks
    bytes_each = schedule.count * (size / cuts)
    ends = endpoint or Endpoint()
    paths = _paths(schedule, topology, place, routing)
    transfers = paths.hops > 0
    wide = np.maximum(np.diff(schedule.source_starts), np.diff(schedule.target_starts)) > 1
    latency = _latencies(schedule, topology, place, paths, wide, routing)
    added = np.where(schedule.reduces, 3 * bytes_each / ends.memory_bandwidth, 0.0)
    last = _last(schedule, transfers)
    zero = np.zeros(len(schedule))
    return Dag(
        size=np.where(transfers, bytes_each, 0.0),
        seconds=zero,
        lane=np.full(len(schedule), -1),
        priority=np.full(len(schedule), priority),
        delay=np.where(transfers, ends.delay, 0.0),
        tail=np.where(transfers, latency + added + np.where(last, ends.delay, 0.0), 0.0),
        starts=paths.starts,
        links=paths.links,
        weight=np.ones(len(paths.links)),
        edges=schedule.edges,
    )


def _last(schedule: CollectiveSchedule, transfers: BoolArray) -> BoolArray:
    """Mark the messages that no other waits for, straight or behind a rendezvous: there the receiver's delay is added,
    which otherwise is the next sender's."""
    before, after = schedule.edges.T
    followed = np.zeros(len(schedule), np.bool_)
    followed[before[transfers[after]]] = True
    meeting = followed & ~transfers
    followed[before[meeting[after]]] = True
    return ~followed


def _paths(schedule: CollectiveSchedule, topology: Topology, place: IntArray, routing: str) -> _Routes:
    """Return the links of every message; for a message with several ends, the union of the paths between them."""
    several = np.flatnonzero((np.diff(schedule.source_starts) > 1) | (np.diff(schedule.target_starts) > 1))
    first_source, first_target = (
        schedule.sources[schedule.source_starts[:-1]],
        schedule.targets[schedule.target_starts[:-1]],
    )
    pairs, which = np.unique(np.stack([first_source, first_target], axis=1), axis=0, return_inverse=True)
    single = routes(topology, place[pairs[:, 0]], place[pairs[:, 1]], routing)
    if not several.size:
        return _repeat(single, which.ravel())
    lists = [single.path(int(index)) for index in which.ravel()]
    for message in several:
        lists[message] = _union(topology, *_ends(schedule, int(message), place), routing)
    starts = np.concatenate([[0], np.cumsum([len(path) for path in lists])])
    return _Routes(starts.astype(np.int64), np.concatenate(lists).astype(np.int64))


def _repeat(paths: _Routes, which: IntArray) -> _Routes:
    """Return the paths of the given numbers, concatenated."""
    hops = paths.hops[which]
    starts = np.concatenate([[0], np.cumsum(hops)])
    offset = np.arange(starts[-1]) - np.repeat(starts[:-1], hops)
    return _Routes(starts, paths.links[np.repeat(paths.starts[which], hops) + offset])


def _ends(schedule: CollectiveSchedule, message: int, place: IntArray) -> tuple[IntArray, IntArray]:
    sources = schedule.sources[schedule.source_starts[message] : schedule.source_starts[message + 1]]
    targets = schedule.targets[schedule.target_starts[message] : schedule.target_starts[message + 1]]
    return place[sources], place[targets]


def _union(topology: Topology, sources: IntArray, targets: IntArray, routing: str) -> IntArray:
    pair = np.array([(s, t) for s in sources for t in targets if s != t]).reshape(-1, 2)
    links = np.unique(routes(topology, pair[:, 0], pair[:, 1], routing).links)
    inner = np.intersect1d(topology.target[links], topology.source[links])
    unable = [topology.nodes[node] for node in inner if topology.kinds[node] == "switch" and not topology.reduces[node]]
    if unable:
        raise SlipstickError(
            "cannot add up what passes through it", path=f"topology {topology.name}", value=unable[0],
            allowed="switches with reduces: true",
        )  # fmt: skip
    return links


def _latencies(
    schedule: CollectiveSchedule, topology: Topology, place: IntArray, paths: _Routes, wide: BoolArray, routing: str
) -> FloatArray:
    """Return the latency [s] of every message; for a message with several ends, of its longest path."""
    owner = np.repeat(np.arange(len(paths)), paths.hops)
    total = np.bincount(owner, topology.latency[paths.links], minlength=len(paths)).astype(np.float64)
    for message in np.flatnonzero(wide):
        sources, targets = _ends(schedule, int(message), place)
        pair = np.array([(s, t) for s in sources for t in targets if s != t]).reshape(-1, 2)
        ways = routes(topology, pair[:, 0], pair[:, 1], routing)
        total[message] = np.add.reduceat(topology.latency[ways.links], ways.starts[:-1]).max()
    return total
