"""Inference: bounds, the sum over steps, caches, and what serving must conserve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.asking import estimated
from slipstick.cluster.inference.inference_pass import (
    _decode_step,
    _InferenceSetting,
    _largest_batch,
    _prefill,
    _sequence_cache,
    _serving_memory,
)
from slipstick.cluster.inference.serving import (
    _continuous_batch,
    _decode_time,
    _Load,
    _speculative_time,
    _split_service,
    _static_batch,
    _tokens_per_step,
)
from slipstick.cluster.sweep.plans import Plans
from slipstick.core.catalogue import resolve_system
from slipstick.core.plan import Plan
from slipstick.core.spec import override
from slipstick.core.workload import Phase, Workload
from slipstick.networks.find_network import network


def setting_of(model: str = "Llama-2 13B", system: str = "h100-sxm-80gb:8", **changes: str) -> _InferenceSetting:
    workload = Workload(network=network(model), phase=Phase.DECODE)
    machine = override(resolve_system(system), {k.replace("__", "."): v for k, v in changes.items()}, root="system")
    return _InferenceSetting.of(workload, machine, Plan.of("matmul=bf16"))


def plans_of(n: int = 1, **columns: object) -> Plans:
    return Plans.of_columns(n, columns)


def test_one_device_sends_nothing() -> None:
    done = _decode_step(setting_of(), plans_of(), 4, 100)
    assert done.sent[0] == 0
    assert done.parts["tensor_parallel"][0] == done.parts["pipeline_parallel"][0] == 0


@pytest.mark.parametrize("model", ["Llama-2 7B", "Llama-3.1-70B", "Mixtral 8x7B"])
def test_decode_reads_the_active_weights_at_least(model: str) -> None:
    setting = setting_of(model)
    plans = plans_of(tp=8)
    network_ = setting.decoder
    least = (network_.active_parameters - network_.embedding_parameters) * 2 / 8 / setting.chip.dram_bandwidth
    assert _decode_step(setting, plans, 1, 100).time[0] > least


def test_prefill_computes_at_most_at_the_peak() -> None:
    setting = setting_of()
    done = _prefill(setting, plans_of(4), [1, 2, 4, 8], 1024)
    least = (
        2 * (setting.decoder.multiplied_parameters - setting.decoder.head_parameters) * np.array([1, 2, 4, 8]) * 1024
    )
    assert (done.time > least / setting.chip.peak["bf16"]).all()


def test_the_mean_step_is_the_mean_over_all_steps() -> None:
    setting, plans = setting_of(), plans_of(tp=2)
    steps = [float(_decode_step(setting, plans, 8, 200 + step).time[0]) for step in range(1, 401)]
    assert float(_decode_time(setting, plans, 8, 200, 400)[0]) == pytest.approx(np.mean(steps), rel=2e-3)


def test_points_together_equal_points_alone() -> None:
    setting = setting_of("Mixtral 8x7B")
    columns = {"tp": np.array([1, 2, 4, 8]), "ep": np.array([1, 2, 1, 8]), "etp": np.array([1, 1, 4, 1])}
    batch, context = np.array([1, 7, 64, 200]), np.array([10, 500, 2000, 300])
    together = _decode_step(setting, plans_of(4, **columns), batch, context).time
    for place in range(4):
        alone = plans_of(1, **{name: column[place : place + 1] for name, column in columns.items()})
        assert _decode_step(setting, alone, batch[place], context[place]).time[0] == pytest.approx(
            together[place], rel=1e-12
        )


@settings(max_examples=15, deadline=None)
@given(batch=st.integers(1, 256), context=st.integers(2, 8000), tp=st.sampled_from([1, 2, 4, 8]))
def test_more_work_takes_longer_and_more_room(batch: int, context: int, tp: int) -> None:
    setting, plans = setting_of(), plans_of(2, tp=tp)
    batches, contexts = np.array([batch, batch + 16]), np.array([context, context + 64])
    one = _decode_step(setting, plans, batch, contexts).time
    assert one[1] >= one[0]
    held = _serving_memory(setting, plans, batches, contexts, 1).total
    assert held[1] > held[0]


@pytest.mark.parametrize("leaf", ["memory__hbm__bandwidth", "network__nvlink__bandwidth"])
def test_more_bandwidth_is_never_slower(leaf: str) -> None:
    value = {"memory__hbm__bandwidth": "8 TB/s", "network__nvlink__bandwidth": "900 GB/s"}[leaf]
    plans = plans_of(4, tp=np.array([1, 2, 4, 8]))
    slow, fast = (_decode_step(s, plans, 16, 1000).time for s in (setting_of(), setting_of(**{leaf: value})))
    assert (fast <= slow * (1 + 1e-9)).all()


def test_heads_are_copied_beyond_their_number_and_latents_always() -> None:
    grouped = network("Llama-3.1-70B").kinds[0]  # type: ignore[attr-defined]
    latent = network("DeepSeek-V2").kinds[0]  # type: ignore[attr-defined]
    tp = np.array([1, 8, 16, 64])
    context = np.array([100, 100, 100, 100])
    assert _sequence_cache(grouped, context, tp, 2.0).tolist() == [100 * 2048 * 2.0 / p for p in (1, 8, 8, 8)]
    assert len(set(_sequence_cache(latent, context, tp, 2.0).tolist())) == 1


def test_the_largest_batch_just_fits() -> None:
    setting, plans = setting_of(), plans_of(tp=2)
    capacity = 80 * 2.0**30
    batch = int(_largest_batch(setting, plans, 2048, capacity)[0])
    assert batch > 0
    assert (
        _serving_memory(setting, plans, batch, 2048, 1).total[0]
        <= capacity
        < _serving_memory(setting, plans, batch + 1, 2048, 1).total[0]
    )


def test_drafts_pay_when_they_are_accepted() -> None:
    setting, plans = setting_of(), plans_of(tp=8)
    load = _Load(*(np.array([v]) for v in (1, 512, 256)))
    plain = _decode_step(setting, plans, 1, 512 + 128).time[0]
    good, bad = (_speculative_time(setting, plans, load, 4, a, 0.05)[0] for a in (0.9, 0.0))
    assert good < plain < bad
    # the expected tokens of a step, by drawing them
    random = np.random.default_rng(0)
    accepted = (random.random((200_000, 4)) < 0.7).cumprod(axis=1).sum(axis=1) + 1
    assert _tokens_per_step(4, 0.7) == pytest.approx(accepted.mean(), rel=0.01)


def test_serving_modes_agree_where_they_must() -> None:
    setting, plans = setting_of(), plans_of(tp=4)
    one = _Load(*(np.array([v]) for v in (1, 512, 128)))
    alone, running = _static_batch(setting, plans, one), _continuous_batch(setting, plans, one)
    host = setting.stack.step + setting.stack.sequence
    assert running.per_token[0] == pytest.approx(alone.per_token[0] + host)  # nobody else's prompt holds it up
    many = _Load(*(np.array([v]) for v in (64, 512, 128)))
    busy = _continuous_batch(setting, plans, many)
    assert busy.throughput[0] > running.throughput[0]
    assert busy.per_token[0] > running.per_token[0]
    split = _split_service(
        setting, plans, plans, many, _serving_memory(setting, plans, 1, 512, 1).cache, np.array([8.0])
    )
    assert split.per_token[0] < busy.per_token[0]  # no prompt interrupts the decode devices


@pytest.mark.parametrize(
    "plan",
    [
        "tp=8",
        "tp=4",
        "tp=8,matmul=fp8,kv_cache=fp8",
        "tp=8,continuous=true,chunk=512",
        "tp=8,draft_tokens=3",
        "tp=2,prefill_devices=4",
        "tp=4,pp=2",
        "tp=auto",
    ],
)
def test_reports_of_inference_pass_their_checks(plan: str) -> None:
    for phase in (Phase.PREFILL, Phase.DECODE):
        workload = Workload(network=network("Llama-3.1-70B"), phase=phase, batch=32, sequence=1024, output=128)
        report = estimated(workload, resolve_system("h100-sxm-80gb:8"), Plan.of(plan))
        assert [f for f in report.warnings if f.severity == "error"] == []
        assert report.value("throughput.tokens") > 0
