"""Regular topologies: ring, fully connected, mesh, torus, hypercube, switch, fat tree, dragonfly, DGX-1, FRED.

Every builder takes bandwidths in byte/s (of one link, one direction) and latencies in s, and returns a `Topology` whose
compute nodes come first, in rank order. Links are two-way: each is two directed ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.topology import Topology

_Edge = tuple[int, int]


def ring(count: int, bandwidth: float, latency: float) -> Topology:
    """Return a ring of `count` nodes, each joined to the next, the last to the first.

    Examples
    --------
    >>> ring(4, 1e9, 0.0).links
    8
    """
    edges = [(node, (node + 1) % count) for node in range(count if count > 2 else count - 1)]
    angle = 2 * np.pi * np.arange(count) / count
    return _assemble(
        f"ring({count})", ["npu"] * count, edges, bandwidth, latency, family="ring", shape=(count,),
        position=np.stack([np.cos(angle), np.sin(angle)], axis=1),
    )  # fmt: skip


def fully_connected(count: int, bandwidth: float, latency: float) -> Topology:
    """Return a topology of `count` nodes with a link between any two."""
    edges = list(itertools.combinations(range(count), 2))
    angle = 2 * np.pi * np.arange(count) / count
    return _assemble(
        f"fully connected({count})", ["npu"] * count, edges, bandwidth, latency, family="fully_connected",
        shape=(count,), position=np.stack([np.cos(angle), np.sin(angle)], axis=1),
    )  # fmt: skip


def mesh(shape: Sequence[int], bandwidth: float, latency: float, *, wrap: bool = False) -> Topology:
    """Return a mesh of any number of dimensions, or with `wrap` a torus; ranks run along the last axis first.

    Examples
    --------
    >>> mesh((5, 4), 750e9, 2e-8).links, mesh((4, 4), 750e9, 2e-8, wrap=True).links
    (62, 64)
    """
    grid = np.arange(int(np.prod(shape))).reshape(shape)
    edges: list[_Edge] = []
    for axis, size in enumerate(shape):
        low, high = np.moveaxis(grid, axis, 0)[:-1].ravel(), np.moveaxis(grid, axis, 0)[1:].ravel()
        edges += list(zip(low.tolist(), high.tolist(), strict=True))
        if wrap and size > 2:  # with two nodes the way round is the same link
            last, first = np.moveaxis(grid, axis, 0)[-1].ravel(), np.moveaxis(grid, axis, 0)[0].ravel()
            edges += list(zip(last.tolist(), first.tolist(), strict=True))
    family = "torus" if wrap else "mesh"
    place = np.stack(np.unravel_index(np.arange(grid.size), shape), axis=1).astype(np.float64)
    flat = place[:, [-1, 0]] if len(shape) > 1 else np.stack([place[:, 0], 0 * place[:, 0]], axis=1)
    if len(shape) > 2:  # planes side by side
        flat = flat + np.stack([place[:, 1:-1].sum(axis=1) * 0.3, place[:, 1:-1].sum(axis=1) * 0.3], axis=1)
    size_text = "x".join(str(size) for size in shape)
    kinds = ["npu"] * grid.size
    return _assemble(
        f"{family}({size_text})", kinds, edges, bandwidth, latency, family=family, shape=tuple(shape), position=flat
    )


def hypercube(dimensions: int, bandwidth: float, latency: float) -> Topology:
    """Return a hypercube of 2**dimensions nodes, joined where their numbers differ in one bit."""
    count = 2**dimensions
    edges = [(node, node | 1 << bit) for node in range(count) for bit in range(dimensions) if not node >> bit & 1]
    angle = 2 * np.pi * np.arange(count) / count
    return _assemble(
        f"hypercube({dimensions})", ["npu"] * count, edges, bandwidth, latency, family="hypercube",
        shape=(2,) * dimensions, position=np.stack([np.cos(angle), np.sin(angle)], axis=1),
    )  # fmt: skip


def switch(count: int, bandwidth: float, latency: float, *, reduces: bool = False) -> Topology:
    """Return a star of `count` nodes around one switch, which reduces data in the network if it `reduces`."""
    return tree((count,), (bandwidth,), latency, reduces=reduces, name=f"switch({count})", family="switch")


def tree(
    fans: Sequence[int],
    bandwidths: Sequence[float],
    latency: float,
    *,
    reduces: bool = False,
    name: str = "",
    family: str = "tree",
) -> Topology:
    """Return a tree of switches: `fans[0]` nodes under each lowest switch, `fans[1]` of those under the next, one root.

    ``bandwidths[i]`` is that of a link from level i upwards. A fat tree in which the switches of a level act as one has
    bandwidths that grow by the fan.

    Examples
    --------
    >>> fred_a = tree((4, 5), (3e12, 1.5e12), 2e-8)
    >>> len(fred_a.nodes), fred_a.npus.size
    (26, 20)
    """
    counts = [int(np.prod(fans[level:])) for level in range(len(fans) + 1)]  # nodes of each level; the last is 1
    starts = np.concatenate([[0], np.cumsum(counts)])
    edges, speeds, place = [], [], np.zeros((int(starts[-1]), 2))
    for level, fan in enumerate(fans):
        below = np.arange(counts[level])
        edges += [(int(starts[level] + node), int(starts[level + 1] + node // fan)) for node in below]
        speeds += [bandwidths[level]] * counts[level]
    for level, count in enumerate(counts):
        width = counts[0] / count
        nodes = slice(int(starts[level]), int(starts[level + 1]))
        place[nodes, 0] = (np.arange(count) + 0.5) * width
        place[nodes, 1] = -level * max(2.0, counts[0] / 6)
    kinds = ["npu"] * counts[0] + ["switch"] * int(starts[-1] - counts[0])
    built = _assemble(
        name or f"tree({'x'.join(map(str, fans))})", kinds, edges, speeds, latency, family=family, shape=tuple(fans),
        position=place,
    )  # fmt: skip
    built.reduces[counts[0] :] = reduces
    return built


def fat_tree(ports: int, bandwidth: float, latency: float) -> Topology:
    """Return the three-level fat tree of switches with `ports` ports each: ports**3 / 4 nodes.

    Source: Al-Fares et al., "A scalable, commodity data center network architecture", SIGCOMM 2008, section 3.
    """
    half = ports // 2
    nodes, edges_each, pods = ports**3 // 4, half, ports
    edge0 = nodes
    aggregate0 = edge0 + pods * half
    core0 = aggregate0 + pods * half
    edges: list[_Edge] = [(node, edge0 + node // half) for node in range(nodes)]
    for pod, low, high in itertools.product(range(pods), range(edges_each), range(half)):
        edges.append((edge0 + pod * half + low, aggregate0 + pod * half + high))
    for pod, high, up in itertools.product(range(pods), range(half), range(half)):
        edges.append((aggregate0 + pod * half + high, core0 + high * half + up))
    kinds = ["npu"] * nodes + ["switch"] * (2 * pods * half + half**2)
    levels = [(0, nodes), (edge0, pods * half), (aggregate0, pods * half), (core0, half**2)]
    place = np.zeros((len(kinds), 2))
    for level, (start, count) in enumerate(levels):
        place[start : start + count, 0] = (np.arange(count) + 0.5) * nodes / count
        place[start : start + count, 1] = -level * nodes / 6
    return _assemble(
        f"fat tree({ports})", kinds, edges, bandwidth, latency, family="fat_tree", shape=(ports,), position=place
    )


def dragonfly(
    groups: int, routers: int, nodes: int, bandwidth: float, latency: float, *, global_bandwidth: float | None = None
) -> Topology:
    """Return a dragonfly: groups of fully joined routers, each router with its nodes, a link between any two groups.

    Parameters
    ----------
    groups, routers, nodes : number of groups, of routers in a group, of nodes on a router.
    bandwidth, latency : of a link in one direction [B/s], [s].
    global_bandwidth : of the links between groups [B/s]; None: as the others.

    Source: Kim et al., "Technology-driven, highly-scalable dragonfly topology", ISCA 2008, section 3.
    """
    count = groups * routers * nodes
    router = np.arange(groups * routers).reshape(groups, routers) + count
    edges: list[_Edge] = [(node, count + node // nodes) for node in range(count)]
    for group in range(groups):
        edges += [(int(a), int(b)) for a, b in itertools.combinations(router[group], 2)]
    speeds = [bandwidth] * len(edges)
    used = [0] * groups  # routers of a group take its global links in turn
    for group, other in itertools.combinations(range(groups), 2):
        edges.append((int(router[group, used[group] % routers]), int(router[other, used[other] % routers])))
        speeds.append(global_bandwidth or bandwidth)
        used[group], used[other] = used[group] + 1, used[other] + 1
    kinds = ["npu"] * count + ["switch"] * (groups * routers)
    angle = 2 * np.pi * np.arange(count) / count
    around = 2 * np.pi * (np.arange(groups * routers) + 0.5) / (groups * routers)
    place = np.concatenate(
        [np.stack([np.cos(angle), np.sin(angle)], axis=1), 0.6 * np.stack([np.cos(around), np.sin(around)], axis=1)]
    )
    return _assemble(
        f"dragonfly({groups}x{routers}x{nodes})", kinds, edges, speeds, latency, family="dragonfly",
        shape=(groups, routers, nodes), position=place,
    )  # fmt: skip


_CUBE_SINGLE = ((0, 1), (0, 2), (1, 3), (4, 5), (4, 6), (5, 7), (2, 6), (3, 7))
_CUBE_DOUBLE = ((0, 3), (1, 2), (2, 3), (4, 7), (5, 6), (6, 7), (0, 4), (1, 5))


def cube_mesh(bandwidth: float, latency: float) -> Topology:
    """Return the hybrid cube mesh of a DGX-1 with eight V100: six links per device, some pairs joined by two.

    `bandwidth` is that of one NVLink in one direction. Source: NVIDIA DGX-1 with Tesla V100 system architecture, white
    paper WP-08437-002, figure 4 (which pairs have two links is a recollection of it).
    """
    edges = [*_CUBE_SINGLE, *_CUBE_DOUBLE]
    speeds = [bandwidth] * len(_CUBE_SINGLE) + [2 * bandwidth] * len(_CUBE_DOUBLE)
    # drawn so that no link runs over another: the outer corners stand out
    corner = np.array([(0, -1), (2, 0), (2, 2), (0, 3), (6, -1), (4, 0), (4, 2), (6, 3)], np.float64)
    return _assemble(
        "dgx1", ["npu"] * len(corner), edges, speeds, latency, family="cube_mesh", shape=(8,), position=corner
    )


def wafer_mesh(
    shape: Sequence[int], bandwidth: float, latency: float, *, io_bandwidth: float, io_latency: float
) -> Topology:
    """Return a two-dimensional mesh with an I/O controller at each outer side of a border node: two at corners.

    Source: FRED (arXiv 2406.19580), section 3: 18 controllers around 5x4.
    """
    plain = mesh(shape, bandwidth, latency)
    assert plain.position is not None  # noqa: S101  every mesh has one
    rows, columns = shape
    sides = [(0, c, -1, 0) for c in range(columns)] + [(rows - 1, c, 1, 0) for c in range(columns)]
    sides += [(r, 0, 0, -1) for r in range(rows)] + [(r, columns - 1, 0, 1) for r in range(rows)]
    io = [(rows * columns + number, row * columns + column) for number, (row, column, _, _) in enumerate(sides)]
    place = [(column + 0.7 * right, row + 0.7 * down) for row, column, down, right in sides]
    return _attach(plain, "io", io, io_bandwidth, io_latency, np.array(place))


def fred(
    groups: int,
    members: int,
    bandwidth: float,
    uplink: float,
    latency: float,
    *,
    io: Sequence[int],
    io_bandwidth: float,
    reduces: bool,
) -> Topology:
    """Return FRED's two-level tree: `groups` lower switches with `members` nodes, and io[i] controllers at switch i.

    `bandwidth` is a node's, `uplink` that of a lower switch to the upper one. Source: FRED (arXiv 2406.19580),
    section 5; that 18 controllers spread over 5 switches as 4, 4, 4, 3, 3 is inferred.
    """
    plain = tree((members, groups), (bandwidth, uplink), latency, reduces=reduces, name="fred", family="fred")
    assert plain.position is not None  # noqa: S101  every tree has one
    first = groups * members
    joined = [first + group for group, count in enumerate(io) for _ in range(count)]
    links = [(len(plain.nodes) + number, node) for number, node in enumerate(joined)]
    turn = [number for count in io for number in range(count)]
    place = [
        (plain.position[node, 0] + (number - 1.5) * 0.7, plain.position[node, 1] - 1.2)
        for node, number in zip(joined, turn, strict=True)
    ]
    return _attach(plain, "io", links, io_bandwidth, latency, np.array(place))


def _assemble(
    name: str,
    kinds: Sequence[str],
    edges: Sequence[_Edge],
    bandwidth: float | Sequence[float],
    latency: float,
    *,
    family: str,
    shape: tuple[int, ...],
    position: FloatArray,
) -> Topology:
    """Return the topology of two-way `edges`; directed link 2i runs along edge i, link 2i + 1 against it."""
    ends = np.asarray(edges, np.int32).reshape(-1, 2)
    speed = np.broadcast_to(np.asarray(bandwidth, np.float64), (len(ends),))
    return Topology(
        name=name,
        nodes=tuple(_names(kinds)),
        kinds=tuple(kinds),
        source=ends.ravel(),
        target=ends[:, ::-1].ravel(),
        bandwidth=np.repeat(speed, 2),
        latency=np.full(2 * len(ends), float(latency)),
        reduces=np.zeros(len(kinds), np.bool_),
        family=family,
        shape=shape,
        position=position,
    )


def _attach(
    to: Topology, kind: str, edges: Sequence[_Edge], bandwidth: float, latency: float, position: FloatArray
) -> Topology:
    """Return `to` with one more node of `kind` per edge; the edge joins the new node (first end) to an old one."""
    kinds = [*to.kinds, *[kind] * len(edges)]
    assert to.position is not None  # noqa: S101  the builders above give one
    more = _assemble(to.name, kinds, edges, bandwidth, latency, family=to.family, shape=to.shape, position=position)
    return Topology(
        name=to.name,
        nodes=more.nodes,
        kinds=more.kinds,
        source=np.concatenate([to.source, more.source]),
        target=np.concatenate([to.target, more.target]),
        bandwidth=np.concatenate([to.bandwidth, more.bandwidth]),
        latency=np.concatenate([to.latency, more.latency]),
        reduces=np.concatenate([to.reduces, np.zeros(len(edges), np.bool_)]),
        family=to.family,
        shape=to.shape,
        position=np.concatenate([to.position, position]),
    )


def _names(kinds: Iterable[str]) -> list[str]:
    counts: dict[str, int] = {}
    names = []
    for kind in kinds:
        names.append(f"{kind}{counts.get(kind, 0)}")
        counts[kind] = counts.get(kind, 0) + 1
    return names
