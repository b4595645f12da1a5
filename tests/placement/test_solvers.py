"""CP-SAT, HiGHS and trying everything agree; limits of memory and links are felt."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Op
from slipstick.placement import brute, cpsat, highs
from slipstick.placement.list_schedule import _anneal
from slipstick.placement.problem import Forwarding, OperatorCosts, Problem, problem_of
from slipstick.placement.schedule import PlacementSchedule, Transfer, check
from slipstick.testing import SolverSuite
from slipstick.testing.solver_suite import line, random_problem, wire

SOLVERS = {"cpsat": cpsat.solve, "highs": highs.solve, "brute": brute.solve}


class TestExactSolvers(SolverSuite):
    solvers = SOLVERS


class TestAnnealing(SolverSuite):
    solvers: ClassVar = {"anneal": lambda problem: _anneal(problem, 0.1) or refuse()}
    exact = False


def refuse() -> PlacementSchedule:
    raise SlipstickError("no placement fits the devices", path="memory")


def graph(seed: int) -> Problem:
    """Graphs of 2 to 9 operators: the larger, the thinner, so that every order can be tried."""
    operators = 2 + seed % 8
    topology = (wire(2), wire(3), line(3))[seed % 3] if operators <= 5 else wire(2)
    density = 0.4 if operators <= 6 else 0.12
    return random_problem(seed, operators, topology, ("store", "cut-through")[seed // 8 % 2], density)


@pytest.mark.parametrize("first", range(0, 200, 25))
def test_as_good_as_trying_everything(first: int) -> None:
    for seed in range(first, first + 25):
        problem = graph(seed)
        exact, found = brute.solve(problem), cpsat.solve(problem)
        assert found.proved
        assert found.makespan == exact.makespan, seed


@pytest.mark.parametrize("first", range(0, 30, 10))
def test_highs_agrees_on_small_graphs(first: int) -> None:
    for seed in range(first, first + 10):
        problem = random_problem(seed, 2 + seed % 5, (wire(2), line(3))[seed % 2], ("store", "cut-through")[seed % 2])
        found = highs.solve(problem)
        assert found.proved
        assert found.makespan == cpsat.solve(problem).makespan


FOUR = [Op(f"o{k}", "other", {}, 1.0) for k in range(4)]
TIMES = {"o0": 4.0, "o1": 3.0, "o2": 2.0, "o3": 1.0}


def four(memory: dict[str, float] | None = None, **fields: object) -> Problem:
    return problem_of(FOUR, OperatorCosts(TIMES, memory=memory or {}), wire(2), resolution=10, **fields)  # type: ignore[arg-type]


def test_a_memory_limit_changes_the_optimum_and_without_it_the_check_fails() -> None:
    need = {"o0": 6.0, "o1": 4.0, "o2": 4.0, "o3": 6.0}
    free = cpsat.solve(four(memory=need))
    assert free.makespan == 5
    tight = four(memory=need, capacity=10.0)  # the first and the last no longer fit one device
    assert cpsat.solve(tight).makespan == brute.solve(tight).makespan == highs.solve(tight).makespan == 6
    with pytest.raises(SlipstickError, match="over its memory"):
        check(tight, dataclasses.replace(free, device=np.array([0, 1, 1, 0]), start=np.array([0, 0, 3, 4])))


def test_transfers_that_share_a_link_wait_for_each_other() -> None:
    ops = [Op("a", "other", {}, 1.0), Op("b", "other", {}, 1.0)]
    ops += [Op("c", "other", {}, 1.0, after=("a",)), Op("d", "other", {}, 1.0, after=("b",))]
    slow = {"a": 1.0, "b": 1.0, "c": 30.0, "d": 30.0}
    sent = {("a", "c"): 10.0, ("b", "d"): 10.0}
    problem = problem_of(ops, OperatorCosts(slow, sent), wire(2, latency=0.0), resolution=62)
    one = cpsat.solve(problem)
    assert one.makespan == brute.solve(problem).makespan
    wide = dataclasses.replace(problem, sent=problem.sent * 0)
    assert cpsat.solve(wide).makespan <= one.makespan
    overlapping = [dataclasses.replace(t, start=1, end=11) for t in one.transfers]
    if len(overlapping) > 1:
        with pytest.raises(SlipstickError):
            check(problem, dataclasses.replace(one, transfers=tuple(overlapping)))


def test_two_transfers_at_once_on_a_link_are_refused_by_the_check() -> None:
    ops = [Op("a", "other", {}, 1.0), Op("c", "other", {}, 1.0, after=("a",)), Op("d", "other", {}, 1.0, after=("a",))]
    problem = problem_of(
        ops,
        OperatorCosts({"a": 1.0, "c": 1.0, "d": 1.0}, {("a", "c"): 2.0, ("a", "d"): 2.0}),
        wire(2, 0.0),
        resolution=3,
    )
    device, start = np.array([0, 1, 1]), np.array([0, 3, 4])
    link = problem.ways[problem.between(0, 1)[0]].links[0]
    both = (Transfer(0, link, 1, 3), Transfer(1, link, 1, 3))
    with pytest.raises(SlipstickError, match="two things at once"):
        check(problem, PlacementSchedule(device, start, both, 5, 0, "", ""))
    apart = (Transfer(0, link, 1, 3), Transfer(1, link, 3, 5))
    check(problem, PlacementSchedule(device, np.array([0, 3, 5]), apart, 6, 0, "", ""))


@pytest.mark.parametrize("forwarding", ["store", "cut-through"])
@pytest.mark.parametrize("solve", SOLVERS.values(), ids=SOLVERS)
def test_results_that_must_cross_one_link_cross_it_in_turn(
    solve: Callable[..., PlacementSchedule], forwarding: Forwarding
) -> None:
    """Memory drives both readers to the other device: 1, two transfers of 3 behind each other, 1."""
    ops = [Op("a", "other", {}, 1.0), Op("b", "other", {}, 1.0, after=("a",)), Op("c", "other", {}, 1.0, after=("a",))]
    costs = OperatorCosts(dict.fromkeys("abc", 1.0), {("a", "b"): 3.0, ("a", "c"): 3.0}, dict.fromkeys("abc", 1.0))
    problem = problem_of(ops, costs, wire(2, 0.0), resolution=3, forwarding=forwarding)
    problem = dataclasses.replace(problem, capacity=np.array([1.0, 2.0]), durations=np.array([[1, 9], [1, 1], [1, 1]]))
    schedule = check(problem, solve(problem))
    assert schedule.device.tolist() == [0, 1, 1]
    assert sorted((t.start, t.end) for t in schedule.transfers) == [(1, 4), (4, 7)]
    assert schedule.makespan == schedule.bound == 8


@pytest.mark.parametrize("solve", SOLVERS.values(), ids=SOLVERS)
def test_results_that_cross_at_different_times_need_no_turn(solve: Callable[..., PlacementSchedule]) -> None:
    """Two pairs over the same link: the one whose source is slow is sent second, whichever is numbered first."""
    for slow, quick in (("a", "b"), ("b", "a")):
        ops = [Op(n, "other", {}, 1.0) for n in "ab"]
        ops += [Op("c", "other", {}, 1.0, after=("a",)), Op("d", "other", {}, 1.0, after=("b",))]
        times = {slow: 6.0, quick: 1.0, "c": 1.0, "d": 1.0}
        costs = OperatorCosts(times, {("a", "c"): 3.0, ("b", "d"): 3.0}, dict.fromkeys("abcd", 1.0))
        problem = problem_of(ops, costs, wire(2, 0.0), resolution=9)
        far = problem.durations + np.array([[0, 50], [0, 50], [50, 0], [50, 0]])
        problem = dataclasses.replace(problem, durations=far)
        schedule = check(problem, solve(problem))
        assert schedule.device.tolist() == [0, 0, 1, 1]
        assert schedule.makespan == 1 + 6 + 3 + 1, "the quick one is sent while the slow one runs"


def test_operators_that_belong_together_stay_together() -> None:
    ops = [dataclasses.replace(op, colocate="weights" if op.name in ("o0", "o1") else "") for op in FOUR]
    problem = problem_of(ops, OperatorCosts(TIMES), wire(2), resolution=10)
    found = cpsat.solve(problem)
    assert found.device[0] == found.device[1]
    assert found.makespan == 7 == brute.solve(problem).makespan


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(SlipstickError, match="fit no device"):
        four(memory={"o0": 20.0}, capacity=10.0)
    with pytest.raises(SlipstickError, match="devices together"):
        four(memory=dict.fromkeys(TIMES, 9.0), capacity=10.0)
    with pytest.raises(SlipstickError, match="has no time"):
        problem_of(FOUR, OperatorCosts({"o0": 1.0}), wire(2))
    with pytest.raises(SlipstickError, match="too many operators"):
        brute.solve(random_problem(0, 10, wire(2)))
    need = {"o0": 6.0, "o1": 6.0, "o2": 6.0, "o3": 1.0}
    with pytest.raises(SlipstickError, match="no placement fits"):
        cpsat.solve(four(memory=need, capacity=10.0))


def test_more_bandwidth_is_never_slower() -> None:
    for seed in range(6):
        problem = random_problem(seed, 6, wire(2))
        faster = dataclasses.replace(problem, sent=problem.sent // 2)
        assert cpsat.solve(faster).makespan <= cpsat.solve(problem).makespan
