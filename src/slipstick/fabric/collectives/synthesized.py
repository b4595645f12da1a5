"""Synthesised schedules for any graph of directly joined nodes: links and chunks matched greedily in time order.

After Won et al., "TACOS: topology-aware collective algorithm synthesizer", MICRO 2024 (arXiv 2304.05301), section 4: a
time-expanded network in which every free link takes a chunk that its target lacks. Which chunk: of those, the one that
the fewest nodes have; which node first: the one whose links have the most to bring.
"""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import BoolArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.fabric.messages import CollectiveSchedule, _ScheduleWriter

_Sends = list[tuple[int, int]]  # link and chunk, in the order of their beginning


def synthesized_schedule(
    collective: str, topology: Topology, size: float, pieces: int = 4, seed: int = 0
) -> CollectiveSchedule:
    """Return a synthesised ``all_gather``, ``reduce_scatter`` or ``all_reduce`` over the links of a topology.

    A reduce-scatter is the all-gather backwards: every way of a chunk is gone in the other direction, adding up. In an
    all-reduce a chunk goes back as soon as it has been added up.

    Parameters
    ----------
    size : bytes of the whole vector: latencies weigh more on small ones.
    pieces : chunks into which every node's part is cut.

    Errors
    ------
    SlipstickError for another collective, or if a link ends at a switch or a controller.

    Examples
    --------
    >>> from slipstick.fabric.builders import mesh
    >>> schedule = synthesized_schedule("all_gather", mesh((5, 4), 750e9, 2e-8), 256 * 2**20)
    >>> schedule.received.tolist() == [76] * 20  # every chunk of the 19 others arrives once
    True
    """
    if collective not in _COLLECTIVES:
        raise SlipstickError("cannot be synthesised", path="collective", value=collective, allowed=_COLLECTIVES)
    writer = _ScheduleWriter()
    count = topology.npus.size
    sends = _match(topology, size, pieces, seed)
    arrived = np.full((count, count * pieces), -1)
    if collective != "all_gather":
        owner = np.arange(count * pieces) // pieces
        arrived[owner, np.arange(count * pieces)] = _backwards(writer, topology, sends, count * pieces)
    if collective != "reduce_scatter":
        _write(writer, topology, sends, arrived)
    return writer.finish(collective, "synthesized", count, count * pieces)


_COLLECTIVES = ("all_gather", "reduce_scatter", "all_reduce")


def _match(topology: Topology, size: float, pieces: int, seed: int) -> _Sends:
    """Return the sends (link and chunk) of an all-gather, in time order.

    Errors
    ------
    SlipstickError if a link ends at something that does not compute.
    """
    count = topology.npus.size
    if count < len(topology.nodes):
        raise SlipstickError(
            "has switches or controllers", path=f"topology {topology.name}", allowed="graphs whose every node computes"
        )
    took = topology.latency + size / (count * pieces) / topology.bandwidth
    chance = np.random.default_rng(seed)
    has = np.repeat(np.eye(count, dtype=np.bool_), pieces, axis=1)
    coming = has.copy()  # what each node has or is being sent
    inward = [np.flatnonzero(topology.target == node) for node in range(count)]
    free = np.zeros(topology.links)
    under_way: list[tuple[float, int, int]] = []  # arrival, node, chunk
    sends: _Sends = []
    now = 0.0
    while not coming.all():
        for node in _neediest_first(coming, inward, chance):
            links = inward[node][free[inward[node]] <= now]
            for link, chunk in _chosen(topology, links, has, coming[node], coming.sum(axis=0), chance):
                coming[node, chunk] = True
                free[link] = now + took[link]
                under_way.append((free[link], node, chunk))
                sends.append((link, chunk))
        now = min(arrival for arrival, _, _ in under_way) * (1 + _TOGETHER)
        for arrival, node, chunk in under_way:
            has[node, chunk] |= arrival <= now
        under_way = [entry for entry in under_way if entry[0] > now]
    return sends


_TOGETHER = 1e-9  # what arrives within this share of the time arrives together


def _neediest_first(coming: BoolArray, inward: list[IntArray], chance: np.random.Generator) -> list[int]:
    lacking = (~coming).sum(axis=1) / np.array([max(1, len(links)) for links in inward])
    order: list[int] = np.lexsort((chance.random(len(inward)), -lacking)).tolist()
    return [node for node in order if lacking[node]]


def _chosen(
    topology: Topology,
    links: IntArray,
    has: BoolArray,
    coming: BoolArray,
    holders: IntArray,
    chance: np.random.Generator,
) -> _Sends:
    """Return a chunk for each free link into one node; the link with the fewest candidate chunks chooses first."""
    offers = {int(link): has[topology.source[link]] & ~coming for link in links}
    sends: _Sends = []
    for link in sorted(offers, key=lambda link: int(offers[link].sum())):
        chunks = np.flatnonzero(offers[link])
        if chunks.size:
            chunk = int(chunks[np.argmin(holders[chunks] + chance.random(chunks.size))])
            sends.append((link, chunk))
            for other in offers.values():
                other[chunk] = False
    return sends


def _write(writer: _ScheduleWriter, topology: Topology, sends: _Sends, arrived: IntArray) -> None:
    """Write the messages, each of which waits for its chunk and for the previous message on its link."""
    before = np.full(topology.links, -1)
    for link, chunk in sends:
        source, target = int(topology.source[link]), int(topology.target[link])
        sent = int(writer.add(source, target, chunk)[0])
        writer.order([arrived[source, chunk], before[link]], sent)
        arrived[target, chunk] = before[link] = sent


def _backwards(writer: _ScheduleWriter, topology: Topology, sends: _Sends, chunks: int) -> IntArray:
    """Write the reductions (the all-gather reversed); return, by chunk, the messages that complete its sum."""
    before = np.full(topology.links, -1)
    inputs: dict[tuple[int, int], list[int]] = {}
    for link, chunk in reversed(sends):
        source, target = int(topology.target[link]), int(topology.source[link])
        sent = int(writer.add(source, target, chunk, reduces=True)[0])
        writer.order([*inputs.get((source, chunk), ()), int(before[link])], sent)
        inputs.setdefault((target, chunk), []).append(sent)
        before[link] = sent
    count = topology.npus.size
    owner = np.arange(chunks) // (chunks // count)
    meeting = writer.rendezvous(owner)
    for chunk in range(chunks):
        writer.order(inputs.get((int(owner[chunk]), chunk), [-1]), meeting[chunk])
    return meeting
