"""Automatic fields of a plan: the fastest that fits, as brute force finds it; impossible plans in one error."""

from __future__ import annotations

import itertools

import pytest

from cluster.asking import estimated
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.cluster.training.training_step import training_step
from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Workload


def test_auto_finds_what_brute_force_finds(gpt22b: Workload, a100s: System) -> None:
    report = estimated(gpt22b, a100s, Plan.of("others=off,tp=auto,pp=auto,microbatch=auto,sp=true,recompute=selective"))
    setting = TrainingSetting.of(gpt22b, a100s, Plan())
    best = float("inf")
    for tp, pp, microbatch in itertools.product((1, 2, 4, 8, 16, 32, 64), (1, 2, 4, 8, 16), (1, 2, 4, 8, 16, 32, 64)):
        if 64 % (tp * pp):
            continue
        columns = {
            "tp": tp,
            "pp": pp,
            "dp": 64 // (tp * pp),
            "microbatch": microbatch,
            "sp": True,
            "tp_pattern": 2,
            "recompute": 1,
        }
        plans = Plans.of_columns(1, columns)
        if not plans.possible(gpt22b, a100s)[0]:
            continue
        step = training_step(setting, plans)
        if step.peak_memory[0] <= a100s.main_memory.capacity - setting.reserve:
            best = min(best, float(step.time[0]))
    assert report.value("time.step") == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize(
    ("plan", "names"),
    [
        ("tp=7,dp=1", ["plan.parallel.tp", "a divisor of 64"]),
        ("pp=64", ["plan.parallel.pp", "at most 48"]),
        ("tp=8,pp=8,dp=2", ["plan.parallel", "a product of 64"]),
        ("tp=3", ["tp*pp*cp does not divide the devices"]),
        ("dp=64,microbatch=2", ["plan.parallel.microbatch", "a divisor of 64"]),
        ("tp=8,pp=1,interleave=2", ["plan.parallel.interleave"]),
        ("tp=64,tp_tier=nvlink", ["plan.collectives.tp_tier"]),
        ("matmul=fp8", ["plan.formats.matmul", "bf16"]),
        ("offload_weights=true,tp_tier=ether", ["plan.collectives.tp_tier"]),
    ],
)
def test_impossible_plans_say_what_is_wrong(gpt22b: Workload, a100s: System, plan: str, names: list[str]) -> None:
    with pytest.raises((SlipstickError, SpecErrors)) as error:
        estimated(gpt22b, a100s, Plan.of(plan))
    for name in names:
        assert name in str(error.value)


def test_too_little_memory_is_a_finding_that_names_the_largest_part(gpt22b: Workload, a100s: System) -> None:
    report = estimated(gpt22b, a100s, Plan.of("others=off"))
    finding = next(f for f in report.warnings if f.check == "memory_fits")
    assert "optimizer" in finding.message
