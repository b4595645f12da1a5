"""Symmetry folding: where rotating the ranks by one changes nothing, one rank's messages represent all ranks.

Equal flows have equal rates at every moment (max-min shares are unique, and a symmetry maps them onto themselves), so a
simulation of one of each kind, with the links of each kind merged, gives the same times as that of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import BoolArray, FloatArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.fabric.routing import routes
from slipstick.fabric.tasks import Dag, Endpoint


@dataclass(frozen=True, eq=False)
class _Classes:
    """Messages of one rank: `ahead` ranks on, a share of the data each, added up or not, and the classes they follow.

    A message of 0 ranks ahead is a rendezvous. `edges` name classes: as every rank does the same, a message waits for
    the one of that class which its own rank received.
    """

    ranks: int
    ahead: IntArray
    share: FloatArray
    reduces: BoolArray
    edges: IntArray


def _ring(ranks: int) -> _Classes:
    """Return the ring all-reduce as message classes, one per step."""
    steps = 2 * (ranks - 1)
    order = np.arange(steps)
    return _Classes(
        ranks, np.ones(steps, np.int64), np.full(steps, 1 / ranks), order < ranks - 1,
        np.stack([order[:-1], order[1:]], axis=1),
    )  # fmt: skip


def _direct(ranks: int) -> _Classes:
    """Return the direct all-reduce as message classes: one per distance and phase, and a rendezvous."""
    ahead = np.arange(1, ranks)
    many = len(ahead)
    sent = np.arange(many)
    meeting = np.full(many, many)
    return _Classes(
        ranks, np.concatenate([ahead, [0], ahead]),
        np.concatenate([np.full(many, 1 / ranks), [0.0], np.full(many, 1 / ranks)]),
        np.arange(2 * many + 1) < many,
        np.concatenate([np.stack([sent, meeting], axis=1), np.stack([meeting, sent + many + 1], axis=1)]),
    )  # fmt: skip


_ALGORITHMS = {"ring": _ring, "direct": _direct}


def folded_all_reduce(algorithm: str, topology: Topology, size: float, endpoint: Endpoint | None = None) -> Dag:
    """Return the folded task graph of an all-reduce of `size` bytes among all compute nodes, by ``ring`` or ``direct``.

    It runs on the same topology, on the first link of each kind, and takes as long as the whole one.

    Errors
    ------
    SlipstickError for another algorithm, and if turning the ranks by one does not map the topology onto itself.

    Examples
    --------
    >>> from slipstick.fabric.builders import ring
    >>> from slipstick.fabric.flows import run
    >>> topology = ring(4096, 50e9, 5e-7)
    >>> round(run(folded_all_reduce("ring", topology, 2**26), topology).time, 6)
    0.006779
    """
    if algorithm not in _ALGORITHMS:
        raise SlipstickError("cannot be folded", path="algorithm", value=algorithm, allowed=list(_ALGORITHMS))
    return _folded(_ALGORITHMS[algorithm](topology.npus.size), topology, size, endpoint or Endpoint())


def _folded(classes: _Classes, topology: Topology, size: float, ends: Endpoint) -> Dag:
    kind = _link_kinds(topology)
    first = np.unique(kind, return_index=True)[1]
    kinds = np.bincount(kind)
    used, which = np.unique(classes.ahead, return_inverse=True)
    ways = routes(topology, np.full(len(used), topology.npus[0]), topology.npus[used % classes.ranks])
    _check_routes(topology, kind, used)
    paths, weights, latencies = [], [], []
    for place in range(len(used)):
        passed, times = np.unique(kind[ways.path(place)], return_counts=True)
        paths.append(first[passed])
        weights.append(times * classes.ranks / kinds[passed])
        latencies.append(float(topology.latency[ways.path(place)].sum()))
    last = np.ones(len(classes.ahead), np.bool_)
    last[classes.edges[:, 0]] = False
    bytes_each = classes.share * size
    moving = classes.ahead > 0
    tail = np.array(latencies)[which] + np.where(classes.reduces, 3 * bytes_each / ends.memory_bandwidth, 0.0)
    count = len(which)
    return Dag(
        size=bytes_each,
        seconds=np.zeros(count),
        lane=np.full(count, -1),
        priority=np.zeros(count, np.int64),
        delay=np.where(moving, ends.delay, 0.0),
        tail=np.where(moving, tail + np.where(last, ends.delay, 0.0), 0.0),
        starts=np.concatenate([[0], np.cumsum([len(paths[place]) for place in which])]),
        links=np.concatenate([paths[place] for place in which]),
        weight=np.concatenate([weights[place] for place in which]),
        edges=classes.edges,
    )


def _check_routes(topology: Topology, kind: IntArray, ahead: IntArray) -> None:
    """Raise SlipstickError unless the paths of all ranks use links of the same kinds as those of the first rank."""
    npus, count = topology.npus, topology.npus.size
    ways = [
        routes(topology, np.full(len(ahead), npus[rank]), npus[(rank + ahead) % count]) for rank in (0, 1, count // 2)
    ]
    first = ways[0]
    if any((w.hops != first.hops).any() or (kind[w.links] != kind[first.links]).any() for w in ways[1:]):
        raise SlipstickError("routes differ from rank to rank", path=f"topology {topology.name}", allowed="no folding")


def _link_kinds(topology: Topology) -> IntArray:
    """Return per link the number of its orbit under rotation of the ranks by one; other nodes stay fixed."""
    turned = np.arange(len(topology.nodes))
    turned[topology.npus] = np.roll(topology.npus, -1)
    here = _keys(topology, topology.source, topology.target)
    there = _keys(topology, turned[topology.source], turned[topology.target])
    order = np.argsort(here)
    place = np.searchsorted(here[order], there)
    image = order[np.minimum(place, len(order) - 1)]
    same = (here[image] == there) & (topology.bandwidth[image] == topology.bandwidth)
    if not (same & (topology.latency[image] == topology.latency)).all():
        raise SlipstickError("is not the same for every rank", path=f"topology {topology.name}", allowed="no folding")
    kind = np.full(topology.links, -1, np.int64)
    for link in range(topology.links):
        if kind[link] < 0:
            at, number = link, int(kind.max()) + 1
            while kind[at] < 0:
                kind[at] = number
                at = image[at]
    return kind


def _keys(topology: Topology, source: NDArray[np.integer], target: NDArray[np.integer]) -> IntArray:
    return source.astype(np.int64) * len(topology.nodes) + target
