"""Orders of a placement schedule: precedence on devices, on links and of data; schedules without needless waits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np

from slipstick.placement.problem import Problem
from slipstick.placement.schedule import PlacementSchedule, Transfer, check

_Move = tuple[int, int, tuple[int, ...]]  # edge, start, the links that it takes at once
_Wait = tuple[int, int]  # (before, after): numbers of tasks


def precedence(problem: Problem, schedule: PlacementSchedule) -> tuple[list[_Move], list[_Wait]]:
    """Return the data moves of a schedule in time order, and its precedence pairs (one task waits for the other).

    A move (edge, start, links) is a hop on one link, or cut through all links of its way at once. A task waits for its
    data, and for the task before it on the same device or link. Tasks are numbered: operators, then the links' time of
    each move, then each move's latency, which keeps no link busy.
    """
    moves = _moves(problem, schedule)
    return moves, _waits(problem, schedule, moves)


def _moves(problem: Problem, schedule: PlacementSchedule) -> list[_Move]:
    place = {k: n for n, k in enumerate(problem.order)}

    def begin(move: _Move) -> tuple[int, int]:  # a move without time stands behind the tasks that it waits for
        return move[1], place[int(problem.edges[move[0], 0])]

    if problem.forwarding == "store":
        return sorted(((t.edge, t.start, (t.link,)) for t in schedule.transfers), key=begin)
    ways: dict[int, _Move] = {}
    for t in schedule.transfers:
        links = ways[t.edge][2] if t.edge in ways else ()
        ways[t.edge] = (t.edge, t.start, (*links, t.link))
    return sorted(ways.values(), key=begin)


def _waits(problem: Problem, schedule: PlacementSchedule, moves: list[_Move]) -> list[_Wait]:
    operators, hops = len(problem.names), len(moves)
    place = {k: n for n, k in enumerate(problem.order)}
    waits: list[_Wait] = []
    for device in range(len(problem.devices)):
        here = [int(k) for k in np.flatnonzero(schedule.device == device)]
        waits += pairwise(sorted(here, key=lambda k: (int(schedule.start[k]), place[k])))
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


def compact(problem: Problem, schedule: PlacementSchedule) -> PlacementSchedule:
    """Return the compacted schedule: the same devices, routes and orders, with every task as early as possible.

    A schedule that a solver returns when its time is up may have needless waits; this one is never longer.

    Errors
    ------
    SlipstickError if the result broke a rule, which would be a bug of ours.
    """
    moves, waits = precedence(problem, schedule)
    long = [int(problem.durations[k, d]) for k, d in enumerate(schedule.device)]
    long += [max(int(problem.sent[edge, link]) for link in way) for edge, _, way in moves]
    long += [int(problem.latency[list(way)].sum()) for _, _, way in moves]
    begin = _earliest(long, waits)
    operators = len(problem.names)
    start = np.array(begin[:operators], np.int64)
    transfers = tuple(
        Transfer(edge, link, begin[operators + n], begin[operators + n] + long[operators + n])
        for n, (edge, _, way) in enumerate(moves)
        for link in way
    )
    last = max((begin[k] + long[k] for k in range(operators)), default=0)
    return check(problem, replace(schedule, start=start, transfers=transfers, makespan=last))


def _earliest(long: list[int], waits: list[_Wait]) -> list[int]:
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
