"""Placement by constraint programming: OR-Tools CP-SAT with optional intervals, and a proven bound.

The program of Pal et al., "Optimizing multi-GPU parallelization strategies for deep learning training" (IEEE Micro
39(5), 2019; DLPlacer) in our own words: each class of operators on one device, every transfer on one way, one thing at
a time on a device and on a link, memory, and the last end as short as can be.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.placement.list_schedule import _anneal
from slipstick.placement.problem import Problem
from slipstick.placement.schedule import INTERRUPTED, PlacementSchedule, Transfer, check
from slipstick.placement.segments import _solve_in_series

_THREADS = 2
_SMALL = 40  # operators: below, the solver needs no first schedule
_FIRST, _SHARE = 4.0, 0.2  # seconds that the first schedule may take, and its share of the limit
_LEAST = 0.1  # seconds that are left to the solver in any case
_PORTION = 0.25  # of the time left, at most, for one part of a graph that falls into several


def solve(problem: Problem, *, time_limit: float = 60.0, threads: int = _THREADS, seed: int = 0) -> PlacementSchedule:
    """Return the best placement schedule found within `time_limit` [s], with the bound that was proved.

    Ctrl-C ends the search at once; the best schedule until then is returned with the status `INTERRUPTED`.

    Errors
    ------
    SlipstickError if no placement fits the memory, or none was found in time.

    Examples
    --------
    >>> from slipstick.core.workload import Op
    >>> from slipstick.core.topology import Topology
    >>> from slipstick.placement.problem import OperatorCosts, problem_of
    >>> wire = Topology.of("wire", {"a": "npu", "b": "npu"}, [("a", "b", 1e9, 0.0), ("b", "a", 1e9, 0.0)])
    >>> ops = [Op(name, "other", {}, 1.0) for name in ("left", "right")]
    >>> schedule = solve(problem_of(ops, OperatorCosts({"left": 2e-3, "right": 1e-3}), wire))
    >>> schedule.proved, schedule.makespan / schedule.bound
    (True, 1.0)
    """
    deadline = time.monotonic() + time_limit

    def part(problem: Problem, fixed: Mapping[int, int]) -> PlacementSchedule:
        nonlocal deadline
        left = max(deadline - time.monotonic(), _LEAST)
        schedule = _solve(problem, fixed, left if not fixed else max(_LEAST, _PORTION * left), threads, seed)
        if schedule.status == INTERRUPTED:
            deadline = time.monotonic()
        return schedule

    return check(problem, _solve_in_series(problem, part))


def _solve(problem: Problem, fixed: Mapping[int, int], time_limit: float, threads: int, seed: int) -> PlacementSchedule:
    """Solve one problem as a whole, some of its operators on given devices."""
    cp = require("ortools.sat.python.cp_model", "search")
    begun = time.monotonic()
    if not fixed and problem.names and _alike(problem):
        fixed = {problem.order[0]: 0}  # a name for the first one's device
    few = len(problem.names) <= _SMALL
    first = None if few else _anneal(problem, min(_FIRST, _SHARE * time_limit), seed, fixed)
    model = _Model(problem, cp.CpModel(), fixed)
    if first is not None:
        model.hint(first)
    solver = cp.CpSolver()
    solver.parameters.max_time_in_seconds = max(time_limit - (time.monotonic() - begun), _LEAST)
    solver.parameters.num_workers = threads
    solver.parameters.random_seed = seed
    status, interrupted = _run(solver, model.model)
    if status == cp.INFEASIBLE:
        raise SlipstickError(
            "no placement fits the devices", path="memory", allowed="more devices, or more memory each"
        )
    best = None
    if status in (cp.OPTIMAL, cp.FEASIBLE):
        best = model.read(solver, "optimal" if status == cp.OPTIMAL else "the best found in time")
    elif first is None:
        first = _anneal(problem, _LEAST, seed, fixed)
    if first is not None and (best is None or first.makespan < best.makespan):
        best = replace(first, bound=best.bound if best else model.least)
    if best is None:
        raise SlipstickError("no schedule found in time", path="time_limit", value=time_limit)
    return replace(best, status=INTERRUPTED) if interrupted else best


def _run(solver: Any, model: Any) -> tuple[Any, bool]:
    """Return the solver's status, and whether Ctrl-C ended it: the solver's own handler would not say so."""
    solver.parameters.catch_sigint_signal = False
    with ThreadPoolExecutor(1) as pool:
        solving = pool.submit(solver.solve, model)
        try:
            return solving.result(), False
        except KeyboardInterrupt:
            solver.stop_search()
            return solving.result(), True


def _alike(problem: Problem) -> bool:
    """Tell whether any device can change places with any other: two devices joined the same way."""
    if len(problem.devices) != 2 or (problem.capacity != problem.capacity[0]).any():
        return False
    costs = [
        sorted((tuple(problem.sent[:, list(w.links)].sum(axis=1)), int(problem.latency[list(w.links)].sum()))
               for w in problem.ways if w.source == source)
        for source in (0, 1)
    ]  # fmt: skip
    return costs[0] == costs[1] and bool((problem.durations == problem.durations[:, :1]).all())


class _Model:
    """The constraint program of a problem, and the way back from its solution."""

    def __init__(self, problem: Problem, model: Any, fixed: Mapping[int, int]) -> None:
        self.problem, self.model, self.fixed = problem, model, fixed
        self.horizon = self._horizon()
        self.least = max(problem.critical_path, self._share())
        self.makespan = model.new_int_var(self.least, self.horizon, "makespan")
        self._operators()
        self._memory()
        self.hops: dict[tuple[int, int], list[tuple[int, Any, Any]]] = {}  # (edge, way) -> link, start, presence
        self.on_link: list[list[Any]] = [[] for _ in problem.links]
        for edge in range(len(problem.edges)):
            self._edge(edge)
        for intervals in self.on_link:
            model.add_no_overlap(intervals)
        model.minimize(self.makespan)

    def hint(self, first: PlacementSchedule) -> None:
        """Start from a schedule."""
        problem, add = self.problem, self.model.add_hint
        for group, choices in enumerate(self.on):
            here = int(first.device[problem.groups == group][0])
            for d, var in enumerate(choices):
                add(var, d == here)
        for k, (start, end) in enumerate(zip(self.start, self.end, strict=True)):
            add(start, int(first.start[k]))
            add(end, int(first.start[k] + problem.durations[k, first.device[k]]))
        add(self.makespan, first.makespan)
        sent = {(t.edge, t.link): t.start for t in first.transfers}
        for (edge, way), hops in self.hops.items():
            before, after = problem.edges[edge]
            ends = int(first.device[before]), int(first.device[after])
            taken = ends == (problem.ways[way].source, problem.ways[way].target)
            taken = taken and all((edge, link) in sent for link, _, _ in hops)
            add(hops[0][2], taken)
            for link, start, _ in hops[: 1 if problem.forwarding == "cut-through" else None]:
                add(start, sent[edge, link] if taken else 0)

    def _horizon(self) -> int:
        """Everything on one device after the other, or, where it fits on none, with every transfer between."""
        worst = int(self.problem.durations.max(axis=1).sum())
        slowest = self.problem.sent.max(axis=1, initial=0).sum() * max(
            (len(w.links) for w in self.problem.ways), default=0
        )
        return worst + int(slowest) + int(self.problem.latency.sum()) * len(self.problem.edges)

    def _share(self) -> int:
        """Return the ticks of the work divided evenly: another bound."""
        return int(-(-self.problem.durations.min(axis=1).sum() // len(self.problem.devices)))

    def _operators(self) -> None:
        problem, model = self.problem, self.model
        devices = range(len(problem.devices))
        classes = range(int(problem.groups.max(initial=-1)) + 1)
        self.on = [[model.new_bool_var(f"on{g},{d}") for d in devices] for g in classes]
        for choices in self.on:
            model.add_exactly_one(choices)
        for operator, device in self.fixed.items():
            model.add(self.on[int(problem.groups[operator])][device] == 1)
        self.start = [model.new_int_var(0, self.horizon, f"s{k}") for k in range(len(problem.names))]
        self.end = [model.new_int_var(0, self.horizon, f"e{k}") for k in range(len(problem.names))]
        for d in devices:
            intervals = []
            for k in range(len(problem.names)):
                here = self.on[problem.groups[k]][d]
                long = int(problem.durations[k, d])
                intervals.append(model.new_optional_interval_var(self.start[k], long, self.end[k], here, f"i{k},{d}"))
            model.add_no_overlap(intervals)
            load = sum(int(problem.durations[k, d]) * self.on[problem.groups[k]][d] for k in range(len(problem.names)))
            model.add(load <= self.makespan)
        for end in self.end:
            model.add(end <= self.makespan)

    def _memory(self) -> None:
        problem = self.problem
        if not np.isfinite(problem.capacity).all() or not problem.memory.any():
            return
        unit = _unit(problem)
        need = np.zeros(len(self.on))
        np.add.at(need, problem.groups, problem.memory)
        for d, capacity in enumerate(problem.capacity):
            used = sum(int(np.ceil(need[g] / unit)) * self.on[g][d] for g in range(len(self.on)))
            self.model.add(used <= int(capacity / unit))

    def _edge(self, edge: int) -> None:
        problem, model = self.problem, self.model
        before, after = (int(k) for k in problem.edges[edge])
        model.add(self.start[after] >= self.end[before])
        here, there = self.on[problem.groups[before]], self.on[problem.groups[after]]
        if problem.groups[before] == problem.groups[after]:
            return
        for d in range(len(problem.devices)):
            for other in range(len(problem.devices)):
                if d == other:
                    continue
                taken = []
                for way in problem.between(d, other):
                    used = model.new_bool_var(f"y{edge},{way}")
                    model.add_implication(used, here[d])
                    model.add_implication(used, there[other])
                    self._transfer(edge, way, used, before, after)
                    taken.append(used)
                model.add_bool_or([*taken, here[d].negated(), there[other].negated()])
                model.add_at_most_one(taken)

    def _transfer(self, edge: int, way: int, used: Any, before: int, after: int) -> None:
        problem, model = self.problem, self.model
        links = problem.ways[way].links
        spans, whole = problem.occupied(edge, links)
        first = model.new_int_var(0, self.horizon, f"t{edge},{way}")
        model.add(first >= self.end[before]).only_enforce_if(used)
        hops: list[tuple[int, Any, Any]] = []
        at = first
        for place, (link, (begin, end)) in enumerate(zip(links, spans, strict=True)):
            if place and problem.forwarding == "store":
                at = model.new_int_var(0, self.horizon, f"t{edge},{way},{place}")
                previous = links[place - 1]
                ready = hops[-1][1] + int(problem.sent[edge, previous]) + int(problem.latency[previous])
                model.add(at >= ready).only_enforce_if(used)
            interval = model.new_optional_fixed_size_interval_var(at, end - begin, used, f"h{edge},{way},{place}")
            self.on_link[link].append(interval)
            hops.append((link, at, used))
        if problem.forwarding == "store":
            last = links[-1]
            arrived = hops[-1][1] + int(problem.sent[edge, last]) + int(problem.latency[last])
        else:
            arrived = first + whole
        model.add(self.start[after] >= arrived).only_enforce_if(used)
        self.hops[edge, way] = hops

    def read(self, solver: Any, status: str) -> PlacementSchedule:
        """Return the schedule of a solution."""
        problem = self.problem
        group_devices = [next(d for d, var in enumerate(choices) if solver.value(var)) for choices in self.on]
        transfers = []
        for (edge, way), hops in self.hops.items():
            spans, _ = problem.occupied(edge, problem.ways[way].links)
            for (link, start, used), (begin, end) in zip(hops, spans, strict=True):
                if solver.value(used):
                    at = solver.value(start)
                    transfers.append(Transfer(edge, link, at, at + end - begin))
        start = np.array([solver.value(var) for var in self.start], np.int64)
        device = np.array([group_devices[group] for group in problem.groups], np.int64)
        ends = start + problem.durations[np.arange(len(start)), device]
        bound = int(np.ceil(solver.best_objective_bound - 1e-6))
        return PlacementSchedule(device, start, tuple(transfers), int(ends.max(initial=0)), bound, status, "CP-SAT")


def _unit(problem: Problem) -> float:
    """Return the bytes that memory is counted in: one where that is exact, else a share of a device.

    Needs are rounded up to it, so that what is found always fits. Finer is not better: with coefficients of 2**40
    CP-SAT 9.15 called instances infeasible that are not, and schedules optimal that were not (tests/placement).
    """
    finest = 2**24
    whole = (problem.memory == np.floor(problem.memory)).all() and (problem.capacity >= 1).all()
    return 1.0 if whole and problem.capacity.max() <= finest else float(problem.capacity.max()) / finest
