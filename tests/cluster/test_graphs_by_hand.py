"""Operator graphs, computed again by hand: the parts of a step, memory, energy, plans, and layers for fabrics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.toys import HEADS, HIDDEN, KV, LAYER, LAYERS, WORDS, decoder
from slipstick.cluster.collectives.collective_time import _collective
from slipstick.cluster.collectives.network_tiers import _tiers_of
from slipstick.cluster.constants.prices import _DeviceHour
from slipstick.cluster.graphs.estimate import estimate_graph
from slipstick.cluster.graphs.graph_plan import _graph_plan
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.device_power import power_shares
from slipstick.cluster.kernels.graph_kernels import _graph_kernels, _live_elements, kept_elements
from slipstick.cluster.kernels.kernel_times import _time_kernels
from slipstick.cluster.kernels.operation_times import op_seconds
from slipstick.cluster.kernels.precision import Precision
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.layer_costs import layer_costs, with_efficiency
from slipstick.cluster.training.layer_time import _layer_times
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.core.layer import Layer
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.system import System
from slipstick.core.workload import Op, Phase, Workload
from slipstick.networks.find_network import network
from slipstick.networks.graphs import training_graph
from slipstick.report.report import Report

NET = network("resnet-18")
PARAMETERS = float(NET.parameters)
H100 = resolve_system("h100-sxm-80gb:8")


def asked(plan: str = "", system: System = H100, phase: Phase = Phase.TRAIN, batch: int = 256) -> Report:
    return estimate_graph(Question(Workload(network=NET, phase=phase, batch=batch, sequence=1), system, Plan.of(plan)))


def passes(samples: int, fused: bool = True) -> dict[str, tuple[float, float, float, int]]:
    """Seconds, operations and bytes of the device, and the number of kernels, forward and backward."""
    precision = Precision.of(Plan(), H100, Phase.TRAIN)
    ops = NET.ops(Phase.TRAIN, samples, 1, 1)
    table = {}
    for name, part in (("forward", ops), ("backward", training_graph(ops)[len(ops) :])):
        kernels = _graph_kernels(part, precision, training=True, fused=fused)
        times = _time_kernels([kernel for _, kernel in kernels], Chip.of(H100), 1)
        counts = [count for count, _ in kernels]
        sums = [
            sum(count * float(value) for count, value in zip(counts, column[:, 0], strict=True))
            for column in (times.time, times.flops, times.traffic)
        ]
        table[name] = (*sums, sum(counts))
    return table  # type: ignore[return-value]


def seconds(op: str, size: float) -> float:
    return float(_collective(op, size, 8, tiers=_tiers_of(H100)).time)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(
    ("zero", "overlap", "microbatch"), [(0, False, 32), (0, True, 8), (1, False, 32), (2, True, 16)]
)
def test_a_training_step_is_its_passes_messages_and_update(
    zero: int, overlap: bool, microbatch: int, fused: bool
) -> None:
    flags = f"zero={zero},dp_overlap={str(overlap).lower()},microbatch={microbatch},fused={str(fused).lower()}"
    report, chip = asked(flags), Chip.of(H100)
    many = 32 // microbatch
    table, steps = passes(microbatch, fused), chip.steps
    reduced = seconds("reduce_scatter" if zero else "all_reduce", PARAMETERS * 4)
    gathered = seconds("all_gather", PARAMETERS * 2) if zero else 0.0
    waits = []
    for message, name in ((reduced, "backward"), (gathered, "forward")):
        window = 0.95 * table[name][0]
        behind = max(message - window, 0.05 * message) + steps.overlap_slowdown * min(message, window)
        waits.append(min(message, behind) if overlap else message)
    moved = PARAMETERS / (8 if zero else 1) * 34  # Adam: 16 read, 14 written, 4 for the norm
    launch = steps.host_launch * (1 if fused else steps.unfused_host)
    expected = {
        "forward": many * table["forward"][0],
        "backward": many * table["backward"][0],
        "data_parallel": sum(waits),
        "optimizer": moved / chip.dram_bandwidth / steps.optimizer_efficiency,
        "host": many * sum(max(0.0, launch * row[3] - row[0]) for row in table.values()),
        "overhead": steps.step_overhead,
    }
    for part, value in expected.items():
        if value:
            assert report.value(f"time.parts.{part}") == pytest.approx(value), part
    time = sum(expected.values())
    assert report.value("time.step") == pytest.approx(time)
    assert report.value("throughput.samples") == pytest.approx(256 / time)
    assert report.value("throughput.samples_per_device") == pytest.approx(32 / time)
    sample = sum(op.flops * op.count for op in NET.ops(Phase.TRAIN, 1, 1, 1))
    assert report.value("throughput.model_flops_per_device") == pytest.approx(3 * sample * 32 / time)
    assert report.value("efficiency.mfu") == pytest.approx(3 * sample * 32 / time / chip.peak["bf16"])
    traffic = many * (table["forward"][2] + table["backward"][2]) + moved
    flops = many * (table["forward"][1] + table["backward"][1])
    share = 7 / 8  # of a vector: what a ring sends to reduce it, and again to gather it
    sent = share * PARAMETERS * (4 + 2) if zero else 2 * share * PARAMETERS * 4
    check_energy(report, time, flops, traffic, sent, 8, 256)


def check_energy(
    report: Report, time: float, flops: float, traffic: float, sent: float, devices: int, samples: int
) -> None:
    device: Any = H100.device
    memory, link = H100.main_memory.energy, next(iter(H100.network.values())).energy
    idle, limit, hosts = H100.idle_power, H100.power, H100.overhead_power
    assert memory is not None
    assert link is not None
    assert idle is not None
    assert limit is not None
    assert hosts is not None
    chip = power_shares.entry("shares").chip * (limit - idle) * time
    active = min(flops * device.energy + traffic * memory + sent * link + chip, limit * time - idle * time)
    own = active + idle * time
    assert report.value("energy.step") == pytest.approx((own + hosts * time) * devices)
    assert report.value("energy.sample") == pytest.approx((own + hosts * time) * devices / samples)
    hour = _DeviceHour.of(H100, own / time)
    assert hour is not None
    assert report.value("cost.device_hour") == pytest.approx(hour.dollars)
    assert report.value("cost.million_samples") == pytest.approx(hour.dollars * devices * time / 3600 / samples * 1e6)


def test_inference_is_one_pass_of_its_replicas() -> None:
    chip, ops = Chip.of(H100), NET.ops(Phase.INFER, 8, 1, 1)
    kernels = _graph_kernels(ops, Precision.of(Plan(), H100, Phase.INFER), training=False, fused=True)
    times = _time_kernels([kernel for _, kernel in kernels], chip, 1)
    busy, flops, traffic = (float(column.sum()) for column in (times.time, times.flops, times.traffic))
    assert all(count == 1 for count, _ in kernels)
    for graphs, gap in (("true", chip.steps.replay_launch), ("false", chip.steps.eager_launch)):
        report = asked(f"cuda_graphs={graphs}", phase=Phase.INFER, batch=64)
        launch = gap * len(kernels)
        assert report.value("time.step") == pytest.approx(busy + launch)
        assert report.value("time.parts.launch") == pytest.approx(launch)
        assert report.value("throughput.samples") == pytest.approx(64 / (busy + launch))
        assert report.value("memory.parts.weights") == PARAMETERS * 2
        assert report.value("memory.parts.activations") == _live_elements(ops) * 2
        sample = sum(op.flops * op.count for op in NET.ops(Phase.INFER, 1, 1, 1))
        assert report.value("efficiency.mfu") == pytest.approx(sample * 8 / (busy + launch) / chip.peak["bf16"])
        check_energy(report, busy + launch, flops, traffic, 0.0, 8, 64)


@pytest.mark.parametrize("zero", [0, 1, 2])
def test_replicas_keep_weights_gradients_and_adams_states(zero: int) -> None:
    report = asked(f"zero={zero},microbatch=16")
    ops = NET.ops(Phase.TRAIN, 16, 1, 1)
    expected = {
        "weights": PARAMETERS * 2,
        "gradients": PARAMETERS * 4 / (8 if zero > 1 else 1),
        "optimizer": PARAMETERS * (4 + 4 + 4) / (8 if zero else 1),  # fp32 copy and two moments
        "activations": kept_elements(ops) * 2,
        "working": max(op.inputs + op.outputs for op in ops) * 2,
    }
    for part, size in expected.items():
        assert report.value(f"memory.parts.{part}") == pytest.approx(size), part
    assert report.value("memory.peak") == pytest.approx(sum(expected.values()))


def test_the_roofline_is_the_products_at_the_peak() -> None:
    """A step that is faster than its products at the peak rate would be found by the report's checks."""
    table = passes(32)
    least = (table["forward"][1] + table["backward"][1]) / Chip.of(H100).peak["bf16"]
    report = asked()
    assert not [finding for finding in report.warnings if "roofline" in finding.check]
    assert report.value("time.step") > least > 0.2 * report.value("time.parts.forward")
    assert report.bottleneck.endswith("% of the step")
    slowest = max(report.group("time.parts").items(), key=lambda part: part[1].value)
    share = round(100 * slowest[1].value / report.value("time.step"))
    assert report.bottleneck == f"{slowest[0].replace('_', ' ')}: {share} % of the step"


@pytest.mark.parametrize(
    ("plan", "phase", "batch", "dp", "microbatch"),
    [
        ("", Phase.TRAIN, 256, 8, 32),
        ("microbatch=4", Phase.TRAIN, 256, 8, 4),
        ("dp=8,microbatch=auto", Phase.TRAIN, 64, 8, 8),
        ("", Phase.INFER, 12, 4, 3),
        ("", Phase.INFER, 1, 1, 1),
        ("dp=2", Phase.INFER, 12, 2, 6),
        ("microbatch=4", Phase.INFER, 16, 8, 2),
    ],
)
def test_plans_of_graphs_divide_the_batch(plan: str, phase: Phase, batch: int, dp: int, microbatch: int) -> None:
    filled = _graph_plan(Plan.of(plan), Workload(network=NET, phase=phase, batch=batch, sequence=1), H100).parallel
    assert (filled.dp, filled.microbatch, filled.tp, filled.pp, filled.cp, filled.ep) == (dp, microbatch, 1, 1, 1, 1)
    assert not filled.sp


@pytest.mark.parametrize(
    ("plan", "phase", "batch", "named"),
    [
        ("dp=4", Phase.TRAIN, 256, "plan.parallel.dp"),
        ("dp=16", Phase.INFER, 256, "plan.parallel.dp"),
        ("dp=8", Phase.TRAIN, 12, "a divisor of the batch of 12"),
        ("dp=8", Phase.INFER, 12, "a divisor of the batch of 12"),
        ("microbatch=3", Phase.TRAIN, 256, "a divisor of the 32 samples"),
    ],
)
def test_plans_that_do_not_divide_are_refused(plan: str, phase: Phase, batch: int, named: str) -> None:
    with pytest.raises(SlipstickError, match=named):
        _graph_plan(Plan.of(plan), Workload(network=NET, phase=phase, batch=batch, sequence=1), H100)


def operation(name: str, kind: str, inputs: float, outputs: float, **more: Any) -> Op:
    return Op(name, kind, more.pop("dims", {"m": 1}), more.pop("flops", 0.0), 0.0, inputs, outputs, **more)


def traffic(ops: list[Op], training: bool = True, fused: bool = True) -> list[float]:
    precision = Precision("bf16", 2.0, 2.0, 2.0, "bf16")
    return [kernel.traffic for _, kernel in _graph_kernels(ops, precision, training=training, fused=fused)]  # type: ignore[misc]


def test_streams_read_their_inputs_and_write_their_results() -> None:
    assert traffic([operation("pool", "pool", 100, 25)]) == [250]
    assert traffic([operation("words", "embedding", 7000, 30)]) == [120]  # as many rows as it gives
    norm = operation("norm", "batchnorm", 40, 40)
    assert traffic([norm]) == [3 * 40 * 2]
    assert traffic([replace(norm, name="norm.gradient")]) == [5 * 40 * 2]
    assert traffic([norm], training=False) == []
    relu, conv = operation("relu", "elementwise", 40, 40), operation("pool", "pool", 100, 40)
    merged = operation("merged", "pool", 100, 40, parts=(norm, relu))
    assert traffic([merged]) == [240]  # the activation runs in the norm's kernel
    assert traffic([merged], fused=False) == [240, 160]
    assert traffic([operation("two", "pool", 100, 40, parts=(conv, relu))]) == [280, 160]  # but not in a pool's
    back = replace(merged, name="merged.gradient", parts=(relu, replace(norm, name="norm.gradient")))
    assert traffic([back]) == [400]  # gradients the other way round


def test_products_of_graphs_keep_their_sizes_and_convolutions_their_image() -> None:
    precision = Precision("fp16", 2.0, 2.0, 2.0, "fp16")
    dims = {"m": 25, "n": 4, "k": 9, "batch": 2}
    conv, matmul = (operation("op", kind, 50.0, 100.0, dims=dims, count=3) for kind in ("conv", "matmul"))
    ((count, kernel),) = _graph_kernels([conv], precision, training=True, fused=True)
    assert (count, kernel.m, kernel.n, kernel.k, kernel.batch, kernel.format) == (3, 25, 4, 9, 2, "fp16")
    assert kernel.stored == 50.0
    assert _graph_kernels([matmul], precision, training=True, fused=True)[0][1].stored is None
    gradient = replace(conv, name="op.weight_gradient", inputs=200.0)
    assert _graph_kernels([gradient], precision, training=True, fused=True)[0][1].stored == 200 - 4 * 9 * 2
    large = replace(conv, inputs=1e6)
    assert _graph_kernels([large], precision, training=True, fused=True)[0][1].stored == 25 * 9 * 2
    core = operation("core", "attention", 30.0, 10.0, flops=1e6)
    ((_, ahead), (_, back)) = _graph_kernels(
        [core, replace(core, name="core.gradient")], precision, training=True, fused=True
    )
    assert (ahead.kind, ahead.name, ahead.traffic, ahead.flops) == ("attention", "core", 80.0, 1e6)
    assert back.name.endswith(".grad")


def test_results_live_until_their_last_reader() -> None:
    first = operation("a", "pool", 8, 4)
    b, c = (operation(name, "pool", 4, size, after=("a",)) for name, size in (("b", 6), ("c", 1)))
    d = operation("d", "pool", 7, 2, after=("b", "c"))
    assert _live_elements([first]) == 12
    assert _live_elements([first, b]) == 12
    assert _live_elements([first, b, c, d]) == max(8 + 4, 4 + 6, 4 + 6 + 1, 6 + 1 + 2)
    unread = operation("u", "pool", 4, 50, after=("a",))
    assert _live_elements([first, unread, b]) == 54  # nobody reads it: it is gone when it is computed
    assert _live_elements([first, operation("e", "pool", 100, 1)]) == 4 + 100 + 1 - 4  # the first is read by nobody


def test_operations_take_the_seconds_of_their_kernels() -> None:
    ops = NET.ops(Phase.INFER, 4, 1, 1)
    seconds_of = op_seconds(ops, H100, Plan(), Phase.INFER)
    kernels = _graph_kernels(ops, Precision.of(Plan(), H100, Phase.INFER), training=False, fused=True)
    total = float(_time_kernels([kernel for _, kernel in kernels], Chip.of(H100), 1).time.sum())
    assert list(seconds_of) == [op.name for op in ops]
    assert sum(seconds_of.values()) == pytest.approx(total)
    pool = operation("pool", "pool", 1e7, 1e7)
    single, triple = (op_seconds([op], H100, Plan(), Phase.INFER)["pool"] for op in (pool, replace(pool, count=3)))
    assert triple == pytest.approx(3 * single)


# ---- layers for fabrics


def test_layers_of_a_decoder_are_whole_and_in_order() -> None:
    workload = Workload(network=decoder(), batch=8, sequence=1024)
    layers = layer_costs(workload, H100, Plan.of("tp=8,gradients=bf16"), 2)
    assert [layer.name for layer in layers] == ["embedding", *(f"layer {n}" for n in range(LAYERS)), "head"]
    assert [layer.reduces for layer in layers] == [1, *[2] * LAYERS, 0]
    sizes = [WORDS * HIDDEN, *[LAYER] * LAYERS, WORDS * HIDDEN + HIDDEN]
    assert [layer.weights for layer in layers] == [2 * size for size in sizes]
    assert [layer.gradients for layer in layers] == [2 * size for size in sizes]
    assert {layer.output for layer in layers} == {2 * 1024 * HIDDEN * 2.0}
    setting = TrainingSetting.of(workload, H100, Plan())
    (layer,), *_ = _layer_times(setting, Plans.of_columns(1, {"microbatch": 2}))
    assert layers[1].forward == pytest.approx(float(layer.forward[0]))
    assert layers[1].backward == pytest.approx(float(layer.backward[0]))
    products = 3 * 2 * 2048 * (LAYER - 2 * HIDDEN)
    scores = 3.5 * 2 * HEADS * 2 * (HIDDEN // HEADS) * 2 * 1024 * 1025 / 2  # half, and 2.5 times that backward
    assert layers[1].flops == pytest.approx(products + scores)
    assert KV < HEADS


def test_layers_of_a_graph_own_their_gradients() -> None:
    workload = Workload(network=NET, batch=64, sequence=1)
    layers = layer_costs(workload, H100, Plan(), 8)
    ops = NET.ops(Phase.TRAIN, 8, 1, 1)
    both = training_graph(ops)
    every = op_seconds(both, H100, Plan(), Phase.TRAIN)
    assert [layer.name for layer in layers] == [op.name for op in ops]
    assert sum(layer.forward for layer in layers) == pytest.approx(sum(every[op.name] for op in ops))
    assert sum(layer.backward for layer in layers) == pytest.approx(sum(every[op.name] for op in both[len(ops) :]))
    assert sum(layer.flops for layer in layers) == pytest.approx(sum(op.flops for op in both))
    assert [layer.output for layer in layers] == [2 * op.outputs for op in ops]
    assert [layer.weights for layer in layers] == [2 * op.weights for op in ops]
    assert [layer.gradients for layer in layers] == [4 * op.weights for op in ops]
    weighted = [layer for layer, op in zip(layers, ops, strict=True) if op.kind == "conv"]
    assert all(layer.backward > 0.8 * layer.forward for layer in weighted[1:])  # two products for one


def test_layers_scale_to_an_efficiency() -> None:
    layers = [Layer("a", 1.0, 2.0, 1.0, 1.0, flops=30.0), Layer("b", 3.0, 4.0, 1.0, 1.0, flops=70.0)]
    scaled = with_efficiency(layers, peak=100.0, efficiency=0.5)
    assert sum(layer.forward + layer.backward for layer in scaled) == pytest.approx(100 / 50)
    assert [(layer.forward, layer.backward) for layer in scaled] == [
        pytest.approx((0.2, 0.4)),
        pytest.approx((0.6, 0.8)),
    ]
    for efficiency in (0.0, -1.0, float("nan")):
        with pytest.raises(SlipstickError, match="efficiency"):
            with_efficiency(layers, 100.0, efficiency)
