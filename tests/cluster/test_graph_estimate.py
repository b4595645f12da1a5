"""Operator graphs on accelerators: bounds, monotonicity, conservation; a convolution is the product that it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from slipstick import estimate, ops
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.gemm import _gemm
from slipstick.cluster.kernels.graph_kernels import CountedKernel, _graph_kernels, _live_elements, kept_elements
from slipstick.cluster.kernels.operation_times import op_seconds
from slipstick.cluster.kernels.precision import Precision
from slipstick.core.catalogue import resolve_system
from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.workload import Op, Phase
from slipstick.networks import network, presets
from slipstick.networks.graphs import OperatorGraph, chains, leaf_ops, training_graph
from slipstick.report.report import Report

GRAPHS = [name for name in presets.names() if isinstance(network(name), OperatorGraph)]
A100 = "a100-sxm-80gb"


def asked(name: str, system: str = A100, plan: str | None = None, **more: Any) -> Report:
    return estimate(name, system, plan, **more)


@pytest.mark.parametrize("phase", ["train", "infer"])
@pytest.mark.parametrize("name", GRAPHS)
def test_every_network_has_an_answer_without_errors(name: str, phase: str) -> None:
    report = asked(name, phase=phase, batch=8)
    assert not report.errors
    assert 0 < report.value("efficiency.mfu") < 1
    table = ops(name, A100, phase=phase, batch=8).breakdowns["ops"]
    count, flops = (([c.name for c in table.columns].index(column)) for column in ("count", "flops"))
    done = sum(float(row[count]) * float(row[flops]) for row in table.rows)  # type: ignore[arg-type]
    net = network(name)
    assert isinstance(net, OperatorGraph)
    graph = net.ops(Phase(phase), 8, net.max_positions, net.max_positions)
    expected = sum(op.flops for op in (training_graph(graph) if phase == "train" else graph))
    assert done == pytest.approx(expected, rel=2e-2)  # a strided convolution's gradient is rounded to whole taps
    assert report.value("time.step") > expected / resolve_system(A100).device_as(Accelerator).matrix["bf16"]


@pytest.mark.parametrize("phase", ["train", "infer"])
def test_more_samples_take_longer_and_more_memory(phase: str) -> None:
    reports = [asked("inception-v3", phase=phase, batch=batch) for batch in (1, 4, 16, 64, 256)]
    for path in ("time.step", "memory.peak", "throughput.samples"):
        assert all(a.value(path) < b.value(path) for a, b in pairwise(reports))


@pytest.mark.parametrize("path", ["memory.hbm.bandwidth", "device.matrix.bf16"])
def test_a_faster_device_is_never_slower(path: str) -> None:
    system = resolve_system(A100)
    base = system.main_memory.bandwidth if "hbm" in path else system.device_as(Accelerator).matrix["bf16"]
    assert base is not None
    times = [
        asked("resnet-50", batch=64, set={f"system.{path}": factor * base}).value("time.step")
        for factor in (0.5, 1, 2, 4)
    ]
    assert times == sorted(times, reverse=True)


def test_replicas_share_a_batch_and_pay_for_their_messages() -> None:
    alone = asked("resnet-50", A100, "zero=0", batch=64)
    many = asked("resnet-50", "dgx-a100:64", "zero=0", batch=64 * 64)
    assert many.value("time.step") >= alone.value("time.step")
    assert many.value("throughput.samples") <= 64 * alone.value("throughput.samples")
    assert "time.parts.data_parallel" in many
    assert "time.parts.data_parallel" not in alone
    bare = asked("resnet-50", "dgx-a100:64", "zero=0,dp_overlap=false", batch=64 * 64)
    assert bare.value("time.parts.data_parallel") > many.value("time.parts.data_parallel")
    assert asked("resnet-50", A100, phase="infer", batch=64).value("time.step") == pytest.approx(
        asked("resnet-50", "dgx-a100:8", phase="infer", batch=512).value("time.step")
    )


def test_zero_shards_what_it_says() -> None:
    reports = [asked("resnet-152", "dgx-a100:8", f"zero={zero}", batch=256) for zero in (0, 1, 2)]
    held = [[r.value(f"memory.parts.{part}") for part in ("optimizer", "gradients")] for r in reports]
    assert held[1][0] == pytest.approx(held[0][0] / 8)
    assert held[1][1] == held[0][1]
    assert held[2][1] == pytest.approx(held[0][1] / 8)


def test_microbatches_trade_memory_for_time() -> None:
    whole, parts = (asked("resnet-50", A100, plan, batch=64) for plan in ("zero=0", "microbatch=8"))
    assert parts.value("memory.peak") < whole.value("memory.peak")
    assert parts.value("time.step") > whole.value("time.step")


def test_merged_kernels_are_quicker_than_single_ones() -> None:
    for phase in ("train", "infer"):
        merged, single = (asked("resnet-50", A100, plan, phase=phase, batch=32) for plan in ("zero=0", "fused=false"))
        assert merged.value("time.step") < single.value("time.step")


def test_a_convolution_of_one_tap_is_a_matrix_product() -> None:
    """Stored once and read once, 1x1 convolutions cost what the product costs; more taps move no more memory."""
    chip = Chip.of(resolve_system(A100))
    m, n, k = 50_176, 256, 64
    plain = _gemm((m, n, k), format="bf16", chip=chip)
    same = _gemm((m, n, k), format="bf16", chip=chip, stored=m * k)
    assert plain.time == same.time
    copied, implicit = (_gemm((m, n, 9 * k), format="bf16", chip=chip, stored=s) for s in (None, m * k))
    assert implicit.dram_bytes < copied.dram_bytes
    assert implicit.time <= copied.time
    assert implicit.compute == copied.compute


def gradient_kernels(ops: Sequence[Op], precision: Precision) -> list[CountedKernel]:
    """Return the kernels of the backward pass of `ops`."""
    return _graph_kernels(training_graph(ops)[len(ops) :], precision, training=True, fused=True)


def test_every_leaf_becomes_kernels_once() -> None:
    system = resolve_system(A100)
    precision = Precision.of(Plan.of(""), system, Phase.INFER)
    net = network("inception-v3")
    graph = net.ops(Phase.INFER, 4, 1, 1)
    leaves = [leaf for op in graph for leaf in leaf_ops(op)]
    single = _graph_kernels(graph, precision, training=True, fused=False)
    assert len(single) == len(leaves)
    merged = _graph_kernels(graph, precision, training=False, fused=True)
    assert len(merged) == 94 + 15 + 14 + 1  # norms and activations run inside the convolutions
    back = gradient_kernels(graph, precision)
    products = sum(leaf.kind in ("conv", "matmul") for leaf in leaves)
    assert sum(kernel.kind == "matmul" for _, kernel in back) == 2 * products - 1  # not of the image


@pytest.mark.parametrize("name", GRAPHS)
def test_the_times_of_operations_add_up_to_those_of_the_passes(name: str) -> None:
    """Both passes take what `estimate` says; merged into chains, but for activations at the seams."""
    system, plan, net = resolve_system(A100), Plan.of("zero=0"), network(name)
    assert isinstance(net, OperatorGraph)
    graph = net.ops(Phase.TRAIN, 32, net.max_positions, net.max_positions)
    parts = asked(name, A100, "zero=0", batch=32).group("time.parts")
    whole = parts["forward"].value + parts["backward"].value
    for merged, tolerance in ((graph, 1e-9), (chains(graph), 0.01)):
        seconds = op_seconds(training_graph(merged), system, plan, Phase.TRAIN)
        assert sum(seconds.values()) == pytest.approx(whole, rel=tolerance)
        forward = op_seconds(merged, system, plan, Phase.TRAIN)
        assert sum(forward.values()) == pytest.approx(parts["forward"].value, rel=1e-9)
        assert all(seconds[op] == value for op, value in forward.items())


@pytest.mark.parametrize("name", ["resnet-50", "inception-v3"])
def test_no_tensor_crosses_memory_more_than_once_for_a_product(name: str) -> None:
    """A convolution reads its image, not the copies that its taps make of it."""
    graph = {op.name: op for op in network(name).ops(Phase.INFER, 64, 1, 1)}
    table = ops(name, A100, phase="infer", batch=64).breakdowns["ops"]
    traffic = [c.name for c in table.columns].index("traffic")
    products = [row for row in table.rows if row[1] == "matmul"]
    assert len(products) == sum(op.kind in ("conv", "matmul") for op in graph.values())
    for row in products:
        op = graph[str(row[0])]
        assert float(row[traffic]) <= 2 * (op.inputs + op.weights + op.outputs) * (1 + 1e-9)  # type: ignore[arg-type]


def test_a_norm_in_training_takes_statistics_first() -> None:
    """Its tensor is read twice and written; backward it and its gradient are read twice, and one is written."""
    precision = Precision.of(Plan.of(""), resolve_system(A100), Phase.INFER)
    norm = Op("norm", "batchnorm", {"m": 1, "n": 100}, 0.0, 8.0, 100.0, 100.0, after=("conv",))
    conv = Op("conv", "conv", {"m": 25, "n": 4, "k": 9, "batch": 1, "taps": 9}, 1800.0, 36.0, 25.0, 100.0)
    (ahead,) = _graph_kernels([norm], precision, training=True, fused=True)
    assert ahead[1].traffic == 3 * 100 * 2
    back = gradient_kernels([conv, norm], precision)
    assert next(kernel.traffic for _, kernel in back if kernel.kind == "stream") == 5 * 100 * 2


def test_activations_that_are_kept_and_that_live() -> None:
    def op(name: str, kind: str, inputs: float, outputs: float, after: tuple[str, ...] = ()) -> Op:
        return Op(name, kind, {"m": 1}, 0.0, 0.0, inputs, outputs, after=after)

    conv, norm = op("conv", "conv", 3, 10), op("norm", "batchnorm", 10, 10, ("conv",))
    relu = op("relu", "elementwise", 10, 10, ("norm",))
    total = op("add", "elementwise", 20, 10, ("relu", "conv"))
    assert kept_elements([conv, norm, relu, total]) == 40  # by itself each result lies apart
    merged = Op("conv", "conv", {"m": 1}, 0.0, 0.0, 3, 10, parts=(conv, norm, relu))
    assert kept_elements([merged]) == 20  # the norm's input, and what the activation wrote over its result
    assert _live_elements([conv, norm, relu, total]) == 30  # conv, relu and their sum
    graph = network("resnet-50").ops(Phase.INFER, 2, 1, 1)
    assert max(o.inputs + o.outputs for o in graph) <= _live_elements(graph) <= sum(o.outputs for o in graph)


def test_what_cannot_be_answered_says_what_can() -> None:
    with pytest.raises(SlipstickError, match=r"2 errors(?s:.*)slipstick\.place"):
        asked("resnet-50", "dgx-a100:8", "tp=2,pp=2")
    with pytest.raises(SlipstickError, match="decode, prefill"):
        asked("llama-3.1-8b", phase="infer")
    with pytest.raises(SlipstickError, match="not a phase that `estimate` takes of an operator graph"):
        asked("resnet-50", phase="decode")
    with pytest.raises(SlipstickError, match="divisor of the batch"):
        asked("resnet-50", "dgx-a100:8", batch=12)
    with pytest.raises(SlipstickError, match="recompute"):
        asked("resnet-50", A100, "recompute=full")
    with pytest.raises(SlipstickError, match="no matrix rate in this format"):
        asked("resnet-50", "dgx1-v100:8", "matmul=fp8")


def test_times_are_those_of_the_table() -> None:
    report = asked("resnet-18", batch=16)
    table = report.breakdowns["ops"]
    count, time = ([c.name for c in table.columns].index(column) for column in ("count", "time"))
    total = sum(float(row[count]) * float(row[time]) for row in table.rows)  # type: ignore[arg-type]
    parts = report.group("time.parts")
    assert np.isclose(total, parts["forward"].value + parts["backward"].value)
