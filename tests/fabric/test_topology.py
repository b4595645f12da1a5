"""What every topology promises, and the sizes and bandwidths that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.fabric import builders
from slipstick.fabric.routing import _ROUTINGS, _distances, routes
from slipstick.fabric.topology_file import _FAMILIES, resolve_topology, topologies

SPEED, DELAY = 1e9, 2e-8
SPECS = {
    "ring": {"shape": [7]},
    "fully_connected": {"shape": [6]},
    "mesh": {"shape": [5, 4]},
    "torus": {"shape": [4, 3, 3]},
    "hypercube": {"shape": [4]},
    "switch": {"shape": [9]},
    "tree": {"shape": [4, 5], "uplink": 4e9},
    "fat_tree": {"shape": [4]},
    "dragonfly": {"shape": [5, 4, 2]},
    "cube_mesh": {},
    "wafer_mesh": {"shape": [3, 4], "io_bandwidth": 1e8},
    "fred": {"shape": [4, 3], "uplink": 4e9, "io": [2, 1, 0], "io_bandwidth": 1e8},
    "graph": {
        "nodes": {"a": "npu", "b": "npu", "s": "switch"},
        "links": [{"between": ["a", "s"], "bandwidth": "1 GB/s"}, {"between": ["s", "b"], "bandwidth": "2 GB/s"}],
    },
}


def spec(family: str) -> dict[str, object]:
    own = {} if family == "graph" else {"bandwidth": SPEED, "latency": DELAY}
    return {"family": family, **own, **SPECS[family]}


ALL = [resolve_topology(spec(family)) for family in _FAMILIES] + [resolve_topology(name) for name in topologies.names()]


def name(topology: Topology) -> str:
    return topology.name


@pytest.mark.parametrize("topology", ALL, ids=name)
def test_every_link_has_its_way_back(topology: Topology) -> None:
    there = {(int(s), int(t)): (b, d) for s, t, b, d in zip(*_links(topology), strict=True)}
    assert len(there) == topology.links, "no two links join the same nodes"
    assert all(there[t, s] == value for (s, t), value in there.items())


def _links(topology: Topology) -> tuple[np.ndarray, ...]:
    return topology.source, topology.target, topology.bandwidth, topology.latency


@pytest.mark.parametrize("topology", ALL, ids=name)
def test_compute_nodes_come_first_and_have_a_place(topology: Topology) -> None:
    assert topology.npus.tolist() == list(range(topology.npus.size))
    if topology.family != "graph":
        assert topology.position is not None
        assert len(np.unique(topology.position.round(9), axis=0)) == len(topology.nodes)


@pytest.mark.parametrize("routing", _ROUTINGS)
@pytest.mark.parametrize("topology", ALL, ids=name)
def test_routes_lead_from_source_to_target_and_are_shortest(topology: Topology, routing: str) -> None:
    grid = topology.family in ("mesh", "torus", "wafer_mesh", "ring")
    if routing == "dimension" and not grid:
        with pytest.raises(SlipstickError, match="no dimensions"):
            routes(topology, [0], [1], routing)
        return
    everyone = np.arange(len(topology.nodes))
    source, target = (a.ravel() for a in np.meshgrid(everyone, everyone))
    found = routes(topology, source, target, routing)
    hops = _distances(topology, everyone)
    for pair in range(len(found)):
        path = found.path(pair)
        assert len(path) == hops[target[pair], source[pair]]
        if len(path):
            assert topology.source[path[0]] == source[pair]
            assert topology.target[path[-1]] == target[pair]
            assert (topology.target[path[:-1]] == topology.source[path[1:]]).all()


def test_dimension_order_turns_once() -> None:
    grid = builders.mesh((5, 4), SPEED, DELAY)
    path = [int(grid.target[link]) for link in routes(grid, [0], [19], "dimension").path(0)]
    assert path == [1, 2, 3, 7, 11, 15, 19]


def test_ecmp_spreads_over_equal_ways() -> None:
    tree = builders.fat_tree(4, SPEED, DELAY)
    far = [(s, t) for s in range(4) for t in range(12, 16)]
    one, many = (routes(tree, *np.array(far).T, routing) for routing in ("shortest", "ecmp"))
    assert len(np.unique(many.links)) > len(np.unique(one.links))


def cut(topology: Topology, side: set[int]) -> float:
    inside = np.isin(topology.source, list(side)) & ~np.isin(topology.target, list(side))
    return float(topology.bandwidth[inside].sum())


def test_the_wafer_as_published() -> None:
    wafer = resolve_topology("wafer-mesh")
    assert [wafer.kinds.count(kind) for kind in ("npu", "io")] == [20, 18]
    compute = np.isin(wafer.source, wafer.npus) & np.isin(wafer.target, wafer.npus)
    out = np.bincount(wafer.source[compute], wafer.bandwidth[compute], minlength=20)[:20].reshape(5, 4)
    assert out[0, 0] == 1.5e12, "a corner"
    assert out[0, 1] == 2.25e12
    assert out[1, 1] == 3e12
    left = {r * 4 + c for r in range(5) for c in range(2)}
    left |= {int(s) for s, t in zip(wafer.source, wafer.target, strict=True) if s >= 20 and int(t) in left}
    assert cut(wafer, left) == 3.75e12
    io = np.bincount(wafer.target[wafer.source >= 20], minlength=20)
    assert sorted(np.unique(io, return_counts=True)[1].tolist()) == [4, 6, 10]
    assert io.max() == 2, "corners have two controllers"


@pytest.mark.parametrize(("variant", "bisection", "reduces"), [("a", 3.75e12, False), ("b", 3.75e12, True),
                                                              ("c", 30e12, False), ("d", 30e12, True)])  # fmt: skip
def test_fred_as_published(variant: str, bisection: float, reduces: bool) -> None:
    fred = resolve_topology(f"wafer-fred-{variant}")
    assert [fred.kinds.count(kind) for kind in ("npu", "switch", "io")] == [20, 6, 18]
    uplinks = fred.bandwidth[(fred.source >= 20) & (fred.source < 25) & (fred.target == 25)]
    assert uplinks.sum() / 2 == bisection
    assert fred.reduces[20:26].tolist() == [reduces] * 6


def test_dgx1_has_six_links_a_device() -> None:
    cube = resolve_topology("dgx1-v100")
    assert (cube.family, cube.shape) == ("cube_mesh", (8,))
    assert (np.bincount(cube.source, cube.bandwidth) == 6 * 25e9).all()
    assert _distances(cube, np.arange(8)).max() == 2


def test_known_counts() -> None:
    assert resolve_topology(spec("fat_tree")).npus.size == 16
    assert resolve_topology(spec("fat_tree")).kinds.count("switch") == 20
    assert resolve_topology(spec("dragonfly")).npus.size == 40
    assert _distances(resolve_topology(spec("hypercube")), [0]).max() == 4
    assert builders.mesh((2, 2), SPEED, DELAY, wrap=True).links == 8, "the way round two nodes is the same link"


def wire(one: str, other: str, **attributes: object) -> dict[str, object]:
    return {"between": [one, other], "bandwidth": 1, **attributes}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"family": "mash", "shape": [2, 2], "bandwidth": 1}, "mash"),
        ({"family": "mesh", "shape": [2, 2]}, "bandwidth"),
        ({"family": "mesh", "shape": [2, 0], "bandwidth": 1}, "sizes start from 1"),
        ({"family": "mesh", "shape": [2, 2, 2, 2], "bandwidth": 1}, "takes 1 or 2 or 3"),
        ({"family": "ring", "shape": [4], "bandwidth": "-3 GB/s"}, "bandwidth"),
        ({"family": "ring", "shape": [4], "bandwidth": "3 GB"}, "bandwidth"),
        ({"family": "ring", "shape": [10**9], "bandwidth": 1}, "too many nodes"),
        ({"family": "fully_connected", "shape": [60000], "bandwidth": 1}, "too many links"),
        ({"family": "hypercube", "shape": [10**6], "bandwidth": 1}, "too many"),
        ({"nodes": {"a": "npu", "b": "gpu"}, "links": [wire("a", "c")]}, "nodes.b(.|\n)*links.0"),
        ({"nodes": {"a": "npu", "b": "npu", "c": "npu"}, "links": [wire("a", "b")]}, "nodes.c"),
        ({"nodes": {"a": "npu", "b": "npu"}, "links": [wire("a", "a"), wire("a", "b")]}, "itself"),
        ({"nodes": {"a": "npu", "b": "npu"}, "links": [wire("a", "b", bandwidth=0)]}, "links.0.bandwidth"),
        ({"nodes": {"a": "npu", "b": "npu"}, "links": [wire("a", "b", latency=-1)]}, "links.0.latency"),
        ({"nodes": {"a": "npu", "b": "npu"}, "links": [wire("a", "b", oneway=True)]}, "no way"),
        ({"nodes": {"a": "switch", "b": "switch"}, "links": [wire("a", "b")]}, "computes"),
        ("wafer-fred-e", "wafer-fred-"),
    ],
)  # fmt: skip
def test_bad_topologies_give_one_clear_error(given: object, message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        resolve_topology(given)  # type: ignore[arg-type]


def test_a_yaml_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "nodes: {a: npu, b: npu, s: switch}\n"
        "links:\n- {between: [a, s], bandwidth: 50 GB/s, latency: 1 us}\n- {between: [b, s], bandwidth: 400 Gb/s}\n"
    )
    mine = resolve_topology(file)
    assert mine.name == "mine"
    assert mine.bandwidth.tolist() == [50e9] * 4
    assert mine.latency.tolist() == [1e-6, 1e-6, 0, 0]
