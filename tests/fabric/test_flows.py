"""The simulators against closed forms, against each other, and against the bandwidth limits that FRED implies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.fabric import builders
from slipstick.fabric.collectives import hierarchical
from slipstick.fabric.collectives.by_name import collective_schedule
from slipstick.fabric.flows import _cut, run
from slipstick.fabric.routing import routes
from slipstick.fabric.tasks import Dag, Endpoint, lower
from slipstick.fabric.topology_file import resolve_topology

GB = 1e9
FRED = {variant: resolve_topology(f"wafer-fred-{variant}") for variant in "abcd"}
MESH = resolve_topology("wafer-mesh")


def tasks(topology: Topology, pairs: list[tuple[int, int]], sizes: list[float], **fields: object) -> Dag:
    """Transfers between nodes, all at once unless `edges` says otherwise."""
    count = len(pairs)
    found = routes(topology, *np.array(pairs).T)
    every = {
        "seconds": np.zeros(count), "lane": np.full(count, -1), "priority": np.zeros(count, np.int64),
        "delay": np.zeros(count), "tail": np.zeros(count), "edges": np.zeros((0, 2), np.int64), **fields,
    }  # fmt: skip
    return Dag(size=np.array(sizes), starts=found.starts, links=found.links, weight=np.ones(len(found.links)), **every)


def test_flows_share_a_link_fairly_and_speed_up_when_one_ends() -> None:
    line = builders.mesh((3,), 1 * GB, 0.0)
    found = run(tasks(line, [(0, 1), (0, 1), (1, 2)], [1 * GB, 3 * GB, 1 * GB]), line)
    np.testing.assert_allclose(found.end, [2.0, 4.0, 1.0])


def test_max_min_gives_what_a_bottleneck_leaves_to_others() -> None:
    """Bertsekas and Gallager, Data Networks, section 6.5.2: one long flow, short ones on every link."""
    line = builders.mesh((4,), 1 * GB, 0.0)
    found = run(tasks(line, [(0, 3), (0, 1), (0, 1), (1, 2)], [1 * GB] * 4), line)
    # the first link's three flows get a third each; on the second link the short one gets two thirds
    assert found.end[3] == pytest.approx(1.5)
    assert found.end[0] == pytest.approx(3.0)


def test_a_higher_priority_takes_the_link_at_once() -> None:
    line = builders.mesh((2,), 1 * GB, 0.0)
    late = np.array([0.0, 0.5])
    found = run(tasks(line, [(0, 1), (0, 1)], [1 * GB, 1 * GB], priority=np.array([2, 0]), delay=late), line)
    np.testing.assert_allclose(found.end, [2.0, 1.5])


def test_a_lane_does_one_thing_at_a_time_the_most_urgent_first() -> None:
    line = builders.mesh((2,), 1 * GB, 0.0)
    dag = tasks(
        line, [(0, 0)] * 3, [0.0] * 3, seconds=np.array([1.0, 2.0, 3.0]), lane=np.zeros(3, np.int64),
        priority=np.array([1, 1, 0]), delay=np.array([0.0, 0.1, 0.2]),
    )  # fmt: skip
    np.testing.assert_allclose(run(dag, line).end, [1.0, 6.0, 4.0])


def test_latency_is_paid_once_by_flows_and_hop_by_hop_by_messages() -> None:
    line = builders.mesh((4,), 1 * GB, 0.25)
    dag = lower(collective_schedule("scatter", "direct", 2), line, 2 * GB, nodes=[0, 3])
    assert run(dag, line).time == pytest.approx(1 + 3 * 0.25)
    assert run(dag, line, "messages").time == pytest.approx(3 * (1 + 0.25))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_packets_come_near_to_flows_where_nothing_is_in_the_way(seed: int) -> None:
    """A lone transfer in packets takes what the fluid takes, and one packet's time for each hop behind the first."""
    rng = np.random.default_rng(seed)
    torus = builders.mesh((4, 4), 10 * GB, 1e-7, wrap=True)
    pair, size, packet = rng.choice(16, 2, replace=False).tolist(), float(rng.integers(1, 1000)) * 4096, 4096.0
    dag = lower(collective_schedule("scatter", "direct", 2), torus, 2 * size, nodes=pair)
    hops = int(np.diff(dag.starts).max())
    fluid, cells = run(dag, torus).time, run(dag, torus, "messages", packet=packet).time
    assert cells - fluid == pytest.approx((hops - 1) * packet / (10 * GB), abs=1e-12)


@pytest.mark.parametrize(
    ("schedule", "topology"),
    [
        (collective_schedule("all_reduce", "ring", 8), builders.ring(8, GB, 1e-7)),
        (collective_schedule("all_to_all", "direct", 8), builders.switch(8, GB, 1e-7)),
        (collective_schedule("all_reduce", "halving_doubling", 8), builders.hypercube(3, GB, 1e-7)),
        (collective_schedule("all_reduce", "tree", 8), builders.switch(8, GB, 1e-7)),
        (hierarchical.all_reduce(4, 4, 2, both_orders=True), builders.mesh((4, 4), GB, 1e-7)),
    ],
    ids=["ring", "all_to_all", "halving_doubling", "tree", "mesh"],
)
def test_packets_of_4_kb_agree_with_flows_on_collectives(schedule: object, topology: Topology) -> None:
    """Packets are served first come first served and flows fairly: the order differs, the work of a link does not."""
    dag = lower(schedule, topology, 4e6)
    fluid, cells = run(dag, topology), run(dag, topology, "messages", packet=4096)
    np.testing.assert_allclose(fluid.busy, cells.busy, rtol=1e-9)
    assert cells.time == pytest.approx(fluid.time, rel=0.1)
    assert min(fluid.time, cells.time) >= fluid.busy.max()


def test_every_byte_arrives_and_edges_hold() -> None:
    for topology in (MESH, FRED["a"], builders.fat_tree(4, GB, 1e-7), resolve_topology("dgx1-v100")):
        schedule = collective_schedule("all_to_all", "direct", topology.npus.size)
        dag = lower(schedule, topology, 1e6)
        for found in (run(dag, topology), run(dag, topology, "messages")):
            sent = np.bincount(dag.links, dag.size[dag.task_of_link], minlength=topology.links)
            np.testing.assert_allclose(found.bytes_on(topology), sent)
            assert (found.begin[dag.edges[:, 1]] >= found.end[dag.edges[:, 0]] - 1e-12).all()


def test_more_bandwidth_is_never_slower() -> None:
    times = []
    for speed in (1, 2, 4, 8):
        grid = builders.mesh((4, 4), speed * GB, 1e-7)
        times.append(run(lower(collective_schedule("all_reduce", "ring", 16), grid, 1e8), grid).time)
    assert times == sorted(times, reverse=True)


def test_a_circle_is_refused() -> None:
    line = builders.mesh((2,), GB, 0.0)
    for mode in ("flows", "messages"):
        with pytest.raises(SlipstickError, match="wait for each other"):
            run(tasks(line, [(0, 1), (1, 0)], [1.0, 1.0], edges=np.array([[0, 1], [1, 0]])), line, mode)


def test_switches_that_cannot_add_up_are_refused() -> None:
    with pytest.raises(SlipstickError, match="cannot add up"):
        lower(collective_schedule("all_reduce", "in_network", 20), FRED["a"], 1e9)


def test_packets_by_hand() -> None:
    """10 bytes over two links and 4 over one, cut at 4: three packets and one; a fixed time stays as it is."""
    line = builders.mesh((3,), 1.0, 0.0)
    dag = tasks(
        line, [(0, 2), (0, 0), (1, 2), (0, 0)], [10.0, 0.0, 4.0, 0.0], seconds=np.array([7.0, 5.0, 7.0, 6.0]),
        lane=np.array([-1, 1, -1, 0]), priority=np.array([3, 1, 2, 0]), delay=np.array([0.1, 0.2, 0.3, 0.4]),
        tail=np.array([1.0, 2.0, 3.0, 4.0]), edges=np.array([[0, 1], [1, 2], [3, 0]]),
    )  # fmt: skip
    first, second = dag.links[0], dag.links[1]
    pieces, owner = _cut(dag, 4.0)
    assert owner.tolist() == [0, 1, 2, 3, 0, 0, 0, 2]
    np.testing.assert_allclose(pieces.size, [0, 0, 0, 0, 10 / 3, 10 / 3, 10 / 3, 4])
    assert pieces.seconds.tolist() == [7, 5, 7, 6, 0, 0, 0, 0]  # packets take only what their links take
    assert pieces.lane.tolist() == [-1, 1, -1, 0, -1, -1, -1, -1]
    assert pieces.priority.tolist() == [3, 1, 2, 0, 3, 3, 3, 2]
    assert pieces.delay.tolist() == [0.0, 0.2, 0.0, 0.4, 0.1, 0.1, 0.1, 0.3]  # of packets, not once more of the whole
    assert pieces.tail.tolist() == [0.0, 2.0, 0.0, 4.0, 1.0, 1.0, 1.0, 3.0]
    assert np.diff(pieces.starts).tolist() == [0, 0, 0, 0, 2, 2, 2, 1]
    assert pieces.links.tolist() == [first, second] * 3 + [dag.links[2]]
    assert pieces.weight.tolist() == [1.0] * 7
    edges = {(int(a), int(b)) for a, b in pieces.edges}
    assert edges == {(0, 1), (1, 7), (3, 4), (3, 5), (3, 6), (4, 0), (5, 0), (6, 0), (7, 2)}
    assert len(pieces.edges) == len(edges)


@pytest.mark.parametrize(("size", "count"), [(8.0, 2), (8.0 + 1e-15, 2), (8.1, 3), (0.5, 1)])
def test_a_remainder_of_rounding_is_no_packet(size: float, count: int) -> None:
    line = builders.mesh((2,), 1.0, 0.0)
    pieces, owner = _cut(tasks(line, [(0, 1)], [size]), 4.0)
    assert len(owner) == 1 + count
    assert pieces.size.sum() == pytest.approx(size)


def test_packets_stand_for_their_transfer() -> None:
    line = builders.mesh((3,), GB, 0.0)
    dag = lower(collective_schedule("all_reduce", "ring", 3), line, 3e4)
    pieces, owner = _cut(dag, 4096)
    assert np.bincount(owner, pieces.size).tolist() == pytest.approx(dag.size.tolist())
    assert pieces.size.max() <= 4096


# --- the bandwidth limits of FRED: theory 1.8 ------------------------------------------------------------------------

SIZE = 20 * GB
MESH_20 = 1.9 * SIZE / 1500e9  # two links of 750 GB/s at a corner bind
GROUPS = [np.arange(5) * 4 + place for place in range(4)]  # DP(5) beside MP(2) and PP(2), consecutive


def over_twenty(variant: str) -> float:
    schedule = hierarchical.all_reduce(4, 5) if variant in "ac" else collective_schedule("all_reduce", "in_network", 20)
    return run(lower(schedule, FRED[variant], SIZE), FRED[variant]).time


def over_five(topology: Topology, *, inside: bool) -> float:
    schedule = (
        collective_schedule("all_reduce", "in_network", 5) if inside else collective_schedule("all_reduce", "ring", 5)
    )
    return run(Dag.join([lower(schedule, topology, SIZE, nodes=group) for group in GROUPS]), topology).time


def test_the_wafer_wide_ring_on_the_mesh_comes_near_to_its_corners_limit() -> None:
    found = run(lower(hierarchical.all_reduce(4, 5, both_orders=True), MESH, SIZE), MESH).time
    assert MESH_20 <= found <= 1.01 * MESH_20


@pytest.mark.parametrize(("variant", "ratio"), [("b", 1.9), ("c", 2.0), ("d", 3.8)])
def test_all_reduce_over_20_against_the_mesh(variant: str, ratio: float) -> None:
    mesh = run(lower(hierarchical.all_reduce(4, 5, both_orders=True), MESH, SIZE), MESH).time
    assert mesh / over_twenty(variant) == pytest.approx(ratio, rel=0.01)


def test_all_reduce_over_20_on_fred_a_is_bound_by_its_uplinks() -> None:
    """The paper's arithmetic (375 + 4 x 375 GB/s) gives 1.25, but every switch must send and receive 2 (4/5) of the
    data over 1.5 TB/s: no all-reduce outside the switches can be faster than 1.1875 times the mesh's limit."""
    limit = 2 * (4 / 5) * SIZE / 1.5e12
    assert limit <= over_twenty("a") <= 1.05 * limit
    assert MESH_20 / limit == pytest.approx(1.1875)


@pytest.mark.parametrize(("variant", "ratio"), [("a", 0.5), ("b", 0.8), ("c", 4.0), ("d", 6.4)])
def test_dp_5_with_four_flows_an_uplink(variant: str, ratio: float) -> None:
    mesh = over_five(MESH, inside=False)
    assert mesh / over_five(FRED[variant], inside=variant in "bd") == pytest.approx(ratio, rel=0.01)


def test_an_endpoint_adds_its_delay_and_the_time_to_add_up() -> None:
    topology = builders.ring(4, GB, 0.0)
    plain = run(lower(collective_schedule("all_reduce", "ring", 4), topology, 4e6), topology).time
    slow = run(
        lower(collective_schedule("all_reduce", "ring", 4), topology, 4e6, endpoint=Endpoint(1e-3, 1e9)), topology
    ).time
    assert slow - plain == pytest.approx(7 * 1e-3 + 3 * 3 * 1e6 / 1e9)


def test_a_small_flow_late_in_a_long_run_ends() -> None:
    """What is left of it by rounding takes less time than the clock can tell there."""
    line = builders.mesh((2,), 3e12, 0.0)
    late = {"seconds": np.array([100.0, 0.0, 0.0]), "edges": np.array([(0, 1), (0, 2)])}
    found = run(tasks(line, [(0, 0), (0, 1), (0, 1)], [0.0, 1e3 / 3, 7e3], **late), line)
    assert found.time == pytest.approx(100.0, rel=1e-9)
