"""Time of a collective operation on a hierarchy of links, with the best algorithm for its size, as NCCL picks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipstick.cluster import collective_algorithms as algorithms
from slipstick.cluster.collective_algorithms import Array, Cost
from slipstick.cluster.links import LinkConstants, Protocol
from slipstick.core.errors import SlipstickError

Operation = Literal["all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "point_to_point"]
OPERATIONS = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "point_to_point")


@dataclass(frozen=True)
class Tier:
    """One level of the network as one device sees it.

    Attributes
    ----------
    name : the link technology, "nvlink4".
    domain : devices joined by this tier and those inside it: 8 in a node, 4096 over the cluster.
    bandwidth : bytes per second one way per device, as the data sheet says.
    constants : what the collectives need besides, from `load_link_constants(name)`.
    """

    name: str
    domain: int
    bandwidth: float
    constants: LinkConstants


@dataclass(frozen=True)
class CollectiveTime:
    """What a collective costs; arrays of the broadcast shape of size, ranks and stride.

    Attributes
    ----------
    time : latency + bandwidth [s].
    latency, bandwidth : the parts that do not, and that do depend on the bytes [s].
    bytes_sent, bytes_received : per device, averaged over the group [B].
    tier : index of the tier that limits the bandwidth part (-1 where nothing is sent).
    """

    time: Array
    latency: Array
    bandwidth: Array
    bytes_sent: Array
    bytes_received: Array
    tier: NDArray[np.int64]


@dataclass(frozen=True)
class _Group:
    """A group of devices, spread over the tiers; all arrays have the broadcast shape."""

    size: Array
    ranks: Array
    members: list[Array]  # ranks of the group that share a domain of tier i
    concurrent: Array


def collective(
    op: str,
    size: ArrayLike,
    ranks: ArrayLike,
    *,
    tiers: Sequence[Tier],
    stride: ArrayLike = 1,
    concurrent: ArrayLike = 1,
) -> CollectiveTime:
    """Return the time of one collective.

    Parameters
    ----------
    op : one of `OPERATIONS`.
    size : bytes of the full tensor [B]: all_reduce the tensor, all_gather the gathered one, reduce_scatter the
        unreduced one, all_to_all what one rank holds before, broadcast and point_to_point the message.
    ranks : devices in the group.
    tiers : from the innermost outwards. The outermost tier carries whatever lies beyond its domain.
    stride : distance in device numbering between neighbours of the group.
    concurrent : groups that share one device's link of the outer tiers.

    Errors
    ------
    SlipstickError for an unknown operation or no tiers.

    Examples
    --------
    >>> from slipstick.cluster.links import load_link_constants
    >>> node = Tier("nvlink4", 8, 450e9, load_link_constants("nvlink4"))
    >>> cost = collective("all_reduce", [512 * 2**20, 0.0], 8, tiers=[node])
    >>> bool(1.5e-3 < cost.time[0] < 3e-3), float(cost.bytes_sent[0]) > 0
    (True, True)
    """
    if op not in OPERATIONS:
        raise SlipstickError("no such collective", path="op", value=op, allowed=OPERATIONS)
    if not tiers:
        raise SlipstickError("a collective needs a network", path="tiers", allowed="at least one tier")
    group = _spread(size, ranks, tiers, stride, concurrent)
    latency = np.full_like(group.size, np.inf)
    bandwidth = np.zeros_like(group.size)
    below = np.ones_like(group.size)
    for level, tier in enumerate(tiers):
        here = (group.members[level] == group.ranks) & (below < group.ranks)
        below = group.members[level]
        if not here.any():
            continue
        cost = _cost(op, group, tiers[: level + 1], tier.constants)
        latency, bandwidth = np.where(here, cost[0], latency), np.where(here, cost[1], bandwidth)
    alone = (group.ranks <= 1) | (group.size <= 0.0)  # nothing to send: no time either
    latency, bandwidth = np.where(alone, 0.0, latency), np.where(alone, 0.0, bandwidth)
    sent = np.where(alone, 0.0, _bytes_sent(op, group.size, np.maximum(group.ranks, 1.0)))
    limiting = np.where(alone, -1, _limiting_tier(group, tiers))
    return CollectiveTime(latency + bandwidth, latency, bandwidth, sent, sent.copy(), limiting)


def _spread(
    size: ArrayLike, ranks: ArrayLike, tiers: Sequence[Tier], stride: ArrayLike, concurrent: ArrayLike
) -> _Group:
    arrays = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (size, ranks, stride, concurrent)))
    message, count, distance, sharing = (np.array(a) for a in arrays)
    members = [np.minimum(count, np.maximum(1.0, np.floor(tier.domain / distance))) for tier in tiers[:-1]]
    for inner, outer in zip(range(len(members) - 1), range(1, len(members)), strict=True):
        members[outer] = np.maximum(members[inner], members[outer])
    return _Group(message, count, [*members, count], sharing)


def _family(op: str, constants: LinkConstants) -> tuple[Protocol, ...]:
    if op == "all_reduce":
        return constants.reduce
    return constants.exchange if op in ("all_to_all", "point_to_point") else constants.gather


def _link_rate(op: str, group: _Group, tiers: Sequence[Tier], level: int, efficiency: float) -> Array:
    """Rate that one device gets of a ring through tier `level`: each member of the domain below brings its own link."""
    tier = tiers[level]
    if level == 0:
        return np.full_like(group.size, efficiency * tier.bandwidth)
    below = group.members[level - 1]
    domains = np.maximum(group.members[level] / below, 2.0)
    return efficiency * tier.bandwidth / group.concurrent * below * (domains / 2.0) ** -tier.constants.congestion


def _ring_rate(op: str, group: _Group, tiers: Sequence[Tier], efficiency: float) -> Array:
    rate = _link_rate(op, group, tiers, len(tiers) - 1, efficiency)
    for level in range(len(tiers) - 1):
        inner = _link_rate(op, group, tiers, level, _family(op, tiers[level].constants)[-1].efficiency)
        uses = group.members[level] > (group.members[level - 1] if level else 1.0)
        rate = np.where(uses, np.minimum(rate, inner), rate)
    return rate


def _cost(op: str, group: _Group, tiers: Sequence[Tier], constants: LinkConstants) -> Cost:
    """Cost of groups whose outermost tier is the last of `tiers`."""
    if op in ("all_to_all", "point_to_point"):
        return _exchange(op, group, tiers)
    steps = np.maximum(group.ranks - 1.0, 0.0)
    moved = group.size / np.maximum(group.ranks, 1.0)
    turns = 2.0 * steps if op == "all_reduce" else steps
    if op == "broadcast":  # the whole message passes every link once; the steps only delay
        moved = group.size / np.maximum(steps, 1.0)
    own_rate = _link_rate(op, group, tiers, len(tiers) - 1, 1.0)
    protocols = _family(op, constants)
    costs = [algorithms.ring(p, moved, turns, _ring_rate(op, group, tiers, p.efficiency), own_rate) for p in protocols]
    best = algorithms.select(costs, protocols, moved)
    return best if op != "all_reduce" else _all_reduce(best, group, tiers, constants)


def _all_reduce(best: Cost, group: _Group, tiers: Sequence[Tier], constants: LinkConstants) -> Cost:
    below = group.members[len(tiers) - 2] if len(tiers) > 1 else np.ones_like(group.size)
    domains = group.ranks / below
    outer = _link_rate("all_reduce", group, tiers, len(tiers) - 1, 1.0)
    if "tree" in constants.algorithms:
        for protocol in constants.reduce:
            rate = _ring_rate("all_reduce", group, tiers, protocol.efficiency)
            cost = algorithms.tree(protocol.base, constants.tree_hop, group.size, domains, rate)
            allowed = group.size / group.ranks < protocol.limit
            best = algorithms.cheaper(best, (np.where(allowed, cost[0], np.inf), cost[1]))
    if constants.in_switch is not None and len(tiers) == 1:
        best = algorithms.cheaper(best, algorithms.in_switch(constants.in_switch, group.size, domains, outer))
    if "hierarchical" in constants.algorithms and len(tiers) > 1:
        best = algorithms.cheaper(best, _hierarchical(group, tiers, below))
    return best


def _hierarchical(group: _Group, tiers: Sequence[Tier], below: Array) -> Cost:
    """Reduce-scatter inside the domain, all-reduce of a shard across, all-gather inside."""
    inner = _Group(group.size, below, [np.minimum(m, below) for m in group.members], group.concurrent)
    gather = _cost("all_gather", inner, tiers[:-1], tiers[-2].constants)
    outer_tier = tiers[-1]
    domains = group.ranks / below
    outer = _Group(group.size / below, domains, [domains], group.concurrent)
    across = _cost("all_reduce", outer, [outer_tier], outer_tier.constants)
    share = group.concurrent
    active = below > 1.0
    return (
        across[0] + np.where(active, 2.0 * gather[0], 0.0),
        across[1] * share + np.where(active, 2.0 * gather[1], 0.0),
    )


def _exchange(op: str, group: _Group, tiers: Sequence[Tier]) -> Cost:
    """All-to-all: what leaves a domain is limited by the outer tier; the tiers work side by side."""
    ranks = np.maximum(group.ranks, 1.0)
    protocols = tiers[-1].constants.exchange
    peers = np.ones_like(ranks) if op == "point_to_point" else ranks - 1.0
    shard = group.size if op == "point_to_point" else group.size / ranks
    costs = []
    for protocol in protocols:
        bandwidth = np.zeros_like(ranks)
        below = np.ones_like(ranks)
        for level, tier in enumerate(tiers):
            last = level == len(tiers) - 1
            efficiency = protocol.efficiency if last else tier.constants.exchange[-1].efficiency
            leaving = (group.members[level] if level == 0 and not last else ranks) - below
            load = np.where(last, shard, 0.0) if op == "point_to_point" else shard * np.maximum(leaving, 0.0)
            share = (
                1.0
                if level == 0
                else group.concurrent * np.maximum(ranks / below / 2.0, 1.0) ** tier.constants.congestion
            )
            bandwidth = np.maximum(bandwidth, load * share / (efficiency * tier.bandwidth))
            below = group.members[level]
        own = 0.0 if op == "point_to_point" else shard * protocol.own / tiers[0].bandwidth
        costs.append((protocol.base + protocol.hop * peers, bandwidth + own))
    return algorithms.select(costs, protocols, shard)


def _bytes_sent(op: str, size: Array, ranks: Array) -> Array:
    """Bytes that a device sends, and receives, averaged over the group (theory 1.5)."""
    if op == "point_to_point":
        return size.copy()
    share = size * (ranks - 1.0) / ranks
    return 2.0 * share if op == "all_reduce" else share


def _limiting_tier(group: _Group, tiers: Sequence[Tier]) -> NDArray[np.int64]:
    """Index of the slowest tier that the group uses."""
    slowest = np.full(group.size.shape, np.inf)
    index = np.zeros(group.size.shape, dtype=np.int64)
    below = np.ones_like(group.size)
    for level in range(len(tiers)):
        rate = _link_rate("all_gather", group, tiers, level, tiers[level].constants.gather[-1].efficiency)
        slower = (group.members[level] > below) & (rate < slowest)
        slowest, index = np.where(slower, rate, slowest), np.where(slower, level, index)
        below = group.members[level]
    return index
