"""Serving engines: conservation, limits of the cache, engines' differences, and the measured rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.asking import estimated
from slipstick.cluster.constants.serving_stack import stacks
from slipstick.cluster.inference.inference_pass import (
    _decode_step,
    _InferenceSetting,
    _largest_batch,
    _prefill,
)
from slipstick.cluster.inference.serving import _continuous_batch, _decode_time, _Load, _split_service
from slipstick.cluster.kernels.experts import _experts_busy
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.validation.inference_rows import _inference_figure
from slipstick.core.catalogue import Entry, resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.workload import Phase, Workload
from slipstick.networks.find_network import network

STACKS = ("default", "vllm", "sglang", "tensorrt-llm")


def setting_of(plan: str = "stack=default", model: str = "Llama-3.1-70B") -> _InferenceSetting:
    return _InferenceSetting.of(
        Workload(network=network(model), phase=Phase.DECODE), resolve_system("h100-sxm-80gb:8"), Plan.of(plan)
    )


def plans_of(n: int = 1, tp: int = 8) -> Plans:
    return Plans.of_columns(n, {"tp": tp})


def load_of(concurrency: object, prompt: int = 1024, output: int = 256) -> _Load:
    waiting = np.atleast_1d(np.asarray(concurrency, dtype=np.int64))
    return _Load(waiting, np.full_like(waiting, prompt), np.full_like(waiting, output))


@pytest.mark.parametrize("stack", STACKS)
@settings(max_examples=10, deadline=None)
@given(concurrency=st.integers(1, 600), prompt=st.integers(16, 8000), output=st.integers(2, 2000))
def test_a_request_takes_what_littles_law_says(stack: str, concurrency: int, prompt: int, output: int) -> None:
    setting, load = setting_of(f"stack={stack}"), load_of(concurrency, prompt, output)
    for rounds in (None, 10):
        done = _continuous_batch(setting, plans_of(), load, rounds=rounds)
        request = done.first_token + (output - 1) * done.per_token
        assert done.throughput[0] * request[0] == pytest.approx(concurrency * output, rel=1e-9)
        assert done.first_token[0] >= _prefill(setting, plans_of(), 1, prompt).time[0] * (1 - 1e-9)
        assert done.per_token[0] >= _decode_time(setting, plans_of(), 1, prompt, output)[0] * (1 - 1e-9)


@pytest.mark.parametrize("stack", STACKS)
def test_work_is_conserved_over_a_request(stack: str) -> None:
    # while one request is served, all its steps and the prompts of all requests are computed
    setting, load = setting_of(f"stack={stack}"), load_of(32)
    done = _continuous_batch(setting, plans_of(), load)
    device = _decode_time(setting, plans_of(), 32, 1024, 256)[0] * 255
    together = min(32, max(1, setting.stack.batched_tokens // 1024))
    device += 32 * _prefill(setting, plans_of(), together, 1024).time[0] / together
    host = setting.stack.request + 255 * (setting.stack.step + 32 * setting.stack.sequence)
    assert done.first_token[0] + 255 * done.per_token[0] == pytest.approx(device + host, rel=1e-9)


@pytest.mark.parametrize("stack", STACKS)
def test_more_requests_give_more_tokens_until_the_cache_is_full(stack: str) -> None:
    waiting = [1, 2, 4, 8, 16, 32, 64, 128, 256]
    setting = setting_of(f"stack={stack}")
    done = _continuous_batch(setting, plans_of(len(waiting)), load_of(waiting))
    assert (np.diff(done.throughput) > 0).all()
    assert (np.diff(done.first_token) >= 0).all()
    assert (np.diff(done.per_token) > 0).all()


def test_requests_beyond_the_cache_wait() -> None:
    setting, plans = setting_of("stack=vllm"), plans_of(2, tp=4)
    places = int(_largest_batch(setting, plans, 1024 + 1024, setting.capacity)[0])
    full, beyond = (_continuous_batch(setting, plans_of(tp=4), load_of(n, 1024, 2048)) for n in (places, 3 * places))
    assert beyond.throughput[0] == pytest.approx(full.throughput[0])
    assert beyond.per_token[0] == pytest.approx(full.per_token[0])
    assert beyond.first_token[0] > 1024 * full.per_token[0]


def test_prompts_first_is_late_at_first_and_quick_then() -> None:
    mixed, first = (_continuous_batch(setting_of(f"stack={s}"), plans_of(), load_of(64)) for s in ("vllm", "sglang"))
    assert first.first_token[0] > 3 * mixed.first_token[0]
    assert first.per_token[0] < mixed.per_token[0]


def test_many_rounds_are_the_steady_state() -> None:
    setting, load = setting_of("stack=vllm"), load_of(64)
    steady, long, short = (_continuous_batch(setting, plans_of(), load, rounds=r) for r in (None, 10**9, 2))
    assert long.first_token[0] == pytest.approx(steady.first_token[0])
    assert short.first_token[0] > steady.first_token[0]


def test_the_slower_side_of_split_devices_makes_requests_wait() -> None:
    setting, load = setting_of(), load_of(128, 4096, 64)
    few, many = (
        _split_service(setting, plans_of(), plans_of(), load, np.array([1e9]), np.array([n])) for n in (0.1, 50.0)
    )
    assert few.throughput[0] < many.throughput[0]
    assert few.first_token[0] > many.first_token[0]
    for done in (few, many):
        request = done.first_token + 63 * done.per_token
        assert done.throughput[0] * request[0] == pytest.approx(128 * 64)


def test_weights_stored_narrow_save_bytes_and_no_operations() -> None:
    plain, packed = (setting_of(f"stack=default{p}") for p in ("", ",weights=int4"))
    few = [_decode_step(s, plans_of(), 4, 512) for s in (plain, packed)]
    many = [_prefill(s, plans_of(), 8, 2048) for s in (plain, packed)]
    assert few[0].parts["projections"][0] / 4 < few[1].parts["projections"][0] < 0.6 * few[0].parts["projections"][0]
    assert many[1].time[0] == pytest.approx(many[0].time[0], rel=0.02)
    assert many[1].flops[0] == many[0].flops[0]


def test_reading_the_peers_is_never_slower_than_the_library() -> None:
    times = {}
    for stack in ("early", "tensorrt-llm", "vllm"):
        done = _decode_step(setting_of(f"stack={stack}"), plans_of(4), [1, 16, 128, 1024], 512)
        times[stack] = done.parts["tensor_parallel"]
    assert (times["vllm"] <= times["tensorrt-llm"]).all()
    assert (times["tensorrt-llm"] <= times["early"]).all()
    assert times["vllm"][0] < times["early"][0]


@pytest.mark.parametrize(("experts", "active"), [(8, 2), (128, 8), (256, 8), (16, 1)])
def test_busy_experts_are_those_that_draws_visit(experts: int, active: int) -> None:
    tokens = np.array([0, 1, 2, 5, 20, 100, 10**6])
    busy = _experts_busy(experts, active, tokens)
    assert busy[0] == 0
    assert busy[1] == pytest.approx(active)
    assert busy[-1] == pytest.approx(experts)
    assert (np.diff(busy) > 0).all()
    uniform = experts * (1 - (1 - active / experts) ** tokens.astype(float))
    assert (busy <= uniform + 1e-9).all()  # what is popular is visited again before what is rare


def test_an_unknown_engine_is_an_error_that_names_the_known() -> None:
    with pytest.raises(SlipstickError, match="vllm"):
        stacks.entry("vlm")


def test_every_engine_gives_its_reasons() -> None:
    for name in ("vllm", "sglang", "tensorrt-llm", "default"):
        stack = stacks.entry(name)
        constants = set(type(stack).model_fields) - set(Entry.model_fields) - {"calibrated"}
        assert constants <= set(stack.sources)


@pytest.mark.parametrize(
    ("unit", "scale"),
    [("s end-to-end (200 + 200)", 1.0), ("ms request latency", 1e-3)],
)
def test_units_of_published_latencies_are_read(unit: str, scale: float) -> None:
    row = dict.fromkeys(("layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "source", "note"), "")
    row |= {"model": "Llama-2 7B", "gpu": "H100-SXM-80GB", "tp": "2", "n_gpus": "2", "precision": "bf16"}
    row |= {"kind": "decode", "seq": "200", "out_len": "200", "global_batch": "4"}

    def figure(unit: str) -> float:
        return _inference_figure({**row, "unit": unit})[0]

    whole = figure("ms time to first token") * 1e-3 + 199 * figure("ms inter-token latency") * 1e-3
    assert figure(unit) * scale == pytest.approx(whole)
    assert figure("output tok/s") == pytest.approx(4 * 200 / whole)
    assert figure("output tok/s/gpu") == pytest.approx(2 * 200 / whole)
    with pytest.raises(SlipstickError, match="not a unit"):
        figure("furlongs to the first token")


def test_ranks_of_attention_keep_their_own_caches() -> None:
    workload = Workload(network=network("DeepSeek-V3"), phase=Phase.DECODE, batch=512, sequence=1024, output=256)
    system = resolve_system("h200-sxm-141gb:8")
    shared, own = (
        estimated(workload, system, Plan.of(f"tp=8,matmul=fp8,kv_cache=fp8,attention_dp={ranks}")) for ranks in (1, 8)
    )
    # a latent is not divided by tensor parallelism, but by requests
    assert own.value("memory.parts.cache") == pytest.approx(shared.value("memory.parts.cache") / 8)
    assert own.value("throughput.tokens") > shared.value("throughput.tokens")
    for plan, network_ in (("tp=8,attention_dp=3", "DeepSeek-V3"), ("tp=8,attention_dp=2", "Llama-3.1-70B")):
        other = Workload(network=network(network_), phase=Phase.DECODE, batch=8, sequence=128)
        with pytest.raises(SlipstickError, match="attention_dp"):
            estimated(other, system, Plan.of(plan))
