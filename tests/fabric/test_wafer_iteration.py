"""A training step on the wafer: closed forms, conservation, monotonicity, and where the time goes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError
from slipstick.core.layer import Layer
from slipstick.fabric.patterns import Pattern, all_reduce
from slipstick.fabric.strategies import Strategy, strategies
from slipstick.fabric.topology_file import resolve_topology
from slipstick.fabric.training.io_controllers import _broadcast, _collect
from slipstick.fabric.training.iteration import Iteration, simulate
from slipstick.fabric.training.job import Job, _merged
from slipstick.fabric.training.stationary import _passes_of
from slipstick.fabric.training.task_builder import DATA, LOAD, STREAM, TENSOR

WAFER = {name: resolve_topology(f"wafer-{name}") for name in ("mesh", "fred-a", "fred-b", "fred-c", "fred-d")}
MESH = WAFER["mesh"]
LAYERS = tuple(Layer(f"layer {n}", 1e-3, 2e-3, 400e6, 30e6) for n in range(8))


def job(strategy: Strategy, **fields: object) -> Job:
    return replace(Job(LAYERS, strategy, microbatches=4, samples=1e6, overlap=False), **fields)


def check_parts(found: Iteration) -> None:
    assert sum(found.parts.values()) == pytest.approx(found.time, rel=1e-9)
    assert min(found.parts.values()) >= 0


def test_data_parallelism_alone_is_compute_and_one_all_reduce() -> None:
    found = simulate(job(Strategy(dp=20)), MESH)
    gradients = sum(layer.weights for layer in LAYERS)
    assert found.parts["compute"] == pytest.approx(4 * 8 * 3e-3)
    assert found.parts["data_parallel"] == pytest.approx(all_reduce(MESH, range(20)).time(MESH, gradients), rel=1e-6)
    assert found.time == pytest.approx(found.parts["compute"] + found.parts["data_parallel"])


def test_a_pipeline_takes_its_bubble() -> None:
    """(microbatches + stages - 1) passes of a stage: Narayanan et al. 2104.04473, section 2.2."""
    silent = tuple(replace(layer, weights=0.0, output=0.0) for layer in LAYERS)
    for schedule in ("1f1b", "gpipe"):
        found = simulate(job(Strategy(pp=4), layers=silent, schedule=schedule), MESH)
        assert found.time == pytest.approx((4 + 3) * 2 * 3e-3, rel=1e-3)
        assert found.parts["bubble"] == pytest.approx(3 * 2 * 3e-3, rel=1e-2)


def test_tensor_parallelism_waits_for_every_all_reduce() -> None:
    found = simulate(job(Strategy(tp=20)), MESH)
    each = all_reduce(MESH, range(20)).time(MESH, 30e6)
    assert found.parts["compute"] == pytest.approx(4 * 8 * 3e-3 / 20)
    assert found.parts["tensor_parallel"] == pytest.approx(4 * 8 * 4 * each, rel=1e-6)


@pytest.mark.parametrize("name", ["mesh", "fred-d"])
def test_streams_bind_where_computing_is_quick(name: str) -> None:
    """Forward, weights alone, at 0.651 of the controllers' rate on the mesh; backward, a layer's weights come in while
    the gradients of the one behind leave: on the mesh they meet on links, on FRED-D they do not."""
    fabric, everyone = WAFER[name], [list(range(20))]
    quick = tuple(replace(layer, forward=1e-9, backward=1e-9) for layer in LAYERS)
    weights = sum(layer.weights for layer in quick)
    into, out = _broadcast(fabric, everyone), _collect(fabric, everyone)
    one = weights / len(quick)
    both = Pattern.together([into, out], fabric).time(fabric, weights - one)
    expected = into.time(fabric, weights + one) + both + out.time(fabric, one)
    found = simulate(job(Strategy(dp=20), layers=quick, streaming=True, microbatches=1, samples=0.0), fabric)
    assert found.time == pytest.approx(expected, rel=1e-3)
    rate, slower = (750 / 1152, 12 / 9) if name == "mesh" else (1.0, 1.0)
    assert into.time(fabric, weights) == pytest.approx(weights / 2304e9 / rate, rel=1e-3)
    assert both * weights / (weights - one) == pytest.approx(into.time(fabric, weights) * slower, rel=1e-3)


def test_streaming_is_never_faster_than_the_controllers() -> None:
    weights = sum(layer.weights for layer in LAYERS)
    for fabric in WAFER.values():
        for strategy in (Strategy(2, 5, 2), Strategy(dp=20), Strategy(4, 5, 1)):
            assert simulate(job(strategy, streaming=True), fabric).time >= 2 * weights / 2304e9


@pytest.mark.parametrize("name", WAFER)
@pytest.mark.parametrize("streaming", [False, True])
def test_parts_sum_up_for_every_strategy(name: str, streaming: bool) -> None:
    for strategy in (Strategy(3, 3, 2), Strategy(2, 5, 2), Strategy(1, 4, 5), Strategy(20, 1, 1), Strategy(5, 1, 4)):
        found = simulate(job(strategy, streaming=streaming), WAFER[name])
        check_parts(found)
        assert found.time >= found.parts["compute"] >= 0.9 * 4 * 8 * 3e-3 / (strategy.tp * strategy.pp)


def test_overlap_hides_gradients_and_never_costs() -> None:
    for fabric in WAFER.values():
        behind, meanwhile = (simulate(job(Strategy(dp=20), overlap=overlap), fabric) for overlap in (False, True))
        assert meanwhile.time < behind.time


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([one for one in strategies(20) if one.pp <= len(LAYERS)]), st.booleans(), st.floats(1.1, 8.0))
def test_more_bandwidth_is_never_slower(strategy: Strategy, streaming: bool, factor: float) -> None:
    fast = replace(MESH, bandwidth=MESH.bandwidth * factor)
    task = job(strategy, streaming=streaming)
    assert simulate(task, fast, most=4).time <= simulate(task, MESH, most=4).time * (1 + 1e-9)


def test_bytes_on_links_are_what_the_strategy_moves() -> None:
    found = simulate(job(Strategy(2, 5, 2)), WAFER["fred-d"])
    carried = found.bytes_on_links(WAFER["fred-d"])
    fabric = WAFER["fred-d"]
    from_nodes = np.isin(fabric.source, fabric.npus)
    # in the network every node sends its data once: four all-reduces a layer and microbatch, and its gradients
    assert carried[TENSOR][from_nodes].sum() == pytest.approx(20 * 4 * 4 * 4 * 30e6)
    assert carried[DATA][from_nodes].sum() == pytest.approx(20 * 4 * 400e6 / 2)
    assert carried[LOAD][fabric.source >= 26].sum() == pytest.approx(5 * 1e6)
    assert not carried[STREAM].any()


def test_runs_of_layers_change_little() -> None:
    for strategy in (Strategy(2, 5, 2), Strategy(4, 5, 1)):
        fine, coarse = (simulate(job(strategy), MESH, most=most).time for most in (8, 4))
        assert coarse == pytest.approx(fine, rel=0.05)
    whole = _merged(LAYERS, 3)
    for name in ("forward", "backward", "weights", "reduces"):
        assert sum(getattr(x, name) for x in whole) == pytest.approx(sum(getattr(x, name) for x in LAYERS))


@pytest.mark.parametrize("stages", [1, 2, 4])
@pytest.mark.parametrize("schedule", ["1f1b", "gpipe"])
def test_every_pass_runs_once_and_backward_behind_forward(stages: int, schedule: str) -> None:
    for stage in range(stages):
        passes = _passes_of(stage, stages, 5, schedule)
        assert sorted(passes) == sorted([(way, m) for way in "FB" for m in range(5)])
        assert all(passes.index(("F", m)) < passes.index(("B", m)) for m in range(5))


@pytest.mark.parametrize(
    ("strategy", "fields", "path"),
    [
        (Strategy(7, 3, 1), {}, "needs more nodes"),
        (Strategy(1, 1, 9), {}, "more stages than layers"),
        (Strategy(1, 1, 1), {"microbatches": 0}, "no microbatch"),
        (Strategy(2, 1, 1), {"layers": tuple(replace(x, reduces=0) for x in LAYERS)}, "not divided by tensor"),
    ],
)
def test_what_cannot_run_is_said(strategy: Strategy, fields: dict[str, object], path: str) -> None:
    with pytest.raises(SlipstickError, match=path):
        simulate(job(strategy, **fields), MESH)


@pytest.mark.parametrize("strategy", [Strategy(1, 4, 5), Strategy(2, 2, 5), Strategy(1, 2, 10), Strategy(1, 1, 20)])
def test_runs_of_layers_keep_the_stages_balance(strategy: Strategy) -> None:
    many = tuple(replace(LAYERS[0], name=f"layer {n}") for n in range(80))
    fine, coarse = (simulate(job(strategy, layers=many), MESH, most=most) for most in (80, 8))
    assert coarse.parts["compute"] == pytest.approx(fine.parts["compute"], rel=1e-9)
    assert coarse.time == pytest.approx(fine.time, rel=0.06)


@pytest.mark.parametrize("name", ["fred-a", "fred-d"])
def test_tensor_parallel_traffic_goes_before_gradients(name: str) -> None:
    """Gradients that are under way do not slow the all-reduces that the next computation waits for."""
    quick = tuple(replace(layer, forward=1e-5, backward=1e-5) for layer in LAYERS)  # both meet on the nodes' links
    behind, meanwhile = (
        simulate(job(Strategy(4, 5, 1), layers=quick, overlap=overlap, microbatches=1), WAFER[name])
        for overlap in (False, True)
    )
    assert meanwhile.parts["tensor_parallel"] == pytest.approx(behind.parts["tensor_parallel"], rel=1e-6)
    assert meanwhile.time < behind.time


def test_weights_arrive_while_the_layer_before_computes() -> None:
    fabric = WAFER["fred-d"]
    one = _broadcast(fabric, [list(range(20))]).time(fabric, 400e6)
    slow = tuple(replace(layer, forward=1.5 * one, backward=1.5 * one) for layer in LAYERS)
    found = simulate(job(Strategy(dp=20), layers=slow, streaming=True, microbatches=1, samples=0.0), fabric)
    # only the last layer's gradients have nothing to hide behind, and the next step's first weights that wait for them
    assert found.time == pytest.approx(2 * 8 * 1.5 * one + 2 * one, rel=0.03)
