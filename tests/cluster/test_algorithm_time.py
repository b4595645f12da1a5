"""Times of the algorithms of a collective, by hand: latency and bytes of rings, trees and switches; their choice."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.cluster.collectives.algorithm_time import _AlgorithmTime
from slipstick.cluster.collectives.collective_time import _collective, messages
from slipstick.cluster.collectives.network_tiers import NetworkTier, _tiers_of
from slipstick.cluster.constants.links import _InSwitch, _LinkConstants, _Protocol
from slipstick.cluster.sweep.plans import AUTO_TIER
from slipstick.core.arrays import FloatArray
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError

SLOW = _Protocol(name="LL", base=2e-6, hop=1e-6, efficiency=0.25, own=0.0, limit=1e5)
FAST = _Protocol(name="Simple", base=8e-6, hop=3e-6, efficiency=0.8, own=0.5)
RATE = 100e9


def array(*values: float) -> FloatArray:
    return np.array(values)


def link(**changes: object) -> _LinkConstants:
    values = {
        "calibrated": True, "gather": (SLOW, FAST), "reduce": (SLOW, FAST), "exchange": (SLOW, FAST),
        "hierarchical": False, "congestion": 0.0,
    }  # fmt: skip
    return _LinkConstants.model_validate({**values, **changes})


def tier(domain: int, bandwidth: float = RATE, **changes: object) -> NetworkTier:
    return NetworkTier("toy", domain, bandwidth, link(**changes))


def test_a_ring_pays_its_base_its_hops_and_the_bytes_of_its_steps() -> None:
    cost = _AlgorithmTime.ring(FAST, array(1e6), array(7.0), array(3e-6), array(80e9), array(RATE))
    assert cost.latency == pytest.approx([8e-6 + 7 * 3e-6])
    assert cost.bandwidth == pytest.approx([7 * 1e6 / 80e9 + 0.5 * 1e6 / RATE])  # its own shard passes its memory


def test_a_tree_goes_up_and_down_and_its_busiest_node_sends_twice() -> None:
    cost = _AlgorithmTime.tree(FAST, array(1e6, 1e6, 1e6, 1e6), array(1.0, 2.0, 4.0, 9.0), array(80e9))
    assert cost.latency == pytest.approx([8e-6 + 2 * 3e-6 * depth for depth in (0, 1, 2, 4)])
    assert cost.bandwidth == pytest.approx([1e6 * times / 80e9 for times in (0.5, 1.0, 2.0, 2.0)])


def test_a_switch_takes_every_byte_once_from_groups_that_are_large_enough() -> None:
    switch = _InSwitch(base=5e-6, efficiency=0.9, min_ranks=4)
    cost = _AlgorithmTime.in_switch(switch, array(1e6, 1e6, 1e6), array(3.0, 4.0, 8.0), array(RATE))
    assert cost.latency.tolist() == [np.inf, 5e-6, 5e-6]
    assert cost.bandwidth == pytest.approx([1e6 / (0.9 * RATE)] * 3)


def test_the_cheaper_cost_is_taken_element_by_element() -> None:
    one, other = (
        _AlgorithmTime(array(1.0, 1.0, 2.0), array(5.0, 1.0, 2.0)),
        _AlgorithmTime(array(2.0, 2.0, 1.0), array(1.0, 1.0, 3.0)),
    )
    best = one.or_cheaper(other)
    assert (best.latency.tolist(), best.bandwidth.tolist()) == ([2.0, 1.0, 2.0], [1.0, 1.0, 2.0])


def test_a_protocol_is_allowed_below_its_limit() -> None:
    costs = [
        _AlgorithmTime(array(1.0, 1.0, 9.0), array(1.0, 1.0, 1.0)),
        _AlgorithmTime(array(5.0, 5.0, 5.0), array(1.0, 1.0, 1.0)),
    ]
    best = _AlgorithmTime.best_protocol(costs, (SLOW, FAST), array(1e5 - 1, 1e5, 10.0))
    assert best.latency.tolist() == [1.0, 5.0, 5.0]


@pytest.mark.parametrize("size", [8e3, 8e7])
@pytest.mark.parametrize(("op", "turns"), [("all_reduce", 14), ("all_gather", 7), ("reduce_scatter", 7)])
def test_a_collective_in_a_node_is_the_best_of_its_rings(op: str, turns: int, size: float) -> None:
    time = _collective(op, size, 8, tiers=[tier(8)])
    rings = [
        p.base + turns * p.hop + size / 8 * (turns / (p.efficiency * RATE) + p.own / RATE)
        for p in (SLOW, FAST)
        if size / 8 < p.limit
    ]
    assert float(time.time) == pytest.approx(min(rings))
    assert float(time.latency + time.bandwidth) == float(time.time)
    assert float(time.bytes_sent) == float(time.bytes_received) == pytest.approx(size * turns / 8)
    assert int(time.tier) == 0


def test_a_broadcast_passes_every_link_once() -> None:
    time = _collective("broadcast", 8e7, 8, tiers=[tier(8)])
    expected = FAST.base + 7 * FAST.hop + 8e7 / (0.8 * RATE) + 8e7 / 7 * 0.5 / RATE
    assert float(time.time) == pytest.approx(expected)


def test_direct_sends_start_with_every_peer() -> None:
    exchange = _collective("all_to_all", 8e8, 8, tiers=[tier(8)])
    assert float(exchange.time) == pytest.approx(FAST.base + 7 * FAST.hop + 7e8 / (0.8 * RATE) + 1e8 * 0.5 / RATE)
    message = _collective("point_to_point", 8e8, 2, tiers=[tier(8)])
    assert float(message.time) == pytest.approx(FAST.base + FAST.hop + 8e8 / (0.8 * RATE))
    assert float(message.bytes_sent) == 8e8


def test_a_ring_over_nodes_is_as_slow_as_its_slowest_link_and_as_its_mean_hop() -> None:
    inner, outer = tier(8, 4 * RATE), tier(64, 10e9)
    time = _collective("all_gather", 64e7, 64, tiers=[inner, outer])
    rate = min(0.8 * 10e9 * 8, 0.8 * 4 * RATE)  # the eight devices of a node bring eight links
    hop = 3e-6 / 8 + 3e-6 * (1 - 1 / 8)
    assert float(time.latency) == pytest.approx(8e-6 + 63 * hop)
    assert float(time.bandwidth) == pytest.approx(1e7 * (63 / rate + 0.5 / 80e9))
    assert int(time.tier) == 1
    strided = _collective("all_gather", 8e7, 8, tiers=[inner, outer], stride=8)  # one device a node
    assert float(strided.bandwidth) == pytest.approx(1e7 * (7 / (0.8 * 10e9) + 0.5 / 10e9))
    shared = _collective("all_gather", 8e7, 8, tiers=[inner, outer], stride=8, concurrent=8)
    assert float(shared.bandwidth) == pytest.approx(8 * float(strided.bandwidth))
    half = _collective("all_gather", 16e7, 16, tiers=[inner, outer], stride=2)  # four devices a node
    assert float(half.latency) == pytest.approx(8e-6 + 15 * (3e-6 / 4 + 3e-6 * (1 - 1 / 4)))


def test_wide_groups_collide() -> None:
    inner, outer = tier(8, 4 * RATE), tier(1024, 10e9, congestion=0.5)
    two, eight = (_collective("all_gather", 1e7 * ranks, ranks, tiers=[inner, outer]) for ranks in (16, 64))
    assert float(two.bandwidth) == pytest.approx(1e7 * (15 / (0.8 * 80e9) + 0.5 / 80e9))
    slower = 80e9 / 2  # eight domains: (8 / 2) ** -0.5
    assert float(eight.bandwidth) == pytest.approx(1e7 * (63 / (0.8 * slower) + 0.5 / slower))


def test_hierarchies_reduce_inside_then_across() -> None:
    inner, outer = tier(8, 4 * RATE), tier(64, 10e9, hierarchical=True, congestion=0.5)
    time = _collective("all_reduce", 64e6, 64, tiers=[inner, outer], concurrent=1)
    gather = 8e-6 + 7 * 3e-6 + 8e6 * (7 / (0.8 * 4 * RATE) + 0.5 / (4 * RATE))
    crowding = (8 / 2) ** 0.5
    across = 8e-6 + 14 * 3e-6 + crowding * 1e6 * (14 / (0.8 * 10e9) + 0.5 / 10e9)
    ring = _collective("all_reduce", 64e6, 64, tiers=[inner, tier(64, 10e9, congestion=0.5)])
    assert float(time.time) == pytest.approx(2 * gather + across)
    assert float(time.time) < float(ring.time)


def test_trees_chain_inside_the_nodes() -> None:
    inner, outer = tier(8, 4 * RATE), tier(64, 10e9, tree=(FAST,))
    time = _collective("all_reduce", 64e6, 64, tiers=[inner, outer])
    hops = 3e-6 * (1 - 1 / 8)
    latency = 8e-6 + 2 * 3e-6 * 3 + 2 * 8 * hops
    inside = 2 * 64e6 * 7 / 8 / (0.8 * 4 * RATE)
    across = 64e6 * 2 / (0.8 * 80e9)
    assert float(time.time) == pytest.approx(latency + max(inside, across))
    switch = _InSwitch(base=5e-6, efficiency=0.9, min_ranks=4)
    slow_inside = [tier(8, 10e9, in_switch=switch), tier(64, 10e9, tree=(FAST,))]
    reduced = _collective("all_reduce", 64e6, 64, tiers=slow_inside)
    assert float(reduced.bandwidth) == pytest.approx(max(64e6 / (0.9 * 10e9), across))


def test_exchanges_are_bound_by_what_leaves_the_node() -> None:
    inner, outer = tier(8, 4 * RATE), tier(64, 10e9)
    time = _collective("all_to_all", 64e6, 64, tiers=[inner, outer])
    leaving = 1e6 * 56 / (0.8 * 10e9)
    inside = 1e6 * 7 / (0.8 * 4 * RATE)
    assert leaving > inside
    assert float(time.time) == pytest.approx(8e-6 + 63 * 3e-6 + leaving + 1e6 * 0.5 / (4 * RATE))
    slow = _collective("all_to_all", 64e6, 64, tiers=[tier(8, 1e9), outer])
    assert float(slow.bandwidth) == pytest.approx(max(leaving, 1e6 * 7 / (0.8 * 1e9)) + 1e6 * 0.5 / 1e9)
    crossing = _collective("point_to_point", 1e6, 2, tiers=[inner, outer], stride=8)
    assert float(crossing.bandwidth) == pytest.approx(1e6 / (0.8 * 10e9))
    three = [tier(2, 4 * RATE), tier(8, 1e9), tier(64, 10e9)]
    middle = _collective("all_to_all", 64e6, 64, tiers=three)
    # what leaves a pair passes the middle tier, wherever it goes
    assert float(middle.bandwidth) == pytest.approx(1e6 * 62 / (0.8 * 1e9) + 1e6 * 0.5 / (4 * RATE))


def test_messages_go_over_the_tier_that_is_asked_for() -> None:
    tiers = [tier(8, 4 * RATE), tier(64, 10e9)]
    forced = np.array([AUTO_TIER, 0, 1])
    auto, near, far = messages("all_gather", array(8e7, 8e7, 8e7), np.array([8, 8, 8]), 1, forced, tiers)
    assert auto == near == pytest.approx(float(_collective("all_gather", 8e7, 8, tiers=tiers[:1]).time))
    assert far == pytest.approx(float(_collective("all_gather", 8e7, 8, tiers=tiers[1:]).time))
    assert messages("all_gather", 8e7, 1, 1, forced, tiers).tolist() == [0.0] * 3
    assert messages("all_gather", 8e7, 8, 1, forced, []).tolist() == [0.0] * 3


def test_a_price_is_asked_once_for_equal_messages() -> None:
    calls: list[tuple[str, float, int, int]] = []

    def price(op: str, size: float, ranks: int, stride: int) -> float:
        calls.append((op, size, ranks, stride))
        return size * ranks + stride

    tiers = [NetworkTier("toy", 64, RATE, link(), price)]
    times = messages("all_gather", array(1.0, 2.0, 1.0), np.array([4, 4, 4]), 3, np.full(3, AUTO_TIER), tiers)
    assert times.tolist() == [7.0, 11.0, 7.0]
    assert sorted(calls) == [("all_gather", 1.0, 4, 3), ("all_gather", 2.0, 4, 3)]


def test_tiers_reach_every_device_with_their_calibration() -> None:
    system = resolve_system("h100-sxm-80gb:64")
    inner, outer = _tiers_of(system)
    assert (inner.name, inner.domain, inner.bandwidth) == ("nvlink", 8, 450e9)
    assert (outer.domain, outer.constants.technology) == (64, system.network["infiniband"].technology)
    half = system.calibration.model_copy(update={"network": 0.5})
    assert _tiers_of(system.model_copy(update={"calibration": half}))[0].bandwidth == 225e9
    near = {"nvlink": system.network["nvlink"]}
    assert len(_tiers_of(system.model_copy(update={"network": near, "devices": 1}))) == 1
    assert len(_tiers_of(system.model_copy(update={"network": near, "devices": 8}))) == 1
    with pytest.raises(SlipstickError, match="no network tier reaches all devices"):
        _tiers_of(system.model_copy(update={"network": near, "devices": 9}))
    with pytest.raises(SlipstickError, match="several devices need a network"):
        _tiers_of(system.model_copy(update={"network": {}}))
    assert _tiers_of(system.model_copy(update={"network": {}, "devices": 1})) == []
