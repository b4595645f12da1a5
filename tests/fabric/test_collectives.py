"""Every schedule, executed on real numbers in a random order that its edges allow, equals numpy."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.fabric import builders
from slipstick.fabric.collectives import hierarchical
from slipstick.fabric.collectives.by_name import ALGORITHMS, collective_schedule
from slipstick.fabric.collectives.synthesized import synthesized_schedule
from slipstick.fabric.messages import CollectiveSchedule, _ScheduleWriter

COUNTS = (2, 3, 4, 5, 7, 8, 12, 16, 20)
NAMES = [(algorithm, collective) for algorithm, schedules in ALGORITHMS.items() for collective in schedules]
CASES = [
    (f"{algorithm}.{collective}", collective_schedule(collective, algorithm, count))
    for algorithm, collective in NAMES
    for count in COUNTS
]
CASES += [
    (f"{algorithm}.{collective}, root 2", collective_schedule(collective, algorithm, 5, root=2))
    for algorithm, collective in NAMES
    if collective in ("broadcast", "reduce", "scatter", "gather")
]
CASES += [(f"hierarchical {a}x{b}", hierarchical.all_reduce(a, b)) for a, b in ((4, 5), (3, 2), (1, 4), (4, 1))]
CASES += [(f"2d {a}x{b}", hierarchical.all_reduce(b, a, both_orders=True)) for a, b in ((5, 4), (2, 2), (3, 1), (2, 7))]
IDS = [f"{name}-{schedule.ranks}" for name, schedule in CASES]


def begun(schedule: CollectiveSchedule, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what the ranks begin with, and the full numbers; what a rank does not have is a number of its own."""
    rng = np.random.default_rng(seed)
    full = rng.integers(-1000, 1000, (schedule.ranks, schedule.chunks, 3))
    junk = rng.integers(10**6, 10**7, full.shape)
    n, everyone = schedule.ranks, np.arange(schedule.ranks)
    held = junk.copy()
    match schedule.collective:
        case "all_reduce" | "reduce_scatter" | "reduce":
            held = full.copy()
        case "all_gather" | "gather":
            held[everyone, everyone] = full[everyone, everyone]
        case "all_to_all":
            for rank in everyone:
                held[rank, rank * n : (rank + 1) * n] = full[rank, rank * n : (rank + 1) * n]
        case "broadcast" | "scatter":
            held[schedule.root] = full[schedule.root]
    return held, full


def expected(schedule: CollectiveSchedule, held: np.ndarray, full: np.ndarray, after: np.ndarray) -> None:
    n, everyone, root = schedule.ranks, np.arange(schedule.ranks), schedule.root
    total = full.sum(axis=0)
    match schedule.collective:
        case "all_reduce":
            np.testing.assert_array_equal(after, np.broadcast_to(total, after.shape))
        case "reduce_scatter":
            np.testing.assert_array_equal(after[everyone, everyone], total)
        case "reduce":
            np.testing.assert_array_equal(after[root], total)
        case "all_gather":
            np.testing.assert_array_equal(after, np.broadcast_to(full[everyone, everyone], after.shape))
        case "gather":
            np.testing.assert_array_equal(after[root], full[everyone, everyone])
        case "broadcast":
            np.testing.assert_array_equal(after, np.broadcast_to(full[root], after.shape))
        case "scatter":
            np.testing.assert_array_equal(after[everyone, everyone], full[root])
        case "all_to_all":
            for rank in everyone:
                mine = everyone * n + rank
                np.testing.assert_array_equal(after[rank, mine], full[everyone, mine])
        case _:
            raise AssertionError(schedule.collective)


def allowed_order(schedule: CollectiveSchedule, rng: np.random.Generator) -> list[int]:
    """Return the messages in a random order in which everything waits for what it must."""
    waits = np.bincount(schedule.edges[:, 1], minlength=len(schedule))
    following: list[list[int]] = [[] for _ in range(len(schedule))]
    for before, after in schedule.edges:
        following[before].append(after)
    ready, order = list(np.flatnonzero(waits == 0)), []
    while ready:
        message = ready.pop(int(rng.integers(len(ready))))
        order.append(message)
        for after in following[message]:
            waits[after] -= 1
            if not waits[after]:
                ready.append(after)
    assert len(order) == len(schedule), "a circle"
    return order


@pytest.mark.parametrize("schedule", [schedule for _, schedule in CASES], ids=IDS)
def test_equals_numpy_in_any_order_that_its_edges_allow(schedule: CollectiveSchedule) -> None:
    held, full = begun(schedule, schedule.ranks)
    expected(schedule, held, full, schedule.execute(held))
    rng = np.random.default_rng(1)
    for _ in range(3):
        expected(schedule, held, full, schedule.execute(held, order=allowed_order(schedule, rng)))


@pytest.mark.parametrize("schedule", [schedule for _, schedule in CASES], ids=IDS)
def test_what_is_sent_is_received(schedule: CollectiveSchedule) -> None:
    wide = (np.diff(schedule.source_starts) > 1) | (np.diff(schedule.target_starts) > 1)
    if not wide.any():
        assert schedule.sent.sum() == schedule.received.sum()


@pytest.mark.parametrize("count", range(2, 65))
def test_traffic_of_a_rank_in_the_network_and_around_a_ring(count: int) -> None:
    around, inside = (
        collective_schedule("all_reduce", "ring", count),
        collective_schedule("all_reduce", "in_network", count),
    )
    assert (around.sent / around.chunks == 2 * (count - 1) / count).all()
    assert (inside.sent / inside.chunks == 1).all()


@pytest.mark.parametrize("algorithm", ["ring", "direct", "halving_doubling"])
def test_bandwidth_optimal_for_powers_of_two(algorithm: str) -> None:
    for count in (2, 4, 16):
        schedule = collective_schedule("all_reduce", algorithm, count)
        assert (schedule.sent / schedule.chunks == 2 * (count - 1) / count).all()


def test_in_the_double_tree_nobody_sends_more_than_the_data_plus_a_half() -> None:
    for count in COUNTS:
        schedule = collective_schedule("all_reduce", "tree", count)
        assert schedule.sent.max() <= 2 * schedule.chunks


def test_a_message_that_leaves_too_early_is_refused() -> None:
    schedule = collective_schedule("all_reduce", "ring", 3)
    held, _ = begun(schedule, 0)
    with pytest.raises(SlipstickError, match="before what it waits for"):
        schedule.execute(held, order=np.arange(len(schedule))[::-1])


def test_a_schedule_that_lacks_an_edge_fails_the_test() -> None:
    writer = _ScheduleWriter()
    writer.add(0, 1, 0, reduces=True)
    writer.add(1, 0, 0)  # should wait for the first
    broken = writer.finish("all_reduce", "broken", 2, 1)
    held, full = begun(broken, 0)
    with pytest.raises(AssertionError):
        expected(broken, held, full, broken.execute(held, order=[1, 0]))


GRAPHS = [
    builders.mesh((5, 4), 1e9, 1e-8),
    builders.mesh((3, 3), 1e9, 1e-8, wrap=True),
    builders.cube_mesh(1e9, 1e-6),
]


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("topology", GRAPHS, ids=lambda t: t.name)
def test_synthesised_schedules_equal_numpy_and_use_links_only(topology: Topology, pieces: int) -> None:
    joined = set(zip(topology.source.tolist(), topology.target.tolist(), strict=True))
    rng = np.random.default_rng(3)
    for collective in ["all_reduce"] if pieces > 1 else ["all_reduce", "all_gather", "reduce_scatter"]:
        schedule = synthesized_schedule(collective, topology, 1e6, pieces)
        moving = schedule.count > 0
        pairs = zip(schedule.sources[moving].tolist(), schedule.targets[moving].tolist(), strict=True)
        assert set(pairs) <= joined
        held, full = begun(schedule, 4)
        expected(schedule, held, full, schedule.execute(held))
        expected(schedule, held, full, schedule.execute(held, order=allowed_order(schedule, rng)))


def test_synthesis_on_a_fabric_with_switches_is_refused() -> None:
    with pytest.raises(SlipstickError, match="switches"):
        synthesized_schedule("all_gather", builders.switch(4, 1e9, 0.0), 1e6)
