"""Placement as a mixed-integer program with big-M orders, solved by HiGHS through scipy: the independent check.

Written from the equations of docs/theory/placement.md and nothing else; small graphs only, as big-M bounds are weak.
"""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.placement.problem import Problem
from slipstick.placement.schedule import PlacementSchedule, Transfer, check

_FEASIBLE = (0, 1)  # scipy's status: optimal, or stopped at a limit
_INFEASIBLE, _GAVE_UP = 2, 4


class _Program:
    """Variables and rows of a mixed-integer program, gathered one by one."""

    def __init__(self) -> None:
        self.upper: list[float] = []
        self.whole: list[int] = []
        self.rows: list[dict[int, float]] = []
        self.low: list[float] = []

    def variable(self, upper: float, *, whole: bool) -> int:
        self.upper.append(upper)
        self.whole.append(int(whole))
        return len(self.upper) - 1

    def at_least(self, terms: dict[int, float], low: float) -> None:
        """Add sum(coefficient * variable) >= low."""
        self.rows.append(terms)
        self.low.append(low)


def solve(problem: Problem, *, time_limit: float = 60.0) -> PlacementSchedule:
    """Return the best placement schedule found within `time_limit` [s], with the bound that was proved.

    Errors
    ------
    SlipstickError if no placement fits the memory, or none was found in time.
    """
    optimize = require("scipy.optimize", "search")
    program, on, start, hops = _program(problem)
    matrix = require("scipy.sparse", "search").lil_matrix((len(program.rows), len(program.upper)))
    for row, terms in enumerate(program.rows):
        for column, value in terms.items():
            matrix[row, column] = value
    cost = np.zeros(len(program.upper))
    cost[0] = 1.0
    for presolve in (True, False):  # HiGHS now and then gives up on a small program after its presolve
        solution = optimize.milp(
            cost,
            integrality=program.whole,
            bounds=optimize.Bounds(0, program.upper),
            constraints=optimize.LinearConstraint(matrix.tocsr(), program.low, np.inf),
            options={"time_limit": time_limit, "mip_rel_gap": 0.0, "presolve": presolve},
        )
        if solution.status != _GAVE_UP:
            break
    if solution.status == _INFEASIBLE:
        raise SlipstickError("no placement fits the devices", path="memory", allowed="more devices or memory")
    if solution.status not in _FEASIBLE or solution.x is None:
        raise SlipstickError("no schedule found in time", path="time_limit", value=time_limit)
    return check(problem, _read(problem, solution, on, start, hops))


def _program(problem: Problem) -> tuple[_Program, np.ndarray, list[int], dict[tuple[int, int], list[int]]]:
    """Return the program; its first variable is the makespan."""
    program = _Program()
    horizon = int(problem.durations.max(axis=1).sum() + problem.sent.sum() + problem.latency.sum() * len(problem.edges))
    makespan = program.variable(horizon, whole=False)
    count, devices = len(problem.names), len(problem.devices)
    classes = int(problem.groups.max(initial=-1)) + 1
    by_class = np.array([[program.variable(1, whole=True) for _ in range(devices)] for _ in range(classes)])
    on = by_class[problem.groups]
    for choices in by_class:
        program.at_least(dict.fromkeys(choices.tolist(), 1.0), 1)
        program.at_least(dict.fromkeys(choices.tolist(), -1.0), -1)
    start = [program.variable(horizon, whole=False) for _ in range(count)]
    for k in range(count):
        program.at_least({makespan: 1, start[k]: -1, **_long(problem, on, k, -1)}, 0)
    for d, capacity in enumerate(problem.capacity):
        if np.isfinite(capacity):
            need = np.zeros(classes)
            np.add.at(need, problem.groups, problem.memory)
            program.at_least({int(by_class[g, d]): -float(need[g] / capacity) for g in range(classes)}, -1.0)
    _one_at_a_time(problem, program, on, start, horizon)
    hops = _transfers(problem, program, on, start, horizon)
    return program, on, start, hops


def _long(problem: Problem, on: np.ndarray, k: int, sign: float) -> dict[int, float]:
    return {int(on[k, d]): sign * float(problem.durations[k, d]) for d in range(len(problem.devices))}


def _one_at_a_time(problem: Problem, program: _Program, on: np.ndarray, start: list[int], big: int) -> None:
    """Two operators on one device: one of them comes first."""
    for a, b in itertools.combinations(range(len(problem.names)), 2):
        first = program.variable(1, whole=True)
        for d in range(len(problem.devices)):
            here = {int(on[a, d]): -float(big)} if on[a, d] == on[b, d] else {int(on[a, d]): -big, int(on[b, d]): -big}
            slack = -big if on[a, d] == on[b, d] else -2 * big
            for k, other, order, shift in ((a, b, -big, -big), (b, a, big, 0)):
                terms = {start[other]: 1.0, start[k]: -1.0, first: float(order), **here}
                program.at_least(terms, float(problem.durations[k, d] + slack + shift))


def _transfers(
    problem: Problem, program: _Program, on: np.ndarray, start: list[int], big: int
) -> dict[tuple[int, int], list[int]]:
    """Return, for every edge and way, its presence and then the start of each hop."""
    hops: dict[tuple[int, int], list[int]] = {}
    on_link: dict[int, list[tuple[int, int, int]]] = defaultdict(list)  # start, presence, ticks
    for edge, (a, b) in enumerate(problem.edges):
        program.at_least({start[b]: 1, start[a]: -1, **_long(problem, on, a, -1)}, 0)
        if problem.groups[a] == problem.groups[b]:
            continue
        for d, other in itertools.permutations(range(len(problem.devices)), 2):
            ways = problem.between(d, other)
            present = [program.variable(1, whole=True) for _ in ways]
            program.at_least({**dict.fromkeys(present, 1.0), int(on[a, d]): -1.0, int(on[b, other]): -1.0}, -1)
            for way, used in zip(ways, present, strict=True):
                hops[edge, way] = [used, *_hops(problem, program, on, start, (edge, way, used), big, on_link)]
    for spans in on_link.values():
        for (s, used, long), (t, other, longer) in itertools.combinations(spans, 2):
            first = program.variable(1, whole=True)
            program.at_least({t: 1, s: -1, first: -big, used: -big, other: -big}, long - 3 * big)
            program.at_least({s: 1, t: -1, first: big, used: -big, other: -big}, longer - 2 * big)
    return hops


def _hops(
    problem: Problem, program: _Program, on: np.ndarray, start: list[int], transfer: tuple[int, int, int], big: int,
    on_link: dict[int, list[tuple[int, int, int]]],
) -> list[int]:  # fmt: skip
    """Add the hops of one transfer (edge, way, variable of its presence); return the start of each hop."""
    edge, way, used = transfer
    a, b = problem.edges[edge]
    links = problem.ways[way].links
    spans, whole = problem.occupied(edge, links)
    hops: list[int] = []
    for place, (link, (begin, end)) in enumerate(zip(links, spans, strict=True)):
        if problem.forwarding == "cut-through" and hops:
            at = hops[0]
        else:
            at = program.variable(big, whole=False)
            if hops:
                before = links[place - 1]
                ready = problem.sent[edge, before] + problem.latency[before]
                program.at_least({at: 1, hops[-1]: -1}, float(ready))
            else:
                program.at_least({at: 1, start[a]: -1, **_long(problem, on, a, -1), used: -big}, -big)
        on_link[link].append((at, used, end - begin))
        hops.append(at)
    tail = whole if problem.forwarding == "cut-through" else problem.sent[edge, links[-1]] + problem.latency[links[-1]]
    program.at_least({start[b]: 1, hops[-1]: -1, used: -big}, float(tail - big))
    return hops


def _read(
    problem: Problem, solution: object, on: np.ndarray, start: list[int], hops: dict[tuple[int, int], list[int]]
) -> PlacementSchedule:
    values = solution.x  # type: ignore[attr-defined]
    device = np.array([int(np.argmax(values[row])) for row in on], np.int64)
    begin = np.rint(values[start]).astype(np.int64)
    transfers = []
    for (edge, way), (used, *starts) in hops.items():
        source, target = (int(device[k]) for k in problem.edges[edge])
        route = problem.ways[way]
        if values[used] > 0.5 and (route.source, route.target) == (source, target):
            spans, _ = problem.occupied(edge, route.links)
            for link, variable, (first, last) in zip(route.links, starts, spans, strict=True):
                at = round(float(values[variable]))
                transfers.append(Transfer(edge, link, at, at + last - first))
    ends = begin + problem.durations[np.arange(len(begin)), device]
    bound = int(np.ceil(solution.mip_dual_bound - 1e-6))  # type: ignore[attr-defined]
    status = "optimal" if solution.status == 0 else "the best found in time"  # type: ignore[attr-defined]
    return PlacementSchedule(device, begin, tuple(transfers), int(ends.max(initial=0)), bound, status, "HiGHS")
