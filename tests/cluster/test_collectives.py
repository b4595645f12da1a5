"""Collectives: an oracle that really moves the bytes, limits, conservation, monotonicity, hierarchy."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstick.cluster.collectives.collective_time import _OPERATIONS, _collective
from slipstick.cluster.collectives.network_tiers import NetworkTier
from slipstick.cluster.constants.links import _InSwitch, _LinkConstants, _Protocol, link_constants
from slipstick.core.errors import SlipstickError
from slipstick.core.spec import Spec

S = TypeVar("S", bound=Spec)

_LOSSLESS = _Protocol(name="Simple", base=0.0, hop=0.0, efficiency=1.0, own=0.0)
IDEAL = _LinkConstants(
    technology="ideal",
    calibrated=False,
    source="a link without latency and losses",
    gather=(_LOSSLESS,),
    reduce=(_LOSSLESS,),
    exchange=(_LOSSLESS,),
    tree=(),
    in_switch=None,
    hierarchical=False,
    congestion=0.0,
    host=0.0,
)


def changed(spec: S, **values: object) -> S:
    return spec.model_copy(update=values)


NODE = NetworkTier("nvlink4", 8, 450e9, _LinkConstants.of_technology("nvlink4"))
NET = NetworkTier("infiniband-ndr", 4096, 50e9, _LinkConstants.of_technology("infiniband-ndr"))


def ideal(domain: int, bandwidth: float) -> NetworkTier:
    return NetworkTier("ideal", domain, bandwidth, IDEAL)


def simulate_ring(op: str, ranks: int, shard: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Move numpy shards around a ring, step by step; return bytes sent and received by rank, and the steps."""
    rng = np.random.default_rng(ranks)
    data = rng.integers(0, 100, size=(ranks, ranks, shard)).astype(np.float64)  # [rank, shard, element]
    total = data.sum(axis=0)
    sent, received, steps = np.zeros(ranks), np.zeros(ranks), 0
    state = data.copy()
    if op == "all_gather":
        state = np.zeros_like(data)
        for rank in range(ranks):
            state[rank, rank] = data[rank, rank]
    phases = {"reduce_scatter": ("add",), "all_gather": ("copy",), "all_reduce": ("add", "copy")}[op]
    for phase in phases:
        first = 1 if phases == ("add", "copy") and phase == "copy" else 0  # after the sum, rank r owns shard r + 1
        for step in range(ranks - 1):
            moves = [(rank, (rank + 1) % ranks, (rank - step + first) % ranks) for rank in range(ranks)]
            payload = [state[source, piece].copy() for source, _, piece in moves]
            for (source, target, piece), load in zip(moves, payload, strict=True):
                state[target, piece] = state[target, piece] + load if phase == "add" else load
                sent[source] += load.nbytes
                received[target] += load.nbytes
            steps += 1
    for rank in range(ranks):
        if op == "all_reduce":
            np.testing.assert_array_equal(state[rank], total)
        elif op == "reduce_scatter":
            np.testing.assert_array_equal(state[rank, (rank + 1) % ranks], total[(rank + 1) % ranks])
        else:
            np.testing.assert_array_equal(state[rank], np.array([data[r, r] for r in range(ranks)]))
    return sent, received, steps


@pytest.mark.parametrize("op", ["all_reduce", "all_gather", "reduce_scatter"])
@pytest.mark.parametrize("ranks", [2, 3, 4, 5, 8])
def test_ring_moves_the_bytes_of_the_step_by_step_simulation(op: str, ranks: int) -> None:
    shard = 6
    sent, received, steps = simulate_ring(op, ranks, shard)
    size = ranks * shard * 8.0
    bandwidth, hop = 1e9, 1e-6
    constants = changed(IDEAL, **{f: (changed(IDEAL.gather[0], hop=hop),) for f in ("gather", "reduce")})
    cost = _collective(op, size, ranks, tiers=[NetworkTier("ideal", 8, bandwidth, constants)])
    assert float(cost.bytes_sent) == sent.mean() == sent.max()
    assert float(cost.bytes_received) == received.mean()
    assert float(cost.time) == pytest.approx(steps * (hop + shard * 8 / bandwidth), rel=1e-12)
    assert float(cost.latency) == pytest.approx(steps * hop, rel=1e-12)


@pytest.mark.parametrize("nodes", [2, 4, 8])
def test_tree_is_bound_by_its_busiest_node(nodes: int) -> None:
    """Two complementary binary trees over the nodes, half of the bytes each, every edge used up and down."""
    size, bandwidth = 1e6, 1e9
    sends = np.zeros(nodes)
    for mirrored in (False, True):
        for child, parent in binary_tree(nodes):
            for node in (child, parent):
                sends[nodes - 1 - node if mirrored else node] += size / 2
    constants = changed(IDEAL, tree=IDEAL.reduce, reduce=(changed(IDEAL.reduce[0], efficiency=1e-3),))
    cost = _collective("all_reduce", size, nodes, tiers=[NetworkTier("ideal", nodes, bandwidth, constants)])
    assert float(cost.time) == pytest.approx(sends.max() / bandwidth)
    assert float(cost.bytes_sent) == pytest.approx(sends.mean())


def binary_tree(nodes: int) -> list[tuple[int, int]]:
    """Edges (child, parent) of the in-order tree: node i (from 1) hangs at distance lowbit(i); its leaves are odd."""
    edges = []
    for node in range(1, nodes):
        low = node & -node
        parent = (node ^ low) | (low << 1)
        edges.append((node, parent if parent < nodes else node ^ low))
    return edges


def test_many_ranks_reach_the_bandwidth_limits() -> None:
    tiers = [ideal(10**7, 1e9)]
    size, ranks = 1e9, 10**6
    for op, expected in (("all_reduce", 2.0), ("all_gather", 1.0), ("reduce_scatter", 1.0), ("all_to_all", 1.0)):
        assert float(_collective(op, size, ranks, tiers=tiers).time) == pytest.approx(expected, rel=1e-5)
    assert float(_collective("broadcast", size, ranks, tiers=tiers).time) == pytest.approx(1.0, rel=1e-5)
    assert float(_collective("point_to_point", size, 2, tiers=tiers).time) == pytest.approx(1.0)


@pytest.mark.parametrize("op", _OPERATIONS)
def test_one_rank_or_no_bytes_cost_nothing(op: str) -> None:
    cost = _collective(op, [1e9, 0.0], [1, 8], tiers=[NODE, NET])
    for part in (cost.time, cost.latency, cost.bandwidth, cost.bytes_sent, cost.bytes_received):
        assert (part == 0.0).all()
    assert (cost.tier == -1).all()


def test_stride_decides_what_stays_in_the_node() -> None:
    node, net = ideal(8, 100.0), ideal(64, 1.0)
    ranks, size = 8, 8.0

    def time(stride: int) -> float:
        return float(_collective("all_gather", size, ranks, tiers=[node, net], stride=stride).time)

    assert time(1) == pytest.approx(7 / 100)
    for stride, inside in ((2, 4), (4, 2), (8, 1), (16, 1)):  # each member in a node brings its own network card
        assert time(stride) == pytest.approx(7 / inside)


def test_all_to_all_is_bound_by_the_share_that_leaves_the_node() -> None:
    node, net = ideal(8, 450e9), ideal(64, 50e9)
    for ranks in (8, 16, 64):
        cost = _collective("all_to_all", 1e9, ranks, tiers=[node, net])
        inside, outside = 7 / ranks * 1e9 / 450e9, (ranks - 8) / ranks * 1e9 / 50e9
        assert float(cost.time) == pytest.approx(max(inside, outside))
        assert int(cost.tier) == (0 if ranks == 8 else 1)


def test_groups_that_share_a_link_share_its_bandwidth() -> None:
    alone = _collective("all_gather", 1e9, 8, tiers=[ideal(8, 450e9), ideal(64, 50e9)], stride=8)
    four = _collective("all_gather", 1e9, 8, tiers=[ideal(8, 450e9), ideal(64, 50e9)], stride=8, concurrent=4)
    assert float(four.bandwidth) == pytest.approx(4 * float(alone.bandwidth))


def test_hierarchy_beats_the_ring_where_hops_are_slow() -> None:
    slow = tuple(changed(p, hop=1e-4) for p in IDEAL.reduce)
    flat = changed(IDEAL, reduce=slow)
    size, ranks = 1e6, 64

    def time(constants: _LinkConstants) -> float:
        return float(
            _collective("all_reduce", size, ranks, tiers=[ideal(8, 450e9), NetworkTier("x", 64, 50e9, constants)]).time
        )

    expected = 2 * size * 7 / 8 / 450e9 + 2 * 7 * 1e-4 + 2 * (size / 8) * 7 / 8 / 50e9
    assert time(changed(flat, hierarchical=True)) == pytest.approx(expected)
    assert time(flat) > expected


def test_in_switch_reduction_halves_the_bytes_of_a_large_group() -> None:
    switched = changed(IDEAL, in_switch=_InSwitch(base=0.0, efficiency=1.0, min_ranks=4))
    tiers = [NetworkTier("x", 1024, 1e9, switched)]
    assert float(_collective("all_reduce", 1e9, 1024, tiers=tiers).time) == pytest.approx(1.0)
    assert float(_collective("all_reduce", 1e9, 3, tiers=tiers).time) == pytest.approx(4 / 3)


@pytest.mark.parametrize(
    ("inside", "rate", "bandwidth"),
    [("nvlink3", 300e9, 25e9), ("nvlink4", 450e9, 50e9), ("nvlink5", 900e9, 50e9)],
)
def test_an_all_reduce_across_nodes_takes_at_least_as_long_as_one_inside_them(
    inside: str, rate: float, bandwidth: float
) -> None:
    """Its tree contains the chains, or the switches, of the nodes of eight: whatever the size."""
    tiers = [
        NetworkTier(inside, 8, rate, _LinkConstants.of_technology(inside)),
        NetworkTier("infiniband-ndr", 4096, bandwidth, _LinkConstants.of_technology("infiniband-ndr")),
    ]
    sizes = 2.0 ** np.arange(10, 31)
    times = [_collective("all_reduce", sizes, ranks, tiers=tiers).time for ranks in (8, 16, 32, 64)]
    for fewer, more in itertools.pairwise(times):
        assert (more >= fewer * (1 - 1e-12)).all()


def test_congestion_slows_wide_groups_only() -> None:
    crowded = NetworkTier("x", 4096, 50e9, changed(IDEAL, congestion=0.5))
    ranks = np.array([16, 64, 512])
    plain = _collective("all_gather", 1e9, ranks, tiers=[ideal(8, 450e9), ideal(4096, 50e9)]).time
    slowed = _collective("all_gather", 1e9, ranks, tiers=[ideal(8, 450e9), crowded]).time
    np.testing.assert_allclose(slowed / plain, (ranks / 8 / 2) ** 0.5)


def test_arrays_equal_scalars() -> None:
    rng = np.random.default_rng(0)
    size, ranks, stride = 10 ** rng.uniform(2, 10, 60), rng.integers(1, 200, 60), rng.choice([1, 2, 4, 8, 16], 60)
    for op in _OPERATIONS:
        together = _collective(op, size, ranks, tiers=[NODE, NET], stride=stride)
        single = [
            _collective(op, s, r, tiers=[NODE, NET], stride=d) for s, r, d in zip(size, ranks, stride, strict=True)
        ]
        np.testing.assert_array_equal(together.time, [float(c.time) for c in single])
        np.testing.assert_array_equal(together.tier, [int(c.tier) for c in single])
    assert _collective("all_reduce", size[:, None], [2, 4, 8], tiers=[NODE]).time.shape == (60, 3)


def test_wrong_calls_say_so() -> None:
    with pytest.raises(SlipstickError, match="did you mean 'all_reduce'"):
        _collective("allreduce", 1.0, 2, tiers=[NODE])
    with pytest.raises(SlipstickError, match="needs a network"):
        _collective("all_reduce", 1.0, 2, tiers=[])


operations = st.sampled_from(_OPERATIONS)
technologies = st.sampled_from(link_constants.names())
sizes = st.floats(1.0, 1e11)
groups = st.integers(2, 1024)
strides = st.sampled_from([1, 2, 4, 8, 64])


@settings(deadline=None, max_examples=300)
@given(operations, technologies, technologies, sizes, st.floats(1.0, 100.0), groups, strides)
def test_more_bytes_are_never_faster(
    op: str, inner: str, outer: str, size: float, factor: float, ranks: int, stride: int
) -> None:
    tiers = [
        NetworkTier(inner, 8, 450e9, _LinkConstants.of_technology(inner)),
        NetworkTier(outer, 4096, 50e9, _LinkConstants.of_technology(outer)),
    ]
    cost = _collective(op, [size, size * factor], ranks, tiers=tiers, stride=stride)
    assert cost.time[1] >= cost.time[0] * (1 - 1e-12)
    np.testing.assert_allclose(cost.time, cost.latency + cost.bandwidth)
    np.testing.assert_array_equal(cost.bytes_sent, cost.bytes_received)
    assert (cost.latency >= 0).all()
    assert (cost.bandwidth >= 0).all()


@settings(deadline=None, max_examples=300)
@given(operations, technologies, technologies, sizes, st.floats(1.0, 100.0), groups, strides, st.integers(0, 1))
def test_more_bandwidth_is_never_slower(
    op: str, inner: str, outer: str, size: float, factor: float, ranks: int, stride: int, faster: int
) -> None:
    tiers = [
        NetworkTier(inner, 8, 450e9, _LinkConstants.of_technology(inner)),
        NetworkTier(outer, 4096, 50e9, _LinkConstants.of_technology(outer)),
    ]
    before = _collective(op, size, ranks, tiers=tiers, stride=stride)
    tiers[faster] = replace(tiers[faster], bandwidth=tiers[faster].bandwidth * factor)
    after = _collective(op, size, ranks, tiers=tiers, stride=stride)
    assert float(after.time) <= float(before.time) * (1 + 1e-12)


@settings(deadline=None, max_examples=200)
@given(operations, technologies, sizes, groups)
def test_never_faster_than_the_wire(op: str, technology: str, size: float, ranks: int) -> None:
    tier = NetworkTier(technology, 1024, 100e9, _LinkConstants.of_technology(technology))
    cost = _collective(op, size, ranks, tiers=[tier])
    sharing = 0.5 if op == "all_reduce" and tier.constants.in_switch else 1.0
    assert float(cost.time) >= sharing * float(cost.bytes_sent) / 100e9
