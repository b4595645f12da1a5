"""The tasks of a training step, counted: computations, bytes of every kind, and where a lane's time goes."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.layer import Layer
from slipstick.fabric import builders
from slipstick.fabric.flows import FabricRun
from slipstick.fabric.patterns import Pattern, all_reduce
from slipstick.fabric.strategies import Strategy, _cut_in_stages, strategies
from slipstick.fabric.topology_file import resolve_topology
from slipstick.fabric.training.exposed_time import exposed
from slipstick.fabric.training.io_controllers import _broadcast, _collect, controllers, load
from slipstick.fabric.training.iteration import Iteration, simulate
from slipstick.fabric.training.job import Job, _merged
from slipstick.fabric.training.stationary import _passes_of, _write_stationary
from slipstick.fabric.training.streaming import _write_streaming
from slipstick.fabric.training.task_builder import COMPUTE, DATA, LOAD, PIPELINE, STREAM, TENSOR, Tasks, _TaskWriter
from slipstick.fabric.training.traffic import _StrategyTraffic

MESH, FRED = resolve_topology("wafer-mesh"), resolve_topology("wafer-fred-d")
LAYERS = tuple(Layer(f"l{n}", 1e-3 * (n + 1), 2e-3 * (n + 1), 100.0 * (n + 1), 10.0 * (n + 1)) for n in range(6))


def written(job: Job, most: int = 99, iterations: int = 3, topology: object = MESH) -> Tasks:
    writer = _TaskWriter()
    traffic = _StrategyTraffic(topology, job.strategy)  # type: ignore[arg-type]
    (_write_streaming if job.streaming else _write_stationary)(job, traffic, writer, iterations, most)
    return writer.finish()


def bytes_of(tasks: Tasks, kind: int) -> float:
    return float(tasks.dag.size[tasks.kind == kind].sum())


STRATEGIES = [Strategy(2, 5, 2), Strategy(1, 4, 3), Strategy(4, 1, 3), Strategy(1, 1, 1), Strategy(3, 2, 1)]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.name)
@pytest.mark.parametrize("overlap", [False, True])
def test_weight_stationary_tasks_and_bytes(strategy: Strategy, overlap: bool) -> None:
    job = Job(LAYERS, strategy, microbatches=3, samples=70.0, overlap=overlap)
    tasks, (tp, dp, pp) = written(job), (strategy.tp, strategy.dp, strategy.pp)
    counts = Counter(tasks.kind.tolist())
    assert counts[COMPUTE] == 3 * dp * 3 * 2 * len(LAYERS)
    assert counts[LOAD] == 3
    assert counts[TENSOR] == (counts[COMPUTE] if tp > 1 else 0)
    assert counts[PIPELINE] == 3 * dp * 3 * (pp - 1) * 2
    assert counts[DATA] == (0 if dp == 1 else 3 * tp * (len(LAYERS) if overlap else pp))
    seconds = tasks.dag.seconds[tasks.kind == COMPUTE]
    assert seconds.sum() == pytest.approx(3 * dp * 3 * sum(x.forward + x.backward for x in LAYERS) / tp)
    assert bytes_of(tasks, LOAD) == 3 * 70.0 * dp
    assert bytes_of(tasks, TENSOR) == (3 * dp * 3 * 2 * sum(x.reduces * x.output for x in LAYERS) if tp > 1 else 0)
    handed = [LAYERS[run[-1]].output for run in _cut_in_stages([x.forward for x in LAYERS], pp)[:-1]]
    assert bytes_of(tasks, PIPELINE) == 3 * dp * 3 * 2 * sum(handed)
    assert bytes_of(tasks, DATA) == pytest.approx(3 * sum(x.gradient_bytes for x in LAYERS) if dp > 1 else 0)
    lanes = tasks.dag.lane[tasks.kind == COMPUTE]
    assert set(lanes.tolist()) == set(range(dp * pp))
    assert (tasks.dag.lane[tasks.kind != COMPUTE] == -1).all()
    per_iteration = [Counter(tasks.kind[tasks.iteration == n].tolist()) for n in range(3)]
    assert per_iteration[0] == per_iteration[1] == per_iteration[2]
    assert set(tasks.dag.priority[tasks.kind == DATA].tolist()) <= {2}
    assert set(tasks.dag.priority[np.isin(tasks.kind, (COMPUTE, TENSOR))].tolist()) == {0}
    assert set(tasks.dag.priority[tasks.kind == PIPELINE].tolist()) <= {1}
    assert set(tasks.dag.priority[tasks.kind == LOAD].tolist()) == {3}


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.name)
def test_weight_streaming_tasks_and_bytes(strategy: Strategy) -> None:
    job = Job(LAYERS, strategy, microbatches=2, samples=70.0, streaming=True)
    tasks, (tp, dp, pp) = written(job), (strategy.tp, strategy.dp, strategy.pp)
    counts = Counter(tasks.kind.tolist())
    assert counts[COMPUTE] == 3 * dp * 2 * 2 * len(LAYERS)
    assert counts[STREAM] == 3 * 3 * len(LAYERS)  # in for both passes, and the gradients out
    assert counts[DATA] == 0
    seconds = tasks.dag.seconds[tasks.kind == COMPUTE].sum()
    assert seconds == pytest.approx(3 * dp * 2 * sum(x.forward + x.backward for x in LAYERS) / tp)
    weights = sum(x.weights for x in LAYERS)
    assert bytes_of(tasks, STREAM) == pytest.approx(3 * (2 * weights + sum(x.gradient_bytes for x in LAYERS)))
    assert bytes_of(tasks, TENSOR) == (3 * dp * 2 * 2 * sum(x.reduces * x.output for x in LAYERS) if tp > 1 else 0)
    if pp == 1:
        assert counts[PIPELINE] == 0
    else:  # consecutive layers are on consecutive stages: each hands on, forwards and backwards; the turn stays
        assert counts[PIPELINE] == 3 * dp * 2 * 2 * (len(LAYERS) - 1)


@pytest.mark.parametrize("most", [1, 2, 3, 5, 6, 7, 99])
@pytest.mark.parametrize("streaming", [False, True])
def test_stages_share_the_runs_that_are_told_apart(most: int, streaming: bool) -> None:
    job = Job(LAYERS, Strategy(1, 1, 3), streaming=streaming)
    tasks = written(job, most=most, iterations=1)
    runs = max(1, most // 3)
    if streaming:
        expected = min(3 * runs, len(LAYERS))
    else:
        expected = sum(min(runs, len(run)) for run in _cut_in_stages([x.forward for x in LAYERS], 3))
    assert (tasks.kind == COMPUTE).sum() == 2 * expected
    assert tasks.dag.seconds.sum() == pytest.approx(sum(x.forward + x.backward for x in LAYERS))


def reachable(tasks: Tasks, start: int, end: int) -> bool:
    following = defaultdict(list)
    for before, after in tasks.dag.edges.tolist():
        following[before].append(after)
    seen, stack = {start}, [start]
    while stack:
        for after in following[stack.pop()]:
            if after not in seen:
                seen.add(after)
                stack.append(after)
    return end in seen


def numbered(tasks: Tasks, name: str, iteration: int, owner: int | None = None, kind: int | None = None) -> list[int]:
    return [
        n for n, text in enumerate(tasks.names)
        if text == name and tasks.iteration[n] == iteration and (owner is None or tasks.owner[n] == owner)
        and (kind is None or tasks.kind[n] == kind)
    ]  # fmt: skip


def test_what_waits_for_what_in_a_pipeline() -> None:
    job = Job(LAYERS, Strategy(1, 2, 3), microbatches=3, samples=70.0, overlap=False)
    tasks = written(job)
    stages = _cut_in_stages([x.forward for x in LAYERS], 3)
    first, last = f"l{stages[0][0]}", f"l{stages[2][-1]}"
    for replica in (0, 1):
        (begin,) = numbered(tasks, f"F0 {first}", 1, replica * 3)
        (end,) = numbered(tasks, f"B2 {first}", 1, replica * 3)
        (turn,) = numbered(tasks, f"F2 {last}", 1, replica * 3 + 2)
        (back,) = numbered(tasks, f"B2 {last}", 1, replica * 3 + 2)
        assert reachable(tasks, begin, turn)
        assert reachable(tasks, turn, back)
        assert reachable(tasks, back, end)
        assert not reachable(tasks, back, turn)
        (load,) = numbered(tasks, "load", 1)
        assert reachable(tasks, load, begin)
        (next_begin,) = numbered(tasks, f"F0 {first}", 2, replica * 3)
        for sent in numbered(tasks, "gradients", 1):
            stage_last = numbered(tasks, f"B2 {first}", 1)
            if any(reachable(tasks, n, sent) for n in stage_last):
                assert reachable(tasks, sent, next_begin)
    (load2,) = numbered(tasks, "load", 2)
    assert reachable(tasks, numbered(tasks, "load", 1)[0], load2)
    gradients = numbered(tasks, "gradients", 1)
    assert len(gradients) == 3  # one a stage
    for replica in (0, 1):
        assert any(reachable(tasks, numbered(tasks, f"B2 {first}", 1, replica * 3)[0], sent) for sent in gradients)
    other = numbered(tasks, f"F1 {first}", 1, 0)[0]
    assert not reachable(tasks, other, numbered(tasks, f"F0 {first}", 1, 3)[0]), "replicas wait for gradients only"


def test_streaming_keeps_two_sets_of_layers_on_the_wafer() -> None:
    job = Job(LAYERS, Strategy(1, 2, 1), microbatches=1, samples=70.0, streaming=True)
    tasks = written(job, iterations=2)
    arriving = [numbered(tasks, f"weights l{k}", 1) for k in range(6)]
    forward = [numbered(tasks, f"F0 l{k}", 1)[0] for k in range(6)]
    for k in range(6):
        into, again = arriving[k]  # forward pass, backward pass
        assert reachable(tasks, into, forward[k])
        if k >= 2:
            assert reachable(tasks, forward[k - 2], into), "room for two sets: the one before the last has gone"
            assert not reachable(tasks, forward[k - 1], into)
        for after in numbered(tasks, f"B0 l{k}", 1):
            assert reachable(tasks, again, after)
    out = [numbered(tasks, f"gradients l{k}", 0)[0] for k in range(6)]
    for k in range(6):
        assert reachable(tasks, out[k], numbered(tasks, f"weights l{k}", 1)[0]), "updated weights come in again"
        assert all(reachable(tasks, n, out[k]) for n in numbered(tasks, f"B0 l{k}", 0))
        if k:
            assert reachable(tasks, out[k], out[k - 1]), "gradients leave in order"


def test_the_second_minibatch_loads_beside_the_first_step() -> None:
    job = Job(LAYERS[:2], Strategy(1, 2, 1), samples=70.0, overlap=False)
    tasks = written(job, iterations=4)
    loads = [numbered(tasks, "load", n)[0] for n in range(4)]
    gradients = [numbered(tasks, "gradients", n)[0] for n in range(4)]
    assert not reachable(tasks, gradients[0], loads[1])
    for n in (1, 2, 3):
        assert reachable(tasks, loads[n - 1], loads[n])
        assert n == 1 or reachable(tasks, gradients[n - 1], loads[n])
        assert not reachable(tasks, gradients[n], loads[n])


@pytest.mark.parametrize(
    ("stage", "schedule", "order"),
    [
        (2, "1f1b", "F0 B0 F1 B1 F2 B2 F3 B3"),
        (1, "1f1b", "F0 F1 B0 F2 B1 F3 B2 B3"),
        (0, "1f1b", "F0 F1 F2 B0 F3 B1 B2 B3"),
        (0, "gpipe", "F0 F1 F2 F3 B0 B1 B2 B3"),
        (2, "gpipe", "F0 F1 F2 F3 B0 B1 B2 B3"),
    ],
)
def test_orders_of_a_stages_passes(stage: int, schedule: str, order: str) -> None:
    """Narayanan et al. 2104.04473, figure 4: a stage of 1F1B runs as many ahead as there are stages behind it."""
    assert [f"{way}{m}" for way, m in _passes_of(stage, 3, 4, schedule)] == order.split()


def test_1f1b_of_few_microbatches_warms_up_with_all_of_them() -> None:
    assert _passes_of(0, 5, 2, "1f1b") == [("F", 0), ("F", 1), ("B", 0), ("B", 1)]


# --- jobs, layers, stages, strategies ---------------------------------------------------------------------------------


def test_runs_of_layers_are_as_much_work_and_traffic() -> None:
    runs = _merged(LAYERS, 4)
    assert [run.name for run in runs] == ["l0", "l1 to l2", "l3", "l4 to l5"]
    for name in ("forward", "backward", "weights", "reduces", "gradient_bytes", "flops"):
        assert sum(getattr(x, name) for x in runs) == pytest.approx(sum(getattr(x, name) for x in LAYERS))
    assert [run.output for run in runs] == [10.0, 30.0, 40.0, 60.0]
    assert _merged(LAYERS, 99) == tuple(replace(x, gradients=x.weights) for x in LAYERS)
    (whole,) = _merged(LAYERS, 1)
    assert whole.name == "l0 to l5"


def test_a_jobs_work_is_divided_by_tensor_and_pipeline() -> None:
    job = Job(LAYERS, Strategy(2, 3, 2), microbatches=5)
    assert job.compute == pytest.approx(5 * sum(x.forward + x.backward for x in LAYERS) / 4)
    assert job.weights == sum(x.weights for x in LAYERS) == 2100.0
    Job(LAYERS, Strategy(2, 2, 5)).check(MESH)
    Job(LAYERS, Strategy(1, 3, 6), microbatches=1).check(MESH)
    with pytest.raises(SlipstickError, match="needs more nodes") as caught:
        Job(LAYERS, Strategy(3, 7, 1)).check(MESH)
    assert caught.value.value == 21
    with pytest.raises(SlipstickError, match="more stages than layers"):
        Job(LAYERS, Strategy(1, 1, 7)).check(MESH)


@pytest.mark.parametrize(
    ("costs", "stages", "lengths"),
    [
        ([1] * 6, 3, [2, 2, 2]), ([1] * 7, 2, [3, 4]), ([4, 1, 1, 1, 1], 2, [1, 4]), ([9, 1, 1], 3, [1, 1, 1]),
        ([1, 1, 9], 3, [1, 1, 1]), ([0, 0, 0, 5], 2, [3, 1]), ([5, 0, 0, 0], 2, [1, 3]), ([0, 0, 0], 2, [2, 1]),
        ([1, 2, 3, 4], 1, [4]), ([1, 1, 1, 1, 8, 1, 1, 1, 1], 4, [4, 1, 1, 3]),
        ([2, 3, 3], 2, [2, 1]), ([3, 2, 1, 2], 2, [1, 3]), ([1, 5, 2, 1, 3], 3, [2, 1, 2]),
    ],
)  # fmt: skip
def test_stages_of_nearly_equal_cost(costs: list[float], stages: int, lengths: list[int]) -> None:
    runs = _cut_in_stages(costs, stages)
    assert np.concatenate(runs).tolist() == list(range(len(costs)))
    assert all(len(run) for run in runs)
    target = sum(costs) / stages
    middles = np.cumsum(costs) - np.array(costs) / 2
    if min(costs) > 0 and max(costs) <= target:  # a layer is in the stage that holds its middle
        assert [sum(int(m // target) == s for m in middles) for s in range(stages)] == [len(run) for run in runs]
    assert [len(run) for run in runs] == lengths


@pytest.mark.parametrize("nodes", [1, 4, 12, 20])
def test_strategies_are_all_factorisations(nodes: int) -> None:
    sizes = range(1, nodes + 1)
    every = {(t, d, p) for t in sizes for d in sizes for p in sizes if t * d * p == nodes}
    ours = strategies(nodes)
    assert {(s.tp, s.dp, s.pp) for s in ours} == every
    assert len(ours) == len(every)
    assert [(s.tp, s.pp) for s in ours] == sorted((s.tp, s.pp) for s in ours)
    assert all(s.used == nodes for s in ours)


def test_groups_of_a_strategy_are_consecutive_in_tensor_then_pipeline_then_data() -> None:
    s = Strategy(2, 3, 2)
    assert s.name == "MP(2)-DP(3)-PP(2)"
    assert s.tensor_groups == [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11)]
    assert s.data_groups == [(0, 4, 8), (1, 5, 9), (2, 6, 10), (3, 7, 11)]
    assert s.rank(1, 0, 2) == 9


# --- patterns of a strategy -------------------------------------------------------------------------------------------


def test_transfers_and_groups_of_a_strategy() -> None:
    ring = builders.ring(8, 4.0, 0.5)
    traffic = _StrategyTraffic(ring, Strategy(2, 2, 2))
    moved = traffic.transfer(1, 0, 1)  # ranks 4, 5 to 6, 7: each to its opposite
    assert moved.time(ring, 8.0) == 8.0 * 2 / 4.0 + 2 * 0.5
    assert traffic.tensor(1, 1).time(ring, 8.0) == all_reduce(ring, [6, 7]).time(ring, 8.0)
    assert [len(stage) for stage in traffic.data] == [2, 2]
    assert traffic.data[1][0].time(ring, 8.0) == all_reduce(ring, [2, 6]).time(ring, 8.0)
    star = builders.switch(8, 4.0, 0.5, reduces=True)
    copied = _StrategyTraffic(star, Strategy(2, 2, 2)).transfer(1, 0, 1)
    assert copied.time(star, 8.0) == 8.0 / 4.0 + 2 * 0.5  # half from each member, both halves to all of the next stage
    out = np.bincount(star.source[copied.links], copied.weight, minlength=9)
    assert out[[4, 5]].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("fabric", [MESH, FRED], ids=lambda t: t.name)
def test_streams_of_a_strategy_bring_every_shard_to_its_group(fabric: object) -> None:
    traffic = _StrategyTraffic(fabric, Strategy(2, 5, 2))  # type: ignore[arg-type]
    for stage in (0, 1):
        shards = [[2 * stage + member + 4 * replica for replica in range(5)] for member in (0, 1)]
        for ours, theirs in (
            (traffic.weights_in[stage], _broadcast(fabric, shards)),  # type: ignore[arg-type]
            (traffic.gradients_out[stage], _collect(fabric, shards)),  # type: ignore[arg-type]
        ):
            np.testing.assert_array_equal(ours.links, theirs.links)
            np.testing.assert_array_equal(ours.weight, theirs.weight)
    wanted = load(fabric, [node for replica in range(5) for node in (4 * replica, 4 * replica + 1)])  # type: ignore[arg-type]
    np.testing.assert_array_equal(traffic.samples.weight, wanted.weight)


def test_the_longest_way_of_a_broadcast_is_its_latency() -> None:
    pattern = _broadcast(MESH, [list(range(20))])
    assert pattern.latency == pytest.approx((5 + 4 - 1) * float(MESH.latency.max()))
    assert len(controllers(MESH)) == 18


def test_collecting_without_adding_switches_scatters_then_sends() -> None:
    """A ring over each shard moves (N - 1)/N of its part; then every node sends its own sums to all controllers."""
    fabric = resolve_topology("wafer-fred-a")
    shards = [[0, 4, 8, 12, 16], [1, 5, 9, 13, 17]]
    pattern = _collect(fabric, shards)
    out = np.bincount(fabric.source[pattern.links], pattern.weight, minlength=len(fabric.nodes))
    assert out[[0, 1]] == pytest.approx([0.5 * 4 / 5 + 0.5 / 5] * 2)
    ports = controllers(fabric)
    into = np.bincount(fabric.target[pattern.links], pattern.weight, minlength=len(fabric.nodes))
    assert into[ports] == pytest.approx([1 / 18] * 18)
    alone = _collect(fabric, [[3]])
    assert np.bincount(fabric.source[alone.links], alone.weight)[3] == pytest.approx(1.0)


def test_without_controllers_samples_take_no_link() -> None:
    ring = builders.ring(4, 1.0, 0.0)
    assert load(ring, [0, 1]).time(ring, 1e9) == 0.0


def test_a_link_without_its_way_back_is_said() -> None:
    from slipstick.core.topology import Topology

    oneway = Topology.of("one way", {"a": "npu", "b": "npu", "p": "io", "s": "switch"}, [
        ("a", "s", 1.0, 0.0), ("s", "a", 1.0, 0.0), ("b", "s", 1.0, 0.0), ("s", "b", 1.0, 0.0), ("p", "s", 1.0, 0.0),
    ])  # fmt: skip
    oneway.reduces[3] = True
    with pytest.raises(SlipstickError, match=r"(p to s|s to p)"):
        _collect(oneway, [[0, 1]])


# --- where the time goes ----------------------------------------------------------------------------------------------


def run_of(rows: list[tuple[int, int, float, float, tuple[int, ...]]]) -> tuple[Tasks, FabricRun]:
    """Rows: kind, lane, begin, end, and the tasks that it waited for."""
    writer = _TaskWriter()
    nothing = Pattern(np.zeros(0, np.int64), np.zeros(0))
    for kind, lane, _, _, after in rows:
        if kind == COMPUTE:
            writer.compute("F0 x", 1.0, lane, after)
        else:
            writer.send("x", kind, nothing, 0.0, after)
    tasks = writer.finish()
    begin, end = (np.array([row[place] for row in rows], float) for place in (2, 3))
    return tasks, FabricRun(begin, end, np.zeros(0), tasks.dag)


def parts(rows: list[tuple[int, int, float, float, tuple[int, ...]]], begin: float, end: float) -> dict[str, float]:
    tasks, simulated = run_of(rows)
    whole = exposed(tasks, simulated, 0, begin, end)
    assert sum(whole.values()) == pytest.approx(end - begin)
    return {name: value for name, value in whole.items() if value}


def test_a_gap_belongs_to_what_the_next_computation_waited_for() -> None:
    rows = [(COMPUTE, 0, 0, 1, ()), (TENSOR, -1, 1, 3, (0,)), (COMPUTE, 0, 3, 4, (1,))]
    assert parts(rows, 0, 4) == {"compute": 2, "tensor_parallel": 2}
    assert parts(rows, 0.5, 4) == {"compute": 1.5, "tensor_parallel": 2}
    assert parts(rows, 2, 4) == {"compute": 1, "tensor_parallel": 1}
    assert parts(rows, 0, 3.25) == {"compute": 1.25, "tensor_parallel": 2}


def test_a_gap_is_followed_back_through_other_lanes() -> None:
    rows = [
        (COMPUTE, 0, 0, 1, ()), (PIPELINE, -1, 1, 1.5, (0,)), (COMPUTE, 1, 1.5, 3.5, (1,)),
        (PIPELINE, -1, 3.5, 4, (2,)), (COMPUTE, 0, 4, 6, (3,)),
    ]  # fmt: skip
    assert parts(rows, 0, 6) == {"compute": 3, "pipeline_parallel": 1, "bubble": 2}
    late = [*rows[:4], (LOAD, -1, 0, 3.75, ()), (COMPUTE, 0, 4, 6, (3, 4))]
    assert parts(late, 0, 6) == {"compute": 3, "pipeline_parallel": 1, "bubble": 2}, "the last to end held it up"
    later = [*rows[:4], (LOAD, -1, 2, 4.25, ()), (COMPUTE, 0, 4.25, 6.25, (3, 4))]
    assert parts(later, 0, 6.25) == {"compute": 3, "load": 2.25, "bubble": 1}, "before it was under way: a bubble"


def test_the_time_behind_the_last_computation_goes_to_what_ends_the_step() -> None:
    rows = [(COMPUTE, 0, 0, 2, ()), (COMPUTE, 1, 0, 3, ()), (DATA, -1, 3, 5, (0, 1))]
    assert parts(rows, 0, 5) == {"compute": 2, "bubble": 1, "data_parallel": 2}


def test_waiting_for_nothing_is_a_bubble() -> None:
    assert parts([(COMPUTE, 0, 1, 2, ()), (COMPUTE, 0, 3, 4, ())], 0, 4) == {"compute": 2, "bubble": 2}


def test_computations_outside_the_window_do_not_count() -> None:
    rows = [
        (COMPUTE, 0, 0, 1, ()), (COMPUTE, 0, 1, 2, ()), (LOAD, -1, 2, 3, (1,)), (COMPUTE, 0, 5, 6, (2,)),
        (COMPUTE, 0, 6, 7, ()),
    ]  # fmt: skip
    assert parts(rows, 1, 3) == {"compute": 1, "load": 1}
    assert parts(rows, 0, 2) == {"compute": 2}
    assert parts(rows, 1, 6) == {"compute": 2, "load": 3}


def test_bytes_on_links_are_those_of_the_last_step() -> None:
    ring = builders.ring(3, 1.0, 0.0)
    writer, pattern = _TaskWriter(), Pattern.of_messages(ring, [(0, 1), (1, 2), (1, 2)])
    for iteration, size in ((0, 5.0), (1, 7.0)):
        writer.iteration = iteration
        writer.send("x", DATA, pattern, size)
        writer.send("y", LOAD, Pattern.of_messages(ring, [(2, 0)]), 3 * size)
    tasks = writer.finish()
    nothing = FabricRun(np.zeros(4), np.ones(4), np.zeros(ring.links), tasks.dag)
    step = Iteration(Job(LAYERS, Strategy()), tasks, nothing, 0.0, 1.0, 0, {})
    carried = step.bytes_on_links(ring)
    ends = list(zip(ring.source.tolist(), ring.target.tolist(), strict=True))
    assert [carried[DATA][ends.index(pair)] for pair in ((0, 1), (1, 2), (2, 0))] == [7.0, 14.0, 0.0]
    assert carried[LOAD][ends.index((2, 0))] == 21.0
    assert carried.sum() == 42.0
    assert step.last.tolist() == [2, 3]


def test_a_steps_shares() -> None:
    tasks, simulated = run_of([(COMPUTE, 0, 0, 1, ())])
    parts = {"compute": 6.0, "data_parallel": 2.0, "load": 1.0, "bubble": 1.0}
    step = Iteration(Job(LAYERS, Strategy()), tasks, simulated, 5.0, 15.0, 0, parts)
    assert (step.time, step.exposed, step.waiting) == (10.0, pytest.approx(0.3), 4.0)


def test_the_busiest_lane_is_the_one_whose_parts_are_told() -> None:
    uneven = tuple(replace(x, output=0.0) for x in LAYERS)  # stages of unequal work
    found = simulate(Job(uneven, Strategy(1, 1, 3), microbatches=2, overlap=False), MESH)
    stages = _cut_in_stages([x.forward for x in uneven], 3)
    work = [sum(uneven[i].forward + uneven[i].backward for i in run) for run in stages]
    assert found.lane == int(np.argmax(work))
    assert found.parts["compute"] == pytest.approx(2 * max(work))
    assert found.tasks.iteration[found.last].tolist() == [1] * len(found.last)
    assert found.end == pytest.approx(found.run.end[found.last].max())
    carried = found.bytes_on_links(MESH)
    assert carried.shape == (6, MESH.links)
    assert carried[[COMPUTE, TENSOR, STREAM]].sum() == 0
