"""Replay of a placement's schedule in the fabric's flow simulator: same orders, times and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from slipstick.core.topology import Topology
    from slipstick.placement.problem import Problem
    from slipstick.placement.schedule import PlacementSchedule


def _replay(
    problem: Problem,
    schedule: PlacementSchedule,
    seconds: Mapping[str, float],
    sent: Mapping[tuple[str, str], float],
    topology: Topology,
) -> float:
    """Return the schedule's makespan in the fabric's flow simulator [s].

    It is told where everything runs and in which order on each device and link, but no time: operators take their
    `seconds`, edges carry their `sent` bytes, and links their own time for them.
    """
    from slipstick.fabric.flows import run
    from slipstick.fabric.tasks import Dag
    from slipstick.placement.orders import precedence

    moves, waits = precedence(problem, schedule)
    links = [[_number(problem.links[link], topology) for link in way] for _, _, way in moves]
    operators, hops = len(problem.names), len(moves)
    latency = [float(topology.latency[way].sum()) for way in links]
    sizes = [sent[problem.names[a], problem.names[b]] for a, b in (problem.edges[edge] for edge, _, _ in moves)]
    count = operators + 2 * hops  # a transfer is two tasks: the links' time, and the latency, which keeps no link busy
    lengths = np.concatenate([np.zeros(operators, np.int64), [len(way) for way in links], np.zeros(hops, np.int64)])
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tasks = Dag(
        size=np.concatenate([np.zeros(operators), sizes, np.zeros(hops)]),
        seconds=np.concatenate([[seconds[name] for name in problem.names], np.zeros(hops), latency]),
        lane=np.full(count, -1),
        priority=np.zeros(count, np.int64),
        delay=np.zeros(count),
        tail=np.zeros(count),
        starts=starts,
        links=np.array([link for way in links for link in way], np.int64),
        weight=np.ones(int(starts[-1])),
        edges=np.array(waits, np.int64).reshape(-1, 2),
    )
    return float(run(tasks, topology).time)


def _number(name: str, topology: Topology) -> int:
    """Return the topology's number of the link that a placement calls ``a to b``."""
    names = (
        f"{topology.nodes[source]} to {topology.nodes[target]}"
        for source, target in zip(topology.source, topology.target, strict=True)
    )
    return next(number for number, other in enumerate(names) if other == name)
