"""I/O controllers of a wafer: weights streamed in, gradients streamed out, samples loaded; and the mesh's hot spot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.fabric.patterns import Pattern, _is_grid, in_network
from slipstick.fabric.routing import routes


def controllers(topology: Topology) -> IntArray:
    """Return the nodes that are I/O controllers.

    Errors
    ------
    SlipstickError where there are none.
    """
    nodes = np.flatnonzero(np.array(topology.kinds) == "io")
    if not nodes.size:
        raise SlipstickError(
            "no I/O controllers: nothing can be streamed", path=f"topology {topology.name}", allowed="nodes of kind io"
        )
    return nodes


def _broadcast(topology: Topology, shards: Sequence[Sequence[int]]) -> Pattern:
    """Return the pattern of weights streamed in: each controller sends an equal part, a part per shard's nodes.

    On a mesh a controller's data first go straight inwards from its side, and from every node of that line to both
    sides: the one-to-many tree. Source: FRED (arXiv 2406.19580), section 3 and figure 4.

    Examples
    --------
    >>> from slipstick.fabric.topology_file import resolve_topology
    >>> mesh = resolve_topology("wafer-mesh")  # 2304 GB/s of controllers, whose worst link needs 1152 of 750 GB/s
    >>> round(_broadcast(mesh, [range(20)]).time(mesh, 2304e9 * 0.651), 2)
    1.0
    """
    inside = controllers(topology)
    share = 1 / (len(inside) * len(shards))
    parts = [_one_to_many(topology, int(node), shard, share) for node in inside for shard in shards]
    return Pattern.together(parts, topology)


def _collect(topology: Topology, shards: Sequence[Sequence[int]]) -> Pattern:
    """Return the pattern of gradients streamed out, reduced over the nodes of each shard: the broadcast reversed.

    Switches that cannot add up leave it to the nodes: a ring scatters the sums, and each node sends its own part off.
    """
    if _is_grid(topology) or in_network(topology):
        out = _broadcast(topology, shards)
        back = _reversed_links(topology)
        return Pattern(back[out.links], out.weight, out.latency)
    inside, parts = controllers(topology), []
    for shard in shards:
        count, share = len(shard), 1 / len(shards)
        if count > 1:
            parts.append(Pattern.of_rings(topology, [list(shard)], share * (count - 1) / count, 1))
        pairs = [(int(node), int(port)) for node in shard for port in inside]
        parts.append(Pattern.of_messages(topology, pairs, share / len(pairs)))
    return Pattern.together(parts, topology)


def load(topology: Topology, nodes: Sequence[int]) -> Pattern:
    """Return the pattern of samples loaded by all controllers into some nodes in equal parts; empty for no nodes."""
    inside = np.flatnonzero(np.array(topology.kinds) == "io")
    if not inside.size:  # they come another way, which the topology does not describe
        return Pattern(np.zeros(0, np.int64), np.zeros(0))
    pairs = [(int(port), int(node)) for port in inside for node in nodes]
    return Pattern.of_messages(topology, pairs, 1 / len(pairs))


def _one_to_many(topology: Topology, port: int, nodes: Sequence[int], amount: float) -> Pattern:
    """Return the multicast tree from one controller to some nodes."""
    if not _is_grid(topology):
        return Pattern.of_tree(topology, [port], list(nodes), amount)
    gate = int(topology.target[topology.source == port][0])
    rows, columns = topology.shape
    row, column = divmod(gate, columns)
    along = _enters_sideways(topology, port, gate)
    # the last stop on the line that the data first run along
    turns = [row * columns + n % columns if along else n // columns * columns + column for n in nodes]
    legs = [(port, gate), *((gate, turn) for turn in turns), *zip(turns, nodes, strict=True)]
    pairs = np.array([(a, b) for a, b in legs if a != b], np.int64)
    paths = routes(topology, pairs[:, 0], pairs[:, 1])
    longest = (rows + columns - 1) * float(topology.latency.max())
    return Pattern.of_links(topology, np.unique(paths.links), amount, longest)


def hot_spot(topology: Topology) -> float:
    """Return the hot-spot factor of a wafer: the load of its busiest link when all I/O controllers broadcast.

    The load is the number of controllers whose data cross the link: 2N - 1 on an N x N mesh. Source: FRED (arXiv
    2406.19580), section 3.

    Examples
    --------
    >>> from slipstick.fabric.builders import wafer_mesh
    >>> [round(hot_spot(wafer_mesh((n, n), 1.0, 0.0, io_bandwidth=1.0, io_latency=0.0))) for n in (2, 4, 16)]
    [3, 7, 31]
    """
    pattern = _broadcast(topology, [topology.npus.tolist()])
    source, target = topology.source[pattern.links], topology.target[pattern.links]
    inner = np.isin(source, topology.npus) & np.isin(target, topology.npus)
    return float(pattern.weight[inner].max() * len(controllers(topology)))


def line_rate(topology: Topology) -> float:
    """Return the share of the controllers' bandwidth that all of them can sustain while broadcasting to all nodes.

    Examples
    --------
    >>> from slipstick.fabric.topology_file import resolve_topology
    >>> round(line_rate(resolve_topology("wafer-mesh")), 3), line_rate(resolve_topology("wafer-fred-d"))
    (0.651, 1.0)
    """
    pattern = _broadcast(topology, [topology.npus.tolist()])
    into = np.isin(topology.source[pattern.links], controllers(topology))
    need = pattern.weight / topology.bandwidth[pattern.links]
    return float(need[into].max() / need.max())


def _reversed_links(topology: Topology) -> IntArray:
    """Return for every link the link in the opposite direction.

    Errors
    ------
    SlipstickError where there is none.
    """
    number = {(int(s), int(t)): link for link, (s, t) in enumerate(zip(topology.source, topology.target, strict=True))}
    try:
        ends = zip(topology.target, topology.source, strict=True)
        return np.array([number[int(s), int(t)] for s, t in ends], np.int64)
    except KeyError as error:
        source, target = (topology.nodes[node] for node in error.args[0])
        raise SlipstickError("no link back", path=f"topology {topology.name}", value=f"{source} to {target}") from None


def _enters_sideways(topology: Topology, port: int, gate: int) -> bool:
    """Return whether a controller is at the left or right side, from where its data run along the row."""
    assert topology.position is not None  # noqa: S101  the wafer's builder gives one
    step = topology.position[gate] - topology.position[port]
    return bool(abs(step[0]) > abs(step[1]))
