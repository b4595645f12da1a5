"""Conformance suite of topologies: tests that every Topology must pass, run by pytest.

A package inherits it once for all of its topologies: names of the catalogue, files, dicts or objects::

    class TestTopologies(TopologySuite):
        topologies = ("my-folder/ring.yaml",)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.topology import NODE_KINDS, Topology
from slipstick.fabric.routing import routes
from slipstick.fabric.topology_file import resolve_topology
from slipstick.testing.members import one_case_each

_PAIRS = 200  # routes that a test follows, of a large topology drawn at random
_STARTS = 16  # devices from which a test walks over all links


class TopologySuite:
    """Tests of every topology in `topologies`: its arrays, its links, and the routes of messages over them."""

    topologies: ClassVar[Sequence[str | Path | Topology | Mapping[str, Any]]] = ()

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Give each test one case for every topology."""
        one_case_each(metafunc, "spec", self.topologies, _label)

    def test_its_arrays_fit_together(self, spec: Any) -> None:
        """Nodes have names of their own and known kinds; every link joins two of them, with bandwidth and latency."""
        topology = resolve_topology(spec)
        assert len(set(topology.nodes)) == len(topology.nodes) == len(topology.kinds) == len(topology.reduces)
        assert set(topology.kinds) <= set(NODE_KINDS)
        arrays = (topology.source, topology.target, topology.bandwidth, topology.latency)
        assert {len(array) for array in arrays} == {topology.links}
        for ends in (topology.source, topology.target):
            assert ((ends >= 0) & (ends < len(topology.nodes))).all()
        assert (topology.source != topology.target).all()
        assert (topology.bandwidth > 0).all()
        assert (topology.latency >= 0).all()
        assert topology.position is None or len(topology.position) == len(topology.nodes)

    def test_it_is_built_alike_each_time(self, spec: Any) -> None:
        """The same spec is the same graph, link for link."""
        first, second = resolve_topology(spec), resolve_topology(spec)
        assert (first.nodes, first.kinds, first.family, first.shape) == (
            second.nodes,
            second.kinds,
            second.family,
            second.shape,
        )
        for name in ("source", "target", "bandwidth", "latency", "reduces"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))

    def test_every_device_reaches_every_other(self, spec: Any) -> None:
        """Every device reaches all others over the links (breadth-first search)."""
        topology = resolve_topology(spec)
        assert topology.npus.size
        for node in topology.npus[:_STARTS]:
            assert set(topology.npus.tolist()) <= _hops_from(topology, int(node)).keys()

    def test_routes_are_walks_from_source_to_target(self, spec: Any) -> None:
        """Links of a path follow each other, visit no node twice, and under `shortest` are as few as there can be."""
        topology = resolve_topology(spec)
        source, target = _some_pairs(topology)
        for routing in ("auto", "shortest", "ecmp", "tree"):
            paths = routes(topology, source, target, routing)
            for place, (start, end) in enumerate(zip(source, target, strict=True)):
                links = paths.path(place)
                assert topology.source[links[0]] == start
                assert topology.target[links[-1]] == end
                assert (topology.target[links[:-1]] == topology.source[links[1:]]).all()
                assert len(set(topology.source[links].tolist())) == len(links)
        hops = {int(start): _hops_from(topology, int(start)) for start in set(source.tolist())}
        fewest = [hops[int(start)][int(end)] for start, end in zip(source, target, strict=True)]
        for routing in ("shortest", "ecmp", "tree"):
            assert routes(topology, source, target, routing).hops.tolist() == fewest
        assert (routes(topology, source, target).hops >= fewest).all()

    def test_an_unknown_routing_is_refused(self, spec: Any) -> None:
        """A routing that does not exist is one error with those that do."""
        topology = resolve_topology(spec)
        with pytest.raises(SlipstickError, match=r"routing: no such routing; got 'by luck'.*shortest"):
            routes(topology, topology.npus[:1], topology.npus[-1:], "by luck")


def _some_pairs(topology: Topology) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return sources and targets of different devices: all pairs of a small topology, a sample of a large one."""
    count = len(topology.npus)
    pairs = np.array([(a, b) for a in range(count) for b in range(count) if a != b])
    if len(pairs) > _PAIRS:
        pairs = pairs[np.random.default_rng(0).choice(len(pairs), _PAIRS, replace=False)]
    return topology.npus[pairs[:, 0]], topology.npus[pairs[:, 1]]


def _hops_from(topology: Topology, start: int) -> dict[int, int]:
    """Return the fewest hops to every node that can be reached, by breadth-first search."""
    after: dict[int, list[int]] = {}
    for source, target in zip(topology.source.tolist(), topology.target.tolist(), strict=True):
        after.setdefault(source, []).append(target)
    hops, front = {start: 0}, [start]
    for node in front:
        for other in after.get(node, []):
            if other not in hops:
                hops[other] = hops[node] + 1
                front.append(other)
    return hops


def _label(spec: Any) -> str:
    return str(getattr(spec, "name", None) or (spec.get("name") if isinstance(spec, Mapping) else None) or spec)
