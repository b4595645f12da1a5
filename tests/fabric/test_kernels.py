"""The compiled simulators against plain Python that follows the textbook, on random task graphs."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.core.topology import Topology
from slipstick.fabric import builders
from slipstick.fabric.flows import _cut, run
from slipstick.fabric.routing import routes
from slipstick.fabric.tasks import Dag

TOPOLOGIES = (
    builders.mesh((2, 3), 4.0, 0.25),
    builders.ring(5, 3.0, 0.125),
    builders.tree((2, 2), (2.0, 3.0), 0.5),
)


def random_tasks(seed: int, count: int = 14) -> tuple[Dag, Topology]:
    """Transfers over 0 to several links and fixed times in lanes, some of which wait for earlier ones."""
    rng = np.random.default_rng(seed)
    topology = TOPOLOGIES[seed % len(TOPOLOGIES)]
    ends = rng.choice(topology.npus, (count, 2))
    fixed = rng.random(count) < 0.35
    ends[fixed, 1] = ends[fixed, 0]
    paths = routes(topology, ends[:, 0], ends[:, 1])
    pairs = [(a, b) for b in range(count) for a in range(b) if rng.random() < 0.12]
    return Dag(
        size=np.where(fixed, 0.0, rng.uniform(0.5, 5.0, count)),
        seconds=np.where(fixed, rng.uniform(0.1, 2.0, count), 0.0),
        lane=np.where(fixed & (rng.random(count) < 0.8), rng.integers(0, 2, count), -1),
        priority=rng.integers(0, 3, count),
        delay=rng.uniform(0.0, 0.7, count),
        tail=rng.uniform(0.0, 0.4, count),
        starts=paths.starts,
        links=paths.links,
        weight=rng.choice([0.5, 1.0, 2.0], len(paths.links)),
        edges=np.array(pairs, np.int64).reshape(-1, 2),
    ), topology


def max_min(flows: list[int], dag: Dag, bandwidth: np.ndarray) -> dict[int, float]:
    """Water filling (Bertsekas and Gallager, Data Networks, section 6.5.2), one level of priority after the other."""
    left, rates = bandwidth.astype(float).copy(), {}
    path = {f: list(range(dag.starts[f], dag.starts[f + 1])) for f in flows}
    for level in sorted({int(dag.priority[f]) for f in flows}):
        open_flows = {f for f in flows if dag.priority[f] == level}
        while open_flows:
            load = np.zeros(len(left))
            for f in open_flows:
                for entry in path[f]:
                    load[dag.links[entry]] += dag.weight[entry]
            used = np.flatnonzero(load)
            share = max(0.0, float((left[used] / load[used]).min()))
            tight = {int(link) for link in used if left[link] / load[link] <= share * (1 + 1e-12) + 1e-15}
            stopped = {f for f in open_flows if tight & {int(dag.links[entry]) for entry in path[f]}}
            for f in stopped:
                rates[f] = share
                for entry in path[f]:
                    left[dag.links[entry]] -= share * dag.weight[entry]
            open_flows -= stopped
    return rates


def fluid(dag: Dag, topology: Topology) -> tuple[np.ndarray, np.ndarray]:
    """Return begin and end of every task: rates are found anew at every event, queues are lists."""
    count = len(dag)
    begin, end, waits = np.zeros(count), np.full(count, np.nan), dag.waits.tolist()
    events = [(float(dag.delay[t]), t, "begin") for t in range(count) if not waits[t]]
    remaining: dict[int, float] = {}
    busy: set[int] = set()
    queue: list[int] = []
    now = 0.0
    while events or remaining:
        rates = max_min(list(remaining), dag, topology.bandwidth)
        ends = {f: now + remaining[f] / rates[f] for f in remaining if rates[f] > 0}
        until = min([*ends.values(), *(time for time, _, _ in events)])
        for f in list(remaining):
            remaining[f] -= rates[f] * (until - now)
            if ends.get(f, np.inf) <= until * (1 + 1e-12):
                del remaining[f]
                events.append((until + dag.tail[f], f, "end"))
        now = until
        while True:
            ready = sorted((time, t, kind) for time, t, kind in events if time <= now * (1 + 1e-12))
            if not ready:
                break
            event = ready[0]
            events.remove(event)
            at, task, kind = event
            lane = int(dag.lane[task])
            if kind == "begin" and dag.starts[task + 1] > dag.starts[task]:
                begin[task], remaining[task] = at, float(dag.size[task])
            elif kind == "begin" and lane in busy:
                queue.append(task)
            elif kind == "begin":
                begin[task] = at
                busy |= {lane} - {-1}
                events.append((at + dag.seconds[task] + dag.tail[task], task, "end"))
            else:
                end[task] = at
                if lane >= 0:
                    busy.discard(lane)
                    mine = sorted((t for t in queue if dag.lane[t] == lane), key=lambda t: (dag.priority[t], t))
                    if mine:
                        queue.remove(mine[0])
                        begin[mine[0]] = at
                        busy.add(lane)
                        events.append((at + dag.seconds[mine[0]] + dag.tail[mine[0]], mine[0], "end"))
                for before, after in dag.edges:
                    if before == task:
                        waits[after] -= 1
                        if not waits[after]:
                            events.append((at + float(dag.delay[after]), int(after), "begin"))
    return begin, end


@pytest.mark.parametrize("seed", range(36))
def test_flows_are_water_filling_at_every_event(seed: int) -> None:
    dag, topology = random_tasks(seed)
    begin, end = fluid(dag, topology)
    simulated = run(dag, topology)
    np.testing.assert_allclose(simulated.begin, begin, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(simulated.end, end, rtol=1e-9)
    carried = np.bincount(dag.links, dag.size[dag.task_of_link] * dag.weight, minlength=topology.links)
    np.testing.assert_allclose(simulated.busy, carried / topology.bandwidth, rtol=1e-9)
    assert simulated.time == simulated.end.max() == pytest.approx(end.max(), rel=1e-9)


def forwarded(dag: Dag, topology: Topology) -> tuple[np.ndarray, np.ndarray]:
    """Return begin and end of every task where links send whole messages, first come first served."""
    count = len(dag)
    begin, end, waits = np.zeros(count), np.zeros(count), dag.waits.tolist()
    free = np.zeros(topology.links)
    events = [(float(dag.delay[t]), t, 0) for t in range(count) if not waits[t]]
    while events:
        at, task, hop = min(events)
        events.remove((at, task, hop))
        path = dag.links[dag.starts[task] : dag.starts[task + 1]]
        if hop == 0:
            begin[task] = at
        if hop < len(path):
            free[path[hop]] = max(at, free[path[hop]]) + dag.size[task] / topology.bandwidth[path[hop]]
            beyond = max(dag.tail[task] - topology.latency[path].sum(), 0.0) if hop + 1 == len(path) else 0.0
            events.append((free[path[hop]] + topology.latency[path[hop]] + beyond, task, hop + 1))
        elif not len(path) and hop == 0:
            events.append((at + dag.seconds[task], task, 1))
        else:
            end[task] = at
            for before, after in dag.edges:
                if before == task:
                    waits[after] -= 1
                    if not waits[after]:
                        events.append((at + float(dag.delay[after]), int(after), 0))
    return begin, end


@pytest.mark.parametrize("seed", range(30))
def test_messages_are_served_whole_and_in_turn(seed: int) -> None:
    dag, topology = random_tasks(seed)
    dag = Dag(**{**vars(dag), "weight": np.ones(len(dag.links)), "tail": dag.tail * 3})
    begin, end = forwarded(dag, topology)
    simulated = run(dag, topology, "messages")
    np.testing.assert_allclose(simulated.begin, begin, rtol=1e-12)
    np.testing.assert_allclose(simulated.end, end, rtol=1e-12)
    carried = np.bincount(dag.links, dag.size[dag.task_of_link], minlength=topology.links)
    np.testing.assert_allclose(simulated.busy, carried / topology.bandwidth, rtol=1e-9)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("packet", [0.3, 1.0, 7.0])
def test_packets_are_messages_of_their_own_that_end_their_transfer(seed: int, packet: float) -> None:
    dag, topology = random_tasks(seed)
    dag = Dag(**{**vars(dag), "weight": np.ones(len(dag.links))})
    pieces, owner = _cut(dag, packet)
    moved = np.bincount(owner, pieces.size, minlength=len(dag))
    transfers = (dag.size > 0) & (np.diff(dag.starts) > 0)
    np.testing.assert_allclose(moved[transfers], dag.size[transfers])
    assert pieces.size.max() <= packet * (1 + 1e-9)
    counts = np.bincount(owner[len(dag) :], minlength=len(dag))
    np.testing.assert_array_equal(counts, np.where(transfers, np.ceil(dag.size / packet), 0))
    for place, task in enumerate(owner[len(dag) :], len(dag)):
        np.testing.assert_array_equal(
            pieces.links[pieces.starts[place] : pieces.starts[place + 1]],
            dag.links[dag.starts[task] : dag.starts[task + 1]],
        )
    begin, end = forwarded(pieces, topology)
    simulated = run(dag, topology, "messages", packet=packet)
    np.testing.assert_allclose(simulated.end, end[: len(dag)], rtol=1e-12)
    for task in range(len(dag)):
        own = begin[owner == task][1:] if transfers[task] else begin[[task]]
        assert simulated.begin[task] == own.min()
    for before, after in dag.edges:
        assert (begin[owner == after][1 if transfers[after] else 0 :] >= end[before] - 1e-12).all()


def test_many_events_at_one_moment_come_in_the_order_of_their_numbers() -> None:
    """A heap that loses the order of equal times would let other tasks have the lane first."""
    count = 60
    dag = Dag(
        size=np.zeros(count), seconds=np.full(count, 0.5), lane=np.zeros(count, np.int64),
        priority=np.zeros(count, np.int64), delay=np.zeros(count), tail=np.zeros(count),
        starts=np.zeros(count + 1, np.int64), links=np.zeros(0, np.int64), weight=np.zeros(0),
        edges=np.zeros((0, 2), np.int64),
    )  # fmt: skip
    simulated = run(dag, TOPOLOGIES[0])
    np.testing.assert_allclose(simulated.begin, 0.5 * np.arange(count))
    np.testing.assert_allclose(simulated.end, 0.5 * np.arange(1, count + 1))
