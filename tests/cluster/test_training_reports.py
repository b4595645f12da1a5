"""Reports of training, computed again from the step that they describe; settings and stages from plans."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from cluster.asking import estimated
from cluster.toys import HIDDEN, LAYER, LAYERS, WORDS, decoder, experts
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.energy import _DeviceEnergy
from slipstick.cluster.sweep.plans import PARTITION, Plans
from slipstick.cluster.training.estimate import _model_flops, estimate_training
from slipstick.cluster.training.layer_time import _layer_times
from slipstick.cluster.training.pipeline_stages import _LayerStack, _Stages
from slipstick.cluster.training.training_columns import TRAINING
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.cluster.training.training_step import training_step
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.workload import Workload
from slipstick.networks.decoder.decoder import Decoder

SYSTEM = resolve_system("h100-sxm-80gb:8")
WORK = Workload(network=decoder(), batch=32, sequence=1024)


@pytest.mark.parametrize(
    "plan", ["tp=2,pp=2", "dp=8,recompute=full", "dp=8,recompute=selective,attention=unfused", "pp=4,dp=2,zero=1"]
)
def test_a_report_is_the_step_of_its_plan(plan: str) -> None:
    report = estimated(WORK, SYSTEM, Plan.of(plan))
    filled = Plan.of(report.inputs["plan"])
    plans = Plans.of([filled], SYSTEM)
    setting = TrainingSetting.of(WORK, SYSTEM, filled)
    step = training_step(setting, plans)
    time = float(step.time[0])
    assert report.value("time.step") == pytest.approx(time)
    for part, value in step.parts.items():
        if value[0] > 0:
            assert report.value(f"time.parts.{part}") == pytest.approx(float(value[0]))
    assert report.value("memory.peak") == pytest.approx(float(step.peak_memory[0]))
    assert report.value("memory.capacity") == SYSTEM.main_memory.capacity
    fullest = int(step.residents.total[0].argmax())
    parts = {part: float(getattr(step.residents, part)[0, fullest]) for part in step.residents.PARTS}
    for part, size in parts.items():
        if size:
            assert report.value(f"memory.parts.{part}") == pytest.approx(size)
    assert report.value("throughput.tokens") == pytest.approx(32 * 1024 / time)
    assert report.value("throughput.tokens_per_device") == pytest.approx(32 * 1024 / time / 8)
    assert report.value("throughput.samples") == pytest.approx(32 / time)
    useful = _model_flops(WORK) / time / 8
    assert report.value("throughput.model_flops_per_device") == pytest.approx(useful)
    assert report.value("efficiency.mfu") == pytest.approx(useful / setting.chip.peak["bf16"])
    slowest = max(step.parts.items(), key=lambda part: float(part[1][0]))
    assert report.bottleneck.startswith(slowest[0].replace("_", " "))
    assert report.bottleneck.endswith(f"{100 * float(slowest[1][0]) / time:.0f} % of the step")
    check_energy(report, setting, plans, step)
    stages = report.breakdowns["stages"].rows
    assert len(stages) == len(np.flatnonzero(step.stages.copies[0]))
    assert sum(float(value) for value in stages[0][1:]) == pytest.approx(float(step.residents.total[0, 0]))  # type: ignore[arg-type]


def check_energy(report: Any, setting: TrainingSetting, plans: Plans, step: Any) -> None:
    """Work of the average device: all layers once a microbatch, the recomputed parts again."""
    (layer,), embedding, head = _layer_times(setting, plans)
    microbatches = 32 / float(plans.dp[0] * plans.microbatch[0])
    again = {0: 0.0, 1: float(layer.core_flops[0]), 2: float(layer.flops[0]) / 3}[int(plans.recompute[0])]
    ends = [float(embedding.flops[0] + head.flops[0]), float(embedding.traffic[0] + head.traffic[0])]
    repeated = 4 / 3 if int(plans.recompute[0]) == 2 else 1.0
    stages = float(plans.pp[0])
    flops = microbatches * (LAYERS * (float(layer.flops[0]) + again) + ends[0]) / stages
    traffic = microbatches * (LAYERS * float(layer.traffic[0]) * repeated + ends[1]) / stages
    energy = _DeviceEnergy.of(SYSTEM, "bf16", step.time, np.array([flops]), np.array([traffic]), step.sent)
    assert energy is not None
    for part, joules in energy.parts.items():
        assert report.value(f"energy.parts.{part}") == pytest.approx(8 * float(joules[0])), part


def test_offloaded_bytes_are_those_of_the_host() -> None:
    report = estimated(WORK, SYSTEM, Plan.of("others=off,dp=8,offload_optimizer=true"))
    parameters = LAYERS * LAYER + 2 * WORDS * HIDDEN + HIDDEN
    assert report.value("memory.host") == pytest.approx(12 * parameters)
    assert "host" not in estimated(WORK, SYSTEM, Plan.of("dp=8")).group("memory")


def test_model_flops_count_forward_once_and_backward_twice() -> None:
    products = 2 * 32 * 1024 * (LAYERS * (LAYER - 2 * HIDDEN) + WORDS * HIDDEN)
    scores = 32 * LAYERS * 2 * 2 * 1024 * 1024 * HIDDEN  # the full square of attention, by convention
    assert _model_flops(WORK) == pytest.approx(3 * (products + scores), rel=0.02)
    assert _model_flops(WORK) >= 3 * (products + scores)


def test_the_kinds_of_stage_are_told_by_their_first_and_their_copies() -> None:
    table = estimated(WORK, SYSTEM, Plan.of("pp=8,dp=1")).breakdowns["stages"]
    assert [row[0] for row in table.rows] == ["0", "1 (fullest of 6 alike)", "7"]
    assert [column.name for column in table.columns][1:3] == ["weights", "gradients"]


def test_a_price_takes_the_place_of_the_closed_form() -> None:
    question = Question(WORK, SYSTEM, Plan.of("tp=2,dp=4"))
    free = estimate_training(question, lambda op, size, ranks, stride: 0.0)
    assert "tensor_parallel" not in free.group("time.parts")
    dear = estimate_training(question, lambda op, size, ranks, stride: 1.0)
    assert dear.value("time.parts.tensor_parallel") > 2 * LAYERS


def test_settings_follow_the_plan() -> None:
    plain = TrainingSetting.of(WORK, SYSTEM, Plan())
    chip = Chip.of(SYSTEM)
    states = plain._state_bytes
    assert (states.weights, states.gradients, states.optimizer) == (2.0, 4.0, 12.0)
    assert (plain.stored, plain.working, plain.logit_bytes, plain.fused) == (1.0, 1.0, 4.0, True)
    assert plain.chip == chip
    single = TrainingSetting.of(WORK, SYSTEM, Plan.of("fused=false,attention=unfused"))
    steps = chip.steps
    assert single.stored == steps.unfused_activations
    assert single.working == steps.unfused_working
    assert single.logit_bytes == 10.0  # logits, their softmax, and the gradient in 16 bits
    assert not single.fused
    assert single.chip.steps.host_launch == steps.host_launch * steps.unfused_host
    assert single.chip.steps.host_collective == steps.host_collective * steps.unfused_host
    adding = TrainingSetting.of(WORK, SYSTEM, Plan.of("accumulate=false,gradients=bf16"))._state_bytes
    assert adding.gradients == 2.0 + 2.0  # the sums, and those of the last pass
    host = SYSTEM.host
    assert host is not None
    assert plain.host_bandwidth == host.bandwidth
    bare = SYSTEM.model_copy(update={"host": None})
    assert TrainingSetting.of(WORK, bare, Plan()).host_bandwidth == 0.0
    for plan in ("offload_weights=true", "offload_activations=true", "offload_optimizer=true"):
        with pytest.raises(SlipstickError, match=r"plan\.offload"):
            TrainingSetting.of(WORK, bare, Plan.of(plan))
        blank = host.model_copy(update={"bandwidth": None})
        with pytest.raises(SlipstickError, match=r"plan\.offload"):
            TrainingSetting.of(WORK, SYSTEM.model_copy(update={"host": blank}), Plan.of(plan))


def test_the_stack_lists_the_layers_in_order_with_their_costs() -> None:
    first, second = decoder().kinds[0], decoder(parallel=True).kinds[0]
    blocks = tuple(block.model_copy(update={"count": count}) for block, count in ((first, 2), (second, 3), (first, 1)))
    network = Decoder(name="mixed", hidden=HIDDEN, vocabulary=WORDS, blocks=blocks)
    stack = TrainingSetting.of(Workload(network=network, batch=8, sequence=64), SYSTEM, Plan()).stack
    assert stack.order.tolist() == [0, 0, 1, 1, 1, 0]
    assert stack.costs.tolist() == [LAYER, LAYER]
    assert stack.head == WORDS * HIDDEN


def test_shapes_share_a_sequence_over_context_parallel_ranks() -> None:
    setting = TrainingSetting.of(WORK, SYSTEM, Plan())
    shape = setting.shape(Plans.of_columns(2, {"cp": [1, 4], "microbatch": 2, "tp": 2, "sp": True}))
    assert shape.query.tolist() == [1024, 256]
    assert shape.context.tolist() == [1024, 1024]
    assert shape.tokens.tolist() == [2048, 512]
    assert shape.normed.tolist() == [1024, 256]


def test_stages_alike_are_one_kind() -> None:
    order = np.array([0, 0, 0, 1, 1, 1, 1, 1], dtype=np.int64)
    kinds = _Stages.of(_LayerStack(order, np.ones(2)), Plans.of_columns(3, {"pp": [1, 4, 2], "interleave": [1, 1, 2]}))
    assert kinds.copies.tolist() == [[1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0]]
    assert kinds.layers[1].tolist() == [[2, 0], [1, 1], [0, 2], [0, 2]]
    assert kinds.layers[2, :2].tolist() == [[2, 2], [1, 3]]  # chunks of two, dealt in turn
    assert kinds.first[1].tolist() == [0, 1, 2, 3]
    assert (kinds.embedding[1].tolist(), kinds.head[1].tolist()) == ([1, 0, 0, 0], [0, 0, 0, 1])
    weighed = Plans.of_columns(1, {"pp": 3, "partition": PARTITION.index("balanced")})
    heavy = _Stages.of(_LayerStack(order, np.array([1.0, 1.0]), head=4.0), weighed)
    # twelve in all: four a stage, and the head by itself on the last
    assert heavy.layers[0].tolist() == [[3, 1], [0, 4], [0, 0]]
    assert heavy.head[0].tolist() == [0, 0, 1]
    uneven = _Stages.of(_LayerStack(order, np.array([1.0, 9.0])), Plans.of_columns(1, {"pp": 2}))
    assert uneven.layers[0].tolist() == [[3, 1], [0, 4]]  # by number alone
    ends = _Stages.of(
        _LayerStack(order, np.ones(2)), Plans.of_columns(1, {"pp": 5, "partition": PARTITION.index("ends")})
    )
    # ten in all, two a stage: the embedding is one of the first stage's, the head one of the last's
    assert ends.layers[0].sum(axis=1).tolist() == [1, 2, 2, 1]
    assert ends.copies[0].tolist() == [1, 1, 2, 1]
    total = kinds.on_stages([np.array([10.0] * 3), np.array([1.0] * 3)])
    assert total[1].tolist() == [20.0, 11.0, 2.0, 2.0]


def test_the_kernel_table_counts_layers_once_each_and_the_ends_once() -> None:
    rows = estimated(WORK, SYSTEM, Plan.of("tp=2,dp=4")).breakdowns["ops"].rows
    counts = {str(row[0]).partition(".")[0]: row[2] for row in rows}
    assert (counts["attention"], counts["mlp"], counts["head"]) == (LAYERS, LAYERS, 1)
    assert counts[str(next(row[0] for row in rows if str(row[0]).startswith("embedding"))).partition(".")[0]] == 1


def test_columns_of_context_and_expert_degrees_are_the_reports_figures() -> None:
    network = decoder(mlp=experts())
    work = Workload(network=network, batch=32, sequence=1024)
    axes = {"parallel.cp": (1, 2, 4), "parallel.tp": (1, 2), "parallel.etp": (1, 2)}
    points = list(itertools.product(*axes.values()))
    places = [np.array([values.index(point[k]) for point in points]) for k, values in enumerate(axes.values())]
    question = Question(work, SYSTEM, Plan.of("ep=2"))
    columns = TRAINING.columns(question, axes, places)
    known = 0
    for place, point in enumerate(points):
        plan = Plan.of({"ep": 2, **dict(zip(axes, point, strict=True))})
        try:
            report = estimated(work, SYSTEM, plan)
        except SlipstickError:
            assert np.isnan(columns["time.step"][place]), point
            continue
        known += 1
        assert columns["time.step"][place] == pytest.approx(report.value("time.step"), rel=1e-9), point
    assert known > 5
    left = TRAINING.columns(Question(work, SYSTEM, Plan.of("ep=2")), {"parallel.tp": (2, 4)}, [np.array([0, 1])])
    for place, tp in enumerate((2, 4)):
        report = estimated(work, SYSTEM, Plan.of(f"ep=2,tp={tp}"))
        assert left["time.step"][place] == pytest.approx(report.value("time.step"), rel=1e-9)
