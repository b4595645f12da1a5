"""Rules of a possible plan by brute force, and the choice of automatic fields: fastest that fits, else the smallest."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from cluster.toys import attention, decoder, experts
from slipstick.cluster.sweep.choose_plan import _resolved_plan
from slipstick.cluster.sweep.plan_space import _PlanSpace
from slipstick.cluster.sweep.plans import Plans
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.plan import Plan
from slipstick.core.workload import Phase, Workload

SYSTEM = resolve_system("h100-sxm-80gb:16")
DENSE = Workload(network=decoder(layers=6), batch=24, sequence=48)
LARGE = DENSE.model_copy(update={"batch": 48})
LONG = LARGE.model_copy(update={"sequence": 4096})
EXPERTS = Workload(network=decoder(layers=6, mlp=experts()), batch=24, sequence=48)


def allowed(
    workload: Workload, tp: int, pp: int, dp: int, cp: int, ep: int, etp: int, microbatch: int, interleave: int
) -> bool:
    """Megatron's constraints, one after the other."""
    heads, layers, known = 8, 6, 8 if workload is EXPERTS else 0
    if tp * pp * dp * cp != 16 or heads % tp or pp * interleave > layers:
        return False
    if interleave > 1 and (pp == 1 or workload.batch // (dp * microbatch) % pp):
        return False
    if workload.phase is Phase.TRAIN and workload.sequence % (cp * tp):
        return False
    if workload.batch % (dp * microbatch) or (dp * cp * tp) % (ep * etp):
        return False
    return known % ep == 0 if known else ep == 1  # without experts there is nothing to share


@pytest.mark.parametrize("workload", [DENSE, EXPERTS, DENSE.model_copy(update={"phase": Phase.DECODE})])
def test_possible_plans_are_those_of_the_constraints(workload: Workload) -> None:
    names = ("tp", "pp", "dp", "cp", "ep", "etp", "microbatch", "interleave")
    degrees = (
        (1, 2, 4, 5, 8, 16),
        (1, 2, 3, 4, 8),
        (1, 2, 4, 8),
        (1, 2, 5),
        (1, 2, 3, 8, 16),
        (1, 2),
        (1, 2, 3, 5),
        (1, 2, 3),
    )
    rows = [row for row in itertools.product(*degrees) if row[0] * row[1] * row[2] * row[3] in (15, 16, 20)]
    plans = Plans.of_columns(len(rows), {name: [row[place] for row in rows] for place, name in enumerate(names)})
    expected = [allowed(workload, *row) for row in rows]
    assert plans.possible(workload, SYSTEM).tolist() == expected
    assert 20 < sum(expected) < len(expected)
    for place in [*np.flatnonzero(expected)[:5], *np.flatnonzero(~np.array(expected))[:50]]:
        one = plans.take(np.array([place]))
        if expected[place]:
            one.require_possible(workload, SYSTEM)
        else:
            with pytest.raises(SpecErrors):
                one.require_possible(workload, SYSTEM)


def test_a_tier_must_reach_the_group_that_is_told_to_use_it() -> None:
    for group, columns, reaches in (
        ("tp", {"tp": 8, "dp": 2}, True),
        ("tp", {"tp": 16}, False),
        ("dp", {"tp": 2, "dp": 4, "pp": 2}, True),
        ("dp", {"tp": 2, "dp": 8}, False),
        ("pp", {"tp": 8, "pp": 2}, False),
        ("pp", {"tp": 8, "dp": 2, "pp": 1}, True),  # a group of one
    ):
        wide = Workload(network=decoder(layers=6, hidden=1024), batch=24, sequence=48)
        plans = Plans.of_columns(1, {**columns, f"{group}_tier": 0})
        free = Plans.of_columns(1, columns)
        broken = [path for path in ("tp", "dp", "pp") if not reaches and path == group]
        told = _messages(plans, wide) - _messages(free, wide)
        assert told == {f"plan.collectives.{path}_tier" for path in broken}


def _messages(plans: Plans, workload: Workload) -> set[str]:
    try:
        plans.require_possible(workload, SYSTEM)
    except SpecErrors as errors:
        return {error.path for error in errors.errors}
    except SlipstickError as error:
        return {error.path}
    return set()


def test_experts_have_copies_where_groups_repeat() -> None:
    columns = {"tp": [2, 2, 4, 1], "dp": [8, 8, 4, 4], "cp": [1, 1, 2, 1], "ep": [4, 8, 8, 8], "etp": [1, 2, 2, 1]}
    assert Plans.of_columns(4, columns).expert_replicas.tolist() == [4, 1, 2, 1]
    assert Plans.of_columns(4, {**columns, "pp": 3}).devices.tolist() == [48, 48, 96, 12]


class Watched:
    """Model of plans with given figures, and bounds that exclude nothing; `seen` holds the plans it was asked for."""

    def __init__(self, time: Any, memory: Any) -> None:
        self.time, self.memory = time, memory
        self.seen: list[Plans] = []

    def figures(self, plans: Plans) -> tuple[Any, Any]:
        self.seen.append(plans)
        return self.time(plans), self.memory(plans)

    def time_bounds(self, space: _PlanSpace, divisions: Plans) -> Any:
        return np.zeros(len(divisions))

    def memory_bounds(self, space: _PlanSpace, divisions: Plans) -> Any:
        return np.zeros((len(divisions), space.zero_count))

    def near_time_bounds(self, space: _PlanSpace, divisions: Plans, fitting: Any) -> Any:
        return np.zeros(fitting.shape)


def chosen(plan: str, time: Any, memory: Any, workload: Workload = LARGE, capacity: float = 10.0) -> Plan:
    return _resolved_plan(Plan.of(f"others=off,{plan}"), workload, SYSTEM, capacity, Watched(time, memory))


def ones(plans: Plans) -> Any:
    return np.ones(len(plans))


def test_the_fastest_that_fits_is_chosen_and_else_the_smallest() -> None:
    def fast(plans: Plans) -> Any:
        return 1.0 / plans.tp

    def small(plans: Plans) -> Any:
        return 1.0 * plans.tp

    assert chosen("tp=auto", fast, small).parallel.tp == 8
    assert chosen("tp=auto", fast, small).parallel.dp == 2
    assert chosen("tp=auto", fast, small, capacity=4.0).parallel.tp == 4  # what holds as much as there is, fits
    assert chosen("tp=auto", fast, small, capacity=0.5).parallel.tp == 1
    assert chosen("tp=auto", small, fast, capacity=0.3).parallel.tp == 4
    kept = chosen("tp=2,dp=8", fast, small).parallel
    assert (kept.tp, kept.dp) == (2, 8)


def test_equally_fast_plans_keep_tensor_parallelism_inside_the_node() -> None:
    block = decoder(layers=6).kinds[0].model_copy(update={"attention": attention(heads=16)})
    wide = Workload(network=decoder().model_copy(update={"blocks": (block,)}), batch=48, sequence=48)
    assert chosen("tp=auto", ones, ones, wide).parallel.tp == 1
    outside = chosen("tp=auto", lambda plans: np.where(plans.tp >= 8, 1.0, 2.0), ones, wide)
    assert outside.parallel.tp == 8
    forced = chosen("tp=auto", lambda plans: np.where(plans.tp >= 16, 1.0, 2.0), ones, wide)
    assert forced.parallel.tp == 16
    full = chosen("recompute=auto,zero=auto,tp=2", ones, ones)
    assert (full.parallel.recompute, full.parallel.zero) == ("none", 0)


@pytest.mark.parametrize(
    ("plan", "field", "tried"),
    [
        ("tp=auto", "tp", {1, 2, 4, 8}),
        ("pp=auto", "pp", {1, 2, 4}),
        ("pp=auto,partition=ends", "pp", {1, 2, 4, 8}),
        ("cp=auto", "cp", {1, 2, 4}),
        ("microbatch=auto,tp=2,dp=8", "microbatch", {1, 2, 3, 6}),
        ("interleave=auto,tp=8,pp=2,dp=1", "interleave", {1, 2, 3}),
        ("interleave=auto,tp=8,pp=1,dp=2", "interleave", {1}),
        ("recompute=auto,tp=2", "recompute", {0, 1, 2}),
        ("zero=auto,tp=2", "zero", {0, 1, 2, 3}),
        ("zero=auto,tp=2,pp=2", "zero", {0, 1, 3}),
        ("zero=auto,tp=8,pp=2", "zero", {0}),
        ("sp=auto,tp=2", "sp", {0, 1}),
        ("partition=auto,pp=4", "partition", {0, 1, 2}),
    ],
)
def test_every_value_that_can_be_is_tried(plan: str, field: str, tried: set[int]) -> None:
    model = Watched(ones, ones)
    _resolved_plan(Plan.of(f"others=off,{plan}"), LONG, SYSTEM, 10.0, model)
    assert {int(value) for plans in model.seen for value in getattr(plans, field)} == tried


def test_degrees_of_experts_divide_them() -> None:
    model = Watched(ones, ones)
    many = EXPERTS.model_copy(update={"batch": 48})
    _resolved_plan(Plan.of("others=off,ep=auto,etp=1,tp=1,dp=16"), many, SYSTEM, 10.0, model)
    assert {int(value) for plans in model.seen for value in plans.ep} == {1, 2, 4, 8}
    model = Watched(ones, ones)
    _resolved_plan(Plan.of("others=off,ep=2,etp=auto,tp=4"), many, SYSTEM, 10.0, model)
    assert {int(value) for plans in model.seen for value in plans.etp} == {1, 4}


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(SlipstickError, match="does not divide the devices"):
        chosen("tp=3", ones, ones)
    with pytest.raises(SpecErrors, match="attention heads"):
        chosen("tp=16,pp=auto", ones, ones)
    with pytest.raises(SlipstickError, match=r"whole rounds of microbatches|interleaving needs a pipeline"):
        chosen("tp=8,interleave=3,pp=auto,microbatch=auto", ones, ones, LARGE.model_copy(update={"batch": 1}))
