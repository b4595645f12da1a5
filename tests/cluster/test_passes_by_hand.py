"""Passes of inference and serving engines, computed again by hand from seconds of kernels and a price of messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cluster.asking import estimated
from cluster.toys import DIM, FFN, HIDDEN, KV, LAYER, LAYERS, WORDS, decoder, experts, price
from slipstick.cluster.constants.serving_stack import _Stack, stacks
from slipstick.cluster.inference import serving
from slipstick.cluster.inference.inference_pass import (
    _decode_step,
    _inference_shape,
    _InferencePass,
    _InferenceSetting,
    _kernel_lists,
    _largest_batch,
    _prefill,
    _serving_memory,
)
from slipstick.cluster.inference.serving import (
    _continuous_batch,
    _Load,
    _speculative_time,
    _split_service,
    _static_batch,
)
from slipstick.cluster.kernels.decoder_kernels import _decoder_kernels
from slipstick.cluster.kernels.kernel_times import _time_kernels
from slipstick.cluster.sweep.plans import Plans
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.workload import Phase, Workload
from slipstick.networks.decoder.attention import Linear
from slipstick.networks.decoder.decoder import Decoder


def setting_of(plan: str = "stack=early", network: Decoder | None = None) -> _InferenceSetting:
    workload = Workload(network=network or decoder(), phase=Phase.DECODE)
    setting = _InferenceSetting.of(workload, resolve_system("h100-sxm-80gb:8"), Plan.of(plan))
    return replace(setting, tiers=[replace(tier, price=price) for tier in setting.tiers])


def plans_of(**columns: Any) -> Plans:
    return Plans.of_columns(1, columns)


def number(value: Any) -> float:
    return float(np.ravel(value)[0])


def kernel_seconds(setting: _InferenceSetting, plans: Plans, phase: Phase, *sizes: int) -> dict[str, tuple[float, ...]]:
    """Seconds, operations, bytes and launches of each kernel of all layers, by its name."""
    shape = _inference_shape(plans, *sizes)
    lists = _decoder_kernels(setting.decoder, shape, phase, setting.precision, fused=setting.fused)
    table = {}
    for kernels, count in zip(lists, (LAYERS, 1, 1), strict=True):
        times = _time_kernels(kernels, setting.chip, 1)
        for place, kernel in enumerate(kernels):
            columns = (times.time, times.flops, times.traffic)
            table[kernel.name] = (*(count * float(column[place, 0]) for column in columns), count * kernel.launches)
    return table


GROUPS = {
    "projections": ("attention.qkv", "attention.out", "mlp.gate_up", "mlp.down"),
    "attention": ("attention.core",),
    "head": ("head.logits",),
    "elementwise": (
        "attention.norm", "attention.cache", "attention.residual", "mlp.norm", "mlp.activation", "mlp.residual",
        "embedding", "head.norm", "head.loss",
    ),
}  # fmt: skip


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize(("tp", "pp"), [(1, 1), (4, 1), (2, 2)])
def test_a_decode_step_is_its_kernels_messages_and_launches(tp: int, pp: int, graphs: bool) -> None:
    setting, plans = setting_of(f"stack=early,cuda_graphs={str(graphs).lower()}"), plans_of(tp=tp, pp=pp)
    step = _decode_step(setting, plans, 16, 500)
    table = kernel_seconds(setting, plans, Phase.DECODE, 16, 1, 500)
    assert set(table) == {name for names in GROUPS.values() for name in names}
    for part, names in GROUPS.items():
        assert number(step.parts[part]) == pytest.approx(sum(table[name][0] for name in names)), part
    steps = setting.chip.steps
    gap = steps.replay_launch if graphs else steps.eager_launch
    assert number(step.parts["launch"]) == pytest.approx(gap * sum(row[3] for row in table.values()))
    assert number(step.parts["overhead"]) == steps.token_overhead
    size = 16 * HIDDEN * 2
    reduces = 2 * LAYERS * price("all_reduce", size, tp, 1) + price("all_gather", 4 * 16, tp, 1)
    assert number(step.parts["tensor_parallel"]) == pytest.approx(reduces)
    crossing = (pp - 1) * price("point_to_point", size / tp, 2, tp)
    assert number(step.parts["pipeline_parallel"]) == pytest.approx(crossing)
    assert number(step.parts["expert_parallel"]) == number(step.parts["experts"]) == 0.0
    assert number(step.time) == pytest.approx(sum(number(part) for part in step.parts.values()))
    assert number(step.flops) == pytest.approx(sum(row[1] for row in table.values()) / pp)
    assert number(step.traffic) == pytest.approx(sum(row[2] for row in table.values()) / pp)
    sent = 2 * LAYERS / pp * 2 * size * (tp - 1) / tp + (size / tp * (pp - 1) / pp)
    assert number(step.sent) == pytest.approx(sent)


def test_the_host_launches_a_prompts_layers_ahead_of_the_device() -> None:
    setting, plans = setting_of(), plans_of()
    table = kernel_seconds(setting, plans, Phase.PREFILL, 1, 16, 16)
    gaps = setting.chip.steps.replay_launch * sum(row[3] for row in table.values())
    for eager, waits in ((0.0, False), (1e-3, True)):
        slow = replace(setting, stack=setting.stack.model_copy(update={"eager_layer": eager}))
        passed = _prefill(slow, plans, 1, 16)
        others = number(passed.time) - number(passed.parts["launch"])
        expected = max(gaps, eager * LAYERS - others) if waits else gaps
        assert number(passed.parts["launch"]) == pytest.approx(expected)
    assert number(_prefill(setting, plans, 1, 16, 48).flops) > number(_prefill(setting, plans, 1, 16).flops)


def test_experts_are_found_by_small_kernels_and_reached_by_two_exchanges() -> None:
    setting = setting_of(network=decoder(mlp=experts()))
    near, far = plans_of(tp=2), plans_of(tp=2, dp=2, ep=4, etp=1)
    together, apart = _decode_step(setting, near, 8, 100), _decode_step(setting, far, 8, 100)
    assert number(together.parts["expert_parallel"]) == 0.0
    size = 8 * HIDDEN * 2 * 2 / 2  # two experts a token; two ranks hold the same tokens
    assert number(apart.parts["expert_parallel"]) == pytest.approx(2 * LAYERS * price("all_to_all", size, 2, 2))
    assert number(together.parts["experts"]) > 0
    kernels = _decoder_kernels(
        setting.decoder, _inference_shape(near, 8, 1, 100), Phase.DECODE, setting.precision, fused=True
    )
    launches = LAYERS * (len(kernels[0]) + 7) + sum(
        len(part) for part in kernels[1:]
    )  # 8 kernels in place of a permutation
    assert number(together.parts["launch"]) == pytest.approx(launches * setting.chip.steps.replay_launch)


@pytest.mark.parametrize("kind", ["one_shot", "two_shot"])
def test_small_reductions_read_the_peers_memory(kind: str) -> None:
    setting = setting_of()
    setting = replace(setting, stack=setting.stack.model_copy(update={"all_reduce": kind}))
    inner, steps = setting.tiers[0], setting.chip.steps
    assert steps.one_shot > 0
    rate = inner.bandwidth * steps.peer_efficiency
    gather = price("all_gather", 4 * 2000, 4, 1)
    for batch in (1, 64, 2000):
        size = batch * HIDDEN * 2
        shots = [steps.one_shot + 3 * size / rate]
        if kind == "two_shot":
            shots.append(2 * steps.one_shot + 2 * 3 / 4 * size / rate)
        expected = 2 * LAYERS * min(price("all_reduce", size, 4, 1), *shots) + gather * batch / 2000
        step = _decode_step(setting, plans_of(tp=4), batch, 100)
        assert number(step.parts["tensor_parallel"]) == pytest.approx(expected)
    alone = _decode_step(setting, plans_of(tp=1), 8, 100)
    assert number(alone.parts["tensor_parallel"]) == 0.0
    wide = _decode_step(setting, plans_of(tp=16), 8, 100)  # beyond the fabric of a node: the library's
    library = 2 * LAYERS * price("all_reduce", 8 * HIDDEN * 2, 16, 1) + price("all_gather", 4 * 8, 16, 1)
    assert number(wide.parts["tensor_parallel"]) == pytest.approx(library)


@pytest.mark.parametrize(("tp", "pp"), [(1, 1), (2, 1), (8, 1), (2, 2)])
def test_a_device_holds_weights_cache_and_activations(tp: int, pp: int) -> None:
    setting, plans = setting_of("stack=early,matmul=fp8,kv_cache=fp8"), plans_of(tp=tp, pp=pp)
    memory = _serving_memory(setting, plans, 10, 300, 4)
    layer = (LAYER - 2 * HIDDEN) / tp + 2 * HIDDEN
    extra = (max(0, tp / KV - 1)) * 2 * KV * DIM * HIDDEN / tp  # key and value heads that are copied
    weights = LAYERS * (layer + extra) / pp + (2 * WORDS * HIDDEN / tp + HIDDEN) * 2
    assert number(memory.weights) == pytest.approx(weights)
    assert number(memory.cache) == pytest.approx(10 * 300 * 2 * KV * DIM / min(tp, KV) * LAYERS / pp)
    widest = 2 * FFN + HIDDEN
    assert number(memory.activations) == pytest.approx(40 * (4 * HIDDEN + widest / tp) * 2)
    assert number(memory.total) == pytest.approx(
        number(memory.weights) + number(memory.cache) + number(memory.activations)
    )
    one = _serving_memory(setting, plans, 1, 300, 1)
    none = _serving_memory(setting, plans, 0, 300, 1)
    each = number(one.total) - number(none.total)
    assert int(_largest_batch(setting, plans, 300, number(none.total) + 7.5 * each)[0]) == 7
    assert int(_largest_batch(setting, plans, 300, 0.5 * number(none.total))[0]) == 0


def test_windows_bound_the_cache() -> None:
    block = decoder().kinds[0]
    near = block.model_copy(update={"attention": block.attention.model_copy(update={"window": 64})})
    setting = setting_of(network=decoder().model_copy(update={"blocks": (near,)}))
    whole = setting_of()
    assert number(_serving_memory(setting, plans_of(), 1, 300, 1).cache) == 64 * 2 * KV * DIM * 2 * LAYERS
    assert number(_serving_memory(whole, plans_of(), 1, 300, 1).cache) == 300 * 2 * KV * DIM * 2 * LAYERS


def test_linear_attention_keeps_a_state_in_place_of_a_cache() -> None:
    linear = Linear(key_heads=2, value_heads=4, key_dim=8, value_dim=16, conv=4)
    block = decoder().kinds[0].model_copy(update={"attention": linear})
    setting = setting_of(network=decoder().model_copy(update={"blocks": (block,)}))
    state = 4 * 8 * 16 + (2 * 2 * 8 + 4 * 16) * 3  # matrices of the value heads, and the last inputs of the convolution
    for context in (10, 1000):
        memory = _serving_memory(setting, plans_of(tp=2), 5, context, 1)
        assert number(memory.cache) == 5 * state / 2 * 4 * LAYERS  # in fp32


def test_engines_run_no_gradients_and_replay_their_quantisation() -> None:
    system = resolve_system("h100-sxm-80gb:8")
    workload = Workload(network=decoder(), phase=Phase.DECODE)
    replayed, eager = (
        _InferenceSetting.of(workload, system, Plan.of(f"matmul=fp8,cuda_graphs={flag}")) for flag in ("true", "false")
    )
    for setting in (replayed, eager):
        steps = setting.chip.steps
        assert steps.matmul_slowdown == steps.narrow_slowdown == steps.inference_slowdown
    fp8 = replayed.chip.constants.of("fp8")
    assert (fp8.quantise_launch, fp8.quantise_reads) == (replayed.chip.steps.stream_latency, 1.0)
    assert eager.chip.constants.of("fp8").quantise_launch != fp8.quantise_launch
    assert (replayed.graphs, eager.graphs) == (True, False)
    assert _InferenceSetting.of(workload, system, Plan.of("weights=int4")).packed == 0.25
    assert _InferenceSetting.of(workload, system, Plan.of("matmul=fp8,weights=bf16")).packed == 1.0
    assert replayed.packed == 1.0
    assert replayed.packed_attention


def test_a_checkpoint_may_leave_its_attention_unpacked() -> None:
    """Weights stored in four bits are read as such, but for head, router, and an attention that is left alone."""
    system = resolve_system("h100-sxm-80gb:8")
    workload = Workload(network=decoder(mlp=experts()), phase=Phase.DECODE)
    setting = _InferenceSetting.of(workload, system, Plan.of("weights=int4"))
    for attention_too in (True, False):
        some = replace(setting, packed_attention=attention_too)
        lists, _ = _kernel_lists(some, _inference_shape(plans_of(), 4, 1, 512), Phase.DECODE)
        packed = {kernel.name for kernels in lists for kernel in kernels if kernel.packed == 0.25}
        assert {"mlp.expert_gate_up", "mlp.expert_down"} <= packed
        assert not {"head.logits", "mlp.router"} & packed
        attention_kernels = {name for name in packed if name.startswith("attention")}
        assert attention_kernels == ({"attention.qkv", "attention.out"} if attention_too else set())
    plain = replace(setting, packed=1.0)
    lists, _ = _kernel_lists(plain, _inference_shape(plans_of(), 4, 1, 512), Phase.DECODE)
    assert all(kernel.packed == 1.0 for kernels in lists for kernel in kernels)


# ---- serving: the seconds of passes are simple functions, so that a service can be computed by hand


def fake_pass(seconds: Any) -> _InferencePass:
    seconds = np.asarray(seconds, dtype=float)
    parts = dict.fromkeys(("projections", "launch", "overhead", "elementwise"), 0.1 * seconds)
    return _InferencePass({**parts, "attention": 0.6 * seconds}, seconds, seconds, seconds)


def prompt_seconds(batch: Any, tokens: Any, seen: Any = 0) -> Any:
    return 0.010 + 2e-5 * np.asarray(batch) * np.asarray(tokens) + 1e-7 * np.asarray(batch) * np.asarray(seen)


def step_seconds(batch: Any, context: Any, tokens: Any = 1) -> Any:
    return 0.005 + 1e-4 * np.asarray(batch) * np.asarray(tokens) + 1e-6 * np.asarray(batch) * np.asarray(context)


@pytest.fixture
def simple(monkeypatch: pytest.MonkeyPatch) -> _InferenceSetting:
    """A setting of which prompts and steps take `prompt_seconds` and `step_seconds`, and 40 sequences fit."""
    monkeypatch.setattr(serving, "_prefill", lambda setting, plans, *sizes: fake_pass(prompt_seconds(*sizes)))
    monkeypatch.setattr(serving, "_decode_step", lambda setting, plans, *sizes: fake_pass(step_seconds(*sizes)))
    monkeypatch.setattr(
        serving, "_largest_batch", lambda setting, plans, context, capacity: np.array([places(context, capacity)])
    )
    return replace(setting_of(), stack=engine())


def places(context: Any, capacity: float) -> int:
    assert capacity == setting_of().capacity  # without what the engine leaves free
    assert context == 1000 + 50  # half of the output is there on average
    return 40


def engine(**changes: Any) -> _Stack:
    values = {
        "batching": "mixed", "batched_tokens": 2500, "memory_share": 0.9, "wait": 3.0, "spread": 0.02, "step": 1e-3,
        "sequence": 1e-5, "stream": 2e-4, "request": 4e-3,
    }  # fmt: skip
    return stacks.entry("vllm").model_copy(update={**values, **changes})


def load(concurrency: int, prompt: int = 1000, output: int = 100) -> _Load:
    return _Load(*(np.array([value]) for value in (concurrency, prompt, output)))


def mean_step(running: float) -> float:
    """Seconds of a decode step at the mean of its first and its last context, with the host's part."""
    device = (step_seconds(running, 1001) + step_seconds(running, 1100)) / 2
    return float(max(device + 1e-3 + 1e-5 * running, 2e-4 * running))


def test_a_static_batch_starts_and_ends_together(simple: _InferenceSetting) -> None:
    service = _static_batch(simple, plans_of(), load(8))
    first = prompt_seconds(8, 1000)
    step = (step_seconds(8, 1001) + step_seconds(8, 1100)) / 2
    assert number(service.first_token) == pytest.approx(first)
    assert number(service.per_token) == pytest.approx(step)
    assert number(service.throughput) == pytest.approx(8 * 100 / (first + 99 * step))
    assert number(service.latency) == pytest.approx((first + 99 * step) / 800)


@pytest.mark.parametrize("batching", ["mixed", "prefill_first"])
@pytest.mark.parametrize("concurrency", [1, 2, 16, 40, 100])
def test_a_continuous_batch_is_the_queue_of_its_engine(
    simple: _InferenceSetting, batching: str, concurrency: int
) -> None:
    setting = replace(simple, stack=engine(batching=batching))
    service = _continuous_batch(setting, plans_of(), load(concurrency))
    running = min(concurrency, 40)
    together = min(running, 2)  # prompts of 1000 tokens in a step of 2500
    prompt = float(prompt_seconds(together, 1000)) / together
    decode = mean_step(running)
    served = running * prompt + 99 * decode + 4e-3
    if batching == "prefill_first":
        first = (running + together) / 2 * prompt  # half of the prompts come before, on average
    else:
        single, many = float(prompt_seconds(1, 1000)), float(prompt_seconds(2, 1000)) / 2
        shared = max(single, min(together, 1 + single / 0.02) * many)
        first = shared + min(running - 1, 3) * (shared + decode)
    first = min(first, running * prompt) + 4e-3
    waiting = served * (concurrency / running - 1)
    assert number(service.first_token) == pytest.approx(first + waiting)
    assert number(service.per_token) == pytest.approx((served - first) / 99)
    request = number(service.first_token) + 99 * number(service.per_token)
    assert request == pytest.approx(served + waiting)
    assert number(service.throughput) == pytest.approx(concurrency * 100 / request)  # Little's law


def test_the_host_bounds_an_engine_that_streams_to_many(simple: _InferenceSetting) -> None:
    slow = replace(simple, stack=engine(stream=0.1))
    service = _continuous_batch(slow, plans_of(), load(16))
    prompt = float(prompt_seconds(2, 1000)) / 2
    served = 16 * prompt + 99 * 0.1 * 16 + 4e-3
    assert number(service.throughput) == pytest.approx(16 * 100 / served)


def test_the_first_of_a_clients_requests_waits_for_half_of_all_prompts(simple: _InferenceSetting) -> None:
    steady, rounds = (_continuous_batch(simple, plans_of(), load(16), rounds=r) for r in (None, 4))
    prompt = float(prompt_seconds(2, 1000)) / 2
    burst = (16 + 2) / 2 * prompt
    expected = 0.75 * (number(steady.first_token) - 4e-3) + 0.25 * burst
    assert number(rounds.first_token) == pytest.approx(min(expected, 16 * prompt) + 4e-3)
    assert number(rounds.throughput) == pytest.approx(number(steady.throughput))


def test_chunks_ride_along_with_decoding_where_prompts_share_steps(simple: _InferenceSetting) -> None:
    for batching, rides in (("mixed", True), ("prefill_first", False)):
        setting = replace(simple, stack=engine(batching=batching))
        service = _continuous_batch(setting, plans_of(), load(8), chunk=300)
        piece = float(prompt_seconds(1, 300, 1000 // 2 - 300 // 2))
        if rides:  # weights, launches, overhead and elementwise kernels are those of the step that runs anyway
            piece -= 4 * 0.1 * float(step_seconds(1, 1000))
        prompt = 4 * piece  # pieces of 300 tokens of a prompt of 1000
        served = 8 * prompt + 99 * mean_step(8) + 4e-3
        assert number(service.throughput) == pytest.approx(8 * 100 / served), batching


def test_drafts_are_verified_in_one_pass(simple: _InferenceSetting) -> None:
    seconds = _speculative_time(simple, plans_of(), load(4), drafts=3, acceptance=0.5, draft_cost=0.1)
    plain, verify = step_seconds(4, 1050), step_seconds(4, 1050, 4)
    tokens = 1 + 0.5 + 0.25 + 0.125
    assert number(seconds) == pytest.approx((verify + 3 * 0.1 * plain) / tokens)
    sure = _speculative_time(simple, plans_of(), load(4), drafts=3, acceptance=1.0, draft_cost=0.0)
    assert number(sure) == pytest.approx(verify / 4)


@pytest.mark.parametrize("prefilling", [0.01, 10.0])
def test_split_devices_work_at_the_pace_of_the_slower(simple: _InferenceSetting, prefilling: float) -> None:
    moved = price("point_to_point", 1e8, 2, 1)
    service = _split_service(simple, plans_of(), plans_of(), load(8), np.array([1e8]), np.array([prefilling]))
    alone, step = float(prompt_seconds(1, 1000)), mean_step(8)
    first = alone + moved + 4e-3
    served = first + 99 * step
    pace = min(prefilling / alone, 8 / served)
    assert number(service.throughput) == pytest.approx(pace * 100)
    assert number(service.per_token) == pytest.approx(step)
    assert number(service.first_token) == pytest.approx(first + 8 / pace - served)


# ---- reports


def report(plan: str, phase: Phase = Phase.DECODE, batch: int = 32, devices: int = 8) -> Any:
    workload = Workload(network=decoder(), phase=phase, batch=batch, sequence=1024, output=64)
    return estimated(workload, resolve_system(f"h100-sxm-80gb:{devices}"), Plan.of(plan))


def test_figures_of_decoding_follow_from_one_another() -> None:
    for plan in ("tp=2", "tp=2,continuous=true", "tp=2,prefill_devices=4", "tp=2,draft_tokens=3"):
        ours = report(plan)
        step, first = ours.value("time.per_token"), ours.value("time.first_token")
        assert ours.value("time.request") == pytest.approx(first + 63 * step), plan
        rate = ours.value("throughput.tokens")
        assert ours.value("throughput.tokens_per_device") == pytest.approx(rate / 8)
        assert ours.value("throughput.tokens_per_request") == pytest.approx(1 / step)
        assert ours.value("throughput.requests") == pytest.approx(rate / 64)
        if "prefill" not in plan:
            assert rate == pytest.approx(32 * 64 / ours.value("time.request"), rel=1e-6), plan
        parts = [ours.value(f"memory.parts.{name}") for name in ("weights", "cache", "activations")]
        assert ours.value("memory.peak") == pytest.approx(sum(parts))


def test_figures_of_a_prefill_follow_from_one_another() -> None:
    whole, chunked = report("tp=2", Phase.PREFILL), report("tp=2,chunk=256", Phase.PREFILL)
    for ours in (whole, chunked):
        rate = 32 * 1024 / ours.value("time.first_token")
        assert ours.value("throughput.tokens") == pytest.approx(rate)
        assert ours.value("throughput.tokens_per_device") == pytest.approx(rate / 8)
    assert chunked.value("time.first_token") > whole.value("time.first_token")
    assert chunked.value("memory.parts.activations") == pytest.approx(whole.value("memory.parts.activations") / 4)
    work = 2 * (LAYERS * (LAYER - 2 * HIDDEN)) * 8 * 1024 / 2  # of the products of a replica's device
    mfu = whole.value("efficiency.mfu") * whole.value("time.first_token") * 989.5e12
    assert work < mfu < 1.3 * work


@pytest.mark.parametrize(("chunk", "tokens"), [("", 1024), (",chunk=256", 256), (",chunk=5000", 1024)])
def test_a_prefill_holds_the_prompts_and_nothing_that_is_generated(chunk: str, tokens: int) -> None:
    ours = report(f"tp=2{chunk}", Phase.PREFILL)
    cached = 8 * 1024 * 2 * KV * DIM / 2 * 2.0 * LAYERS  # a replica's prompts, keys and values on two ranks
    assert ours.value("memory.parts.cache") == pytest.approx(cached, rel=1e-12)
    wide = 2 * FFN + HIDDEN  # gate and up, and what goes down
    assert ours.value("memory.parts.activations") == pytest.approx(
        8 * tokens * (4 * HIDDEN + wide / 2) * 2.0, rel=1e-12
    )
    decoded = report("tp=2")
    assert decoded.value("memory.parts.cache") == pytest.approx(cached * (1024 + 64) / 1024, rel=1e-12)
    assert ours.value("memory.capacity") == decoded.value("memory.capacity") == 80 * 2**30


def test_a_decode_report_is_the_step_at_the_middle_of_its_output() -> None:
    ours = report("tp=2,pp=2")
    workload = Workload(network=decoder(), phase=Phase.DECODE)
    system = resolve_system("h100-sxm-80gb:8")
    setting, plans = _InferenceSetting.of(workload, system, Plan.of("tp=2,pp=2")), plans_of(tp=2, pp=2, dp=2)
    step = _decode_step(setting, plans, 16, 1024 + 32)
    assert ours.value("time.step") == pytest.approx(number(step.time))
    for part, seconds in step.parts.items():
        if number(seconds):
            assert ours.value(f"time.parts.{part}") == pytest.approx(number(seconds)), part
    peak, rate = setting.chip.peak["bf16"], setting.chip.dram_bandwidth
    assert ours.value("efficiency.mfu") == pytest.approx(number(step.flops) / number(step.time) / peak)
    assert ours.value("efficiency.bandwidth") == pytest.approx(number(step.traffic) / number(step.time) * 2 / rate)
    memory = _serving_memory(setting, plans, 16, 1024 + 64, 1)
    assert ours.value("memory.peak") == pytest.approx(number(memory.total))
    offered = system.main_memory.capacity - ours.value("memory.reserve")
    assert offered == setting.capacity
    assert ours.value("memory.largest_batch") == _largest_batch(setting, plans, 1024 + 64, offered)[0]
    name, seconds = max(step.parts.items(), key=lambda part: number(part[1]))
    share = 100 * number(seconds) / number(step.time)
    assert ours.bottleneck == f"{name.replace('_', ' ')}: {share:.0f} % of a pass"
    for part, joules in (("memory", number(step.traffic) * (system.main_memory.energy or 0.0)),):
        assert ours.value(f"energy.parts.{part}") <= 8 * joules * (1 + 1e-9)
    core = next(row for row in ours.breakdowns["ops"].rows if row[0] == "attention.qkv")
    assert core[3] == 16


@pytest.mark.parametrize("devices", [3, 8, 16])
def test_replicas_that_prefill_are_some_of_the_replicas(devices: int) -> None:
    with pytest.raises(SlipstickError, match="a multiple of 2 below 8"):
        report(f"tp=2,prefill_devices={devices}")
    halves = report("tp=2,prefill_devices=4")
    assert halves.value("memory.parts.cache") == pytest.approx(2 * report("tp=2").value("memory.parts.cache"))


@pytest.mark.parametrize(
    ("plan", "said"), [("tp=2,attention_dp=2", "experts"), ("tp=4,attention_dp=3", "does not divide tp")]
)
def test_ranks_of_attention_need_experts_and_divide_tp(plan: str, said: str) -> None:
    with pytest.raises(SlipstickError, match=said):
        report(plan)


def test_ranks_of_attention_are_replicas_whose_experts_span_them() -> None:
    workload = Workload(network=decoder(mlp=experts()), phase=Phase.DECODE, batch=32, sequence=1024, output=64)
    system = resolve_system("h100-sxm-80gb:8")
    ranks, spelt = (
        estimated(workload, system, Plan.of(plan)) for plan in ("tp=8,dp=1,attention_dp=4", "tp=2,dp=4,ep=8,etp=1")
    )
    assert ranks.value("time.step") == spelt.value("time.step")
    assert ranks.value("memory.peak") == spelt.value("memory.peak")
