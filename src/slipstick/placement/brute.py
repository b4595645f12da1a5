"""Placement by brute force: the oracle for graphs of a few operators.

For every placement and every choice of ways, the operators and transfers form a job shop. All its active schedules are
walked through (Giffler & Thompson, Operations Research 8(4) 1960), among which there is a best one; only what is
already longer than the best found is cut off.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.placement.problem import Problem
from slipstick.placement.schedule import PlacementSchedule, Transfer, check

_MAX_OPERATORS = 9  # 9! orders on every assignment: seconds


@dataclass(frozen=True)
class _Task:
    """Task of a job shop on one or several machines: its ticks, and the tasks it waits for, with the ticks between."""

    machines: tuple[int, ...]
    long: int
    after: tuple[tuple[int, int], ...]
    name: tuple[str, int]  # "op" or "hop", and its number or its edge's


def solve(problem: Problem) -> PlacementSchedule:
    """Return an optimal placement schedule by exhaustive search.

    Errors
    ------
    SlipstickError for more than 9 operators, or if no placement fits the memory.
    """
    if len(problem.names) > _MAX_OPERATORS:
        raise SlipstickError(
            "too many operators to try everything", value=len(problem.names), allowed=f"at most {_MAX_OPERATORS}"
        )
    best: tuple[int, np.ndarray, list[_Task], list[int]] | None = None
    for device in _placements(problem):
        for tasks in _shops(problem, device):
            limit = best[0] if best else None
            order = _best_order(tasks, limit)
            if order is not None:
                best = (order[0], device, tasks, order[1])
    if best is None:
        raise SlipstickError("no placement fits the devices", path="memory")
    makespan, device, tasks, begin = best
    start = np.zeros(len(problem.names), np.int64)
    transfers = []
    for task, at in zip(tasks, begin, strict=True):
        kind, number = task.name
        if kind == "op":
            start[number] = at
        else:
            links = [machine - len(problem.devices) for machine in task.machines]
            transfers += [Transfer(number, link, at, at + task.long) for link in links]
    return check(
        problem, PlacementSchedule(device, start, tuple(transfers), makespan, makespan, "optimal", "all orders")
    )


def _placements(problem: Problem) -> list[np.ndarray]:
    classes = int(problem.groups.max(initial=-1)) + 1
    placements = []
    for choice in itertools.product(range(len(problem.devices)), repeat=classes):
        device = np.array(choice, np.int64)[problem.groups]
        used = np.bincount(device, problem.memory, minlength=len(problem.devices))
        if (used <= problem.capacity).all():
            placements.append(device)
    loads = [
        max(int(problem.durations[device == d, d].sum()) for d in range(len(problem.devices))) for device in placements
    ]
    return [placements[place] for place in np.argsort(loads, kind="stable")]  # a good one early cuts much off


def _shops(problem: Problem, device: np.ndarray) -> list[list[_Task]]:
    """Return the job shop of every choice of ways for the transfers of a placement."""
    apart = [e for e, (a, b) in enumerate(problem.edges) if device[a] != device[b]]
    options = [problem.between(int(device[problem.edges[e, 0]]), int(device[problem.edges[e, 1]])) for e in apart]
    return [_shop(problem, device, dict(zip(apart, ways, strict=True))) for ways in itertools.product(*options)]


def _shop(problem: Problem, device: np.ndarray, way: dict[int, int]) -> list[_Task]:
    place = {k: n for n, k in enumerate(problem.order)}
    after: dict[int, list[tuple[int, int]]] = {k: [] for k in range(len(problem.names))}
    transfers: list[_Task] = []
    for edge, (source, target) in enumerate(problem.edges):
        if edge not in way:
            after[target].append((place[source], 0))
            continue
        links = problem.ways[way[edge]].links
        shift = len(problem.devices)
        first = len(problem.names) + len(transfers)
        if problem.forwarding == "cut-through":
            longest = max(int(problem.sent[edge, link]) for link in links)
            machines = tuple(shift + link for link in links)
            transfers.append(_Task(machines, longest, ((place[source], 0),), ("hop", edge)))
            after[target].append((first, int(problem.latency[list(links)].sum())))
            continue
        before = (place[source], 0)
        for link in links:
            transfers.append(_Task((shift + link,), int(problem.sent[edge, link]), (before,), ("hop", edge)))
            before = (len(problem.names) + len(transfers) - 1, int(problem.latency[link]))
        after[target].append(before)
    ops = [
        _Task((int(device[k]),), int(problem.durations[k, device[k]]), tuple(after[k]), ("op", k))
        for k in problem.order
    ]
    return [*ops, *transfers]


def _best_order(tasks: list[_Task], limit: int | None) -> tuple[int, list[int]] | None:
    """Return the shortest schedule below `limit`, if there is one: its length and the begin of every task."""
    rest = _remaining(tasks)
    best: list[int] = []
    shortest = [limit if limit is not None else 2**62]
    begin, end = [-1] * len(tasks), [-1] * len(tasks)
    free: dict[int, int] = {}
    load: dict[int, int] = {}
    for task in tasks:
        for machine in task.machines:
            load[machine] = load.get(machine, 0) + task.long
    if max(load.values(), default=0) >= shortest[0]:
        return None

    def walk(left: int) -> None:
        if not left:
            shortest[0] = max(end[n] for n, task in enumerate(tasks) if task.name[0] == "op")
            best[:] = begin
            return
        ready: list[tuple[int, int]] = []
        for n, task in enumerate(tasks):
            if begin[n] < 0 and all(end[before] >= 0 for before, _ in task.after):
                at = max((end[before] + wait for before, wait in task.after), default=0)
                at = max([at, *(free.get(machine, 0) for machine in task.machines)])
                if at + rest[n] >= shortest[0]:
                    return
                ready.append((at, n))
        # of the ready tasks, the one that could end first is delayed by another on its machines, or begins
        earliest, first = min((at + tasks[n].long, n) for at, n in ready)
        for at, n in sorted(ready):
            task = tasks[n]
            if n != first and (at >= earliest or not set(task.machines) & set(tasks[first].machines)):
                continue
            before = {machine: free.get(machine, 0) for machine in task.machines}
            begin[n], end[n] = at, at + task.long
            for machine in task.machines:
                free[machine] = end[n]
            walk(left - 1)
            begin[n] = end[n] = -1
            free.update(before)

    walk(len(tasks))
    return (shortest[0], list(best)) if best else None


def _remaining(tasks: list[_Task]) -> list[int]:
    """Return the longest chain from the begin of every task to the last operator's end."""
    following: dict[int, list[tuple[int, int]]] = {}
    for n, task in enumerate(tasks):
        for before, wait in task.after:
            following.setdefault(before, []).append((n, wait))
    tails: dict[int, int] = {}

    def tail(n: int) -> int:
        if n not in tails:
            later = max((wait + tail(other) for other, wait in following.get(n, ())), default=0)
            tails[n] = tasks[n].long + later
        return tails[n]

    return [tail(n) for n in range(len(tasks))]
