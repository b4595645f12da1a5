"""The training step: bounds, conservation, monotonicity, and the closed forms that it must reduce to."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstick.cluster.sweep.plans import RECOMPUTE, Plans
from slipstick.cluster.training.estimate import _model_flops
from slipstick.cluster.training.memory import _in_flight, _Residents
from slipstick.cluster.training.pipeline_stages import _Stages
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.cluster.training.training_step import _PARTS, training_step
from slipstick.core.catalogue import resolve_system
from slipstick.core.device_kinds import Accelerator
from slipstick.core.plan import Plan
from slipstick.core.spec import override
from slipstick.core.system import System
from slipstick.core.workload import Workload
from slipstick.networks.find_network import network

DEVICES = 64


def some_plans(workload: Workload, system: System, count: int = 400) -> Plans:
    """Random plans that are possible on 64 devices."""
    random = np.random.default_rng(1)

    def pick(*values: int) -> np.ndarray:
        return random.choice(values, count)

    columns: dict[str, Any] = {
        "tp": pick(1, 2, 4, 8), "pp": pick(1, 2, 4, 8), "microbatch": pick(1, 2, 4), "interleave": pick(1, 1, 2, 3),
        "recompute": pick(0, 1, 2), "zero": pick(0, 1, 2, 3), "cp": pick(1, 1, 2), "tp_overlap": pick(0, 1, 2),
        "regather": pick(0, 1) > 0, "dp_overlap": pick(0, 1) > 0, "pp_overlap": pick(0, 1) > 0, "sp": pick(0, 1) > 0,
    }  # fmt: skip
    columns["dp"] = np.maximum(1, DEVICES // (columns["tp"] * columns["pp"] * columns["cp"]))
    columns["tp_pattern"] = np.where(columns["sp"], 2, pick(0, 1))
    plans = Plans.of_columns(count, columns)
    return plans.take(np.flatnonzero(plans.possible(workload, system)))


def setting_of(workload: Workload, system: System, plan: str = "matmul=bf16") -> TrainingSetting:
    return TrainingSetting.of(workload, system, Plan.of(plan))


@pytest.fixture(scope="module")
def plans(gpt22b: Workload, a100s: System) -> Plans:
    found = some_plans(gpt22b, a100s)
    assert len(found) > 100
    return found


def test_single_plans_equal_the_sweep(gpt22b: Workload, a100s: System, plans: Plans) -> None:
    setting = setting_of(gpt22b, a100s)
    together = training_step(setting, plans)
    for index in range(0, len(plans), 7):
        alone = training_step(setting, plans.take(slice(index, index + 1)))
        assert alone.time[0] == pytest.approx(together.time[index], rel=1e-12)
        assert alone.peak_memory[0] == pytest.approx(together.peak_memory[index], rel=1e-12)


def test_the_parts_are_the_step(gpt22b: Workload, a100s: System, plans: Plans) -> None:
    step = training_step(setting_of(gpt22b, a100s), plans)
    assert set(step.parts) == set(_PARTS)
    assert all((part >= 0).all() for part in step.parts.values())
    np.testing.assert_allclose(sum(step.parts.values()), step.time)


def test_no_plan_beats_the_peak_rate(gpt22b: Workload, a100s: System, plans: Plans) -> None:
    peak = a100s.device_as(Accelerator).matrix["bf16"] * a100s.devices
    least = _model_flops(gpt22b) / 2 / peak  # half: a causal kernel may skip half of the scores
    assert (training_step(setting_of(gpt22b, a100s), plans).time > least).all()


@pytest.mark.parametrize(
    "path",
    [
        "memory.hbm.bandwidth",
        "memory.l2.bandwidth",
        "device.matrix.bf16",
        "network.nvlink.bandwidth",
        "network.infiniband.bandwidth",
    ],
)
@settings(max_examples=8, deadline=None)
@given(factor=st.floats(1.01, 8))
def test_more_is_never_slower(path: str, factor: float) -> None:
    system = resolve_system(f"a100-sxm-80gb:{DEVICES}")
    workload = Workload(network=network("GPT-22B"), batch=64, sequence=2048)
    plans = some_plans(workload, system, 120)
    group, name, leaf = path.split(".")
    value = getattr(system, group)[name] if group != "device" else system.device_as(Accelerator).matrix[leaf]
    before = value if group == "device" else getattr(value, leaf)
    better = override(system, {path: before * factor}, root="system")
    slow, fast = (training_step(setting_of(workload, s), plans).time for s in (system, better))
    assert (fast <= slow * (1 + 1e-9)).all()


def test_more_memory_changes_no_time(gpt22b: Workload, a100s: System, plans: Plans) -> None:
    larger = override(a100s, {"memory.hbm.capacity": "160 GiB"}, root="system")
    np.testing.assert_array_equal(
        training_step(setting_of(gpt22b, a100s), plans).time, training_step(setting_of(gpt22b, larger), plans).time
    )


def test_one_device_sends_nothing() -> None:
    workload = Workload(network=network("GPT-J 6B"), batch=4, sequence=2048)
    step = training_step(setting_of(workload, resolve_system("h100-sxm-80gb:1")), Plans.of_columns(1, {}))
    assert float(step.sent[0]) == 0.0
    for part in (
        "tensor_parallel",
        "data_parallel",
        "pipeline_parallel",
        "expert_parallel",
        "context_parallel",
        "bubble",
    ):
        assert step.parts[part][0] == 0.0


def test_the_stages_hold_the_network_once_a_replica(gpt22b: Workload, a100s: System) -> None:
    decoder = gpt22b.network
    for tp, pp, interleave in ((1, 1, 1), (8, 1, 1), (2, 4, 1), (4, 2, 3), (1, 16, 3), (2, 5, 1)):
        plans = Plans.of_columns(1, {"tp": tp, "pp": pp, "interleave": interleave})
        setting = setting_of(gpt22b, a100s)
        kinds = _Stages.of(setting.stack, plans)
        held = _Residents.of(setting, plans, kinds)
        placed = float((held.dense * kinds.copies).sum()) * tp
        copies = decoder.vocabulary * decoder.hidden if pp > 1 and decoder.tied_embeddings else 0  # type: ignore[attr-defined]
        # norms, positions and biases after a row-split product are held by every tensor parallel rank
        assert decoder.parameters + copies <= placed * (1 + 1e-12)
        assert placed == pytest.approx(decoder.parameters + copies, rel=2e-3 * tp)
        if tp == 1:
            assert placed == pytest.approx(decoder.parameters + copies, rel=1e-12)
        assert int((kinds.layers * kinds.copies[..., None]).sum()) == decoder.layers  # type: ignore[attr-defined]


@pytest.mark.parametrize(("tp", "sp"), [(1, False), (8, False), (8, True)])
def test_activations_are_those_of_korthikanti(gpt22b: Workload, a100s: System, tp: int, sp: bool) -> None:
    """2205.05198, table 2: sbh(10 + 24/t + 5as/ht), with sequence parallelism sbh/t (34 + 5as/h), and the others."""
    s, b, h, a = 2048, 4, 6144, 64
    setting = setting_of(gpt22b, a100s, "matmul=fp16,activations=fp16,attention=unfused")
    columns = {"tp": tp, "sp": sp, "microbatch": b, "tp_pattern": 2 if sp else 0}
    scores = 5 * a * s / (h * tp)
    kept = 34 / tp if sp else 10 + 24 / tp
    expected = {"none": kept + scores, "selective": kept, "full": 2 / tp if sp else 2}
    for name, factor in expected.items():
        plans = Plans.of_columns(1, {**columns, "recompute": RECOMPUTE.index(name)})
        held = _Residents.of(setting, plans, _Stages.of(setting.stack, plans))
        assert held.layer_activations[0][0] == pytest.approx(s * b * h * factor, rel=1e-12)


def test_1f1b_keeps_as_many_microbatches_as_stages_remain(gpt22b: Workload, a100s: System) -> None:
    plans = Plans.of_columns(4, {"pp": [4, 4, 4, 4], "interleave": [1, 3, 1, 1], "schedule": [0, 0, 1, 0]})
    kinds = _Stages.of(setting_of(gpt22b, a100s).stack, plans)
    kept = _in_flight(plans, kinds, np.array([64, 64, 64, 2]))
    assert kept[:, 0].tolist() == [4, 4 + 3 / 3, 64, 2]
    assert kept[0, -1] == 1  # the last stage starts its backward pass at once


def test_recomputation_trades_time_for_memory(gpt22b: Workload, a100s: System) -> None:
    setting = setting_of(gpt22b, a100s, "attention=unfused")
    steps = [
        training_step(setting, Plans.of_columns(1, {"tp": 8, "pp": 8, "recompute": r, "sp": True, "tp_pattern": 2}))
        for r in (0, 1, 2)
    ]
    times, memory = [float(s.time[0]) for s in steps], [float(s.peak_memory[0]) for s in steps]
    assert times == sorted(times)
    assert memory == sorted(memory, reverse=True)


def test_zero_shards_more_with_each_stage(gpt22b: Workload, a100s: System) -> None:
    setting = setting_of(gpt22b, a100s)
    held = [training_step(setting, Plans.of_columns(1, {"tp": 8, "dp": 8, "zero": z})).residents for z in range(4)]
    for earlier, later in itertools.pairwise(held):
        assert later.total.max() < earlier.total.max()
    assert held[3].weights[0, 0] == pytest.approx(held[0].weights[0, 0] / 8)


def test_offloading_moves_bytes_and_takes_time(gpt22b: Workload, a100s: System) -> None:
    setting = setting_of(gpt22b, a100s, "offload_weights=true")
    columns = {"tp": 8, "pp": 8, "sp": True, "tp_pattern": 2}
    here, there = (
        training_step(setting, Plans.of_columns(1, {**columns, **dict.fromkeys(_OFFLOADS, flag)}))
        for flag in (False, True)
    )
    assert there.peak_memory[0] < here.peak_memory[0]
    assert there.residents.host.max() > 0
    assert there.time[0] >= here.time[0]


_OFFLOADS = ("offload_weights", "offload_activations", "offload_optimizer")


def test_interleaving_shortens_the_bubble(gpt22b: Workload, a100s: System) -> None:
    setting = setting_of(gpt22b, a100s)
    bubbles = [
        float(training_step(setting, Plans.of_columns(1, {"tp": 8, "pp": 8, "interleave": v})).parts["bubble"][0])
        for v in (1, 2, 3, 6)
    ]
    assert bubbles == sorted(bubbles, reverse=True)
    assert bubbles[0] / bubbles[1] == pytest.approx(2, rel=0.05)


def test_every_field_of_plans_reaches_the_sweep() -> None:
    """A field that `of` forgets would silently keep its plain value."""
    system = resolve_system("a100-sxm-80gb:64")
    text = (
        "tp=2,pp=2,dp=4,cp=4,ep=2,etp=2,microbatch=2,interleave=3,zero=2,schedule=gpipe,partition=ends,recompute=full,sp=true,regather=false,"
        "tp_async=false,tp_overlap=pipe,dp_overlap=false,dp_buckets=false,pp_overlap=true,tp_tier=nvlink,pp_tier=infiniband,dp_tier=infiniband,"
        "offload_weights=true,offload_activations=true,offload_optimizer=true"
    )
    given_, plain = Plans.of([Plan.of(text)], system), Plans.of_columns(1, {})
    for field in dataclasses.fields(Plans):
        assert getattr(given_, field.name)[0] != getattr(plain, field.name)[0], field.name
