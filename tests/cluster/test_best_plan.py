"""The best plan by branch and bound is that of an exhaustive search; given fields and memory are heeded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from slipstick.cluster.inference.question_plan import _inference_model
from slipstick.cluster.sweep.best_plan import EQUAL, _best_plan, _PlanModel, _smallest_plan
from slipstick.cluster.sweep.choose_plan import _devices_that_fit, _resolved_plan
from slipstick.cluster.sweep.plan_space import _default_values, _PlanSpace
from slipstick.cluster.sweep.plans import PARTITION, RECOMPUTE, TP_PATTERN, Plans
from slipstick.cluster.training.automatic_plan import _training_model
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload
from slipstick.engines.question import ask

CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("qwen3-0.6b", "h100-sxm-80gb:1", {"batch": 8, "sequence": 2048}),
    ("llama-3.1-8b", "h100-sxm-80gb:8", {"batch": 32, "sequence": 4096}),
    ("gpt-22b", "selene:32", {"batch": 64, "sequence": 2048}),
    ("llama-3.1-70b", "dgx-h100:64", {"batch": 128, "sequence": 8192}),
    ("llama-3.1-8b", "dgx-h100:16", {"batch": 16, "sequence": 32768}),
    ("phi-mini-moe", "dgx-h100:16", {"batch": 32, "sequence": 2048}),
    ("llama-3.1-8b", "h100-sxm-80gb:8", {"phase": "decode", "batch": 64, "sequence": 2048}),
    ("mixtral-8x7b", "h100-sxm-80gb:8", {"phase": "decode", "batch": 64, "sequence": 2048}),
    ("llama-3.1-70b", "dgx-h100:16", {"phase": "prefill", "batch": 16, "sequence": 4096}),
]


def model_of(question: Question) -> tuple[_PlanModel, float]:
    model = _training_model if question.workload.phase is Phase.TRAIN else _inference_model
    return model(question.workload, question.system, question.plan)


def every_plan(space: _PlanSpace) -> Plans:
    return space.expanded(space.divisions())[0]


@pytest.mark.parametrize(("network", "system", "sizes"), CASES)
@pytest.mark.parametrize("plan", ["", "tp=2,zero=1", "recompute=full,microbatch=1"])
def test_the_best_plan_is_that_of_an_exhaustive_search(network: str, system: str, sizes: Any, plan: str) -> None:
    if plan and (system.endswith(":1") or sizes.get("phase")):
        plan = "tp=1" if system.endswith(":1") else "tp=2"
    question = ask(network, system, plan, **sizes)
    model, capacity = model_of(question)
    space = _PlanSpace.of(question.plan, question.workload, question.system)
    plans = every_plan(space)
    time, memory = model.figures(plans)
    best = _best_plan(space, model, capacity)
    assert best is not None
    assert best.fits == bool((memory <= capacity).any())
    if best.fits:
        assert best.memory <= capacity
        fastest = float(time[memory <= capacity].min())
        assert fastest <= best.time <= fastest * (1 + EQUAL)
        assert best.evaluated <= len(plans)
    else:
        assert best.memory == pytest.approx(float(memory.min()), rel=1e-12)
    for name, value in space.stated.items():
        assert getattr(best.plans, name)[0] == value, name
    assert plans.possible(question.workload, question.system).all(), "the space has no impossible plan"


@pytest.mark.parametrize("plan", ["pp=2,interleave=17", "pp=2,interleave=17,tp=2,recompute=none", "pp=34"])
def test_a_given_pipeline_that_only_fits_with_the_ends_as_layers_is_planned(plan: str) -> None:
    system = "dgx-h100:272" if plan == "pp=34" else "dgx-h100:16"
    question = ask("llama-3.1-8b", system, plan, batch=272, sequence=4096)  # 32 layers
    model, capacity = model_of(question)
    space = _PlanSpace.of(question.plan, question.workload, question.system)
    time, memory = model.figures(every_plan(space))
    best = _best_plan(space, model, capacity)
    assert best is not None
    assert best.fits
    assert best.time <= float(time[memory <= capacity].min()) * (1 + EQUAL)
    assert best.plans.partition[0] == PARTITION.index("ends")


@pytest.mark.parametrize(("network", "system", "sizes"), CASES)
def test_bounds_are_below_every_plan_of_their_division(network: str, system: str, sizes: Any) -> None:
    question = ask(network, system, **sizes)
    model, _ = model_of(question)
    space = _PlanSpace.of(question.plan, question.workload, question.system)
    divisions = space.divisions()
    divisions = divisions.take(np.random.default_rng(1).permutation(len(divisions))[:40])
    plans, row = space.expanded(divisions)
    time, memory = model.figures(plans)
    least = model.time_bounds(space, divisions)
    every = np.ones((len(divisions), space.zero_count), dtype=bool)
    near = model.near_time_bounds(space, divisions, every)
    assert (least[row] <= time * (1 + 1e-9)).all()
    stage = space.zero_index(plans)
    assert (near[row, stage] <= time * (1 + 1e-9)).all()
    assert (model.memory_bounds(space, divisions)[row, stage] <= memory * (1 + 1e-9)).all()
    tried = np.zeros(near.shape, dtype=bool)
    tried[row, stage] = True
    assert (np.isfinite(near) == tried).all(), "no bound where no option is possible"


def test_nothing_falls_silently_to_one() -> None:
    """A partial plan leaves the rest to the planner: with fp8 products alone, many devices are faster than in bf16."""
    asked = [ask("llama-3.1-70b", "dgx-h100:256", f"matmul={name}", batch=1024) for name in ("bf16", "fp8")]
    times = []
    for question in asked:
        model, capacity = model_of(question)
        best = _best_plan(_PlanSpace.of(question.plan, question.workload, question.system), model, capacity)
        assert best is not None
        assert best.fits
        times.append(best.time)
    assert times[1] < times[0]


def test_options_that_no_engine_has_are_not_tried() -> None:
    question = ask("llama-3.1-8b", "dgx-h100:16", batch=64, sequence=4096)
    plans = every_plan(_PlanSpace.of(question.plan, question.workload, question.system))
    assert not (plans.sp & (plans.tp == 1)).any()
    assert not ((plans.zero == 2) & (plans.pp > 1)).any()  # it is ZeRO-1 there
    assert not ((plans.interleave > 1) & (plans.partition == PARTITION.index("balanced"))).any()
    assert (plans.pp_overlap == (plans.interleave > 1)).all()
    assert (plans.tp_pattern[plans.sp] == TP_PATTERN.index("rs_ag")).all()
    assert not (~plans.sp & (plans.tp_overlap > 0)).any()
    assert set(plans.recompute) == set(range(len(RECOMPUTE)))
    rounds = question.workload.batch // (plans.dp * plans.microbatch)
    assert (rounds[plans.interleave > 1] % plans.pp[plans.interleave > 1] == 0).all()


def test_key_and_value_heads_are_divided_or_copied() -> None:
    """Eight key/value heads on six devices: no engine divides them by six, or by three."""
    values = _default_values(ask("llama-3.1-70b", "h100-sxm-80gb:6", phase="decode").workload, SIX)
    assert values["tp"] == (1, 2)
    for tp in (3, 6):
        question = ask("qwen3-235b-a22b", "h100-sxm-80gb:6", f"tp={tp}", phase="decode", batch=6)
        with pytest.raises(SlipstickError, match=r"plan\.parallel\.tp"):
            _resolved_plan(question.plan, question.workload, question.system, 1e12, model_of(question)[0])


SIX = ask("llama-3.1-70b", "h100-sxm-80gb:6").system


def test_where_nothing_fits_more_devices_are_named() -> None:
    question = ask("llama-3.1-405b", "dgx-h100:16", batch=64, sequence=4096)
    model, capacity = _training_model(question.workload, question.system, question.plan)
    smallest = _smallest_plan(_PlanSpace.of(question.plan, question.workload, question.system), model)
    assert smallest is not None
    assert smallest.memory > capacity
    devices = _devices_that_fit(question.plan, question.workload, question.system, _training_model)
    assert devices is not None
    for count, fits in ((devices, True), (devices // 2, False)):
        system = question.system.scaled(count)
        model, capacity = _training_model(question.workload, system, question.plan)
        best = _best_plan(_PlanSpace.of(question.plan, question.workload, system), model, capacity)
        assert best is not None
        assert best.fits == fits
    one = ask("llama-3.1-405b", "dgx-h100:16", "tp=1,pp=1,zero=0,cp=1", batch=64, sequence=4096)
    assert _devices_that_fit(one.plan, one.workload, one.system, _training_model) is None


def test_devices_are_doubled_twelve_times_at_most() -> None:
    """Where nothing ever fits, the search for devices that would do ends at 4,096 times as many."""
    question = ask("qwen3-0.6b", "h100-sxm-80gb:1", "others=off,tp=1,dp=auto", batch=8192)
    asked: list[int] = []

    def never(workload: Workload, system: System, plan: Plan) -> tuple[_PlanModel, float]:
        asked.append(system.devices)
        return _training_model(workload, system, plan)[0], 0.0

    assert _devices_that_fit(question.plan, question.workload, question.system, never) is None
    assert asked == [2**power for power in range(1, 13)]


def test_stages_may_be_unequal_and_ends_count_as_layers() -> None:
    """126 layers on 16 stages of 8 chunks: with embedding and head they are 128, one a chunk (Llama 3.1 405B)."""
    question = ask("llama-3.1-405b", "dgx-h100:16384", "tp=8,pp=16,interleave=8", batch=2048, sequence=8192)
    space = _PlanSpace.of(question.plan, question.workload, question.system)
    plans = every_plan(space)
    assert len(plans)
    assert set(plans.partition) == {PARTITION.index("ends")}
    told = ask("llama-3.1-405b", "dgx-h100:16384", "tp=8,pp=16,interleave=8,partition=even", batch=2048, sequence=8192)
    with pytest.raises(SlipstickError, match="at most 126, or 128 with partition=ends"):
        _resolved_plan(told.plan, told.workload, told.system, 1e12, model_of(told)[0])
