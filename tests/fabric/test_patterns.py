"""Traffic patterns, prices and task graphs of collectives: loads and latencies counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.fabric import builders
from slipstick.fabric.collectives.by_name import collective_schedule
from slipstick.fabric.flows import run
from slipstick.fabric.link_load_price import FabricPrice
from slipstick.fabric.messages import _ScheduleWriter
from slipstick.fabric.patterns import Pattern, _is_grid, all_reduce, in_network
from slipstick.fabric.symmetry import folded_all_reduce
from slipstick.fabric.tasks import Dag, Endpoint, lower
from slipstick.fabric.topology_file import resolve_topology

RATE, DELAY = 4.0, 0.5


def by_ends(topology: Topology, pattern: Pattern) -> dict[tuple[int, int], float]:
    """The weight of every link that a pattern takes, by the nodes that it joins."""
    ends = zip(topology.source[pattern.links].tolist(), topology.target[pattern.links].tolist(), strict=True)
    return dict(zip(ends, pattern.weight.tolist(), strict=True))


def test_a_ring_of_neighbours_loads_the_forward_links_alone() -> None:
    ring = builders.ring(4, RATE, DELAY)
    pattern = all_reduce(ring, range(4))
    assert by_ends(ring, pattern) == {(n, (n + 1) % 4): 1.5 for n in range(4)}
    assert pattern.latency == 2 * 3 * DELAY
    assert pattern.time(ring, 8.0) == 8.0 * 1.5 / RATE + 2 * 3 * DELAY


def test_a_ring_in_a_row_of_a_mesh_comes_back_over_the_same_links() -> None:
    mesh = builders.mesh((2, 3), RATE, DELAY)
    pattern = all_reduce(mesh, [0, 1, 2])
    assert by_ends(mesh, pattern) == pytest.approx(dict.fromkeys([(0, 1), (1, 2), (2, 1), (1, 0)], 4 / 3))
    assert pattern.latency == 2 * 2 * (2 * DELAY)  # each of 2 (N - 1) steps as long as its longest message


def test_switches_that_add_take_every_link_once_up_and_down() -> None:
    star = builders.switch(5, RATE, DELAY, reduces=True)
    pattern = all_reduce(star, [0, 2, 3])
    assert by_ends(star, pattern) == {(n, 5): 1.0 for n in (0, 2, 3)} | {(5, n): 1.0 for n in (0, 2, 3)}
    assert pattern.latency == 2 * DELAY
    tree = Pattern.of_tree(star, [0, 1], [1, 4], 0.25)
    assert by_ends(star, tree) == {(0, 5): 0.25, (1, 5): 0.25, (5, 1): 0.25, (5, 4): 0.25}


def test_two_levels_of_switches_ring_inside_then_across() -> None:
    tree = builders.tree((2, 2), (RATE, 2 * RATE), DELAY)
    pattern = all_reduce(tree, range(4))
    ups = {(0, 4): 1.5, (1, 4): 1.5, (2, 5): 1.5, (3, 5): 1.5, (4, 6): 1.0, (5, 6): 1.0}
    assert by_ends(tree, pattern) == ups | {(t, s): weight for (s, t), weight in ups.items()}
    assert pattern.latency == 2 * 2 * DELAY + 2 * 4 * DELAY
    uneven = all_reduce(tree, [0, 1, 2])  # groups of two and one: a plain ring
    assert by_ends(tree, uneven)[4, 6] == pytest.approx(4 / 3)
    alone = all_reduce(tree, [0, 2])  # each switch has one of them
    assert by_ends(tree, alone) == dict.fromkeys([(0, 4), (4, 6), (6, 5), (5, 2), (2, 5), (5, 6), (6, 4), (4, 0)], 1.0)


@pytest.mark.parametrize(("rows", "columns"), [(5, 4), (2, 2), (3, 6), (4, 4)])
def test_a_meshs_two_parts_keep_rows_and_columns_equally_busy(rows: int, columns: int) -> None:
    mesh = builders.mesh((rows, columns), RATE, DELAY)
    pattern = all_reduce(mesh, range(rows * columns))
    weights = by_ends(mesh, pattern)
    assert set(weights) == set(zip(mesh.source.tolist(), mesh.target.tolist(), strict=True))
    across = {w for (a, b), w in weights.items() if abs(a - b) == 1}
    down = {w for (a, b), w in weights.items() if abs(a - b) == columns}
    np.testing.assert_allclose(sorted(across | down), next(iter(across)))
    hops = 2 * ((columns - 1) ** 2 + (rows - 1) ** 2)  # 2 (N - 1) steps of rings whose way back passes N - 1 links
    assert pattern.latency == pytest.approx(hops * DELAY)
    # rows first: 2 (c - 1)/c of the part in each row, 2 (r - 1)/r of a c-th of it in each column; then the other part
    first, second = (rows - 1) * columns - (columns - 1), (columns - 1) * rows - (rows - 1)
    part = first / (first + second)
    row_load = part * 2 * (columns - 1) / columns + (1 - part) / rows * 2 * (columns - 1) / columns
    assert next(iter(across)) == pytest.approx(row_load)


def test_kinds_of_fabrics() -> None:
    assert in_network(resolve_topology("wafer-fred-b"))
    assert not in_network(resolve_topology("wafer-fred-a"))
    assert not in_network(builders.ring(4, RATE, DELAY))
    half = builders.tree((2, 2), (RATE, RATE), DELAY)
    half.reduces[4] = True
    assert not in_network(half), "all of its switches must add"
    assert _is_grid(builders.mesh((2, 3), RATE, DELAY))
    assert _is_grid(resolve_topology("wafer-mesh"))
    assert not _is_grid(builders.mesh((2, 3, 2), RATE, DELAY))
    assert not _is_grid(builders.ring(4, RATE, DELAY))
    line = builders.mesh((1, 4), RATE, DELAY)
    assert by_ends(line, all_reduce(line, range(4))) == pytest.approx(
        {(n, n + 1): 1.5 for n in range(3)} | {(n + 1, n): 1.5 for n in range(3)}
    )
    mesh = builders.mesh((2, 2), RATE, DELAY)
    assert all_reduce(mesh, [0, 1, 3, 2]).latency == 2 * 3 * DELAY, "in another order: a ring as it is given"


def test_patterns_together_add_their_loads_and_keep_the_longest_latency() -> None:
    ring = builders.ring(4, RATE, DELAY)
    one, two = Pattern.of_messages(ring, [(0, 1), (0, 1)], 0.5), Pattern.of_messages(ring, [(0, 2), (3, 3)], 0.25, 3)
    assert two.latency == 3 * 2 * DELAY
    both = Pattern.together([one, two], ring)
    assert by_ends(ring, both) == {(0, 1): 1.25, (1, 2): 0.25}
    assert both.latency == two.latency
    assert Pattern(np.zeros(0, np.int64), np.zeros(0), 2.5).time(ring, 1e9) == 2.5
    assert Pattern.of_messages(ring, []).time(ring, 1e9) == 0.0


# --- prices -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "ranks", "stride", "seconds"),
    [
        ("all_reduce", 6, 1, 12.0 * 2 * (5 / 6) / RATE + 2 * 5 * DELAY),
        ("all_gather", 6, 1, 12.0 * (5 / 6) / RATE + 5 * DELAY),
        ("reduce_scatter", 6, 1, 12.0 * (5 / 6) / RATE + 5 * DELAY),
        ("broadcast", 6, 1, 12.0 / RATE + 5 * DELAY),
        ("point_to_point", 2, 1, 12.0 / RATE + DELAY),
        ("point_to_point", 2, 2, 12.0 * 2 / RATE + 2 * DELAY),  # 0 to 2 and 1 to 3 share a link
        ("point_to_point", 2, 4, 0.0),  # beyond the fabric: no other stage to send to
        ("all_to_all", 2, 3, 6.0 * 3 / RATE + 3 * DELAY),  # pairs at opposite ends, forwards: three a link
        ("all_reduce", 3, 2, 12.0 * 2 * (2 / 3) * 2 / RATE + 2 * 2 * 2 * DELAY),
    ],
)  # fmt: skip
def test_prices_on_a_ring_of_six(op: str, ranks: int, stride: int, seconds: float) -> None:
    price = FabricPrice(builders.ring(6, RATE, DELAY))
    assert price(op, 12.0, ranks, stride) == pytest.approx(seconds)
    assert price(op, 12.0, ranks, stride) == price(op, 12.0, ranks, stride), "the second answer is remembered"


def test_prices_where_switches_copy() -> None:
    price = FabricPrice(builders.switch(4, RATE, DELAY, reduces=True))
    assert price("broadcast", 12.0, 4, 1) == 12.0 / RATE + 2 * DELAY
    assert price("all_reduce", 12.0, 4, 1) == 12.0 / RATE + 2 * DELAY
    assert price("all_reduce", 12.0, 2, 2) == 12.0 / RATE + 2 * DELAY, "two groups, no link of both"
    assert price("all_to_all", 12.0, 4, 1) == 12.0 * (3 / 4) / RATE + 2 * DELAY
    assert price("point_to_point", 12.0, 4, 1) == 12.0 / RATE + 2 * DELAY
    assert price("all_reduce", 0.0, 4, 1) == price("all_reduce", 1.0, 1, 1) == 0.0


# --- schedules as task graphs -----------------------------------------------------------------------------------------


def test_bytes_of_messages_are_shares_of_the_vector() -> None:
    full = builders.fully_connected(4, RATE, DELAY)
    around = lower(collective_schedule("all_reduce", "ring", 4), full, 8.0)
    assert set(around.size[around.size > 0]) == {2.0}
    pairs = lower(collective_schedule("all_to_all", "direct", 4), full, 8.0)
    assert set(pairs.size) == {2.0}, "of a rank's part, one piece for each rank"
    halves = lower(collective_schedule("all_reduce", "halving_doubling", 4), full, 8.0, priority=2)
    assert sorted(halves.size.tolist()) == [2.0] * 8 + [4.0] * 8
    assert set(halves.priority) == {2}


def test_an_endpoint_delays_every_sender_and_the_last_receiver() -> None:
    """Direct all-reduce of three: two steps with a rendezvous between; b = 4 bytes a message."""
    full = builders.fully_connected(3, RATE, DELAY)
    schedule = collective_schedule("all_reduce", "direct", 3)
    dag = lower(schedule, full, 12.0, endpoint=Endpoint(0.25, 16.0))
    step = 4.0 / RATE + DELAY
    assert run(dag, full).time == pytest.approx(3 * 0.25 + 2 * step + 3 * 4.0 / 16.0)
    assert run(lower(schedule, full, 12.0), full).time == pytest.approx(2 * step)
    assert run(dag, full, "messages").time == pytest.approx(3 * 0.25 + 2 * step + 3 * 4.0 / 16.0)
    folded = folded_all_reduce("direct", full, 12.0, Endpoint(0.25, 16.0))
    assert run(folded, full).time == pytest.approx(3 * 0.25 + 2 * step + 3 * 4.0 / 16.0)


def test_a_message_that_is_added_up_on_the_way_takes_its_longest_way() -> None:
    tree = builders.tree((2, 2), (RATE, 2 * RATE), DELAY, reduces=True)
    whole = lower(collective_schedule("all_reduce", "in_network", 4), tree, 8.0, endpoint=Endpoint(0.25, 16.0))
    assert len(whole.links) == 12
    assert run(whole, tree).time == pytest.approx(0.25 + 8.0 / RATE + 4 * DELAY + 0.25), "nodes add nothing"
    inside = lower(collective_schedule("all_reduce", "in_network", 2), tree, 8.0, nodes=[2, 3])
    assert run(inside, tree).time == pytest.approx(8.0 / RATE + 2 * DELAY)
    down = lower(collective_schedule("broadcast", "in_network", 4, root=1), tree, 8.0)
    ends = set(zip(tree.source[down.links].tolist(), tree.target[down.links].tolist(), strict=True))
    assert ends == {(1, 4), (4, 0), (4, 6), (6, 5), (5, 2), (5, 3)}
    assert run(down, tree).time == pytest.approx(8.0 / RATE + 4 * DELAY)


def test_ranks_and_nodes_must_match() -> None:
    ring = builders.ring(4, RATE, DELAY)
    with pytest.raises(SlipstickError, match="one node a rank"):
        lower(collective_schedule("all_reduce", "ring", 3), ring, 1.0)
    with pytest.raises(SlipstickError, match="no such algorithm"):
        collective_schedule("all_reduce", "butterfly", 4)
    with pytest.raises(SlipstickError, match="has no gather"):
        collective_schedule("gather", "ring", 4)
    with pytest.raises(SlipstickError, match="cannot be folded"):
        folded_all_reduce("tree", ring, 1.0)


def test_graphs_are_joined_with_their_own_edges_and_new_ones() -> None:
    ring = builders.ring(3, RATE, 0.0)
    part = lower(collective_schedule("all_reduce", "ring", 3), ring, 12.0)
    alone = run(part, ring).time
    last = int(np.argmax(run(part, ring).end))
    count = len(part)
    firsts = [task for task in range(count) if not part.waits[task]]
    edges = [(last, count + f) for f in firsts] + [(count + last, 2 * count + f) for f in firsts]
    chained = Dag.join([part, part, part], edges)
    assert len(chained) == 3 * count
    assert len(chained.edges) == 3 * len(part.edges) + 2 * len(firsts)
    assert run(chained, ring).time == pytest.approx(3 * alone)
    assert run(Dag.join([part, part, part]), ring).time == pytest.approx(3 * alone), "at once: a third of the rate each"


def test_a_schedule_counts_what_the_network_copies_once() -> None:
    writer = _ScheduleWriter()
    writer.cast([0, 1], [2, 3], 0, 3)
    writer.add([0, 1], [3, 2], 1, 2)
    schedule = writer.finish("broadcast", "by hand", 4, 4)
    assert schedule.sent.tolist() == [5, 5, 0, 0]
    assert schedule.received.tolist() == [0, 0, 5, 5]
    assert len(schedule) == 3
    data = np.arange(16).reshape(4, 4, 1)
    after = schedule.execute(data)[:, :, 0]
    assert after[2].tolist() == [4, data[1, 1, 0], data[1, 2, 0], 11]
    assert after[3].tolist() == [4, data[0, 1, 0], data[0, 2, 0], 15]
    assert after[2][0] == 0 + 4


@pytest.mark.parametrize("count", [5, 6, 7, 12])
def test_halving_of_odd_counts_gives_the_extra_ranks_data_and_result_once(count: int) -> None:
    schedule = collective_schedule("all_reduce", "halving_doubling", count)
    inner = 1 << (count.bit_length() - 1)
    extra = count - inner
    wanted = [2 * (inner - 1) + inner] * extra + [2 * (inner - 1)] * (inner - extra) + [inner] * extra
    assert schedule.sent.tolist() == schedule.received.tolist() == wanted


def test_pieces_of_trees_follow_each_other() -> None:
    """A pipelined broadcast of p pieces down d levels takes (p + d - 1) pieces' time on links of their own."""
    full = builders.fully_connected(7, RATE, 0.0)
    for pieces in (1, 2, 5):
        dag = lower(collective_schedule("broadcast", "tree", 7, pieces=pieces), full, 8.0)
        assert run(dag, full).time == pytest.approx((pieces + 2 - 1) * 8.0 / pieces / RATE)
        up = lower(collective_schedule("reduce", "tree", 7, pieces=pieces), full, 8.0)
        assert run(up, full).time == pytest.approx((pieces + 2 - 1) * 8.0 / pieces / RATE)


def test_a_hierarchical_ring_overlaps_its_pieces() -> None:
    """With many pieces the slower of inner and outer links alone is left: 2 (3/4) inside against 2 (4/5)/4 across."""
    from slipstick.fabric.collectives import hierarchical

    fast_across = builders.tree((4, 5), (RATE, 1000 * RATE), 0.0)
    times = {
        pieces: run(lower(hierarchical.all_reduce(4, 5, pieces), fast_across, 60.0), fast_across).time
        for pieces in (1, 4, 16)
    }
    node = 60.0 * (2 * (3 / 4) + 2 * (4 / 5) / 4) / RATE  # a node's own link carries both
    assert times[1] == pytest.approx(node)
    assert times[16] == pytest.approx(node, rel=0.08)
    grid = builders.mesh((4, 5), RATE, 0.0)
    one, many = (
        run(lower(hierarchical.all_reduce(5, 4, pieces, both_orders=True), grid, 60.0), grid).time for pieces in (1, 12)
    )
    bound = all_reduce(grid, range(20)).time(grid, 60.0)
    assert bound <= many < one
    assert many <= 1.02 * bound
