"""Topology: nodes and directed links as arrays, which a fabric simulates and a placement routes over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError

NODE_KINDS = ("npu", "switch", "io")


@dataclass(frozen=True, eq=False)
class Topology:
    """A directed graph of `nodes` and links; a two-way cable is two links.

    `kinds` has one of ``npu`` (computes), ``switch`` (forwards) and ``io`` (a controller at the edge) a node;
    `source` and `target` are node indices a link, `bandwidth` is in byte/s, `latency` in s. `reduces` tells which nodes
    can add up what passes through them. `family` and `shape` name regular topologies (``mesh``, (5, 4)) for routings
    and collectives that need a shape; `position` is where drawings put each node.

    Examples
    --------
    >>> wire = Topology.of("wire", {"a": "npu", "b": "npu"}, [("a", "b", 1e9, 2e-8), ("b", "a", 1e9, 2e-8)])
    >>> wire.npus.tolist(), wire.links
    ([0, 1], 2)
    """

    name: str
    nodes: tuple[str, ...]
    kinds: tuple[str, ...]
    source: NDArray[np.int32]
    target: NDArray[np.int32]
    bandwidth: NDArray[np.float64]
    latency: NDArray[np.float64]
    reduces: NDArray[np.bool_]
    family: str = "graph"
    shape: tuple[int, ...] = ()
    position: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, name: str, nodes: dict[str, str], links: list[tuple[str, str, float, float]]) -> Topology:
        """Build a topology from node names with their kinds, and links as (source, target, byte/s, s).

        Errors
        ------
        SlipstickError for a link to a node that does not exist.
        """
        index = {node: place for place, node in enumerate(nodes)}
        for place, link in enumerate(links):
            for end in link[:2]:
                if end not in index:
                    raise SlipstickError("no such node", path=f"links.{place}", value=end, allowed=list(index))
        return cls(
            name=name,
            nodes=tuple(nodes),
            kinds=tuple(nodes.values()),
            source=np.array([index[link[0]] for link in links], np.int32),
            target=np.array([index[link[1]] for link in links], np.int32),
            bandwidth=np.array([link[2] for link in links], np.float64),
            latency=np.array([link[3] for link in links], np.float64),
            reduces=np.zeros(len(nodes), np.bool_),
        )

    @property
    def links(self) -> int:
        """Number of directed links; a two-way cable has two."""
        return len(self.source)

    @property
    def npus(self) -> NDArray[np.int64]:
        """Indices of the compute nodes, in order: rank r of a collective is node ``npus[r]``."""
        return np.flatnonzero(np.array(self.kinds) == "npu")
