"""Placement problems, schedules' rules, orders, parts and list schedules: by hand, and against brute force."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.core.workload import Op
from slipstick.placement import brute, cpsat, highs
from slipstick.placement.cpsat import _alike, _unit
from slipstick.placement.list_schedule import _anneal
from slipstick.placement.orders import compact, precedence
from slipstick.placement.pipeline_partition import partition
from slipstick.placement.problem import Forwarding, OperatorCosts, Problem, best_connected, problem_of
from slipstick.placement.schedule import PlacementSchedule, Transfer, check
from slipstick.placement.segments import _cuts, _orbits, _parts_of, _symmetries
from slipstick.testing.solver_suite import line, random_problem, wire


def op(name: str, *after: str, colocate: str = "") -> Op:
    return Op(name, "other", {}, 1.0, after=after, colocate=colocate)


CHAIN = [op("a"), op("b", "a"), op("c", "b")]


def chain(topology: Topology, forwarding: Forwarding = "store", **fields: object) -> Problem:
    costs = OperatorCosts({"a": 2.0, "b": 3.0, "c": 5.0}, {("a", "b"): 4.0, ("b", "c"): 6.0}, {"a": 1.0, "c": 7.0})
    return problem_of(CHAIN, costs, topology, forwarding=forwarding, resolution=10, **fields)  # type: ignore[arg-type]


# --- the instance -----------------------------------------------------------------------------------------------------


def test_times_are_whole_ticks_of_the_fastest_device() -> None:
    by_device = [{"a": 2.0, "b": 3.0, "c": 5.0}, {"a": 1.0, "b": 1.4, "c": 1.6}]
    costs = OperatorCosts(by_device, {("a", "b"): 4.0, ("b", "c"): 6.1})
    problem = problem_of(CHAIN, costs, wire(2, latency=0.25), resolution=8)
    assert problem.tick == 0.5  # 4 s on the faster device in 8 ticks
    assert problem.durations.tolist() == [[4, 2], [6, 3], [10, 3]]  # 1.4 s and 1.6 s: to the nearest tick
    assert problem.sent.tolist() == [[8, 8], [13, 13]]  # rounded up: a link is never freed too early
    assert problem.latency.tolist() == [1, 1]
    assert problem.serial == 8
    assert problem.critical_path == 8
    assert problem.memory.tolist() == [0, 0, 0]
    assert np.isinf(problem.capacity).all()
    assert problem.names == ("a", "b", "c")
    assert problem.devices == ("a", "b")
    assert problem.links == ("a to b", "b to a")
    assert problem.forwarding == "store"


def test_the_default_resolution_rounds_five_millionths_away() -> None:
    costs = OperatorCosts({"a": 1.0, "b": 0.5, "c": 0.5})
    problem = problem_of(CHAIN, costs, wire(2))
    assert problem.tick == pytest.approx(1e-5)
    assert problem.durations[:, 0].tolist() == [100_000, 50_000, 50_000]
    free = problem_of([op("a")], OperatorCosts({"a": 0.0}), wire(2))
    assert (free.tick, free.durations.tolist()) == (1.0, [[0, 0]])


def test_memory_limits_and_classes_of_an_instance() -> None:
    problem = chain(wire(2), capacity=7.0)
    assert problem.memory.tolist() == [1, 0, 7]
    assert problem.capacity.tolist() == [7, 7]
    with pytest.raises(SlipstickError, match="fit no device"):
        chain(wire(2), capacity=6.99)
    five = OperatorCosts(dict.fromkeys("abc", 1.0), memory=dict.fromkeys("abc", 5.0))
    with pytest.raises(SlipstickError, match="devices together"):
        problem_of(CHAIN, five, wire(2), capacity=7.0)
    fits = problem_of(CHAIN, five, wire(3), capacity=5.0)
    assert fits.capacity.sum() == fits.memory.sum()
    together = [op("a", colocate="w"), op("b", "a"), op("c", "b", colocate="w")]
    grouped = problem_of(together, OperatorCosts({"a": 1.0, "b": 1.0, "c": 1.0}), wire(2))
    assert grouped.groups[0] == grouped.groups[2] != grouped.groups[1]
    assert sorted(set(grouped.groups.tolist())) == [0, 1]
    with pytest.raises(SlipstickError, match=r"memory\.a, c"):
        problem_of(
            together, OperatorCosts({"a": 1.0, "b": 1.0, "c": 1.0}, memory={"a": 3.0, "c": 4.0}), wire(2), capacity=6.0
        )


@pytest.mark.parametrize("devices", [0, 4, -1])
def test_devices_out_of_range_are_refused(devices: int) -> None:
    with pytest.raises(SlipstickError, match="out of range"):
        chain(wire(3), devices=devices)


def test_ways_are_all_shortest_paths() -> None:
    nodes = dict.fromkeys("abcd", "npu")
    square = [("a", "b"), ("b", "d"), ("a", "c"), ("c", "d")]
    both = [(s, t, 1.0, 0.0) for s, t in square] + [(t, s, 1.0, 0.0) for s, t in square]
    problem = chain(Topology.of("square", nodes, both))
    assert len(problem.ways) == 4 * 2 + 4 * 2  # four neighbours both ways; two ways over each diagonal, both ways
    names = {tuple(problem.links[n] for n in problem.ways[w].links) for w in problem.between(0, 3)}
    assert names == {("a to b", "b to d"), ("a to c", "c to d")}
    assert [len(problem.ways[w].links) for w in problem.between(0, 1)] == [1]
    with pytest.raises(SlipstickError, match="b to a"):
        chain(Topology.of("one way", dict.fromkeys("ab", "npu"), [("a", "b", 1.0, 0.0)]))
    over = {"a": "npu", "s": "switch", "b": "npu"}
    star = chain(
        Topology.of("star", over, [(x, y, 1.0, 2.0) for x, y in (("a", "s"), ("s", "a"), ("b", "s"), ("s", "b"))])
    )
    assert star.devices == ("a", "b")
    assert [star.links[n] for n in star.ways[star.between(0, 1)[0]].links] == ["a to s", "s to b"]


def test_fewer_devices_keep_the_links_that_they_use() -> None:
    problem = chain(line(3), devices=2)
    assert problem.devices == ("a", "b")
    assert problem.links == ("a to b", "b to a")
    assert best_connected(line(4), 3) == [0, 1, 2]
    uneven = Topology.of("uneven", dict.fromkeys("abc", "npu"), [
        ("a", "b", 1.0, 0.0), ("b", "a", 1.0, 0.0), ("b", "c", 3.0, 0.0), ("c", "b", 0.5, 0.0),
    ])  # fmt: skip
    assert best_connected(uneven, 2) == [1, 2]
    assert best_connected(uneven, 1) == [0]
    assert best_connected(uneven, 3) == [0, 1, 2]


@pytest.mark.parametrize("seed", range(8))
def test_orders_inputs_and_chains_of_random_graphs(seed: int) -> None:
    problem = random_problem(seed, 8, wire(2))
    place = {k: n for n, k in enumerate(problem.order)}
    assert sorted(place) == list(range(8))
    assert all(place[int(a)] < place[int(b)] for a, b in problem.edges)
    for k in range(8):
        assert sorted(problem.inputs[k]) == sorted(int(a) for a, b in problem.edges if b == k)
    longest = 0
    for count in range(1, 9):
        for path in itertools.combinations(problem.order, count):
            joined = {(int(a), int(b)) for a, b in problem.edges}
            if all(pair in joined for pair in itertools.pairwise(path)):
                longest = max(longest, sum(int(problem.durations[k].min()) for k in path))
    assert problem.critical_path == longest


def test_a_circle_of_operators_is_refused() -> None:
    problem = chain(wire(2))
    with pytest.raises(SlipstickError, match="circle"):
        _ = replace(problem, edges=np.array([[0, 1], [1, 0]])).order


def test_a_hop_follows_the_one_before_and_a_cut_takes_all_links_at_once() -> None:
    problem = chain(line(3))
    problem = replace(
        problem, latency=np.arange(1, 1 + len(problem.links)), sent=problem.sent + np.arange(len(problem.links))
    )
    (way,) = problem.between(0, 2)
    first, second = links = problem.ways[way].links
    a, b = int(problem.sent[1, first]), int(problem.sent[1, second])
    gap, tail = int(problem.latency[first]), int(problem.latency[second])
    assert problem.occupied(1, links) == ([(0, a), (a + gap, a + gap + b)], a + gap + b + tail)
    cut = replace(problem, forwarding="cut-through")
    assert cut.occupied(1, links) == ([(0, max(a, b))] * 2, max(a, b) + gap + tail)


# --- the rules --------------------------------------------------------------------------------------------------------


def apart(forwarding: Forwarding = "store") -> tuple[Problem, PlacementSchedule]:
    """a on the first of three devices in a row, b and c on the last: 2, then 4 + 4 over two links, 3, 5."""
    problem = chain(line(3), forwarding)
    first, second = problem.ways[problem.between(0, 2)[0]].links
    if forwarding == "store":
        moved, start = (Transfer(0, first, 2, 6), Transfer(0, second, 6, 10)), [0, 10, 13]
    else:
        moved, start = (Transfer(0, first, 2, 6), Transfer(0, second, 2, 6)), [0, 6, 9]
    return problem, PlacementSchedule(np.array([0, 2, 2]), np.array(start), moved, start[-1] + 5, 0, "by hand", "")


def test_a_tight_schedule_keeps_every_rule() -> None:
    for forwarding in ("store", "cut-through"):
        problem, schedule = apart(forwarding)  # type: ignore[arg-type]
        assert check(problem, schedule) is schedule


def changed(schedule: PlacementSchedule, place: int, **fields: int) -> PlacementSchedule:
    transfers = list(schedule.transfers)
    transfers[place] = replace(transfers[place], **fields)
    return replace(schedule, transfers=tuple(transfers))


def test_every_rule_is_checked() -> None:
    problem, good = apart()
    first, second = (t.link for t in good.transfers)
    back = problem.ways[problem.between(2, 0)[0]].links
    for broken, said in (
        (replace(good, start=np.array([0, 9, 13])), "begins before its input"),
        (replace(good, start=np.array([0, 10, 12])), "two things at once"),
        (replace(good, makespan=17), "not the last end"),
        (replace(good, makespan=19), "not the last end"),
        (replace(good, start=np.array([-1, 10, 13])), "not the last end"),
        (changed(good, 0, start=1, end=5), "begins too early"),
        (changed(good, 1, start=5, end=9), "begins too early"),
        (changed(good, 1, end=9), "too short"),
        (replace(good, transfers=good.transfers[:1]), "takes no way"),
        (replace(good, transfers=()), "takes no way"),
        (changed(good, 0, link=back[0]), "takes no way"),
        (replace(good, device=np.array([0, 2, 1])), "takes no way"),
    ):
        with pytest.raises(SlipstickError, match=said):
            check(problem, broken)
    late = replace(problem, latency=problem.latency + 1)
    with pytest.raises(SlipstickError, match="begins too early"):
        check(late, good)
    with pytest.raises(SlipstickError, match="begins before its input"):
        check(late, changed(good, 1, start=7, end=11))
    moved = changed(good, 1, start=7, end=11)
    check(late, replace(moved, start=np.array([0, 12, 15]), makespan=20))
    with pytest.raises(SlipstickError, match="over its memory"):
        check(replace(problem, capacity=np.array([9.0, 9.0, 6.9])), good)
    check(replace(problem, capacity=np.array([1.0, 0.0, 7.0])), good)
    with pytest.raises(SlipstickError, match="lie apart"):
        check(replace(problem, groups=np.array([0, 0, 1])), good)
    with pytest.raises(SlipstickError, match=r"lie apart; got 1"):
        check(replace(problem, groups=np.array([1, 0, 1])), good)
    assert {first, second} != set(back)


def test_cut_through_holds_all_links_for_the_same_time() -> None:
    problem, good = apart("cut-through")
    with pytest.raises(SlipstickError, match="all links at once"):
        check(problem, changed(good, 1, start=3, end=7))
    with pytest.raises(SlipstickError, match="all links at once"):
        check(problem, changed(good, 1, end=7))
    slow = replace(problem, latency=problem.latency + 1)  # both links' latencies are paid at the end
    with pytest.raises(SlipstickError, match="begins before its input"):
        check(slow, replace(good, start=np.array([0, 7, 10]), makespan=15))
    check(slow, replace(good, start=np.array([0, 8, 11]), makespan=16))


def test_two_transfers_share_a_link_in_turn_only() -> None:
    ops = [op("a"), op("b", "a"), op("c", "a")]
    costs = OperatorCosts({"a": 1.0, "b": 1.0, "c": 1.0}, {("a", "b"): 2.0, ("a", "c"): 3.0})
    problem = problem_of(ops, costs, wire(2, 0.0), resolution=3)
    link = problem.ways[problem.between(0, 1)[0]].links[0]
    device = np.array([0, 1, 1])
    good = PlacementSchedule(
        device, np.array([0, 3, 6]), (Transfer(0, link, 1, 3), Transfer(1, link, 3, 6)), 7, 0, "", ""
    )
    check(problem, good)
    with pytest.raises(SlipstickError, match=f"two things at once.*|{problem.links[link]}"):
        check(problem, replace(good, transfers=(Transfer(0, link, 1, 3), Transfer(1, link, 2, 5))))
    empty = replace(problem, sent=problem.sent * 0)
    nothing = (Transfer(0, link, 1, 1), Transfer(1, link, 1, 1))
    check(empty, replace(good, transfers=nothing, start=np.array([0, 1, 2]), makespan=3))


def test_gap_and_proof() -> None:
    _, schedule = apart()
    assert replace(schedule, makespan=20, bound=15).gap == 0.25
    assert not replace(schedule, makespan=20, bound=19).proved
    assert replace(schedule, makespan=20, bound=20).proved
    assert replace(schedule, makespan=0, bound=0).gap == 0.0


# --- orders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forwarding", ["store", "cut-through"])
def test_precedence_by_hand(forwarding: Forwarding) -> None:
    problem, schedule = apart(forwarding)
    first, second = problem.ways[problem.between(0, 2)[0]].links
    moves, waits = precedence(problem, schedule)
    if forwarding == "store":
        assert moves == [(0, 2, (first,)), (0, 6, (second,))]
        # tasks: a b c, two hops, their latencies
        assert sorted(waits) == sorted([(1, 2), (0, 3), (3, 5), (5, 4), (4, 6), (6, 1), (1, 2)])
    else:
        assert moves == [(0, 2, (first, second))]
        assert sorted(waits) == sorted([(1, 2), (0, 3), (3, 4), (4, 1), (1, 2)])


def test_two_moves_on_a_link_keep_their_order() -> None:
    ops = [op("a"), op("b", "a"), op("c", "a")]
    costs = OperatorCosts({"a": 1.0, "b": 1.0, "c": 1.0}, {("a", "b"): 2.0, ("a", "c"): 3.0})
    problem = problem_of(ops, costs, wire(2, 0.0), resolution=3)
    link = problem.ways[problem.between(0, 1)[0]].links[0]
    late = PlacementSchedule(
        np.array([0, 1, 1]), np.array([5, 20, 15]), (Transfer(1, link, 7, 10), Transfer(0, link, 12, 14)), 21, 0, "", ""
    )
    moves, waits = precedence(problem, late)
    assert [edge for edge, _, _ in moves] == [1, 0]
    assert (3, 4) in waits
    assert (2, 1) in waits, "on the second device c runs before b"
    early = compact(problem, late)
    assert early.start.tolist() == [0, 6, 4]
    assert sorted((t.edge, t.start, t.end) for t in early.transfers) == [(0, 4, 6), (1, 1, 4)]
    assert early.makespan == 7
    assert early.device.tolist() == [0, 1, 1]


# --- parts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_cuts_are_the_operators_that_every_path_passes(seed: int) -> None:
    problem = random_problem(seed, 7, wire(2), density=(0.25, 0.45, 0.7)[seed % 3])
    problem = replace(problem, memory=np.zeros(7), groups=np.arange(7))
    edges = {(int(a), int(b)) for a, b in problem.edges}
    starts = set(range(7)) - {b for _, b in edges}
    ends = set(range(7)) - {a for a, _ in edges}

    def bypassed(cut: int) -> bool:
        seen = starts - {cut}
        for _ in range(7):
            seen |= {b for a, b in edges if a in seen and b != cut}
        return bool(seen & ends)

    wanted = [k for k in problem.order[1:] if not bypassed(k)]
    assert _cuts(problem) == wanted
    parts = _parts_of(problem)
    assert len(parts) == len(wanted) + (wanted[-1:] != problem.order[-1:])
    assert sum(len(part.edges) for part in parts) == len(problem.edges)
    for part in parts:
        for number, edge in enumerate(part.edges):
            ends = part.operators[part.problem.edges[number]]
            assert ends.tolist() == problem.edges[edge].tolist()
            assert part.problem.sent[number].tolist() == problem.sent[edge].tolist()
        for place, k in enumerate(part.operators):
            wanted_time = 0 if place == part.first else problem.durations[k, 0]
            assert part.problem.durations[place, 0] == wanted_time
            assert part.problem.names[place] == problem.names[k]


def test_a_class_that_reaches_over_a_cut_keeps_it_from_being_one() -> None:
    ops = [op("a", colocate="x"), op("b", "a"), op("c", "b", colocate="x"), op("d", "c")]
    problem = problem_of(ops, OperatorCosts(dict.fromkeys("abcd", 1.0)), wire(2), resolution=4)
    problem = replace(problem, edges=np.array([[0, 1], [1, 2], [2, 3]]), sent=np.ones((3, 2), np.int64))
    assert _cuts(problem) == [3], "b lies inside the class, c at its end"
    assert _cuts(replace(problem, groups=np.arange(4))) == [1, 2, 3]
    heavy = replace(problem, memory=np.ones(4), capacity=np.full(2, 3.0))
    assert _cuts(heavy) == []
    assert _cuts(replace(heavy, capacity=np.full(2, 4.0))) == [3]


def test_symmetries_are_the_renamings_that_change_nothing() -> None:
    problem = random_problem(1, 4, wire(3))
    assert len(_symmetries(problem)) == 6
    assert len(set(_orbits(problem).values())) == 2
    faster = replace(problem, durations=problem.durations - np.array([[1, 0, 0]]))
    assert len(_symmetries(faster)) == 2, "one device is unlike the others"
    small = replace(problem, capacity=np.array([9.0, 5.0, 9.0]))
    assert {tuple(p) for p in _symmetries(small)} == {(0, 1, 2), (2, 1, 0)}
    slow = replace(problem, latency=np.arange(len(problem.links)))
    assert _symmetries(slow).tolist() == [[0, 1, 2]]
    row = random_problem(1, 4, line(4))
    assert {tuple(p) for p in _symmetries(row)} == {(0, 1, 2, 3), (3, 2, 1, 0)}
    over = {"a": "npu", "s": "switch", "b": "npu"}
    star = chain(
        Topology.of("star", over, [(x, y, 1.0, 2.0) for x, y in (("a", "s"), ("s", "a"), ("b", "s"), ("s", "b"))])
    )
    assert _symmetries(star).tolist() == [[0, 1]]
    assert _orbits(star) == {(a, b): (a, b) for a in range(2) for b in range(2)}


@pytest.mark.parametrize("seed", range(6))
def test_alike_devices_may_be_named_first(seed: int) -> None:
    problem = random_problem(seed, 5, wire(2))
    assert _alike(problem)
    assert not _alike(replace(problem, capacity=np.array([9.0, 8.0])))
    assert not _alike(replace(problem, durations=problem.durations + np.array([[0, 1]])))
    assert not _alike(random_problem(seed, 5, wire(3)))
    uneven = replace(problem, latency=problem.latency + np.array([0, 1]))
    assert not _alike(uneven)
    if len(problem.edges):
        other = problem.sent.copy()
        other[0, 0] += 1
        assert not _alike(replace(problem, sent=other))
        assert cpsat.solve(replace(problem, sent=other)).makespan == brute.solve(replace(problem, sent=other)).makespan
    assert cpsat.solve(uneven).makespan == brute.solve(uneven).makespan


def test_memory_is_counted_in_bytes_where_that_is_exact() -> None:
    problem = replace(random_problem(0, 4, wire(2)), capacity=np.full(2, 100.0))
    assert _unit(problem) == 1.0
    assert _unit(replace(problem, capacity=np.full(2, 2.0**24))) == 1.0
    assert _unit(replace(problem, capacity=np.full(2, 2.0**26))) == 4.0
    assert _unit(replace(problem, memory=problem.memory + 0.5)) == 100.0 / 2**24
    assert _unit(replace(problem, capacity=np.full(2, 0.5))) == 0.5 / 2**24


# --- solvers ----------------------------------------------------------------------------------------------------------


def test_a_solver_with_little_time_gives_a_schedule_and_a_bound_below_it() -> None:
    problem = random_problem(5, 60, wire(3), density=0.08)
    hasty = cpsat.solve(problem, time_limit=0.2)
    check(problem, hasty)
    assert problem.critical_path <= hasty.bound <= hasty.makespan <= problem.serial
    spread = -(-int(problem.durations.min(axis=1).sum()) // 3)
    assert hasty.bound >= min(spread, hasty.makespan)


@pytest.mark.parametrize("forwarding", ["store", "cut-through"])
def test_a_first_schedule_leads_the_solver_to_the_same_optimum(
    forwarding: Forwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above `_SMALL` operators the solver starts from an annealed schedule."""
    wanted = [cpsat.solve(random_problem(seed, 7, line(3), forwarding)) for seed in range(4)]
    monkeypatch.setattr(cpsat, "_SMALL", 3)
    monkeypatch.setattr(cpsat, "_FIRST", 0.03)
    for seed, best in enumerate(wanted):
        hinted = cpsat.solve(random_problem(seed, 7, line(3), forwarding))
        assert hinted.proved
        assert hinted.makespan == best.makespan


@pytest.mark.parametrize("forwarding", ["store", "cut-through"])
@pytest.mark.parametrize("seed", range(4))
def test_a_hint_is_a_whole_solution(seed: int, forwarding: Forwarding) -> None:
    """With every hinted variable fixed to its hint, what is left is the schedule that the hint was taken from."""
    cp = pytest.importorskip("ortools.sat.python.cp_model")
    problem = random_problem(seed, 7, line(3), forwarding)
    problem = replace(problem, latency=problem.latency + 1)
    first = _anneal(problem, 0.0, seed, {0: 0, 3: 2})
    assert first is not None
    assert first.transfers
    model = cpsat._Model(problem, cp.CpModel(), {0: 0, 3: 2})
    model.hint(first)
    assert model.horizon >= problem.serial
    solver = cp.CpSolver()
    solver.parameters.fix_variables_to_their_hinted_value = True
    solver.parameters.num_workers = 1
    assert solver.solve(model.model) in (cp.OPTIMAL, cp.FEASIBLE)
    read = check(problem, model.read(solver, "hinted"))
    assert read.makespan == first.makespan
    assert read.device.tolist() == first.device.tolist()
    assert read.start.tolist() == first.start.tolist()
    assert sorted(map(str, read.transfers)) == sorted(map(str, first.transfers))


@pytest.mark.parametrize("forwarding", ["store", "cut-through"])
@pytest.mark.parametrize("seed", range(8))
def test_three_solvers_agree_where_links_have_latencies_and_devices_differ(seed: int, forwarding: Forwarding) -> None:
    rng = np.random.default_rng(seed)
    problem = random_problem(seed, 5, (wire(2), line(3))[seed % 2], forwarding)
    problem = replace(
        problem,
        latency=rng.integers(0, 3, len(problem.links)),
        durations=problem.durations + rng.integers(0, 4, problem.durations.shape),
        capacity=np.full(len(problem.devices), problem.memory.sum() * 0.7),
        sent=problem.sent + rng.integers(0, 2, problem.sent.shape),
    )
    answers = []
    for solve in (brute.solve, cpsat.solve, highs.solve):
        try:
            schedule = check(problem, solve(problem))
            assert schedule.proved
            assert schedule.gap == 0.0
            answers.append(schedule.makespan)
        except SlipstickError as error:
            answers.append(-1 if "no placement fits" in str(error) else -2)
    assert answers[0] == answers[1] == answers[2] >= -1


def test_names_and_words_of_solvers() -> None:
    problem = chain(wire(2))
    for solve, name in ((brute.solve, "all orders"), (cpsat.solve, "CP-SAT, 1 parts"), (highs.solve, "HiGHS")):
        schedule = solve(problem)
        assert schedule.status == "optimal"
        assert schedule.solver.startswith(name.split(",")[0])
        assert schedule.makespan == schedule.bound == 10, "a chain stays on one device"
    with pytest.raises(SlipstickError, match="too many operators"):
        brute.solve(random_problem(0, 10, wire(2)))
    brute.solve(random_problem(0, 9, wire(2), density=0.9))


# --- list schedules ---------------------------------------------------------------------------------------------------


def test_a_list_schedule_takes_the_most_urgent_operator_first() -> None:
    """Of two ready operators the one with the longer way to the end goes first."""
    ops = [op("a"), op("b"), op("c", "b"), op("d", "c")]
    costs = OperatorCosts({"a": 2.0, "b": 1.0, "c": 4.0, "d": 4.0}, {("b", "c"): 1.0, ("c", "d"): 1.0})
    problem = problem_of(ops, costs, wire(1 + 1, 0.0), resolution=11)
    schedule = _anneal(problem, 0.0)
    assert schedule is not None
    assert schedule.device.tolist() == [0, 0, 0, 0]
    assert schedule.start.tolist() == [1 + 4 + 4, 0, 1, 5], "b leads to the longest chain"
    assert schedule.makespan == 11
    assert schedule.bound == problem.critical_path == 9
    assert schedule.status == "list schedule"


def test_links_and_devices_are_free_from_the_beginning() -> None:
    problem = chain(wire(2, 0.0))
    problem = replace(
        problem,
        durations=np.array([[0, 0], [3, 3], [5, 5]]),
        memory=np.array([2.0, 3.0, 3.0]),
        capacity=np.array([2.0, 6.0]),
    )
    schedule = _anneal(problem, 0.0)
    assert schedule is not None
    assert schedule.transfers[0].start == 0
    assert schedule.start.tolist() == [0, 4, 7]
    assert check(problem, schedule).makespan == brute.solve(problem).makespan == 12


def test_a_first_fit_fills_one_device_after_the_other() -> None:
    problem = replace(chain(wire(2)), memory=np.array([3.0, 3.0, 4.0]), capacity=np.array([6.0, 4.0]))
    schedule = _anneal(problem, 0.0)
    assert schedule is not None
    assert schedule.device.tolist() == [0, 0, 1]
    (moved,) = schedule.transfers
    assert (moved.edge, moved.start, moved.end) == (1, 5, 11)
    assert schedule.start.tolist() == [0, 2, 12]  # and a tick of latency
    check(problem, schedule)
    assert _anneal(replace(problem, capacity=np.array([6.0, 3.9])), 0.0) is None


def test_annealing_finds_the_optimum_of_small_graphs() -> None:
    for seed in range(4):
        problem = replace(random_problem(seed, 6, wire(2)), sent=random_problem(seed, 6, wire(2)).sent // 3)
        found = _anneal(problem, 0.3, seed)
        assert found is not None
        best = brute.solve(problem).makespan
        assert best <= check(problem, found).makespan <= 1.1 * best
        first = _anneal(problem, 0.0, seed)
        assert first is not None
        assert found.makespan <= first.makespan


def test_transfers_of_a_list_schedule_wait_for_busy_links_and_take_the_quicker_way() -> None:
    nodes = {"a": "npu", "m": "switch", "n": "switch", "b": "npu"}
    wires = [("a", "m", 1.0, 0.0), ("m", "b", 1.0, 0.0), ("a", "n", 2.0, 0.0), ("n", "b", 2.0, 0.0)]
    topology = Topology.of("two ways", nodes, [*wires, *((t, s, b, d) for s, t, b, d in wires)])
    ops = [op("a"), op("b", "a"), op("c", "a"), op("d", "a")]
    costs = OperatorCosts(
        dict.fromkeys("abcd", 1.0), {("a", "b"): 4.0, ("a", "c"): 4.0, ("a", "d"): 4.0}, dict.fromkeys("abcd", 1.0)
    )
    for forwarding, times in (("store", [5, 7, 9]), ("cut-through", [3, 5, 5])):
        problem = problem_of(ops, costs, topology, forwarding=forwarding, resolution=4)  # type: ignore[arg-type]
        problem = replace(problem, capacity=np.array([1.0, 3.0]))
        schedule = _anneal(problem, 0.0)
        assert schedule is not None
        assert schedule.device.tolist() == [0, 1, 1, 1]
        check(problem, schedule)
        arrived = sorted(max(t.end for t in schedule.transfers if t.edge == edge) for edge in range(3))
        assert arrived == times


# --- pipelines --------------------------------------------------------------------------------------------------------


def test_what_is_handed_on_is_charged_before_a_cut_and_never_at_the_end() -> None:
    found = partition([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], 2, sent=[9.0, 0.5, 100.0])
    assert found.cuts == (2,)
    assert found.seconds == (2.5, 1.0)
    assert found.memory == (3.0, 3.0)
    assert found.slowest == 2.5
    assert partition([1.0, 2.0], [1.0, 1.0], 1).seconds == (3.0,)
    assert partition([1.0] * 4, [1.0] * 4, 4).cuts == (1, 2, 3)
    with pytest.raises(SlipstickError, match="1 to 2 layers"):
        partition([1.0, 2.0], [1.0, 1.0], 0)
    with pytest.raises(SlipstickError, match="1 to 2 layers"):
        partition([1.0, 2.0], [1.0, 1.0], 3)


@pytest.mark.parametrize("seed", range(20))
def test_no_cut_is_better_where_stages_differ_in_memory(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layers, stages = int(rng.integers(2, 8)), int(rng.integers(1, 4))
    stages = min(stages, layers)
    seconds, memory, sent = (rng.integers(0, 9, layers).astype(float) for _ in range(3))
    room = rng.integers(5, 25, stages).astype(float)
    best = np.inf
    for cuts in itertools.combinations(range(1, layers), stages - 1):
        spans = list(itertools.pairwise([0, *cuts, layers]))
        if all(memory[b:e].sum() <= size for (b, e), size in zip(spans, room, strict=True)):
            best = min(best, max(seconds[b:e].sum() + (sent[e - 1] if e < layers else 0) for b, e in spans))
    if np.isinf(best):
        with pytest.raises(SlipstickError, match="no cut fits"):
            partition(seconds, memory, stages, room, sent.tolist())
    else:
        assert partition(seconds, memory, stages, room, sent.tolist()).slowest == best
