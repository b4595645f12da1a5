"""Time of a collective operation on a hierarchy of links, by the fastest algorithm for its size, as NCCL picks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slipstick.cluster.collectives.algorithm_time import _AlgorithmTime
from slipstick.cluster.collectives.network_tiers import NetworkTier
from slipstick.cluster.constants.links import _LinkConstants, _Protocol
from slipstick.cluster.sweep.plans import AUTO_TIER
from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.collective_price import CollectivePrice
from slipstick.core.errors import SlipstickError

_OPERATIONS = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "point_to_point")


@dataclass(frozen=True)
class _CollectiveTime:
    """Time of a collective [s] and its parts, as arrays of the broadcast shape of size, ranks and stride.

    Attributes
    ----------
    time : latency + bandwidth [s].
    latency, bandwidth : the parts that do not, and that do depend on the bytes [s].
    bytes_sent, bytes_received : per device, averaged over the group [B]; ring, tree and hierarchical move the same,
        a reducing switch saves up to half of an all-reduce's, which is not credited here.
    tier : index of the tier that limits the bandwidth part (-1 where nothing is sent).
    """

    time: FloatArray
    latency: FloatArray
    bandwidth: FloatArray
    bytes_sent: FloatArray
    bytes_received: FloatArray
    tier: IntArray


@dataclass(frozen=True)
class _Group:
    """Group of devices that run one collective, spread over network tiers; arrays of the broadcast shape."""

    size: FloatArray
    ranks: FloatArray
    members: list[FloatArray]  # ranks of the group that share a domain of tier i
    concurrent: FloatArray


def _collective(
    op: str,
    size: ArrayLike,
    ranks: ArrayLike,
    *,
    tiers: Sequence[NetworkTier],
    stride: ArrayLike = 1,
    concurrent: ArrayLike = 1,
) -> _CollectiveTime:
    """Return the time [s] of a collective operation over network tiers, with its latency, bandwidth part and bytes.

    Parameters
    ----------
    op : all_reduce, all_gather, reduce_scatter, all_to_all, broadcast or point_to_point.
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
    >>> from slipstick.cluster.constants.links import _LinkConstants
    >>> node = NetworkTier("nvlink4", 8, 450e9, _LinkConstants.of_technology("nvlink4"))
    >>> cost = _collective("all_reduce", [512 * 2**20, 0.0], 8, tiers=[node])
    >>> bool(1.5e-3 < cost.time[0] < 3e-3), float(cost.bytes_sent[0]) > 0
    (True, True)
    """
    if op not in _OPERATIONS:
        raise SlipstickError("no such collective", path="op", value=op, allowed=_OPERATIONS)
    if not tiers:
        raise SlipstickError("a collective needs a network", path="tiers", allowed="at least one tier")
    group = _spread(size, ranks, tiers, stride, concurrent)
    latency = np.full_like(group.size, np.inf)
    bandwidth = np.zeros_like(group.size)
    below = np.ones_like(group.size)
    for level in range(len(tiers)):
        here = (group.members[level] == group.ranks) & (below < group.ranks)
        below = group.members[level]
        if not here.any():
            continue
        cost = _cost(op, group, tiers[: level + 1])
        latency, bandwidth = np.where(here, cost.latency, latency), np.where(here, cost.bandwidth, bandwidth)
        if here.all():
            break
    alone = (group.ranks <= 1) | (group.size <= 0.0)  # nothing to send: no time either
    latency, bandwidth = np.where(alone, 0.0, latency), np.where(alone, 0.0, bandwidth)
    sent = np.where(alone, 0.0, _bytes_sent(op, group.size, np.maximum(group.ranks, 1.0)))
    limiting = np.where(alone, -1, _limiting_tier(group, tiers))
    return _CollectiveTime(latency + bandwidth, latency, bandwidth, sent, sent.copy(), limiting)


def _spread(
    size: ArrayLike, ranks: ArrayLike, tiers: Sequence[NetworkTier], stride: ArrayLike, concurrent: ArrayLike
) -> _Group:
    arrays = (np.asarray(a, dtype=np.float64) for a in (size, ranks, stride, concurrent))
    message, count, distance, sharing = np.broadcast_arrays(*arrays)
    members = [np.minimum(count, np.maximum(1.0, np.floor(tier.domain / distance))) for tier in tiers[:-1]]
    for inner, outer in zip(range(len(members) - 1), range(1, len(members)), strict=True):
        members[outer] = np.maximum(members[inner], members[outer])
    return _Group(message, count, [*members, count], sharing)


def _family(op: str, constants: _LinkConstants) -> tuple[_Protocol, ...]:
    if op == "all_reduce":
        return constants.reduce
    return constants.exchange if op in ("all_to_all", "point_to_point") else constants.gather


def _below(group: _Group, level: int) -> FloatArray:
    """Number of the group's devices inside one domain of the tier below `level`."""
    return group.members[level - 1] if level else np.ones_like(group.size)


def _link_rate(group: _Group, tiers: Sequence[NetworkTier], level: int) -> FloatArray:
    """Data-sheet rate of tier `level` for one ring: each member of the domain below brings its own link [B/s]."""
    tier = tiers[level]
    if level == 0:
        return np.full_like(group.size, tier.bandwidth)
    rate = tier.bandwidth / group.concurrent * _below(group, level)
    if tier.constants.congestion == 0.0:
        return rate
    domains = np.maximum(group.members[level] / _below(group, level), 2.0)
    return rate * (domains / 2.0) ** -tier.constants.congestion


def _inner_rate(op: str, group: _Group, tiers: Sequence[NetworkTier], name: str = "") -> FloatArray:
    """Rate of the slowest tier below the last one by protocol `name`, for long messages without [B/s].

    Infinite where the group uses none.
    """
    slowest = np.full_like(group.size, np.inf)
    for level, tier in enumerate(tiers[:-1]):
        family = _family(op, tier.constants)
        efficiency = next((protocol.efficiency for protocol in family if protocol.name == name), family[-1].efficiency)
        rate = efficiency * _link_rate(group, tiers, level)
        slowest = np.where(group.members[level] > _below(group, level), np.minimum(slowest, rate), slowest)
    return slowest


def _inner_hops(op: str, group: _Group, tiers: Sequence[NetworkTier], name: str) -> FloatArray:
    """Latency of a ring's links below the last tier, by protocol `name`, averaged over all its links [s]."""
    total = np.zeros_like(group.size)
    for level, tier in enumerate(tiers[:-1]):
        family = _family(op, tier.constants)
        hop = next((protocol.hop for protocol in family if protocol.name == name), family[-1].hop)
        total = total + hop * (1.0 / _below(group, level) - 1.0 / group.members[level])
    return total


def _cost(op: str, group: _Group, tiers: Sequence[NetworkTier]) -> _AlgorithmTime:
    """Cost of groups whose outermost tier is the last of `tiers`: the latency and the bandwidth part [s]."""
    if op in ("all_to_all", "point_to_point"):
        return _exchange(op, group, tiers)
    constants = tiers[-1].constants
    steps = np.maximum(group.ranks - 1.0, 0.0)
    shard = group.size / np.maximum(group.ranks, 1.0)
    turns = 2.0 * steps if op == "all_reduce" else steps
    if op == "broadcast":  # the whole message passes every link once; the steps only delay it
        shard = group.size / np.maximum(steps, 1.0)
    outer, inner = _link_rate(group, tiers, len(tiers) - 1), _inner_rate(op, group, tiers)
    outer_links = 1.0 / _below(group, len(tiers) - 1)
    protocols = _family(op, constants)
    costs = []
    for protocol in protocols:
        hop = protocol.hop * outer_links + _inner_hops(op, group, tiers, protocol.name)
        rate = np.minimum(protocol.efficiency * outer, inner)
        costs.append(_AlgorithmTime.ring(protocol, shard, turns, hop, rate, outer))
    best = _AlgorithmTime.best_protocol(costs, protocols, shard)
    return best if op != "all_reduce" else _all_reduce(best, group, tiers)


def _all_reduce(best: _AlgorithmTime, group: _Group, tiers: Sequence[NetworkTier]) -> _AlgorithmTime:
    """Return the cheapest all-reduce: `best` (the ring's cost), or another algorithm that the outermost tier has."""
    constants = tiers[-1].constants
    if constants.tree:
        best = best.or_cheaper(_tree(group, tiers))
    if constants.in_switch is not None and len(tiers) == 1:
        outer = _link_rate(group, tiers, 0)
        best = best.or_cheaper(_AlgorithmTime.in_switch(constants.in_switch, group.size, group.ranks, outer))
    if constants.hierarchical and len(tiers) > 1:
        best = best.or_cheaper(_hierarchical(group, tiers))
    return best


def _tree(group: _Group, tiers: Sequence[NetworkTier]) -> _AlgorithmTime:
    """Cost of an all-reduce by chains inside the domains, pipelined with a double binary tree across them."""
    below = _below(group, len(tiers) - 1)
    outer = _link_rate(group, tiers, len(tiers) - 1)
    costs = []
    protocols = tiers[-1].constants.tree
    for protocol in protocols:
        latency, bandwidth = _AlgorithmTime.tree(protocol, group.size, group.ranks / below, protocol.efficiency * outer)
        inner = _in_domain(group, tiers, below, protocol.name)
        costs.append(_AlgorithmTime(latency + inner.latency, np.maximum(bandwidth, inner.bandwidth)))
    return _AlgorithmTime.best_protocol(costs, protocols, group.size / group.ranks)


def _in_domain(group: _Group, tiers: Sequence[NetworkTier], below: FloatArray, name: str) -> _AlgorithmTime:
    """Return the cost of a tree's chains inside the domains by protocol `name`, or of their switch where it is cheaper.

    A chain sends what a ring sends, at the rate of the protocol that the tree runs with, and a rank's own share passes
    its memory as in a ring: an all-reduce across nodes contains those inside them.
    """
    sent = 2.0 * group.size * (below - 1.0) / below / _inner_rate("all_reduce", group, tiers, name)
    family = _family("all_reduce", tiers[0].constants)
    own = next((protocol.own for protocol in family if protocol.name == name), family[-1].own)
    time = np.where(below > 1.0, sent + own * group.size / below / tiers[0].bandwidth, 0.0)
    hops = 2.0 * below * np.maximum(_inner_hops("all_reduce", group, tiers, name), 0.0)
    chain = _AlgorithmTime(hops, time)
    if len(tiers) != 2 or tiers[0].constants.in_switch is None:
        return chain
    rate = _link_rate(group, tiers, 0)
    return chain.or_cheaper(_AlgorithmTime.in_switch(tiers[0].constants.in_switch, group.size, below, rate))


def _hierarchical(group: _Group, tiers: Sequence[NetworkTier]) -> _AlgorithmTime:
    """Cost of a hierarchical all-reduce: reduce-scatter in a domain, all-reduce of shards across, all-gather in it."""
    below = _below(group, len(tiers) - 1)
    inner = _Group(group.size, below, [np.minimum(m, below) for m in group.members[:-1]], group.concurrent)
    gather = _cost("all_gather", inner, tiers[:-1])
    domains = group.ranks / below
    outer = _Group(group.size / below, domains, [domains], group.concurrent)
    across = _cost("all_reduce", outer, [tiers[-1]])  # alone it knows no neighbours: they come in here
    crowding = np.maximum(domains / 2.0, 1.0) ** tiers[-1].constants.congestion * group.concurrent
    active = np.where(below > 1.0, 2.0, 0.0)
    return _AlgorithmTime(
        across.latency + active * gather.latency, across.bandwidth * crowding + active * gather.bandwidth
    )


def _exchange(op: str, group: _Group, tiers: Sequence[NetworkTier]) -> _AlgorithmTime:
    """Return the cost of direct sends, where the outer tier limits the bytes that leave a domain."""
    alone = op == "point_to_point"
    ranks = np.maximum(group.ranks, 1.0)
    shard = group.size if alone else group.size / ranks
    peers = np.ones_like(ranks) if alone else ranks - 1.0
    last = len(tiers) - 1
    inner = np.zeros_like(ranks)
    for level, tier in enumerate(tiers[:-1] if not alone else ()):
        inside = group.members[level] if level == 0 else ranks  # what leaves a node passes all tiers outside it
        load = shard * np.maximum(inside - _below(group, level), 0.0)
        rate = tier.constants.exchange[-1].efficiency * _link_rate(group, tiers, level) / _below(group, level)
        inner = np.maximum(inner, load / rate)
    outer = _link_rate(group, tiers, last) / _below(group, last)
    load = shard if alone else shard * np.maximum(ranks - _below(group, last), 0.0)
    costs = []
    for protocol in tiers[-1].constants.exchange:
        own = 0.0 if alone else shard * protocol.own / tiers[0].bandwidth
        bandwidth = np.maximum(load / (protocol.efficiency * outer), inner) + own
        costs.append(_AlgorithmTime(protocol.base + protocol.hop * peers, bandwidth))
    return _AlgorithmTime.best_protocol(costs, tiers[-1].constants.exchange, shard)


def _bytes_sent(op: str, size: FloatArray, ranks: FloatArray) -> FloatArray:
    """Bytes that a device sends, and receives, averaged over the group (theory 1.5)."""
    if op == "point_to_point":
        return size.copy()
    share = size * (ranks - 1.0) / ranks
    return 2.0 * share if op == "all_reduce" else share


def _limiting_tier(group: _Group, tiers: Sequence[NetworkTier]) -> IntArray:
    """Index of the slowest tier that the group uses."""
    slowest = np.full(group.size.shape, np.inf)
    index = np.zeros(group.size.shape, dtype=np.int64)
    below = np.ones_like(group.size)
    for level in range(len(tiers)):
        rate = tiers[level].constants.gather[-1].efficiency * _link_rate(group, tiers, level)
        slower = (group.members[level] > below) & (rate < slowest)
        slowest, index = np.where(slower, rate, slowest), np.where(slower, level, index)
        below = group.members[level]
    return index


def messages(
    op: str, size: ArrayLike, ranks: ArrayLike, stride: ArrayLike, forced: IntArray, tiers: Sequence[NetworkTier]
) -> FloatArray:
    """Return the time [s] of a collective per plan; where `forced` is a tier's index, all its messages use that tier.

    Shapes broadcast to that of `forced`, (plans,); a group of one rank costs nothing.
    """
    if not tiers:
        return np.zeros(np.shape(forced))
    if tiers[0].price is not None:
        return _priced(tiers[0].price, op, size, ranks, stride, np.shape(forced))
    time = _collective(op, size, ranks, tiers=tiers, stride=stride).time
    for index in np.unique(forced[forced != AUTO_TIER]):
        over = _collective(op, size, ranks, tiers=[tiers[index]], stride=1).time
        time = np.where(forced == index, over, time)
    return np.broadcast_to(time, np.shape(forced))


def _priced(
    price: CollectivePrice, op: str, size: ArrayLike, ranks: ArrayLike, stride: ArrayLike, shape: tuple[int, ...]
) -> FloatArray:
    """Return the times [s] that an external `price` of collectives gives, calling it once per distinct collective."""
    arrays = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in (size, ranks, stride)), np.zeros(shape))[:3]
    rows, which = np.unique(np.stack([a.ravel() for a in arrays], axis=1), axis=0, return_inverse=True)
    times = np.array([price(op, float(s), int(n), int(d)) for s, n, d in rows])
    return np.asarray(times[which.ravel()].reshape(arrays[0].shape))
