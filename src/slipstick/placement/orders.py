"""The orders of a schedule: who waits for whom, on devices, on links and for data; schedules without needless waits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np

from slipstick.placement.problem import Problem
from slipstick.placement.schedule import Schedule, Transfer, check

Move = tuple[int, int, tuple[int, ...]]  # edge, start, the links that it takes at once
Wait = tuple[int, int]


def moves_of(problem: Problem, found: Schedule) -> list[Move]:
    """Return what moves, in time: a hop on one link, or cut through all links of its way at once."""
    place = {k: n for n, k in enumerate(problem.order)}

    def begin(move: Move) -> tuple[int, int]:  # what takes no time stands behind what it waits for
        return move[1], place[int(problem.edges[move[0], 0])]

    if problem.forwarding == "store":
        return sorted(((t.edge, t.start, (t.link,)) for t in found.transfers), key=begin)
    ways: dict[int, Move] = {}
    for t in found.transfers:
        links = ways[t.edge][2] if t.edge in ways else ()
        ways[t.edge] = (t.edge, t.start, (*links, t.link))
    return sorted(ways.values(), key=begin)


def waits_of(problem: Problem, found: Schedule, moves: list[Move]) -> list[Wait]:
    """Return who waits for whom, for data, and for the one before on the same device or link.

    Tasks are numbered: operators, then the links' time of each move, then each move's latency, which keeps no link
    busy.
    """
    operators, hops = len(problem.names), len(moves)
    place = {k: n for n, k in enumerate(problem.order)}
    waits: list[Wait] = []
    for device in range(len(problem.devices)):
        here = [int(k) for k in np.flatnonzero(found.device == device)]
        waits += pairwise(sorted(here, key=lambda k: (int(found.start[k]), place[k])))
    for link in range(len(problem.links)):
        waits += pairwise(operators + n for n, (_, _, way) in enumerate(moves) if link in way)
    of_edge: dict[int, list[int]] = {}
    for n, (edge, _, _) in enumerate(moves):
        of_edge.setdefault(edge, []).append(n)
    for edge, (before, after) in enumerate(problem.edges):
        data = int(before)
        for n in of_edge.get(edge, ()):
            waits += [(data, operators + n), (operators + n, operators + hops + n)]
            data = operators + hops + n
        waits.append((data, int(after)))
    return waits


def compact(problem: Problem, found: Schedule) -> Schedule:
    """Return the schedule with the same devices, ways and orders, everything as early as these allow.

    What a solver found when its time was up may wait for nothing; this is never longer.

    Errors
    ------
    SlipstickError if the result broke a rule, which would be a bug of ours.
    """
    moves = moves_of(problem, found)
    long = [int(problem.durations[k, d]) for k, d in enumerate(found.device)]
    long += [max(int(problem.sent[edge, link]) for link in way) for edge, _, way in moves]
    long += [int(problem.latency[list(way)].sum()) for _, _, way in moves]
    begin = _earliest(long, waits_of(problem, found, moves))
    operators = len(problem.names)
    start = np.array(begin[:operators], np.int64)
    transfers = tuple(
        Transfer(edge, link, begin[operators + n], begin[operators + n] + long[operators + n])
        for n, (edge, _, way) in enumerate(moves)
        for link in way
    )
    last = max((begin[k] + long[k] for k in range(operators)), default=0)
    return check(problem, replace(found, start=start, transfers=transfers, makespan=last))


def _earliest(long: list[int], waits: list[Wait]) -> list[int]:
    """Return the earliest begin of tasks that wait for each other: longest paths."""
    left = Counter(after for _, after in waits)
    following: dict[int, list[int]] = {}
    for before, after in waits:
        following.setdefault(before, []).append(after)
    begin = [0] * len(long)
    ready = [task for task in range(len(long)) if not left[task]]
    for task in ready:
        for after in following.get(task, ()):
            begin[after] = max(begin[after], begin[task] + long[task])
            left[after] -= 1
            if not left[after]:
                ready.append(after)
    return begin
