"""A training step of one plan, computed again in plain Python from the equations of the papers, part by part.

Given are the seconds of one layer's kernels (`_layer_times`) and a linear price of messages. Sources: Shoeybi et al.
1909.08053 and Korthikanti et al. 2205.05198 (tensor and sequence parallelism), Narayanan et al. 2104.04473 (pipeline),
Rajbhandari et al. 1910.02054 (ZeRO), Liu et al. 2310.01889 (ring attention).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from cluster.toys import (
    DIM,
    DOWN,
    HEADS,
    HIDDEN,
    KV,
    LAYER,
    LAYERS,
    OUT,
    QKV,
    UP,
    WORDS,
    decoder,
    experts,
    price,
    training,
)
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.exposed_messages import _bytes_sent, _context_exchange, _expert_exchange
from slipstick.cluster.training.layer_time import _layer_times, _LayerTime
from slipstick.cluster.training.memory import _Residents
from slipstick.cluster.training.optimizer import _exposed_message
from slipstick.cluster.training.pipeline_stages import _Stages
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.cluster.training.training_step import training_step
from slipstick.engines.question import ask
from slipstick.networks.decoder.attention import Latent

BATCH, SEQUENCE, ELEMENT = 64, 1024, 2.0
GRADIENT, WEIGHT, STATES = 4.0, 2.0, 12.0  # bytes a parameter: fp32 sums, bf16, fp32 copy with two moments
# reads gradient, weight and two moments, writes weight and moments, the bf16 copy, and reads gradients for the norm
ADAM = 4 * 4 + 3 * 4 + 2 + 4


@dataclass
class Case:
    """One plan; fields as in `Plans`."""

    tp: int = 1
    pp: int = 1
    dp: int = 1
    cp: int = 1
    microbatch: int = 1
    interleave: int = 1
    zero: int = 0
    recompute: int = 0
    tp_pattern: int = 0
    tp_overlap: int = 0
    sp: bool = False
    regather: bool = True
    tp_async: bool = True
    dp_buckets: bool = True
    dp_overlap: bool = True
    pp_overlap: bool = False

    @property
    def plans(self) -> Plans:
        return Plans.of_columns(1, self.__dict__)

    @property
    def microbatches(self) -> int:
        return BATCH // (self.dp * self.microbatch)

    @property
    def tokens(self) -> float:
        return self.microbatch * SEQUENCE / self.cp


CASES = [
    Case(),
    Case(tp=4),
    Case(tp=4, tp_async=False),
    Case(tp=4, sp=True, tp_pattern=2),
    Case(tp=4, sp=True, tp_pattern=2, regather=False, tp_async=False),
    Case(tp=4, tp_overlap=1),
    Case(tp=4, tp_overlap=2, sp=True, tp_pattern=2),
    Case(tp=2, dp=8, microbatch=2),
    Case(tp=2, dp=8, dp_overlap=False),
    Case(dp=8, zero=1),
    Case(dp=8, zero=2, dp_overlap=False),
    Case(dp=8, zero=3, microbatch=2),
    Case(dp=8, zero=3, dp_overlap=False),
    Case(dp=8, zero=2, microbatch=6),
    Case(pp=2, dp=4, zero=2, microbatch=2),
    Case(pp=2, dp=4, zero=3, microbatch=2),
    Case(pp=2, dp=4, zero=3, tp=2, dp_overlap=False),
    Case(pp=4, dp=2),
    Case(pp=4, dp=2, pp_overlap=True, recompute=2),
    Case(pp=2, interleave=2, tp=2, dp=4, recompute=1),
    Case(pp=2, tp=4, tp_pattern=1),
    Case(cp=4, dp=2, recompute=2),
    Case(pp=2, dp=4, zero=1, microbatch=4, interleave=4, tp=2),
]


def scatters_each(case: Case) -> bool:
    """Whether the gradients of each microbatch are scattered: with ZeRO-3, and with ZeRO-2 without a pipeline."""
    return case.zero == 3 or (case.zero == 2 and (case.pp == 1 or case.microbatches == 1))


def hidden_behind(message: float, compute: float, slowdown: float) -> float:
    """What a message beside a computation adds to it: what sticks out, and what it takes from the memory."""
    return max(0.0, message - compute) + slowdown * min(message, compute)


def tensor_waits(case: Case, layer: _LayerTime, slowdown: float) -> tuple[float, float]:
    """Seconds (forward, backward) of one layer's tensor parallel messages that nothing hides."""
    size = case.tokens * HIDDEN * ELEMENT
    reduce, gather = price("all_reduce", size, case.tp, 1), price("all_gather", size, case.tp, 1)
    split = case.tp_pattern == 2
    way = 2 * (2 * gather if split else reduce)  # behind attention and behind the feed-forward part
    products, data, weight = (
        float(getattr(layer, name)[0]) for name in ("products", "data_gradient", "weight_gradient")
    )
    chunks = {0: 1, 1: case.tp, 2: 2}[case.tp_overlap]
    if chunks == 1:
        forward, backward = way, way
        if case.tp_async:  # the all-reduce, or the scatter, runs beside the weights' gradients
            alone = way / 2 if split else 0.0
            backward = alone + hidden_behind(way - alone, weight, slowdown)
    else:
        forward, backward = (
            max(0.0, way - compute) + min(way, compute) / chunks + slowdown * min(way, compute) * (1 - 1 / chunks)
            for compute in (products, data + weight)
        )
    again = 2 * gather if split and case.regather else 0.0
    return forward, backward + hidden_behind(again, data, slowdown)


def stage_parameters(case: Case, stage: int) -> float:
    """Parameters of a stage on one device: products divided by tp, norms on every rank, the ends where they are."""
    share = (LAYER - 2 * HIDDEN) / case.tp + 2 * HIDDEN
    ends = WORDS * HIDDEN / case.tp * (stage == 0) + (WORDS * HIDDEN / case.tp + HIDDEN) * (stage == case.pp - 1)
    return LAYERS / case.pp * share + ends


def layer_costs(case: Case, setting: TrainingSetting, layer: _LayerTime) -> dict[str, float]:
    """Seconds of one layer and microbatch by part."""
    steps = setting.chip.steps
    ahead, back = tensor_waits(case, layer, steps.overlap_slowdown)
    forward, backward, core = float(layer.forward[0]), float(layer.backward[0]), float(layer.core[0])
    again = case.recompute == 2
    keys = case.microbatch * SEQUENCE * 2 * KV * DIM / min(case.tp, KV) * ELEMENT
    ring = price("all_gather", keys, case.cp, case.tp)
    context = max(0.0, ring - core) + max(0.0, 2 * ring - 2 * core)
    sharded = 0.0
    if scatters_each(case) or case.zero == 3:
        size = (LAYER - 2 * HIDDEN) / case.tp + 2 * HIDDEN
        gather = price("all_gather", size * WEIGHT, case.dp * case.cp, case.tp) if case.zero == 3 else 0.0
        scatter = price("reduce_scatter", size * GRADIENT, case.dp * case.cp, case.tp) if scatters_each(case) else 0.0
        last = 1 / case.microbatches  # whose scatter is that of the step
        sharded = 2 * gather + (1 - last) * scatter
        if case.dp_overlap:
            hides = core if case.cp > 1 else 0.0
            first, room = max(0.0, gather - (forward - hides)), backward - 2 * hides
            sharded = first + (1 - last) * max(0.0, gather + scatter - room) + last * max(0.0, gather - room)
    split = case.tp_pattern == 2
    started = 2 * ((4 if split else 2) + (1 if split and case.regather else 0)) if case.tp > 1 else 0
    collective = steps.host_collective + case.tp * max(tier.constants.host for tier in setting.tiers)
    return {
        "forward": forward,
        "backward": backward,
        "recompute": {0: 0.0, 1: core, 2: forward}[case.recompute],
        "tensor_parallel": ahead * (2 if again else 1) + back,
        "context_parallel": context if case.cp > 1 else 0.0,
        "data_parallel": sharded,
        "host": float(layer.host_forward[0]) * (2 if again else 1)
        + float(layer.host_backward[0])
        + started * collective,
    }


def by_hand(case: Case, setting: TrainingSetting) -> dict[str, float]:
    """Seconds of a step by part."""
    (layer,), embedding, head = _layer_times(setting, case.plans)
    one = layer_costs(case, setting, layer)
    reduce = price("all_reduce", case.tokens * HIDDEN * ELEMENT, case.tp, 1)
    stages = []
    for stage in range(case.pp):
        cost = {part: LAYERS / case.pp * seconds for part, seconds in one.items()}
        for end in [embedding] * (stage == 0) + [head] * (stage == case.pp - 1):
            cost["forward"] += float(end.forward[0])
            cost["backward"] += float(end.backward[0])
            cost["host"] += float(end.host_forward[0] + end.host_backward[0])
            cost["tensor_parallel"] += reduce
        cost["host"] = max(0.0, cost["host"] - sum(value for part, value in cost.items() if part != "host"))
        stages.append(cost)
    busy = [sum(cost.values()) for cost in stages]
    slowest = stages[int(np.argmax(busy))]
    step = {part: case.microbatches * seconds for part, seconds in slowest.items()}
    step["bubble"] = (sum(busy) - max(busy)) / case.interleave
    step["pipeline_parallel"] = pipeline(case)
    step["data_parallel"] += update(case, setting, stages)
    moved = max(stage_parameters(case, stage) for stage in range(case.pp)) / (case.dp * case.cp if case.zero else 1)
    step["optimizer"] = moved * ADAM / (setting.chip.dram_bandwidth * setting.chip.steps.optimizer_efficiency)
    step["overhead"] = setting.chip.steps.step_overhead
    return step


def pipeline(case: Case) -> float:
    if case.pp == 1:
        return 0.0
    size = case.tokens * HIDDEN * ELEMENT
    message = price("point_to_point", size / (case.tp if case.tp_pattern else 1), 2, case.tp * case.cp * case.dp)
    if case.tp_pattern == 1:
        message += price("all_gather", size, case.tp, 1)
    crossings = (0 if case.pp_overlap else case.microbatches * case.interleave) + case.pp - 1
    return 2 * crossings * message


def update(case: Case, setting: TrainingSetting, stages: list[dict[str, float]]) -> float:
    """Seconds that the step waits for gradients and weights: the slowest stage decides."""
    passes = min(case.microbatches, 1 + case.pp * (case.interleave - 1) / case.interleave)
    waits = []
    for stage, cost in enumerate(stages):
        parameters, ranks = stage_parameters(case, stage), case.dp * case.cp
        reduced = price("all_reduce" if case.zero == 0 else "reduce_scatter", parameters * GRADIENT, ranks, case.tp)
        gathered = price("all_gather", parameters * WEIGHT, ranks, case.tp) if case.zero in (1, 2) else 0.0
        if case.dp_overlap and case.zero < 3:
            reduced = in_buckets(reduced, passes * cost["backward"], setting.chip.steps.overlap_slowdown)
            gathered = in_buckets(gathered, passes * cost["forward"], setting.chip.steps.overlap_slowdown)
        waits.append(reduced + gathered)
    return max(waits)


def in_buckets(message: float, compute: float, slowdown: float) -> float:
    """Seconds of a message whose last twentieth has nothing left to hide it, and which slows what hides the rest."""
    window = 0.95 * compute
    return min(message, max(message - window, 0.05 * message) + slowdown * min(message, window))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_parts_of_a_step_are_those_of_the_equations(case: Case) -> None:
    setting = training()
    step = training_step(setting, case.plans)
    expected = by_hand(case, setting)
    for part, seconds in step.parts.items():
        assert float(seconds[0]) == pytest.approx(expected.get(part, 0.0), rel=1e-9, abs=1e-15), part
    assert float(step.time[0]) == pytest.approx(sum(expected.values()))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_memory_of_a_step_is_that_of_the_equations(case: Case) -> None:
    setting = training()
    residents = training_step(setting, case.plans).residents
    kinds = _Stages.of(setting.stack, case.plans)
    ranks = case.dp * case.cp
    for kind in np.flatnonzero(kinds.copies[0]):
        stage = int(kinds.first[0, kind])
        parameters = stage_parameters(case, stage)
        for level, bytes_each, part in ((3, WEIGHT, "weights"), (2, GRADIENT, "gradients"), (1, STATES, "optimizer")):
            sharded = scatters_each(case) if part == "gradients" else case.zero >= level
            expected = parameters * bytes_each / (ranks if sharded else 1)
            assert float(getattr(residents, part)[0, kind]) == pytest.approx(expected), part
        depth = min(case.microbatches, case.pp - stage + (case.pp - 1) / case.interleave * (case.interleave > 1))
        kept = activations(case)
        stored = {
            0: sum(kept.values()),
            1: sum(kept.values()) - kept["statistics"],
            2: norm_tokens(case) * HIDDEN * ELEMENT,
        }
        assert float(residents.activations[0, kind]) == pytest.approx(LAYERS / case.pp * stored[case.recompute] * depth)
        rebuilt = {0: 0.0, 1: kept["statistics"], 2: sum(kept.values())}[case.recompute]
        assert float(residents.recomputed[0, kind]) == pytest.approx(rebuilt)
        tokens = case.tokens
        inner = tokens * 3 * DOWN / HIDDEN / case.tp
        sizes = (LAYER - 2 * HIDDEN) / case.tp + 2 * HIDDEN
        gathered = sizes * (2 * WEIGHT * (case.zero == 3) + ELEMENT * scatters_each(case))
        assert float(residents.gathered[0, kind]) == pytest.approx(gathered)
        working = UP / case.tp * 4.0 + inner * ELEMENT + 3 * tokens * HIDDEN * ELEMENT
        assert float(residents.working[0, kind]) == pytest.approx(working)
        logits = 2 * norm_tokens(case) * HIDDEN * ELEMENT + tokens * WORDS / case.tp * 4.0
        assert float(residents.ends[0, kind]) == pytest.approx(logits * (stage == case.pp - 1))
    assert float(residents.total.max()) == pytest.approx(float(training_step(setting, case.plans).peak_memory[0]))


def norm_tokens(case: Case) -> float:
    return case.tokens / (case.tp if case.sp else 1)


def activations(case: Case) -> dict[str, float]:
    """Bytes that one layer keeps of a microbatch, with fused attention."""
    normed = norm_tokens(case)
    gathered = case.tokens if case.sp and not case.regather else normed
    return {
        "norms": 2 * (normed + gathered) * HIDDEN * ELEMENT,
        "queries": case.tokens * 2 * HEADS * DIM / case.tp * ELEMENT,  # queries, and what the core gives
        "keys": case.tokens * 2 * KV * DIM / min(case.tp, KV) * ELEMENT,
        "feed_forward": case.tokens * 3 * DOWN / HIDDEN / case.tp * ELEMENT,  # gate, up, and their product
        "statistics": case.tokens * HEADS / case.tp * 4.0,  # of the softmax, fp32
    }


def test_bytes_sent_are_those_of_the_algorithms() -> None:
    case = Case(tp=4, pp=2, dp=8, sp=True, tp_pattern=2, microbatch=2, interleave=2)
    step = training_step(training(), case.plans)
    activation = case.tokens * HIDDEN * ELEMENT * case.microbatches
    layers = LAYERS / case.pp
    # two all-reduces each way send 2 (t - 1) / t of an activation each; the backward pass gathers twice more
    tensor = layers * activation * (3 / 4) * (2 * 2 * 2 + 2)
    assert float(step.messages["tensor_parallel"][0]) == pytest.approx(tensor)
    # one of two stages sends in each direction, for each of its chunks, a quarter of an activation
    assert float(step.messages["pipeline_parallel"][0]) == pytest.approx(2 * activation / 4 * 2 / 2)
    parameters = (stage_parameters(case, 0) + stage_parameters(case, 1)) / 2
    assert float(step.messages["data_parallel"][0]) == pytest.approx(2 * parameters * GRADIENT * 7 / 8)
    assert float(step.messages["expert_parallel"][0]) == float(step.messages["context_parallel"][0]) == 0.0
    assert float(step.sent[0]) == pytest.approx(sum(float(sent[0]) for sent in step.messages.values()))
    whole = training_step(training(), Case(tp=4, pp=2).plans).messages["pipeline_parallel"]
    assert float(whole[0]) == pytest.approx(2 * SEQUENCE * HIDDEN * ELEMENT * BATCH / 2)  # every rank sends all of it
    again = training_step(training(), Case(tp=4, recompute=2).plans).messages["tensor_parallel"]
    once = training_step(training(), Case(tp=4).plans).messages["tensor_parallel"]
    assert float(again[0]) == pytest.approx(1.5 * float(once[0]))  # the forward pass runs twice
    context = training_step(training(), Case(cp=4, tp=2).plans).messages["context_parallel"]
    # keys and values go round the ring of cp ranks once forward, and with their gradients twice backward
    assert float(context[0]) == pytest.approx(3 * 3 * BATCH * SEQUENCE / 4 * 2 * KV * DIM / 2 * ELEMENT * LAYERS)


@pytest.mark.parametrize("tp_pattern", [0, 1, 2])
def test_bytes_sent_of_odd_degrees_are_no_whole_numbers(tp_pattern: int) -> None:
    """Degrees that divide nothing: what a device sends on the average, message after message."""
    tp, pp, cp, dp, ep, etp, microbatch, interleave = 3, 7, 5, 2, 3, 2, 4, 3
    setting = training(network=decoder(mlp=experts()))
    plans = Plans.of_columns(1, {
        "tp": tp, "pp": pp, "cp": cp, "dp": dp, "ep": ep, "etp": etp, "microbatch": microbatch,
        "interleave": interleave, "tp_pattern": tp_pattern, "regather": tp_pattern == 2, "recompute": 1,
    })  # fmt: skip
    sent = {name: float(value[0]) for name, value in _bytes_sent(setting, plans, np.array([1001.0 / GRADIENT])).items()}
    tokens = microbatch * SEQUENCE / cp  # of a context rank
    microbatches, layers = BATCH // (dp * microbatch), LAYERS / pp  # of the average stage
    activation = tokens * HIDDEN * ELEMENT
    reduced = 2 * activation * (tp - 1) / tp  # a ring's all-reduce, or its scatter and gather
    again = 2 * activation * (tp - 1) / tp if tp_pattern == 2 else 0.0  # two gathers in the backward pass
    assert sent["tensor_parallel"] == pytest.approx(layers * microbatches * (4 * reduced + again), rel=1e-12)
    boundary = activation / (tp if tp_pattern else 1)
    assert sent["pipeline_parallel"] == pytest.approx(
        microbatches * 2 * boundary * interleave * (pp - 1) / pp, rel=1e-12
    )
    assert sent["data_parallel"] == pytest.approx(2 * 1001.0 * (dp * cp - 1) / (dp * cp), rel=1e-12)
    dispatched = tokens * 2 * HIDDEN * ELEMENT * etp / tp * (ep - 1) / ep  # two experts a token
    assert sent["expert_parallel"] == pytest.approx(layers * microbatches * 4 * dispatched, rel=1e-12)
    keys = tokens * 2 * KV * DIM / tp * ELEMENT * (cp - 1)
    assert sent["context_parallel"] == pytest.approx(layers * microbatches * 3 * keys, rel=1e-12)


def test_shards_are_sent_with_every_microbatch() -> None:
    """ZeRO-2 scatters gradients each time and gathers weights once; ZeRO-3 gathers weights twice a microbatch."""
    setting, parameters = training(), np.full(4, 1001.0)
    columns = {"dp": 8, "pp": [1, 2, 1, 2], "zero": [2, 2, 3, 3]}
    sent = _bytes_sent(setting, Plans.of_columns(4, columns), parameters)["data_parallel"]
    times = BATCH // 8
    each = [times * GRADIENT + GRADIENT, 2 * GRADIENT, *[times * (GRADIENT + 2 * WEIGHT)] * 2]  # with a pipeline once
    assert times > 1
    assert sent.tolist() == pytest.approx([7 / 8 * 1001.0 * size for size in each])


def test_zero_gathers_experts_over_their_copies() -> None:
    """Experts whose ranks hold no copies are never gathered; dense weights are."""
    setting = training(network=decoder(mlp=experts()))
    alone, copied = (
        training_step(setting, Plans.of_columns(1, {"dp": 8, "ep": ep, "etp": 1, "zero": 3})) for ep in (8, 4)
    )
    dense, own = (float(part[0]) for part in alone.residents.layer_weights[0])
    assert own > 0
    assert float(alone.residents.gathered[0, 0]) == pytest.approx(dense * (2 * WEIGHT + ELEMENT))
    dense, own = (float(part[0]) for part in copied.residents.layer_weights[0])
    assert float(copied.residents.gathered[0, 0]) == pytest.approx((dense + own) * (2 * WEIGHT + ELEMENT))


def test_layers_of_more_parameters_than_may_be_whole_are_gathered_in_pieces() -> None:
    """GPT 530B has layers of 5 G parameters, whose largest tensor has 1.7 G; on 8 tensor parallel ranks 0.2 G."""
    asked = ask("mt-nlg-530b", "selene:640", batch=2560)
    setting = TrainingSetting.of(asked.workload, asked.system, asked.plan)
    columns = {"tp": [1, 8], "dp": [640, 80], "microbatch": [4, 4], "zero": 3}
    residents = training_step(setting, Plans.of_columns(2, columns)).residents
    (layer,) = (dense for dense, _ in residents.layer_weights)
    assert layer[0] > 5e9 > 1e9 > layer[1] > 0.6e9
    tensor = 4 * 20480**2
    assert residents.gathered[:, 0].tolist() == pytest.approx([tensor * 4.0, 1e9 * 2.0 + float(layer[1]) * 2.0])


def test_one_stage_sends_to_no_other_and_two_do() -> None:
    setting = training()
    plans = Plans.of_columns(3, {"pp": [1, 2, 3], "microbatch": [1, 1, 1]})
    sent = _bytes_sent(setting, plans, np.zeros(3))["pipeline_parallel"]
    assert sent.tolist() == pytest.approx([2 * SEQUENCE * HIDDEN * ELEMENT * BATCH * n / d for n, d in
                                           ((0, 1), (1, 2), (2, 3))])  # fmt: skip


def test_experts_are_reached_by_two_exchanges_each_way() -> None:
    setting = training(network=decoder(mlp=experts()))
    plans = Plans.of_columns(1, {"tp": 2, "dp": 4, "ep": 4, "etp": 1, "microbatch": 2})
    size = 2 * SEQUENCE * 2 * HIDDEN * ELEMENT / 2  # two experts a token; two tensor parallel ranks share the tokens
    exchange = 2 * price("all_to_all", size, 4, 1)
    assert float(_expert_exchange(setting, plans, setting.blocks[0])[0]) == pytest.approx(exchange)
    step = training_step(setting, plans)
    assert float(step.parts["expert_parallel"][0]) == pytest.approx(exchange * 2 * LAYERS * BATCH / 8)
    sent = BATCH / 4 * SEQUENCE * 2 * HIDDEN * ELEMENT / 2 * 3 / 4  # of a pass; dispatch and combine, both ways
    assert float(step.messages["expert_parallel"][0]) == pytest.approx(sent * 4 * LAYERS)
    one = training_step(setting, Plans.of_columns(1, {"dp": 8, "ep": 1}))
    assert float(one.parts["expert_parallel"][0]) == 0.0
    weights = step.residents.experts[0, 0]
    assert float(weights) == pytest.approx(LAYERS * 8 / 4 * 3 * HIDDEN * 256)  # a quarter of the experts, whole
    zero = training_step(setting, Plans.of_columns(1, {"tp": 2, "dp": 4, "ep": 4, "etp": 1, "zero": 1}))
    dense = float(zero.residents.dense[0, 0])
    assert float(zero.residents.optimizer[0, 0]) == pytest.approx(STATES * (dense / 4 + float(weights) / 2))
    chip = setting.chip
    moved = (dense / 4 + float(weights) / 2) * ADAM
    expected = moved / (chip.dram_bandwidth * chip.steps.optimizer_efficiency)
    assert float(zero.parts["optimizer"][0]) == pytest.approx(expected)


def test_parallel_blocks_have_one_message_and_one_norm_less() -> None:
    both = [training_step(training(network=decoder(parallel=flag)), Case(tp=4).plans) for flag in (True, False)]
    end = 2 * price("all_reduce", SEQUENCE * HIDDEN * ELEMENT, 4, 1) * BATCH
    one, two = (float(step.parts["tensor_parallel"][0]) - end for step in both)
    ahead = price("all_reduce", SEQUENCE * HIDDEN * ELEMENT, 4, 1) * LAYERS * BATCH
    assert one >= ahead * (1 - 1e-9)
    assert one < two
    kept = [float(step.residents.layer_activations[0][0]) for step in both]
    assert kept[1] - kept[0] == pytest.approx(2 * SEQUENCE * HIDDEN * ELEMENT)


def test_tensors_without_buckets_wait_for_the_latency_of_each() -> None:
    """Messages of 200 MB each: what does not grow with the size is paid once a message."""
    latency, rate = 2e-3, 1e-10

    def slow(op: str, size: float, ranks: int, stride: int) -> float:
        return latency + rate * size if ranks > 1 else 0.0

    setting = training(network=decoder(layers=400))
    setting = replace(setting, tiers=[replace(tier, price=slow) for tier in setting.tiers])
    case = Case(dp=8, dp_overlap=False, dp_buckets=False)
    gradient = (400 * LAYER + 2 * WORDS * HIDDEN + HIDDEN) * GRADIENT
    waits = max(latency + rate * gradient, latency * gradient / 200e6)
    assert float(training_step(setting, case.plans).parts["data_parallel"][0]) == pytest.approx(waits)
    shards = Case(dp=8, zero=1, dp_overlap=False, dp_buckets=False)
    share = setting.chip.steps.shard_efficiency
    scatter, gather = (latency + rate * size / share for size in (gradient, gradient * WEIGHT / GRADIENT))
    assert float(training_step(setting, shards.plans).parts["data_parallel"][0]) == pytest.approx(scatter + gather)
    whole = Case(dp=8, zero=3, dp_overlap=False, dp_buckets=False)
    tensors = 400 * (4 + 2)  # four products and two norms a layer
    one = latency + rate * gradient / tensors / share
    layer = 6 / share * (latency + rate * LAYER * WEIGHT / 6)
    earlier = 6 / share * (latency + rate * LAYER * GRADIENT / 6)  # gradients of the microbatches before the last
    expected = tensors * one + 2 * layer * 400 * BATCH / 8 + earlier * 400 * (BATCH / 8 - 1)
    assert float(training_step(setting, whole.plans).parts["data_parallel"][0]) == pytest.approx(expected)


def test_offloaded_tensors_leave_two_layers_on_the_device() -> None:
    setting = training("offload_weights=true")
    near = training_step(setting, Case(dp=2).plans)
    columns = {**Case(dp=2).__dict__, "offload_weights": True, "offload_optimizer": True, "offload_activations": True}
    far = training_step(setting, Plans.of_columns(1, columns))
    moved = 0.0
    for part in ("weights", "optimizer", "activations"):
        held = float(getattr(near.residents, part)[0, 0])
        assert float(getattr(far.residents, part)[0, 0]) == pytest.approx(held * 2 / LAYERS)
        moved += held
    assert float(far.residents.host[0, 0]) == pytest.approx(moved)
    (layer,), *_ = _layer_times(setting, Case(dp=2).plans)
    rate = setting.host_bandwidth
    assert rate > 0
    kept = float(near.residents.layer_activations[0][0])
    ahead = (LAYER * WEIGHT + kept) / rate
    back = ahead + LAYER * GRADIENT / rate
    waits = max(0.0, ahead - float(layer.forward[0])) + max(0.0, back - float(layer.backward[0]))
    assert waits > 0
    assert float(far.parts["offload"][0]) == pytest.approx(waits * LAYERS * BATCH / 2)
    parameters = LAYERS * LAYER + 2 * WORDS * HIDDEN + HIDDEN
    chip = setting.chip
    slow = max(parameters * ADAM / rate, parameters * ADAM / (chip.dram_bandwidth * chip.steps.optimizer_efficiency))
    assert float(far.parts["optimizer"][0]) == pytest.approx(slow)


def test_a_message_in_buckets_is_never_shorter_than_its_last_bucket_nor_longer_than_itself() -> None:
    message, compute = np.array([1.0, 1.0, 1.0, 0.0]), np.array([0.0, 0.5, 100.0, 1.0])
    assert _exposed_message(message, compute, 0.0) == pytest.approx([1.0, 1 - 0.475, 0.05, 0.0])
    assert _exposed_message(message, compute, 0.1) == pytest.approx([1.0, 1 - 0.475 + 0.0475, 0.15, 0.0])


def test_tied_heads_and_learned_positions_are_held_where_they_are_used() -> None:
    network = decoder(tied_embeddings=True, positions=50, norm="layer", dropout=True)
    setting = training(network=network)
    for pp, first, last in ((1, WORDS / 2 + 50, 0.0), (2, WORDS / 2 + 50, WORDS / 2)):
        plans = Plans.of_columns(1, {"tp": 2, "pp": pp})
        ends = _Residents.of(setting, plans, _Stages.of(setting.stack, plans)).end_weights[0]
        if pp == 1:
            assert float(ends[0]) == pytest.approx(first * HIDDEN + 2 * HIDDEN)
        else:
            assert ends.tolist() == pytest.approx([first * HIDDEN, last * HIDDEN + 2 * HIDDEN])
    plain, masked = (
        _Residents.of(s, p, _Stages.of(s.stack, p))
        for s, p in ((training(), Case().plans), (training(network=decoder(dropout=True)), Case().plans))
    )
    masks = SEQUENCE * HIDDEN  # a byte each: behind the embedding, behind attention and the feed-forward part
    assert float((masked.ends - plain.ends)[0, 0]) == pytest.approx(masks)
    assert float(masked.layer_activations[0][0] - plain.layer_activations[0][0]) == pytest.approx(2 * masks)


def test_the_toy_decoder_has_the_sizes_that_are_used_here() -> None:
    assert decoder().layer_parameters(decoder().kinds[0]) == QKV + OUT + UP + DOWN + 2 * HIDDEN


def test_context_parallel_ranks_exchange_expanded_keys_and_values() -> None:
    """Of latent attention the keys and values of all heads travel, not the latent that is cached."""
    latent = Latent(heads=HEADS, q_lora=None, kv_lora=128, nope_dim=32, rope_dim=16, v_dim=32)
    block = decoder().kinds[0].model_copy(update={"attention": latent})
    for network, width in (
        (decoder(), 2 * KV * DIM),
        (decoder().model_copy(update={"blocks": (block,)}), HEADS * (32 + 16 + 32)),
    ):
        setting, plans = training(network=network), Plans.of_columns(1, {"cp": 2})
        layers, _, _ = _layer_times(setting, plans)
        uncovered = replace(layers[0], core=np.zeros(1))  # nothing hides the messages
        seconds = _context_exchange(setting, plans, network.kinds[0], uncovered)
        once = price("all_gather", SEQUENCE * width * ELEMENT, 2, 1)
        assert float(seconds[0]) == pytest.approx(3 * once)  # keys and values once, and with their gradients back
