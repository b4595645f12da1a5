"""List scheduling (operators by urgency on given devices), and simulated annealing of the devices.

The solvers start from it, and fall back on it where they find nothing in time. List scheduling by upward rank:
Topcuoglu et al., "Performance-effective and low-complexity task scheduling", IEEE TPDS 13(3), 2002 (HEFT), with the
devices given; annealing: Kirkpatrick et al., Science 220, 1983.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.placement.problem import Problem
from slipstick.placement.schedule import PlacementSchedule, Transfer

_RUN = 8  # classes in a row that one step moves together, at most
_HOT, _COLD = 0.02, 0.0005  # temperature at first and at last, as a share of the makespan


@dataclass(frozen=True, eq=False)
class _Tables:
    """Look-up tables of list scheduling, as plain lists: Python is quicker with them than with arrays."""

    durations: list[list[int]]
    outputs: list[list[tuple[int, int]]]  # of an operator: (edge, reader)
    waits: list[int]
    rank: list[int]
    hops: dict[tuple[int, int, int], list[tuple[tuple[int, ...], list[tuple[int, int]], int]]]


def _anneal(
    problem: Problem, seconds: float, seed: int = 0, fixed: Mapping[int, int] | None = None
) -> PlacementSchedule | None:
    """Return the best placement schedule found in `seconds`, or None if not even the first one fits the memory.

    The device of each class of operators is changed, several neighbours at a time, and each change judged by its list
    schedule. `fixed` has the device of some operators.
    """
    rng = np.random.default_rng(seed)
    tables = _tables(problem)
    classes = _in_order(problem)
    need = np.bincount(problem.groups, problem.memory, len(classes))
    at = _first_fit(problem, need, classes)
    if at is None:
        return None
    fixed_groups, fixed_devices = problem.groups[list(fixed or {})], list((fixed or {}).values())
    at[fixed_groups] = fixed_devices
    here = best = _makespan(problem, tables, at[problem.groups])
    best_devices = at.copy()
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < seconds and len(problem.devices) > 1:
        tried = at.copy()
        first = int(rng.integers(len(classes)))
        tried[classes[first : first + int(rng.integers(1, _RUN + 1))]] = rng.integers(len(problem.devices))
        tried[fixed_groups] = fixed_devices
        if (np.bincount(tried, need, len(problem.devices)) > problem.capacity).any():
            continue
        there = _makespan(problem, tables, tried[problem.groups])
        warmth = _HOT * (_COLD / _HOT) ** (passed / seconds) * best
        if there <= here or rng.random() < math.exp((here - there) / max(warmth, 1e-9)):
            at, here = tried, there
        if here < best:
            best, best_devices = here, at.copy()
    return _schedule(problem, tables, best_devices[problem.groups])


def _tables(problem: Problem) -> _Tables:
    outputs: list[list[tuple[int, int]]] = [[] for _ in problem.names]
    for edge, (before, after) in enumerate(problem.edges):
        outputs[before].append((edge, int(after)))
    least = problem.durations.min(axis=1)
    rank = [0] * len(problem.names)
    for k in reversed(problem.order):
        rank[k] = int(least[k]) + max((rank[after] for _, after in outputs[k]), default=0)
    hops: dict[tuple[int, int, int], list[tuple[tuple[int, ...], list[tuple[int, int]], int]]] = {}
    for way in problem.ways:
        for edge in range(len(problem.edges)):
            spans, whole = problem.occupied(edge, way.links)
            hops.setdefault((edge, way.source, way.target), []).append((way.links, spans, whole))
    waits = [len(inputs) for inputs in problem.inputs]
    return _Tables(problem.durations.tolist(), outputs, waits, rank, hops)


def _in_order(problem: Problem) -> IntArray:
    """Return the classes in the order of their first operators, so that neighbours belong together."""
    first = dict.fromkeys(int(problem.groups[k]) for k in problem.order)
    return np.array(list(first), np.int64)


def _first_fit(problem: Problem, need: np.ndarray, classes: IntArray) -> IntArray | None:
    """Return devices filled one after the other."""
    left, at, device = problem.capacity.copy(), np.zeros(len(classes), np.int64), 0
    for group in classes:
        while device < len(left) and need[group] > left[device]:
            device += 1
        if device == len(left):
            return None
        left[device] -= need[group]
        at[group] = device
    return at


def _makespan(problem: Problem, tables: _Tables, device: IntArray) -> int:
    return max(_run(problem, tables, device.tolist())[1], default=0)


def _schedule(problem: Problem, tables: _Tables, device: IntArray) -> PlacementSchedule:
    starts, ends, transfers = _run(problem, tables, device.tolist())
    least = problem.critical_path
    return PlacementSchedule(
        device, np.array(starts, np.int64), tuple(transfers), max(ends, default=0), least, "list schedule", "annealing"
    )


def _run(problem: Problem, tables: _Tables, device: list[int]) -> tuple[list[int], list[int], list[Transfer]]:
    """Return start and end of every operator, and the transfers: the operator that can start first goes first.

    Of several, the one with the longest way to the end; a transfer is sent as soon as its operator has run, behind
    those that its links carry already, over the way on which it arrives first.
    """
    count = len(problem.names)
    starts, ends, ready = [0] * count, [0] * count, [0] * count
    waits = tables.waits.copy()
    free, link_free = [0] * len(problem.devices), [0] * len(problem.links)
    transfers: list[Transfer] = []
    able = [k for k in range(count) if not waits[k]]
    while able:
        k = min(able, key=lambda o: (max(ready[o], free[device[o]]), -tables.rank[o]))
        able.remove(k)
        starts[k] = max(ready[k], free[device[k]])
        ends[k] = free[device[k]] = starts[k] + tables.durations[k][device[k]]
        for edge, after in sorted(tables.outputs[k], key=lambda out: -tables.rank[out[1]]):
            arrived = ends[k]
            if device[after] != device[k]:
                arrived = _send(tables, edge, (device[k], device[after]), ends[k], link_free, transfers)
            ready[after] = max(ready[after], arrived)
            waits[after] -= 1
            if not waits[after]:
                able.append(after)
    return starts, ends, transfers


def _send(
    tables: _Tables, edge: int, ends: tuple[int, int], at: int, link_free: list[int], transfers: list[Transfer]
) -> int:
    """Put an edge on the links of its best way, and return when it has arrived."""
    best: tuple[int, list[Transfer]] | None = None
    for links, spans, whole in tables.hops[edge, *ends]:
        late, moved = at, []
        for link, (begin, _) in zip(links, spans, strict=True):  # later hops wait for busy links, and those behind too
            late = max(late, link_free[link] - begin)
        moved = [Transfer(edge, link, late + b, late + e) for link, (b, e) in zip(links, spans, strict=True)]
        if best is None or late + whole < best[0]:
            best = late + whole, moved
    assert best is not None  # noqa: S101  devices are joined by at least one way
    for transfer in best[1]:
        link_free[transfer.link] = transfer.end
    transfers += best[1]
    return best[0]
