"""Topologies as users write them, in YAML, as a dict or by name: a family with parameters, or nodes and links."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.spec import Spec
from slipstick.core.topology import NODE_KINDS, Topology
from slipstick.fabric import builders

MAX_NODES = 2**16
MAX_LINKS = 2**22  # 128 MiB of arrays


class Link(Spec):
    """A cable between two nodes, in both directions unless `oneway`."""

    between: tuple[str, str] = Field(description="Names of the two nodes")
    bandwidth: units.BytesPerSecond = Field(description="Bandwidth in each direction")
    latency: units.Seconds = Field(default=0.0, description="Latency of a message")
    oneway: bool = Field(default=False, description="Only from the first node to the second")


class TopologySpec(Entry):
    """Description of a topology: `family` with `shape` and link attributes, or ``family: graph`` with its lists.

    Examples
    --------
    >>> TopologySpec(family="mesh", shape=(5, 4), bandwidth="750 GB/s", latency="20 ns").build().links
    62
    """

    family: str = Field(default="graph", description="Family of topologies, or graph: nodes and links")
    shape: tuple[int, ...] = Field(default=(), description="Sizes of the family")
    bandwidth: units.BytesPerSecond | None = Field(default=None, description="Bandwidth of a node's link, one way")
    uplink: units.BytesPerSecond | None = Field(default=None, description="Bandwidth of a lower switch's link upwards")
    latency: units.Seconds = Field(default=0.0, description="Latency of a link")
    reduces: bool = Field(default=False, description="Switches add up what passes through them")
    io: tuple[int, ...] = Field(default=(), description="I/O controllers at each lower switch")
    io_bandwidth: units.BytesPerSecond | None = Field(default=None, description="Bandwidth of one I/O controller")
    nodes: dict[str, str] = Field(default_factory=dict, description="Name of a node -> npu, switch or io")
    links: tuple[Link, ...] = Field(default=(), description="Cables of a graph")

    @model_validator(mode="after")
    def _has_what_its_family_needs(self) -> TopologySpec:
        if self.family not in _FAMILIES:
            raise ValueError(f"family: no such topology {self.family!r}; one of {', '.join(_FAMILIES)}")
        ranks, needs = _RANKS[self.family], _NEEDS[self.family]
        missing = [name for name in needs if getattr(self, name) in (None, (), {})]
        if missing:
            raise ValueError(f"{', '.join(missing)}: needed by the family {self.family}")
        if ranks and len(self.shape) not in ranks:
            ranks_allowed = " or ".join(str(rank) for rank in ranks)
            raise ValueError(f"shape: {len(self.shape)} sizes given, the family {self.family} takes {ranks_allowed}")
        if any(size < 1 for size in self.shape):
            raise ValueError("shape: sizes start from 1")
        return self

    def build(self) -> Topology:
        """Return the topology of the description, after checks.

        Errors
        ------
        SlipstickError where it is too large, SpecErrors for its graph's errors, all at once.
        """
        nodes, links = _SIZES[self.family](self)
        for part, count, most in (("nodes", nodes, MAX_NODES), ("links", links, MAX_LINKS)):
            if count > most:
                raise SlipstickError(f"too many {part}", path=self.name or self.family, value=count, allowed=f"{most}")
        built = _check_topology(_FAMILIES[self.family](self))
        return replace(built, name=self.name or built.name)


def _check_topology(topology: Topology) -> Topology:
    """Return the topology if its links are valid and every node reaches every other.

    Errors
    ------
    SpecErrors: links without bandwidth, self loops, nodes without links, parts without a way between them.
    """
    errors: list[SlipstickError] = []
    for link in np.flatnonzero(~(topology.bandwidth > 0)):
        errors.append(SlipstickError("no bandwidth", path=f"links.{link}", value=float(topology.bandwidth[link])))
    for link in np.flatnonzero(topology.latency < 0):
        errors.append(SlipstickError("negative latency", path=f"links.{link}", value=float(topology.latency[link])))
    for link in np.flatnonzero(topology.source == topology.target):
        node = topology.nodes[topology.source[link]]
        errors.append(SlipstickError("joins a node with itself", path=f"links.{link}", value=node))
    if not topology.npus.size:
        errors.append(SlipstickError("no node computes", path="nodes", allowed="at least one of kind npu"))
    joined = np.zeros(len(topology.nodes), np.bool_)
    joined[topology.source] = joined[topology.target] = True
    lonely = np.flatnonzero(~joined) if len(topology.nodes) > 1 else np.zeros(0, np.int64)
    errors += [SlipstickError("has no link", path=f"nodes.{topology.nodes[node]}") for node in lonely]
    if not errors:
        cut = _unreached(topology)
        if cut:
            listed = ", ".join(topology.nodes[node] for node in cut[:4])
            errors.append(SlipstickError("no way from the first node and back", path="nodes", value=listed))
    if errors:
        raise SpecErrors(errors, where=topology.name)
    return topology


def _unreached(topology: Topology) -> list[int]:
    """Return the nodes that are unreachable from the first node, or from which it is unreachable."""
    missed: set[int] = set()
    for start, end in ((topology.source, topology.target), (topology.target, topology.source)):
        seen = np.zeros(len(topology.nodes), np.bool_)
        seen[0] = True
        while True:
            more = seen.copy()
            more[end[seen[start]]] = True
            if (more == seen).all():
                break
            seen = more
        missed |= set(np.flatnonzero(~seen).tolist())
    return sorted(missed)


def _graph(spec: TopologySpec) -> Topology:
    errors: list[SlipstickError] = []
    for name, kind in spec.nodes.items():
        if kind not in NODE_KINDS:
            errors.append(SlipstickError("no such kind of node", path=f"nodes.{name}", value=kind, allowed=NODE_KINDS))
    links: list[tuple[str, str, float, float]] = []
    for place, link in enumerate(spec.links):
        for end in link.between:
            if end not in spec.nodes:
                errors.append(SlipstickError("no such node", path=f"links.{place}", value=end, allowed=spec.nodes))
        links.append((*link.between, link.bandwidth, link.latency))
        if not link.oneway:
            links.append((link.between[1], link.between[0], link.bandwidth, link.latency))
    if errors:
        raise SpecErrors(errors, where=spec.name)
    return Topology.of(spec.name or "graph", dict(spec.nodes), links)


def _wafer(spec: TopologySpec) -> Topology:
    return builders.wafer_mesh(
        spec.shape, _of(spec.bandwidth), spec.latency, io_bandwidth=_of(spec.io_bandwidth), io_latency=spec.latency
    )


def _fred(spec: TopologySpec) -> Topology:
    members, groups = spec.shape
    if len(spec.io) != groups:
        raise SlipstickError("not one count a lower switch", path="io", value=spec.io, allowed=f"{groups} counts")
    return builders.fred(
        groups, members, _of(spec.bandwidth), _of(spec.uplink), spec.latency,
        io=spec.io, io_bandwidth=_of(spec.io_bandwidth), reduces=spec.reduces,
    )  # fmt: skip


def _of(value: float | None) -> float:
    assert value is not None  # noqa: S101  the validator has seen to it
    return value


def _plain(build: Callable[..., Topology], *, whole: bool = False) -> Callable[[TopologySpec], Topology]:
    """Return the builder of a family whose only parameters are sizes, bandwidth and latency."""

    def built(spec: TopologySpec) -> Topology:
        sizes: tuple[Any, ...] = (spec.shape,) if whole else spec.shape
        return build(*sizes, _of(spec.bandwidth), spec.latency)

    return built


_FAMILIES: dict[str, Callable[[TopologySpec], Topology]] = {
    "graph": _graph,
    "ring": _plain(builders.ring),
    "fully_connected": _plain(builders.fully_connected),
    "mesh": _plain(builders.mesh, whole=True),
    "torus": lambda s: builders.mesh(s.shape, _of(s.bandwidth), s.latency, wrap=True),
    "hypercube": _plain(builders.hypercube),
    "switch": lambda s: builders.switch(s.shape[0], _of(s.bandwidth), s.latency, reduces=s.reduces),
    "tree": lambda s: builders.tree(s.shape, (_of(s.bandwidth), _of(s.uplink)), s.latency, reduces=s.reduces),
    "fat_tree": _plain(builders.fat_tree),
    "dragonfly": _plain(builders.dragonfly),
    "cube_mesh": lambda s: builders.cube_mesh(_of(s.bandwidth), s.latency),
    "wafer_mesh": _wafer,
    "fred": _fred,
}

# number of sizes that a family's shape may have
_RANKS: dict[str, tuple[int, ...]] = {
    "graph": (0,), "ring": (1,), "fully_connected": (1,), "mesh": (1, 2, 3), "torus": (1, 2, 3), "hypercube": (1,),
    "switch": (1,), "tree": (2,), "fat_tree": (1,), "dragonfly": (3,), "cube_mesh": (0,), "wafer_mesh": (2,),
    "fred": (2,),
}  # fmt: skip
_NEEDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_FAMILIES, ("bandwidth",)),
    "graph": ("nodes",),
    "tree": ("bandwidth", "uplink"),
    "wafer_mesh": ("bandwidth", "io_bandwidth"),
    "fred": ("bandwidth", "uplink", "io", "io_bandwidth"),
}


def _grid(spec: TopologySpec) -> tuple[int, int]:
    count = math.prod(spec.shape)
    return count, 2 * count * len(spec.shape)


def _cube(spec: TopologySpec) -> tuple[int, int]:
    count = 2 ** min(spec.shape[0], 64)
    return count, count * spec.shape[0]


def _dragonfly_size(spec: TopologySpec) -> tuple[int, int]:
    groups, routers, nodes = spec.shape
    return groups * routers * (nodes + 1), groups * routers * (2 * nodes + routers) + groups**2


_SIZES: dict[str, Callable[[TopologySpec], tuple[int, int]]] = {
    **dict.fromkeys(("mesh", "torus", "wafer_mesh", "ring", "switch", "tree", "fred"), _grid),
    "graph": lambda s: (len(s.nodes), 2 * len(s.links)),
    "fully_connected": lambda s: (s.shape[0], s.shape[0] * (s.shape[0] - 1)),
    "hypercube": _cube,
    "fat_tree": lambda s: (s.shape[0] ** 3 // 4 + 2 * s.shape[0] ** 2, 2 * s.shape[0] ** 3),
    "dragonfly": _dragonfly_size,
    "cube_mesh": lambda _: (8, 32),
}

topologies: Catalogue[TopologySpec] = Catalogue(TopologySpec, "topologies", noun="topology")


def resolve_topology(spec: Topology | TopologySpec | Mapping[str, Any] | str | Path) -> Topology:
    """Return the topology that a name, dict, YAML file, spec or Topology stands for.

    Errors
    ------
    SlipstickError for an unknown name (with the nearest), SpecErrors for a description that does not fit.

    Examples
    --------
    >>> resolve_topology("wafer-mesh").npus.size
    20
    >>> resolve_topology({"family": "ring", "shape": [8], "bandwidth": "50 GB/s"}).links
    16
    """
    return spec if isinstance(spec, Topology) else topologies.resolve(spec).build()
