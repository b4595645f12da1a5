"""Run a `Dag` on a topology: flows with max-min fair shares, or messages and packets forwarded hop by hop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.topology import Topology
from slipstick.fabric.tasks import Dag

Mode = Literal["flows", "messages"]


@dataclass(frozen=True, eq=False)
class Run:
    """What happened: `begin` and `end` [s] of every task, and how long each link was busy [s] at its full rate."""

    begin: FloatArray
    end: FloatArray
    busy: FloatArray
    dag: Dag

    @property
    def time(self) -> float:
        """When the last task was done."""
        return float(self.end.max(initial=0.0))

    def bytes_on(self, topology: Topology) -> FloatArray:
        """Bytes that each link carried: its busy time at its full rate."""
        return self.busy * topology.bandwidth


def run(dag: Dag, topology: Topology, mode: Mode = "flows", *, packet: float | None = None) -> Run:
    """Simulate the tasks of a graph.

    ``flows``: every transfer is a fluid that passes all its links at once; links share their bandwidth fairly (max-min)
    among flows of one priority, and higher priorities take theirs first, at any moment. ``messages``: every transfer is
    a message that a link sends whole, first come first served, before the next link sees it; with `packet` [B] it is
    cut into packets that follow each other.

    Errors
    ------
    SlipstickError if tasks wait for each other in a circle, or if bytes were lost (which would be a bug of ours).

    Examples
    --------
    >>> from slipstick.fabric.builders import ring
    >>> from slipstick.fabric.collectives.ring import all_reduce
    >>> from slipstick.fabric.tasks import lower
    >>> topology = ring(4, 100e9, 0.0)
    >>> round(run(lower(all_reduce(4), topology, 1e9), topology).time, 6)  # 2 (3/4) of 1 GB at 100 GB/s
    0.015
    """
    require("numba", "sim")
    if mode == "flows":
        return _fluid(dag, topology)
    if packet is None:
        return _stored(dag, topology)
    pieces, owner = cut(dag, packet)
    found = _stored(pieces, topology)
    begin = found.begin[: len(dag)].copy()
    first = np.full(len(dag), np.inf)
    np.minimum.at(first, owner[len(dag) :], found.begin[len(dag) :])
    return Run(np.where(np.isfinite(first), first, begin), found.end[: len(dag)], found.busy, dag)


def cut(dag: Dag, packet: float) -> tuple[Dag, NDArray[np.int64]]:
    """Return the graph with every transfer cut into packets of at most `packet` bytes, and what each one belongs to.

    The first tasks stand for the old ones: a transfer is done when all of its packets, which come behind, are.
    """
    transfers = np.flatnonzero((np.diff(dag.starts) > 0) & (dag.size > 0))
    pieces = np.ceil(dag.size[transfers] / packet * (1 - _ROUNDING)).astype(np.int64)
    owner = np.concatenate([np.arange(len(dag)), np.repeat(transfers, pieces)])
    behind = np.arange(len(owner)) >= len(dag)
    moving = behind | ~np.isin(owner, transfers)
    lengths = np.where(behind, np.diff(dag.starts)[owner], 0)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    entry = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths) + np.repeat(dag.starts[owner], lengths)
    size = np.zeros(len(dag))
    size[transfers] = dag.size[transfers] / pieces
    return Dag(
        size=np.where(behind, size[owner], 0.0),
        seconds=np.where(behind, 0.0, dag.seconds[owner]),
        lane=np.where(behind, -1, dag.lane[owner]),
        priority=dag.priority[owner],
        delay=np.where(moving, dag.delay[owner], 0.0),
        tail=np.where(moving, dag.tail[owner], 0.0),
        starts=starts,
        links=dag.links[entry],
        weight=dag.weight[entry],
        edges=np.concatenate([_packet_edges(dag, transfers, pieces), _own_edges(owner, behind)]),
    ), owner


_ROUNDING = 1e-12  # a share of a packet that is no packet


def _packet_edges(dag: Dag, transfers: NDArray[np.int64], pieces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the old edges; a transfer waits with all of its packets."""
    first, spread = np.zeros(len(dag), np.int64), np.ones(len(dag), np.int64)
    first[transfers] = len(dag) + np.cumsum(pieces) - pieces
    spread[transfers] = pieces
    each = spread[dag.edges[:, 1]]
    before, after = np.repeat(dag.edges[:, 0], each), np.repeat(dag.edges[:, 1], each)
    turn = np.arange(len(after)) - np.repeat(np.cumsum(each) - each, each)
    return np.stack([before, np.where(first[after] > 0, first[after] + turn, after)], axis=1)


def _own_edges(owner: NDArray[np.int64], behind: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the edges from every packet to the task that it is part of."""
    return np.stack([np.flatnonzero(behind), owner[behind]], axis=1)


def _stored(dag: Dag, topology: Topology) -> Run:
    from slipstick.fabric.numba_kernels import store_and_forward

    begin, end, busy = np.zeros(len(dag)), np.zeros(len(dag)), np.zeros(topology.links)
    on_links = np.bincount(dag.task_of_link, topology.latency[dag.links], minlength=len(dag))
    done = store_and_forward(
        dag.size, dag.seconds, dag.delay, np.maximum(dag.tail - on_links, 0.0), dag.starts, dag.links, dag.waits,
        *dag.following, topology.bandwidth, topology.latency, begin, end, busy,
    )  # fmt: skip
    return _checked(Run(begin, end, busy, dag), done, topology)


def _fluid(dag: Dag, topology: Topology) -> Run:
    from slipstick.fabric.numba_kernels import fair_flows

    begin, end, busy = np.zeros(len(dag)), np.zeros(len(dag)), np.zeros(topology.links)
    levels, rank = np.unique(dag.priority, return_inverse=True)
    done = fair_flows(
        dag.size, dag.seconds, dag.lane, rank.astype(np.int64), len(levels), dag.delay, dag.tail, dag.starts, dag.links,
        dag.weight, dag.waits, *dag.following, topology.bandwidth, int(dag.lane.max(initial=-1)) + 1, begin, end, busy,
    )  # fmt: skip
    return _checked(Run(begin, end, busy, dag), done, topology)


def _checked(found: Run, done: int, topology: Topology) -> Run:
    """Return the run if every task was done and every byte of every transfer passed every link of its route."""
    dag = found.dag
    if done < len(dag):
        raise SlipstickError("tasks wait for each other", path="schedule", value=f"{len(dag) - done} of {len(dag)}")
    sent = np.bincount(dag.links, dag.size[dag.task_of_link] * dag.weight, minlength=topology.links)
    if not np.allclose(found.bytes_on(topology), sent, rtol=1e-6, atol=1e-3):
        raise SlipstickError("bytes were lost on the way: a bug of the simulator", path=f"topology {topology.name}")
    return found
