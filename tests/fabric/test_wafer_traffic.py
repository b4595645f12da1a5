"""Traffic patterns and I/O controllers against the messages that they stand for, and against theory."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.fabric import builders
from slipstick.fabric.collectives import hierarchical
from slipstick.fabric.collectives.by_name import collective_schedule
from slipstick.fabric.flows import run
from slipstick.fabric.messages import CollectiveSchedule
from slipstick.fabric.patterns import Pattern, all_reduce
from slipstick.fabric.strategies import _cut_in_stages, strategies
from slipstick.fabric.tasks import lower
from slipstick.fabric.topology_file import resolve_topology
from slipstick.fabric.training.io_controllers import (
    _broadcast,
    _collect,
    _reversed_links,
    hot_spot,
    line_rate,
    load,
)

WAFER = {name: resolve_topology(f"wafer-{name}") for name in ("mesh", "fred-a", "fred-b", "fred-c", "fred-d")}
MESH = WAFER["mesh"]
SIZE = 20e9  # bytes: bandwidth, not latency
EVERYONE = range(20)
DP5 = [range(place, 20, 4) for place in range(4)]  # DP(5) beside MP(2)-PP(2)


def schedule(name: str) -> CollectiveSchedule:
    if name == "mesh":
        return hierarchical.all_reduce(4, 5, both_orders=True)
    return hierarchical.all_reduce(4, 5) if name[-1] in "ac" else collective_schedule("all_reduce", "in_network", 20)


@pytest.mark.parametrize("name", WAFER)
def test_a_pattern_takes_as_long_as_the_messages_it_stands_for(name: str) -> None:
    fabric = WAFER[name]
    messages = run(lower(schedule(name), fabric, SIZE), fabric).time
    pattern = all_reduce(fabric, EVERYONE).time(fabric, SIZE)
    assert pattern <= messages * (1 + 1e-4)  # pieces fill and drain; of 1e-4: latencies, which pieces hide in part
    assert pattern == pytest.approx(messages, rel=0.05 if name == "fred-a" else 0.01)


@pytest.mark.parametrize("group", [[0, 1], [0, 1, 2], [3, 7, 11, 15, 19], [0, 5, 10], [4, 2, 9, 16]])
def test_a_ring_is_its_messages_on_the_mesh(group: list[int]) -> None:
    found = run(lower(collective_schedule("all_reduce", "ring", len(group)), MESH, SIZE, nodes=group), MESH).time
    assert all_reduce(MESH, group).time(MESH, SIZE) == pytest.approx(found, rel=1e-3)


@pytest.mark.parametrize(("name", "ratio"), [("fred-b", 1.9), ("fred-c", 2.0), ("fred-d", 3.8)])
def test_bandwidth_limits_over_20(name: str, ratio: float) -> None:
    found = all_reduce(MESH, EVERYONE).time(MESH, SIZE) / all_reduce(WAFER[name], EVERYONE).time(WAFER[name], SIZE)
    assert found == pytest.approx(ratio, rel=0.01)


@pytest.mark.parametrize(("name", "ratio"), [("fred-a", 0.5), ("fred-b", 0.8), ("fred-c", 4.0), ("fred-d", 6.4)])
def test_bandwidth_limits_over_5_with_four_flows_an_uplink(name: str, ratio: float) -> None:
    def time(fabric: Topology) -> float:
        return Pattern.together([all_reduce(fabric, group) for group in DP5], fabric).time(fabric, SIZE)

    assert time(MESH) / time(WAFER[name]) == pytest.approx(ratio, rel=0.01)


@pytest.mark.parametrize("size", range(2, 17))
def test_the_hot_spot_carries_2n_minus_1_controllers(size: int) -> None:
    square = builders.wafer_mesh((size, size), 1.0, 0.0, io_bandwidth=1.0, io_latency=0.0)
    assert hot_spot(square) == pytest.approx(2 * size - 1)


def test_the_wafers_hot_spot_slows_its_controllers() -> None:
    assert hot_spot(MESH) * 128e9 == pytest.approx(1152e9)
    assert line_rate(MESH) == pytest.approx(750 / 1152)
    assert line_rate(WAFER["fred-c"]) == line_rate(WAFER["fred-d"]) == 1.0
    assert 0.651 < line_rate(WAFER["fred-a"]) < 1.0  # its uplinks bind


@pytest.mark.parametrize("name", WAFER)
def test_every_node_gets_all_that_is_broadcast_and_controllers_send_it_once(name: str) -> None:
    fabric = WAFER[name]
    carried = on_links(fabric, _broadcast(fabric, [list(EVERYONE)]))
    ports = np.flatnonzero(np.array(fabric.kinds) == "io")
    assert carried[np.isin(fabric.source, ports)].sum() == pytest.approx(1.0)
    into = np.bincount(fabric.target, carried, minlength=len(fabric.nodes))
    out = np.bincount(fabric.source, carried, minlength=len(fabric.nodes))
    # a node of the mesh passes on to several what it gets once: what comes in is 1 or more
    np.testing.assert_array_less(1 - 1e-9, into[fabric.npus])
    np.testing.assert_allclose(into[ports], 0.0)
    assert out[ports].max() == pytest.approx(1 / len(ports))


@pytest.mark.parametrize("name", ["mesh", "fred-b", "fred-d"])
def test_gradients_leave_by_the_broadcasts_trees_reversed(name: str) -> None:
    fabric = WAFER[name]
    out, back = _broadcast(fabric, [list(EVERYONE)]), _collect(fabric, [list(EVERYONE)])
    np.testing.assert_allclose(on_links(fabric, back)[_reversed_links(fabric)], on_links(fabric, out))


@pytest.mark.parametrize("name", ["fred-a", "fred-c"])
def test_without_adding_switches_nodes_move_more_to_collect(name: str) -> None:
    fabric, adding = WAFER[name], WAFER["fred-d"]
    shard = [list(EVERYONE)]
    assert on_links(fabric, _collect(fabric, shard)).sum() > on_links(adding, _collect(adding, shard)).sum()


def test_samples_are_shared_by_the_nodes_that_want_them() -> None:
    carried = on_links(MESH, load(MESH, [0, 10]))
    into = np.bincount(MESH.target, carried, minlength=len(MESH.nodes))
    out = np.bincount(MESH.source, carried, minlength=len(MESH.nodes))
    kept = (into - out)[MESH.npus]
    np.testing.assert_allclose(kept[[0, 10]], 0.5)
    np.testing.assert_allclose(np.delete(kept, [0, 10]), 0.0, atol=1e-12)


def test_a_fabric_without_controllers_cannot_stream() -> None:
    with pytest.raises(SlipstickError, match="no I/O controllers"):
        _broadcast(builders.ring(4, 1e9, 0.0), [[0, 1]])


def test_strategies_use_every_rank_once() -> None:
    for one in strategies(20):
        ranks = [r for stage in range(one.pp) for replica in range(one.dp) for r in one.tensor_group(replica, stage)]
        assert sorted(ranks) == list(range(20))
        groups = [r for stage in range(one.pp) for member in range(one.tp) for r in one.data_group(member, stage)]
        assert sorted(groups) == list(range(20))


@pytest.mark.parametrize("stages", [1, 2, 3, 7, 9])
def test_stages_are_runs_that_hold_every_layer_once(stages: int) -> None:
    costs = [5.0, 1.0, 1.0, 1.0, 1.0, 9.0, 0.0, 0.0, 1.0]
    runs = _cut_in_stages(costs, stages)
    assert np.concatenate(runs).tolist() == list(range(len(costs)))
    assert len(runs) == stages
    assert all(len(one) for one in runs)


def on_links(fabric: Topology, pattern: Pattern) -> np.ndarray:
    return np.bincount(pattern.links, pattern.weight, minlength=fabric.links)


@pytest.mark.parametrize("name", WAFER)
@pytest.mark.parametrize("members", [1, 2, 5])
def test_every_member_of_a_tensor_group_gets_its_shard(name: str, members: int) -> None:
    fabric = WAFER[name]
    ports = np.flatnonzero(np.array(fabric.kinds) == "io")
    shards = [list(range(first, 20, members)) for first in range(members)]
    carried = on_links(fabric, _broadcast(fabric, shards))
    out = np.bincount(fabric.source, carried, minlength=len(fabric.nodes))
    np.testing.assert_allclose(out[ports], 1 / len(ports))  # together they send every byte once
    if name != "mesh":  # there a node's links carry nothing for others
        into = np.bincount(fabric.target, carried, minlength=len(fabric.nodes))
        np.testing.assert_allclose(into[fabric.npus], 1 / members)
