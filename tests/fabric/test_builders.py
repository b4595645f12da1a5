"""Regular topologies by their definitions: degrees, bisections, positions, and the bounds on what a user may ask."""

from __future__ import annotations

from collections import Counter, deque
from itertools import pairwise

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.fabric import builders
from slipstick.fabric.routing import routes
from slipstick.fabric.topology_file import _SIZES, TopologySpec, resolve_topology

SPEED, DELAY = 2e9, 3e-8


def hops_by_search(topology: Topology, start: int) -> list[int]:
    """Hops from one node to all others, by breadth-first search."""
    near: dict[int, list[int]] = {}
    for source, target in zip(topology.source.tolist(), topology.target.tolist(), strict=True):
        near.setdefault(source, []).append(target)
    hops, queue = {start: 0}, deque([start])
    while queue:
        node = queue.popleft()
        for other in near[node]:
            if other not in hops:
                hops[other] = hops[node] + 1
                queue.append(other)
    return [hops[node] for node in range(len(topology.nodes))]


ALL = [
    builders.ring(7, SPEED, DELAY), builders.ring(8, SPEED, DELAY), builders.mesh((3, 4), SPEED, DELAY),
    builders.mesh((4, 5), SPEED, DELAY, wrap=True), builders.mesh((3, 2, 4), SPEED, DELAY, wrap=True),
    builders.hypercube(4, SPEED, DELAY), builders.switch(5, SPEED, DELAY),
    builders.tree((3, 2, 2), (SPEED,) * 3, DELAY), builders.fat_tree(4, SPEED, DELAY),
    builders.dragonfly(5, 4, 2, SPEED, DELAY), builders.cube_mesh(SPEED, DELAY),
    builders.wafer_mesh((3, 4), SPEED, DELAY, io_bandwidth=1e8, io_latency=1e-8),
]  # fmt: skip


@pytest.mark.parametrize("routing", ["auto", "shortest", "ecmp", "tree"])
@pytest.mark.parametrize("topology", ALL, ids=lambda t: t.name)
def test_paths_are_as_short_as_a_search_finds(topology: Topology, routing: str) -> None:
    for start in range(0, len(topology.nodes), 3):
        paths = routes(topology, np.full(len(topology.nodes), start), np.arange(len(topology.nodes)), routing)
        assert paths.hops.tolist() == hops_by_search(topology, start)


def test_ties_go_forwards_in_rings_and_to_the_lowest_number_elsewhere() -> None:
    ring = builders.ring(6, SPEED, DELAY)
    assert [int(ring.target[link]) for link in routes(ring, [1], [4]).path(0)] == [2, 3, 4]
    torus = builders.mesh((4, 4), SPEED, DELAY, wrap=True)
    assert [int(torus.target[link]) for link in routes(torus, [0], [10]).path(0)] == [1, 2, 6, 10]
    cube = builders.hypercube(3, SPEED, DELAY)
    assert [int(cube.target[link]) for link in routes(cube, [0], [7]).path(0)] == [1, 3, 7]
    assert routes(cube, [0], [7]).path(0).tolist() == routes(cube, [0], [7], "shortest").path(0).tolist()


def test_a_tree_routing_goes_up_by_the_target_and_equal_cost_ways_depend_on_both_ends() -> None:
    fat = builders.fat_tree(4, SPEED, DELAY)
    far = list(range(4, 16))
    up = {target: fat.target[routes(fat, [0], [target], "tree").path(0)[1]] for target in far}
    assert len(set(up.values())) == 2
    assert all(up[a] == up[a + 2] for a in far[:-2])  # by the target's number, modulo two ways up
    for source in (1, 2, 3):
        ways = {target: fat.target[routes(fat, [source], [target], "tree").path(0)[-2]] for target in far}
        assert ways == {target: fat.target[routes(fat, [0], [target], "tree").path(0)[-2]] for target in far}
    pairs = [(s, t) for s in range(4) for t in far]
    spread = routes(fat, *np.array(pairs).T, "ecmp")
    again = routes(fat, *np.array(pairs[::-1]).T, "ecmp")
    assert [spread.path(i).tolist() for i in range(len(pairs))] == [
        again.path(i).tolist() for i in reversed(range(len(pairs)))
    ]


def test_a_target_out_of_reach_is_said() -> None:
    oneway = Topology.of("one way", {"a": "npu", "b": "npu"}, [("a", "b", 1.0, 0.0)])
    with pytest.raises(SlipstickError, match="b to a"):
        routes(oneway, [0, 1], [1, 0])
    with pytest.raises(SlipstickError, match="no such routing"):
        routes(oneway, [0], [1], "fastest")


def degrees(topology: Topology) -> Counter[int]:
    return Counter(np.bincount(topology.source, minlength=len(topology.nodes)).tolist())


def joined(topology: Topology) -> set[tuple[int, int]]:
    return {(s, t) for s, t in zip(topology.source.tolist(), topology.target.tolist(), strict=True)}


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_a_ring_joins_neighbours(count: int) -> None:
    ring = builders.ring(count, SPEED, DELAY)
    forwards = {(n, (n + 1) % count) for n in range(count)} if count > 1 else set()
    assert joined(ring) == forwards | {(t, s) for s, t in forwards}
    assert (ring.bandwidth == SPEED).all()
    assert (ring.latency == DELAY).all()
    assert (ring.family, ring.shape) == ("ring", (count,))


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("shape", [(5,), (2, 3), (4, 3), (3, 2, 4), (1, 4)])
def test_a_grid_joins_what_differs_by_one_in_one_dimension(shape: tuple[int, ...], wrap: bool) -> None:
    grid = builders.mesh(shape, SPEED, DELAY, wrap=wrap)
    place = np.array(np.unravel_index(np.arange(int(np.prod(shape))), shape)).T
    ahead = place[:, None] - place[None]
    around = np.minimum(np.abs(ahead), np.array(shape) - np.abs(ahead)) if wrap else np.abs(ahead)
    wanted = {(int(a), int(b)) for a, b in zip(*np.nonzero(around.sum(axis=2) == 1), strict=True)}
    assert joined(grid) == wanted
    assert grid.links == len(wanted)
    assert grid.family == ("torus" if wrap else "mesh")


def test_a_hypercube_joins_what_differs_in_one_bit() -> None:
    cube = builders.hypercube(4, SPEED, DELAY)
    assert joined(cube) == {(a, a ^ 1 << bit) for a in range(16) for bit in range(4)}


def test_a_tree_has_one_root_and_every_node_one_switch_above() -> None:
    tree = builders.tree((3, 2, 4), (1.0, 10.0, 100.0), DELAY, reduces=True)
    assert (tree.npus.size, tree.kinds.count("switch")) == (24, 8 + 4 + 1)
    up = {s: t for s, t in joined(tree) if t > s}
    assert [up[node] for node in range(24)] == [24 + node // 3 for node in range(24)]
    assert [up[node] for node in range(24, 32)] == [32 + (node - 24) // 2 for node in range(24, 32)]
    assert {up[node] for node in range(32, 36)} == {36}
    speed = {(s, t): b for s, t, b in zip(tree.source, tree.target, tree.bandwidth, strict=True)}
    assert (speed[0, 24], speed[24, 0], speed[31, 35], speed[36, 33]) == (1.0, 1.0, 10.0, 100.0)
    assert tree.reduces.tolist() == [False] * 24 + [True] * 13
    assert tree.position is not None
    for level, (low, high) in enumerate(((0, 24), (24, 32), (32, 36), (36, 37))):
        x, y = tree.position[low:high].T
        np.testing.assert_allclose(y, -4.0 * level)  # a sixth of the width for every level
        np.testing.assert_allclose(x, (np.arange(high - low) + 0.5) * 24 / (high - low))
    assert builders.switch(4, SPEED, DELAY).position[-1].tolist() == [2.0, -2.0]  # type: ignore[index]


@pytest.mark.parametrize("ports", [2, 4, 6])
def test_a_fat_tree_has_full_bisection_and_switches_of_one_size(ports: int) -> None:
    """Al-Fares et al., SIGCOMM 2008, section 3: k pods of k/2 edge and k/2 aggregation switches, (k/2)^2 cores."""
    fat = builders.fat_tree(ports, SPEED, DELAY)
    nodes, each = ports**3 // 4, ports // 2
    assert fat.npus.size == nodes
    assert fat.kinds.count("switch") == 5 * ports**2 // 4
    degree = np.bincount(fat.source)
    assert (degree[:nodes] == 1).all()
    assert (degree[nodes:] == ports).all()
    cores = set(range(len(fat.nodes) - each**2, len(fat.nodes)))
    below = {core: {s for s, t in joined(fat) if t == core} for core in cores}
    pods = {core: {(node - nodes - ports * each) // each for node in under} for core, under in below.items()}
    assert all(found == set(range(ports)) for found in pods.values()), "every core reaches every pod once"
    first = set(range(nodes // 2))
    halves = [set(fat.npus.tolist()) - first, first]
    assert max_flow(fat, halves[1], halves[0]) == nodes // 2, "half the nodes can send to the other half at full rate"


def max_flow(topology: Topology, sources: set[int], targets: set[int]) -> int:
    """Augmenting paths over links of capacity one."""
    left = Counter(zip(topology.source.tolist(), topology.target.tolist(), strict=True))
    total = 0
    while True:
        parents: dict[int, int] = dict.fromkeys(
            (s for s in sources if any(left[s, t] for t in range(len(topology.nodes)))), -1
        )
        queue = deque(parents)
        end = -1
        while queue and end < 0:
            node = queue.popleft()
            for other in range(len(topology.nodes)):
                if other not in parents and left[node, other] > 0:
                    parents[other] = node
                    queue.append(other)
                    if other in targets:
                        end = other
                        break
        if end < 0:
            return total
        path = [end]
        while parents[path[-1]] >= 0:
            path.append(parents[path[-1]])
        for after, before in pairwise(path):
            left[before, after] -= 1
            left[after, before] += 1
        total += 1


@pytest.mark.parametrize(("groups", "routers", "nodes"), [(5, 4, 2), (3, 2, 1), (7, 3, 2), (2, 2, 2)])
def test_a_dragonfly_has_one_link_between_any_two_groups(groups: int, routers: int, nodes: int) -> None:
    fly = builders.dragonfly(groups, routers, nodes, SPEED, DELAY, global_bandwidth=5 * SPEED)
    count = groups * routers * nodes
    assert fly.npus.size == count
    assert fly.kinds.count("switch") == groups * routers
    between: Counter[tuple[int, int]] = Counter()
    outside: Counter[int] = Counter()
    for link, (s, t) in enumerate(zip(fly.source.tolist(), fly.target.tolist(), strict=True)):
        if s < count or t < count:
            node, router = min(s, t), max(s, t)
            assert router == count + node // nodes
            assert fly.bandwidth[link] == SPEED
            continue
        a, b = ((end - count) // routers for end in (s, t))
        if a != b:
            between[a, b] += 1
            outside[s] += 1
            assert fly.bandwidth[link] == 5 * SPEED
        else:
            assert fly.bandwidth[link] == SPEED
    assert all(between[a, b] == 1 for a in range(groups) for b in range(groups) if a != b)
    for group in range(groups):
        ours = [outside[count + group * routers + place] for place in range(routers)]
        assert max(ours) - min(ours) <= 1, "routers take a group's global links in turn"
        inside = {(s, t) for s, t in joined(fly) if {(s - count) // routers, (t - count) // routers} == {group}}
        assert len({(s, t) for s, t in inside if min(s, t) >= count}) == routers * (routers - 1)
    even = builders.dragonfly(3, 2, 1, SPEED, DELAY)
    assert (even.bandwidth == SPEED).all()


@pytest.mark.parametrize("shape", [(5, 4), (2, 2), (3, 1)])
def test_a_wafer_has_a_controller_at_each_outer_side(shape: tuple[int, int]) -> None:
    wafer = builders.wafer_mesh(shape, SPEED, DELAY, io_bandwidth=1e8, io_latency=4e-8)
    rows, columns = shape
    ports = np.flatnonzero(np.array(wafer.kinds) == "io")
    assert ports.size == 2 * (rows + columns)
    held = Counter(int(wafer.target[link]) for link in np.flatnonzero(np.isin(wafer.source, ports)))
    for node in range(rows * columns):
        row, column = divmod(node, columns)
        sides = (row == 0) + (row == rows - 1) + (column == 0) + (column == columns - 1)
        assert held[node] == sides
    own = np.isin(wafer.source, ports) | np.isin(wafer.target, ports)
    assert set(wafer.bandwidth[own]) == {1e8}
    assert set(wafer.latency[own]) == {4e-8}
    assert set(wafer.latency[~own]) <= {DELAY}
    assert wafer.position is not None
    for port in ports:  # outside, a step of 0.7 straight from its node
        gate = int(wafer.target[wafer.source == port][0])
        step = np.sort(np.abs(wafer.position[port] - wafer.position[gate]))
        np.testing.assert_allclose(step, [0.0, 0.7])
        x, y = wafer.position[port]
        assert not (0 <= x <= columns - 1 and 0 <= y <= rows - 1)


def test_freds_controllers_hang_on_its_lower_switches() -> None:
    fred = builders.fred(3, 4, 3.0, 6.0, DELAY, io=(2, 0, 1), io_bandwidth=0.5, reduces=True)
    ports = np.flatnonzero(np.array(fred.kinds) == "io")
    assert [int(fred.target[fred.source == port][0]) for port in ports] == [12, 12, 14]
    assert set(fred.bandwidth[np.isin(fred.source, ports)]) == {0.5}
    assert fred.bandwidth[(fred.source < 12)].tolist() == [3.0] * 12
    assert fred.bandwidth[fred.target == 15].tolist() == [6.0] * 3
    assert fred.reduces.tolist() == [False] * 12 + [True] * 4 + [False] * 3
    assert fred.position is not None
    switch, first, second = (fred.position[node] for node in (12, int(ports[0]), int(ports[1])))
    assert first.tolist() == pytest.approx([switch[0] - 1.05, switch[1] - 1.2])
    assert second.tolist() == pytest.approx([switch[0] - 0.35, switch[1] - 1.2])


@pytest.mark.parametrize("family", ["ring", "fully_connected", "hypercube"])
def test_nodes_of_a_circle_are_drawn_evenly(family: str) -> None:
    topology = resolve_topology({"family": family, "shape": [3], "bandwidth": 1.0})
    assert topology.position is not None
    count = len(topology.nodes)
    np.testing.assert_allclose(np.hypot(*topology.position.T), 1.0)
    turn = np.unwrap(np.arctan2(topology.position[:, 1], topology.position[:, 0]))
    np.testing.assert_allclose(np.diff(turn), 2 * np.pi / count)
    assert topology.position[0].tolist() == [1.0, 0.0]


def test_grids_are_drawn_by_their_coordinates() -> None:
    assert builders.mesh((2, 3), 1.0, 0.0).position.tolist() == [  # type: ignore[union-attr]
        [0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]
    ]  # fmt: skip
    assert builders.mesh((3,), 1.0, 0.0).position.tolist() == [[0, 0], [1, 0], [2, 0]]  # type: ignore[union-attr]
    planes = builders.mesh((2, 2, 2), 1.0, 0.0).position
    assert planes is not None
    np.testing.assert_allclose(planes[2] - planes[0], [0.3, 0.3])  # the middle axis: a plane behind
    np.testing.assert_allclose(planes[1] - planes[0], [1.0, 0.0])
    np.testing.assert_allclose(planes[4] - planes[0], [0.0, 1.0])


def test_routers_of_a_dragonfly_and_levels_of_a_fat_tree_are_drawn_apart() -> None:
    fly = builders.dragonfly(3, 2, 2, 1.0, 0.0)
    assert fly.position is not None
    radius = np.hypot(*fly.position.T)
    np.testing.assert_allclose(radius, [1.0] * 12 + [0.6] * 6)
    angle = np.unwrap(np.arctan2(fly.position[:, 1], fly.position[:, 0])[12:])
    np.testing.assert_allclose(np.diff(angle), 2 * np.pi / 6)
    assert angle[0] == pytest.approx(np.pi / 6)
    np.testing.assert_allclose(np.diff(np.unwrap(np.arctan2(fly.position[:12, 1], fly.position[:12, 0]))), np.pi / 6)
    fat = builders.fat_tree(4, 1.0, 0.0)
    assert fat.position is not None
    for level, (low, high) in enumerate(((0, 16), (16, 24), (24, 32), (32, 36))):
        np.testing.assert_allclose(fat.position[low:high, 1], -level * 16 / 6)
        np.testing.assert_allclose(fat.position[low:high, 0], (np.arange(high - low) + 0.5) * 16 / (high - low))


def test_a_cube_mesh_is_two_cubes_faces_with_six_links_a_device() -> None:
    cube = builders.cube_mesh(25e9, DELAY)
    lanes = np.zeros((8, 8))
    lanes[cube.source, cube.target] = cube.bandwidth / 25e9
    assert (lanes == lanes.T).all()
    assert (lanes.sum(axis=0) == 6).all()
    assert (np.count_nonzero(lanes, axis=0) == 4).all()
    assert lanes[:4, :4].sum() == lanes[4:, 4:].sum() == 18
    assert cube.position is not None
    assert len(np.unique(cube.position, axis=0)) == 8
    for a, b in {(s, t) for s, t in joined(cube) if s < t}:  # no link runs over another device
        for other in set(range(8)) - {a, b}:
            u, v = cube.position[b] - cube.position[a], cube.position[other] - cube.position[a]
            along = float(u @ v / (u @ u))
            assert abs(u[0] * v[1] - u[1] * v[0]) > 1e-9 or not 0 < along < 1


# --- what a user may ask ----------------------------------------------------------------------------------------------

SPECS: list[dict[str, object]] = [
    {"family": "ring", "shape": [40]}, {"family": "fully_connected", "shape": [12]},
    {"family": "mesh", "shape": [20, 20]}, {"family": "torus", "shape": [4, 5, 6]},
    {"family": "hypercube", "shape": [5]}, {"family": "switch", "shape": [30]},
    {"family": "fat_tree", "shape": [12]}, {"family": "dragonfly", "shape": [9, 8, 4]}, {"family": "cube_mesh"},
    {"family": "tree", "shape": [8, 6], "uplink": 1.0},
    {"family": "wafer_mesh", "shape": [20, 20], "io_bandwidth": 1.0},
    {"family": "fred", "shape": [8, 6], "uplink": 1.0, "io": [1, 1, 1, 1, 1, 1], "io_bandwidth": 1.0},
]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: str(spec["family"]))
def test_the_size_is_known_before_anything_is_built(spec: dict[str, object]) -> None:
    asked = TopologySpec(**{"bandwidth": 1.0, **spec})  # type: ignore[arg-type]
    nodes, links = _SIZES[asked.family](asked)
    built = asked.build()
    assert built.npus.size <= nodes <= 1.6 * len(built.nodes)
    assert 0.75 * built.links <= links <= 2 * built.links
    if asked.family in ("ring", "fully_connected", "torus", "hypercube", "cube_mesh"):
        assert (nodes, links) == (len(built.nodes), built.links)


def test_a_graphs_size_is_its_lists() -> None:
    wire = {"between": ("a", "b"), "bandwidth": 1.0}
    spec = TopologySpec(nodes={"a": "npu", "b": "npu"}, links=(wire,))  # type: ignore[arg-type]
    assert _SIZES["graph"](spec) == (2, 2)


@pytest.mark.parametrize(
    ("shape", "family", "said"),
    [
        ([2**16 + 1], "ring", "too many nodes"), ([2049], "fully_connected", "too many links"),
        ([17], "hypercube", "too many nodes"), ([70], "fat_tree", "too many nodes"),
    ],
)  # fmt: skip
def test_bounds_hold_from_the_first_node_or_link_beyond_them(shape: list[int], family: str, said: str) -> None:
    with pytest.raises(SlipstickError, match=said):
        resolve_topology({"family": family, "shape": shape, "bandwidth": 1.0})


def test_sizes_within_the_bounds_are_built() -> None:
    assert resolve_topology({"family": "switch", "shape": [2**15], "bandwidth": 1.0}).npus.size == 2**15
    assert resolve_topology({"family": "fully_connected", "shape": [1200], "bandwidth": 1.0}).links == 1200 * 1199


def test_a_single_node_needs_no_link() -> None:
    alone = resolve_topology({"nodes": {"a": "npu"}})
    assert (alone.npus.tolist(), alone.links) == ([0], 0)


def test_a_way_there_and_back_is_needed_from_every_node() -> None:
    circle = {"nodes": {"a": "npu", "b": "npu", "c": "npu"}}
    around = [{"between": pair, "bandwidth": 1, "oneway": True} for pair in (["a", "b"], ["b", "c"], ["c", "a"])]
    assert resolve_topology({**circle, "links": around}).links == 3
    dead_end = [*around[:2], {"between": ["a", "c"], "bandwidth": 1, "oneway": True}]
    with pytest.raises(SlipstickError, match="no way from the first node and back"):
        resolve_topology({**circle, "links": dead_end})
    with pytest.raises(SlipstickError, match=r"\bc\b"):
        resolve_topology({**circle, "links": dead_end})


def test_latencies_and_rates_are_those_of_the_description() -> None:
    spec = {"family": "fred", "shape": [4, 2], "bandwidth": 3.0, "uplink": 5.0, "latency": 1e-6, "io": [1, 2],
            "io_bandwidth": 7.0, "reduces": True}  # fmt: skip
    fred = resolve_topology(spec)
    assert set(fred.latency) == {1e-6}
    assert Counter(fred.bandwidth.tolist()) == {3.0: 16, 5.0: 4, 7.0: 6}
    with pytest.raises(SlipstickError, match="2 counts"):
        resolve_topology({**spec, "io": [1, 2, 3]})
    wafer = resolve_topology(
        {"family": "wafer_mesh", "shape": [2, 3], "bandwidth": 3.0, "latency": 1e-6, "io_bandwidth": 7.0}
    )
    assert set(wafer.latency) == {1e-6}
    assert Counter(wafer.bandwidth.tolist()) == {3.0: 14, 7.0: 20}
    tree = resolve_topology({"family": "tree", "shape": [3, 2], "bandwidth": 3.0, "uplink": 5.0, "reduces": True})
    assert Counter(tree.bandwidth.tolist()) == {3.0: 12, 5.0: 4}
    assert tree.reduces.sum() == 3
    assert not resolve_topology({"family": "switch", "shape": [3], "bandwidth": 3.0}).reduces.any()
