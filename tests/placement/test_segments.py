"""Placement in series: parts between cuts give the optimum of the whole, where they may."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from slipstick.core.workload import Op
from slipstick.fabric.topology_file import resolve_topology
from slipstick.placement import brute, cpsat
from slipstick.placement.list_schedule import _anneal
from slipstick.placement.problem import OperatorCosts, Problem, best_connected, problem_of
from slipstick.placement.schedule import check
from slipstick.placement.segments import _orbits, _parts_of
from slipstick.testing.solver_suite import line, random_problem, wire


def modules(seed: int, devices: int, depth: int = 3, together: bool = False) -> Problem:
    """Fork and join, `depth` times over: each join is a cut."""
    rng = np.random.default_rng(seed)
    ops, sent, last = [Op("in", "other", {}, 1.0)], {}, "in"
    for level in range(depth):
        branches = [f"b{level}.{n}" for n in range(int(rng.integers(1, 3)))]
        for name in branches:
            ops.append(
                Op(name, "other", {}, 1.0, after=(last,), colocate="x" if together and name.endswith(".0") else "")
            )
            sent[last, name] = float(rng.integers(0, 3))
        ops.append(Op(f"j{level}", "other", {}, 1.0, after=tuple(branches)))
        sent |= {(name, f"j{level}"): float(rng.integers(0, 3)) for name in branches}
        last = f"j{level}"
    seconds = {op.name: float(rng.integers(1, 9)) for op in ops}
    whole = int(sum(seconds.values()))
    return problem_of(ops, OperatorCosts(seconds, sent), wire(devices, latency=0.0), resolution=whole)


@pytest.mark.parametrize("seed", range(12))
def test_the_parts_together_are_as_short_as_the_whole(seed: int) -> None:
    problem = modules(seed, 2 + seed % 2)
    assert len(_parts_of(problem)) > 2
    found = cpsat.solve(problem)
    whole = cpsat._solve(problem, {}, 60.0, 2, 0)
    assert found.proved
    assert whole.proved
    assert found.makespan == whole.makespan
    if len(problem.names) <= 8:
        assert found.makespan == brute.solve(problem).makespan


@pytest.mark.parametrize("seed", range(12))
def test_parts_meet_on_the_device_that_suits_both_sides(seed: int) -> None:
    """Devices that differ: the best part before a cut may end on another device than the best part behind it begins."""
    problem = modules(seed, 2 + seed % 2, depth=2)
    rng = np.random.default_rng(seed)
    uneven = dataclasses.replace(
        problem,
        durations=problem.durations + rng.integers(0, 9, problem.durations.shape),
        latency=rng.integers(0, 4, len(problem.links)),
    )
    assert len(_parts_of(uneven)) > 1
    found = cpsat.solve(uneven)
    assert found.proved
    assert found.makespan == brute.solve(uneven).makespan


@pytest.mark.parametrize("seed", range(6))
def test_classes_that_reach_over_cuts_keep_their_parts_together(seed: int) -> None:
    problem = modules(seed, 2, depth=2, together=True)
    assert cpsat.solve(problem).makespan == brute.solve(problem).makespan
    for group in range(problem.groups.max() + 1):
        members = set(np.flatnonzero(problem.groups == group).tolist())
        assert any(members <= set(part.operators.tolist()) for part in _parts_of(problem))


def test_each_operator_but_the_cuts_lies_in_one_part() -> None:
    problem = modules(3, 2, depth=5)
    parts = _parts_of(problem)
    counted = np.bincount(np.concatenate([part.operators for part in parts]), minlength=len(problem.names))
    assert sorted(set(counted.tolist())) == [1, 2]
    assert (counted == 2).sum() == len(parts) - 1
    assert sum(len(part.edges) for part in parts) == len(problem.edges)


def test_memory_that_binds_leaves_the_graph_whole() -> None:
    problem = modules(1, 2)
    tight = dataclasses.replace(
        problem, memory=np.ones(len(problem.names)), capacity=np.full(2, len(problem.names) - 1.0)
    )
    assert len(_parts_of(tight)) == 1
    assert len(set(cpsat.solve(tight).device.tolist())) == 2


def test_devices_are_alike_only_where_links_are() -> None:
    assert len(set(_orbits(modules(0, 3)).values())) == 2, "here or there"
    ends = dataclasses.replace(random_problem(0, 4, line(3)), memory=np.zeros(4))
    assert _orbits(ends)[2, 2] == (0, 0), "a row has two ends"
    assert _orbits(ends)[1, 1] == (1, 1)


@pytest.mark.parametrize("forwarding", ["store", "cut-through"])
@pytest.mark.parametrize("seed", range(6))
def test_annealed_schedules_keep_every_rule(seed: int, forwarding: str) -> None:
    problem = random_problem(seed, 8, (wire(3), line(3))[seed % 2], forwarding)  # type: ignore[arg-type]
    found = _anneal(problem, 0.05, seed)
    assert found is not None
    assert check(problem, found).makespan >= cpsat.solve(problem).makespan
    held = _anneal(problem, 0.05, seed, {0: 2})
    assert held is not None
    assert held.device[0] == 2


def test_no_first_schedule_where_memory_is_too_small() -> None:
    problem = random_problem(0, 6, wire(2))
    assert _anneal(dataclasses.replace(problem, capacity=np.ones(2)), 0.01) is None


def test_the_best_connected_devices_have_two_links_each() -> None:
    dgx = resolve_topology("dgx1-v100")
    joined = np.zeros((8, 8))
    np.add.at(joined, (dgx.source, dgx.target), dgx.bandwidth)
    assert best_connected(dgx, 8) == list(range(8))
    pair = best_connected(dgx, 2)
    assert joined[pair[0], pair[1]] == joined.max()
    four = best_connected(dgx, 4)
    assert joined[np.ix_(four, four)].sum() == max(
        joined[np.ix_(c, c)].sum() for c in itertools.combinations(range(8), 4)
    )
