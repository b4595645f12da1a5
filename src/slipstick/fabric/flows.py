"""Event simulation of a task graph on a topology: flows with max-min fair shares, or store-and-forward messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from slipstick.core.arrays import BoolArray, FloatArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.topology import Topology
from slipstick.fabric.tasks import Dag

Mode = Literal["flows", "messages"]


@dataclass(frozen=True, eq=False)
class FabricRun:
    """Simulated run: `begin` and `end` [s] of every task, and per link the time `busy` [s] at its full rate."""

    begin: FloatArray
    end: FloatArray
    busy: FloatArray
    dag: Dag

    @property
    def time(self) -> float:
        """Seconds until the last task has ended."""
        return float(self.end.max(initial=0.0))

    def bytes_on(self, topology: Topology) -> FloatArray:
        """Bytes that each link carried: its busy time times its bandwidth."""
        return self.busy * topology.bandwidth


def run(dag: Dag, topology: Topology, mode: Mode = "flows", *, packet: float | None = None) -> FabricRun:
    """Return the simulated run of a task graph.

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
    >>> from slipstick.fabric.collectives.by_name import collective_schedule
    >>> from slipstick.fabric.tasks import lower
    >>> topology = ring(4, 100e9, 0.0)
    >>> dag = lower(collective_schedule("all_reduce", "ring", 4), topology, 1e9)
    >>> round(run(dag, topology).time, 6)  # 2 (3/4) of 1 GB at 100 GB/s
    0.015
    """
    require("numba", "sim")
    if mode == "flows":
        return _fluid(dag, topology)
    if packet is None:
        return _stored(dag, topology)
    pieces, owner = _cut(dag, packet)
    in_packets = _stored(pieces, topology)
    begin = in_packets.begin[: len(dag)].copy()
    first = np.full(len(dag), np.inf)
    np.minimum.at(first, owner[len(dag) :], in_packets.begin[len(dag) :])
    return FabricRun(np.where(np.isfinite(first), first, begin), in_packets.end[: len(dag)], in_packets.busy, dag)


def _cut(dag: Dag, packet: float) -> tuple[Dag, IntArray]:
    """Return the graph with every transfer cut into packets of at most `packet` bytes, and the task each belongs to.

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


_ROUNDING = 1e-12  # share of a packet below which a remainder is rounding, not a packet


def _packet_edges(dag: Dag, transfers: IntArray, pieces: IntArray) -> IntArray:
    """Return the graph's edges, an edge to a transfer repeated for each packet of the transfer."""
    first, spread = np.zeros(len(dag), np.int64), np.ones(len(dag), np.int64)
    first[transfers] = len(dag) + np.cumsum(pieces) - pieces
    spread[transfers] = pieces
    copies = spread[dag.edges[:, 1]]
    before, after = np.repeat(dag.edges[:, 0], copies), np.repeat(dag.edges[:, 1], copies)
    turn = np.arange(len(after)) - np.repeat(np.cumsum(copies) - copies, copies)
    return np.stack([before, np.where(first[after] > 0, first[after] + turn, after)], axis=1)


def _own_edges(owner: IntArray, behind: BoolArray) -> IntArray:
    """Return the edges from every packet to the task that it is part of."""
    return np.stack([np.flatnonzero(behind), owner[behind]], axis=1)


def _stored(dag: Dag, topology: Topology) -> FabricRun:
    from slipstick.fabric.numba_kernels import _store_and_forward

    begin, end, busy = np.zeros(len(dag)), np.zeros(len(dag)), np.zeros(topology.links)
    on_links = np.bincount(dag.task_of_link, topology.latency[dag.links], minlength=len(dag))
    ended = _store_and_forward(
        dag.size, dag.seconds, dag.delay, np.maximum(dag.tail - on_links, 0.0), dag.starts, dag.links, dag.waits,
        *dag.following, topology.bandwidth, topology.latency, begin, end, busy,
    )  # fmt: skip
    return _checked(FabricRun(begin, end, busy, dag), ended, topology)


def _fluid(dag: Dag, topology: Topology) -> FabricRun:
    from slipstick.fabric.numba_kernels import _fair_flows

    begin, end, busy = np.zeros(len(dag)), np.zeros(len(dag)), np.zeros(topology.links)
    levels, rank = np.unique(dag.priority, return_inverse=True)
    ended = _fair_flows(
        dag.size, dag.seconds, dag.lane, rank.astype(np.int64), len(levels), dag.delay, dag.tail, dag.starts, dag.links,
        dag.weight, dag.waits, *dag.following, topology.bandwidth, int(dag.lane.max(initial=-1)) + 1, begin, end, busy,
    )  # fmt: skip
    return _checked(FabricRun(begin, end, busy, dag), ended, topology)


def _checked(simulated: FabricRun, ended: int, topology: Topology) -> FabricRun:
    """Return the run if every task has ended and every byte of every transfer passed every link of its route."""
    dag = simulated.dag
    if ended < len(dag):
        raise SlipstickError("tasks wait for each other", path="schedule", value=f"{len(dag) - ended} of {len(dag)}")
    sent = np.bincount(dag.links, dag.size[dag.task_of_link] * dag.weight, minlength=topology.links)
    if not np.allclose(simulated.bytes_on(topology), sent, rtol=1e-6, atol=1e-3):
        raise SlipstickError("bytes were lost on the way: a bug of the simulator", path=f"topology {topology.name}")
    return simulated
