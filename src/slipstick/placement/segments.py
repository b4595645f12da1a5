"""Exact series decomposition of placement: a graph is split at operators that all paths pass, parts solved alone.

All before such an operator (a cut) has ended when it starts, and nothing behind it starts before its end. So the
shortest schedule is a shortest path over the devices of the cuts, whose steps are the shortest schedules of what lies
between two cuts, for each pair of devices. The argument is our own; the solver of the parts proves each of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.placement.problem import Problem
from slipstick.placement.schedule import INTERRUPTED, PlacementSchedule, Transfer

_MAX_PERMUTED = 8  # devices: of more, symmetries are not looked for
_Solve = Callable[[Problem, Mapping[int, int]], PlacementSchedule]  # (part, devices of some operators) -> its best


@dataclass(frozen=True, eq=False)
class _Part:
    """Part of a problem between two cuts, itself a problem; `first` and `last` are the cuts in it, or None at the ends.

    The first cut stands in it without duration, as the source of its results. `operators` and `edges` are their numbers
    in the whole problem.
    """

    problem: Problem
    operators: IntArray
    edges: IntArray
    first: int | None
    last: int | None


def _parts_of(problem: Problem) -> list[_Part]:
    """Return the parts in order; one part, the problem itself, where nothing can be cut."""
    cuts = _cuts(problem)
    if not cuts:
        return [_Part(problem, np.arange(len(problem.names)), np.arange(len(problem.edges)), None, None)]
    place = np.empty(len(problem.names), np.int64)
    place[problem.order] = np.arange(len(problem.names))
    ends: list[int | None] = [*cuts, None]
    if place[cuts[-1]] == len(problem.names) - 1:
        ends.pop()
    parts, before = [], None
    for end in ends:
        low = -1 if before is None else int(place[before])
        high = len(problem.names) - 1 if end is None else int(place[end])
        operators = np.array([k for k in problem.order if low <= place[k] <= high], np.int64)
        parts.append(_part(problem, operators, before, end))
        before = end
    return parts


def _solve_in_series(problem: Problem, solve: _Solve) -> PlacementSchedule:
    """Return the placement schedule joined from parts in series, each solved by `solve`, by a shortest path.

    Each pair of devices is solved once among those that a symmetry of the devices maps on each other.
    """
    parts, same = _parts_of(problem), _orbits(problem)
    devices = range(len(problem.devices))
    solved: dict[tuple[int, int, int], PlacementSchedule] = {}

    def best(number: int, a: int, b: int) -> PlacementSchedule:
        part = parts[number]
        key = (number, *same[a if part.first is not None else 0, b if part.last is not None else 0])
        if key not in solved:
            solved[key] = solve(part.problem, _fixed(part, key[1], key[2]))
        return solved[key]

    time, bound = np.zeros(1, np.int64), np.zeros(1, np.int64)  # before the first part, which begins with no cut
    back: list[list[int]] = []
    for number, part in enumerate(parts):
        table = [[best(number, a, b) for b in devices] for a in (devices if part.first is not None else [0])]
        made = time[:, None] + np.array([[s.makespan for s in row] for row in table])
        least = bound[:, None] + np.array([[s.bound for s in row] for row in table])
        back.append(made.argmin(axis=0).tolist())
        time, bound = made.min(axis=0), least.min(axis=0)
    end = int(time.argmin())
    way = [end]
    for choices in reversed(back):
        way.append(choices[way[-1]])
    schedules = []
    for number, (a, b) in enumerate(itertools.pairwise(way[::-1])):
        part = parts[number]
        ends = a if part.first is not None else 0, b if part.last is not None else 0
        schedules.append(best(number, a, b) if same[ends] == ends else solve(part.problem, _fixed(part, a, b)))
    joined = _joined(problem, parts, schedules, int(bound.min()))
    ended = any(schedule.status == INTERRUPTED for schedule in (*solved.values(), *schedules))
    return replace(joined, status=INTERRUPTED) if ended else joined


def _cuts(problem: Problem) -> list[int]:
    """Return the operators that all paths pass, in order; none where memory or classes join what lies apart."""
    if problem.memory.sum() > problem.capacity.min():
        return []
    order = problem.order
    place = {k: n for n, k in enumerate(order)}
    farthest = np.zeros(len(order), np.int64)  # how far the edges reach that begin at or before each place
    for before, after in problem.edges:
        farthest[place[int(before)]] = max(farthest[place[int(before)]], place[int(after)])
    for group in np.unique(problem.groups):
        members = [place[int(k)] for k in np.flatnonzero(problem.groups == group)]
        # a class reaches beyond its last member: a cut there would fix its device twice
        farthest[min(members)] = max(farthest[min(members)], max(members) + (len(members) > 1))
    has_input = {int(after) for after in problem.edges[:, 1]}
    has_output = {int(before) for before in problem.edges[:, 0]}
    last_source = max((place[k] for k in range(len(order)) if k not in has_input), default=0)
    first_sink = min((place[k] for k in range(len(order)) if k not in has_output), default=len(order))
    reach = np.concatenate([[0], np.maximum.accumulate(farthest)[:-1]])  # by edges from before each place
    return [k for n, k in enumerate(order) if reach[n] <= n and last_source <= n <= first_sink and n]


def _part(problem: Problem, operators: IntArray, first: int | None, last: int | None) -> _Part:
    number = {int(k): n for n, k in enumerate(operators)}
    edges = np.array(
        [e for e, (a, b) in enumerate(problem.edges) if int(a) in number and int(b) in number and int(b) != first],
        np.int64,
    )
    durations, memory = problem.durations[operators].copy(), np.zeros(len(operators))
    if first is not None:
        durations[number[first]] = 0
    inner = replace(
        problem,
        names=tuple(problem.names[k] for k in operators),
        durations=durations,
        memory=memory,
        groups=np.unique(problem.groups[operators], return_inverse=True)[1].astype(np.int64),
        edges=np.array([[number[int(a)], number[int(b)]] for a, b in problem.edges[edges]], np.int64).reshape(-1, 2),
        sent=problem.sent[edges],
    )
    ends = [None if cut is None else number[cut] for cut in (first, last)]
    return _Part(inner, operators, edges, *ends)


def _fixed(part: _Part, a: int, b: int) -> dict[int, int]:
    """Return the devices of a part's cuts."""
    ends = ((part.first, a), (part.last, b))
    return {operator: device for operator, device in ends if operator is not None}


def _orbits(problem: Problem) -> dict[tuple[int, int], tuple[int, int]]:
    """Return for each pair of devices the first pair that a symmetry of devices and links maps it on."""
    count = len(problem.devices)
    pairs = [(a, b) for a in range(count) for b in range(count)]
    if count > _MAX_PERMUTED:
        return {pair: pair for pair in pairs}
    symmetries = _symmetries(problem)
    return {(a, b): min((int(p[a]), int(p[b])) for p in symmetries) for a, b in pairs}


def _symmetries(problem: Problem) -> IntArray:
    """Return the renamings of devices, [symmetries, devices], under which neither they nor the links change."""
    count = len(problem.devices)
    number = {name: place for place, name in enumerate(problem.devices)}
    ends = [[number.get(end, -1) for end in link.split(" to ")] for link in problem.links]
    if not ends or min(min(pair) for pair in ends) < 0:  # over nodes that are no devices
        return np.arange(count)[None]
    kinds: dict[tuple[int, ...], int] = {}
    joined = np.zeros((count, count), np.int64)
    for link, (a, b) in enumerate(ends):
        kind = (*problem.sent[:, link].tolist(), int(problem.latency[link]))
        joined[a, b] = kinds.setdefault(kind, len(kinds) + 1)
    renamed = np.array(list(itertools.permutations(range(count))))
    same = (joined[renamed[:, :, None], renamed[:, None, :]] == joined).all(axis=(1, 2))
    same &= (problem.capacity[renamed] == problem.capacity).all(axis=1)
    unlike = np.unique(problem.durations, axis=1, return_inverse=True)[1]
    return np.asarray(renamed[same & (unlike[renamed] == unlike).all(axis=1)])


def _joined(problem: Problem, parts: list[_Part], schedules: list[PlacementSchedule], bound: int) -> PlacementSchedule:
    """Return the schedules of the parts one behind the other."""
    device, start = np.zeros(len(problem.names), np.int64), np.zeros(len(problem.names), np.int64)
    transfers: list[Transfer] = []
    at = 0
    for part, schedule in zip(parts, schedules, strict=True):
        own = np.arange(len(part.operators)) != (-1 if part.first is None else part.first)
        device[part.operators[own]] = schedule.device[own]
        start[part.operators[own]] = schedule.start[own] + at
        transfers += [Transfer(int(part.edges[t.edge]), t.link, t.start + at, t.end + at) for t in schedule.transfers]
        at += schedule.makespan
    status = "optimal" if at <= bound else "the best found in time"
    return PlacementSchedule(
        device, start, tuple(transfers), at, bound, status, f"{schedules[0].solver}, {len(parts)} parts"
    )
