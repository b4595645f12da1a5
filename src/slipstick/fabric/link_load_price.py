"""Price of collectives by link load: seconds on a fabric's links, in place of the closed form of the cluster."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.fabric.patterns import Pattern, all_reduce, in_network

_Group = list[int]


class FabricPrice:
    """Price of collectives by the load on a topology's links, all groups of a parallel dimension communicating at once.

    Implements `core.collective_price.CollectivePrice`.

    Examples
    --------
    >>> from slipstick.fabric.topology_file import resolve_topology
    >>> mesh, fred = (FabricPrice(resolve_topology(name)) for name in ("wafer-mesh", "wafer-fred-d"))
    >>> round(mesh("all_reduce", 1e9, 20, 1) / fred("all_reduce", 1e9, 20, 1), 1)
    3.8
    >>> round(mesh("all_reduce", 1e9, 5, 4) / fred("all_reduce", 1e9, 5, 4), 1)  # four groups, one in each column
    6.4
    """

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._known: dict[tuple[str, int, int], Pattern] = {}

    def __call__(self, op: str, size: float, ranks: int, stride: int) -> float:
        """Return the seconds of a collective.

        Errors
        ------
        SlipstickError for an unknown one, and for groups that the fabric has not enough nodes for.
        """
        one_stage = op == "point_to_point" and ranks * stride > len(self.topology.npus)  # nobody to send to
        if ranks <= 1 or size <= 0 or one_stage:
            return 0.0
        key = op, ranks, stride
        if key not in self._known:
            if op not in _PATTERNS:
                raise SlipstickError("no such collective", path="op", value=op, allowed=_PATTERNS)
            groups = self._groups(ranks, stride)
            self._known[key] = Pattern.together(
                [_PATTERNS[op](self.topology, group) for group in groups], self.topology
            )
        return self._known[key].time(self.topology, size)

    def _groups(self, ranks: int, stride: int) -> list[_Group]:
        """Return the concurrent groups: as many blocks of ranks * stride nodes as the topology has."""
        nodes = [int(node) for node in self.topology.npus]
        block = ranks * stride
        if block > len(nodes):
            raise SlipstickError(
                "a group reaches further than the fabric", path=f"topology {self.topology.name}", value=block,
                allowed=f"up to {len(nodes)} nodes",
            )  # fmt: skip
        starts = range(0, len(nodes) - block + 1, block)
        return [nodes[start + first : start + block : stride] for start in starts for first in range(stride)]


def _one_pass(topology: Topology, group: _Group) -> Pattern:
    """Return the traffic pattern of a reduce-scatter or an all-gather: one pass around a ring."""
    return Pattern.of_rings(topology, [group], (len(group) - 1) / len(group), 1)


def _all_to_all(topology: Topology, group: _Group) -> Pattern:
    pairs = [(source, target) for source in group for target in group]
    return Pattern.of_messages(topology, pairs, 1 / len(group))


def _broadcast(topology: Topology, group: _Group) -> Pattern:
    """Return the traffic pattern of a broadcast: copied by the switches, or passed along the ring in pieces."""
    if in_network(topology):
        return Pattern.of_tree(topology, group[:1], group[1:])
    return Pattern.of_messages(topology, itertools.pairwise(group), 1.0, len(group) - 1)


def _point_to_point(topology: Topology, group: _Group) -> Pattern:
    """Return the traffic pattern of messages from every other member to the next one."""
    return Pattern.of_messages(topology, zip(group[:-1:2], group[1::2], strict=True))


_PATTERNS: dict[str, Callable[[Topology, _Group], Pattern]] = {
    "all_reduce": all_reduce,
    "reduce_scatter": _one_pass,
    "all_gather": _one_pass,
    "all_to_all": _all_to_all,
    "broadcast": _broadcast,
    "point_to_point": _point_to_point,
}
