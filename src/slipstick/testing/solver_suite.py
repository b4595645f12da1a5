"""Conformance suite of placement solvers: what every function from Problem to PlacementSchedule keeps, run by pytest.

A package inherits it once for all of its solvers; one that finds good schedules rather than the best says so::

    class TestGenetic(SolverSuite):
        solvers = {"genetic": solve}
        exact = False
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.core.workload import Op
from slipstick.placement import brute
from slipstick.placement.problem import Forwarding, OperatorCosts, Problem, problem_of
from slipstick.placement.schedule import PlacementSchedule, check
from slipstick.testing.members import one_case_each

Solver = Callable[[Problem], PlacementSchedule]


def wire(devices: int, latency: float = 1.0) -> Topology:
    """Return a topology of devices all directly joined, at one byte per second."""
    nodes = {chr(97 + place): "npu" for place in range(devices)}
    return Topology.of("wire", nodes, [(a, b, 1.0, latency) for a in nodes for b in nodes if a != b])


def line(devices: int) -> Topology:
    """Return a topology of devices in a row, where transfers between the ends share the links of the middle."""
    nodes = {chr(97 + place): "npu" for place in range(devices)}
    names = list(nodes)
    pairs = list(pairwise(names))
    return Topology.of("line", nodes, [(*p, 1.0, 0.0) for p in pairs] + [(b, a, 1.0, 0.0) for a, b in pairs])


def random_problem(
    seed: int,
    operators: int,
    topology: Topology,
    forwarding: Forwarding = "store",
    density: float = 0.3,
    **limits: object,
) -> Problem:
    """Return a random placement problem: a directed acyclic graph of operators to schedule on a topology's devices.

    Operators take 1 to 9 s and 1 to 4 B of memory, edges send 0 to 5 B: whole numbers. A tick is one second.

    Parameters
    ----------
    density : probability of an edge from each earlier operator.
    limits : further arguments of `problem_of`.
    """
    rng = np.random.default_rng(seed)
    ops: list[Op] = []
    sent: dict[tuple[str, str], float] = {}
    for k in range(operators):
        before = [i for i in range(k) if rng.random() < density]
        together = "pair" if rng.random() < 0.15 else ""
        ops.append(Op(f"o{k}", "other", {}, 1.0, after=tuple(f"o{i}" for i in before), colocate=together))
        sent |= {(f"o{i}", f"o{k}"): float(rng.integers(0, 6)) for i in before}
    seconds = {op.name: float(rng.integers(1, 10)) for op in ops}
    memory = {op.name: float(rng.integers(1, 5)) for op in ops}
    whole = int(sum(seconds.values()))
    costs = OperatorCosts(seconds, sent, memory)
    return problem_of(ops, costs, topology, forwarding=forwarding, resolution=whole, **limits)  # type: ignore[arg-type]


class SolverSuite:
    """Tests of every solver in `solvers`: its schedules obey all rules, and its bounds agree with brute force."""

    solvers: ClassVar[Mapping[str, Solver]] = {}
    exact: ClassVar[bool] = True  # whether it proves its schedules of these small graphs the shortest

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Give each test one case for every solver."""
        one_case_each(metafunc, "name", list(self.solvers))

    def test_its_schedules_keep_every_rule(self, name: str) -> None:
        """Classes together, memory, one thing at a time on devices and links, inputs before their readers."""
        for problem in _small_problems():
            schedule = check(problem, self.solvers[name](problem))
            assert schedule.status
            assert schedule.solver

    def test_its_bound_and_makespan_enclose_the_optimum(self, name: str) -> None:
        """Critical path <= bound <= shortest schedule of all <= makespan <= one device alone."""
        for problem in _small_problems():
            schedule, best = self.solvers[name](problem), brute.solve(problem)
            assert problem.critical_path <= schedule.bound <= best.makespan <= schedule.makespan <= problem.serial
            assert not self.exact or schedule.proved
            assert schedule.proved == (schedule.bound == schedule.makespan)
            assert not schedule.proved or schedule.makespan == best.makespan

    def test_no_operator_and_one_device_are_problems_too(self, name: str) -> None:
        """A single operator ends after its seconds; on one device all operators run in a row."""
        problem = random_problem(0, 1, wire(2))
        assert self.solvers[name](problem).makespan == problem.serial
        alone = random_problem(1, 4, wire(1))
        assert check(alone, self.solvers[name](alone)).makespan == alone.serial

    def test_memory_is_felt(self, name: str) -> None:
        """Operators that fit no device together lie apart; where no placement fits, it is one error."""
        ops = [Op(f"o{k}", "other", {}, 1.0) for k in range(3)]
        costs = OperatorCosts(dict.fromkeys(("o0", "o1", "o2"), 2.0), {}, {"o0": 6.0, "o1": 6.0, "o2": 1.0})
        problem = problem_of(ops, costs, wire(2), resolution=6, capacity=10.0)
        schedule = check(problem, self.solvers[name](problem))
        assert schedule.device[0] != schedule.device[1]
        three = OperatorCosts(dict.fromkeys(("o0", "o1", "o2"), 2.0), {}, dict.fromkeys(("o0", "o1", "o2"), 6.0))
        with pytest.raises(SlipstickError, match=r"memory|fits"):
            self.solvers[name](problem_of(ops, three, wire(2), resolution=6, capacity=10.0))

    def test_its_schedule_does_not_depend_on_names(self, name: str) -> None:
        """Operators by other names have schedules of the same length."""
        if self.exact:
            for problem in _small_problems():
                renamed = replace(problem, names=tuple(f"x{place}" for place in range(len(problem.names))))
                assert self.solvers[name](renamed).makespan == self.solvers[name](problem).makespan


def _small_problems() -> list[Problem]:
    return [
        problem
        for seed in range(4)
        for problem in (random_problem(seed, 4, wire(2), "store"), random_problem(seed, 4, line(3), "cut-through"))
    ]
