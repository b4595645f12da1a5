"""Arenas of random graphs: right, no smaller than the bound, no larger than TFLM's; exact ones are least."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError
from slipstick.edge.arena.arena_layout import _check_layout
from slipstick.edge.arena.arena_picture import arena_svg
from slipstick.edge.arena.arena_problem import ArenaProblem, ArenaStep, ArenaTensor, ArenaWindow
from slipstick.edge.arena.greedy_arena import _arena_size, _first_fit, _tflm_offsets
from slipstick.edge.arena.liveness import _blocks_of, _live_bytes, _merges_of
from slipstick.edge.arena.operator_order import best_order
from slipstick.edge.arena.patches import patch_plan
from slipstick.edge.arena.plan_arena import plan_arena, tflm_plan


def random_problem(seed: int, steps: int, fan_in: int = 2) -> ArenaProblem:
    """Return a random graph: branches, equal sizes now and then, in-place operators, rows to be saved, scratch."""
    rng = random.Random(seed)  # noqa: S311
    sizes = [rng.choice((4, 16, 20, 64, 100, 256)) for _ in range(steps + 1)]
    calls = []
    for place in range(steps):
        reads = tuple(rng.sample(range(place + 1), min(place + 1, rng.randint(1, fan_in))))
        kind = rng.choice(("conv", "add", "depthwise"))
        overwrites = reads if kind == "add" else reads[:1] if kind == "depthwise" else ()
        scratch, rows = rng.choice((0, 0, 12, 64)), 8 if kind == "depthwise" else 0
        calls.append(ArenaStep(f"s{place}", kind, reads, place + 1, scratch, overwrites, rows, 10.0))
    tensors = tuple(ArenaTensor(f"t{number}", size) for number, size in enumerate(sizes))
    return ArenaProblem(tensors, tuple(calls), 0, steps)


@given(seed=st.integers(0, 10**6), steps=st.integers(1, 14))
@settings(max_examples=150, deadline=None)
def test_layouts_are_right_and_between_the_bound_and_tflm(seed: int, steps: int) -> None:
    problem = random_problem(seed, steps)
    layout, theirs = plan_arena(problem), tflm_plan(problem)  # both are checked by _check_layout
    assert layout.bound <= layout.size <= theirs.size
    assert layout.size == max(offset + block.size for block, offset in layout.blocks)
    assert plan_arena(problem, in_place=False).size >= max(_live_bytes(_blocks_of(problem)))


@pytest.mark.parametrize("seed", range(40))
def test_the_exact_layout_is_the_least_of_all_orders(seed: int) -> None:
    """Among few blocks, first fit in some order is optimal: all orders are an oracle."""
    problem = random_problem(seed, 3)  # at most four tensors and the scratch of three calls
    layout = plan_arena(problem, in_place=False, exact=True)
    blocks = _blocks_of(problem)
    least = min(_arena_size(order, _first_fit(order)) for order in itertools.permutations(blocks))
    assert layout.size == least
    assert layout.optimal


@pytest.mark.parametrize("seed", range(10))
def test_the_exact_layout_is_no_larger_than_the_greedy_one(seed: int) -> None:
    problem = random_problem(seed, 20)
    assert plan_arena(problem, exact=True, time_limit=2.0).size <= plan_arena(problem).size


@given(seed=st.integers(0, 10**6), steps=st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_the_best_order_is_the_least_of_all_orders(seed: int, steps: int) -> None:
    problem = random_problem(seed, steps)

    def peak(other: ArenaProblem) -> int:
        return max(_live_bytes(_blocks_of(other)))

    def possible() -> list[ArenaProblem]:
        orders = []
        for order in itertools.permutations(range(steps)):
            written = {0}
            for place in order:
                if not set(problem.steps[place].reads) <= written:
                    break
                written.add(problem.steps[place].writes)
            else:
                orders.append(problem.reordered(order))
        return orders

    # a tensor that nothing reads dies with its step, so that only graphs without such are compared
    used = {tensor for step in problem.steps for tensor in step.reads} | {problem.output}
    if used != set(range(steps + 1)):
        return
    assert peak(best_order(problem)) == min(peak(other) for other in possible())


def test_tflm_takes_the_largest_first_and_the_lowest_gap() -> None:
    problem = ArenaProblem(
        tuple(ArenaTensor(name, size) for name, size in (("a", 8), ("b", 32), ("c", 8), ("d", 16))),
        tuple(ArenaStep(f"s{place}", "conv", (place,), place + 1) for place in range(3)), 0, 3,
    )  # fmt: skip
    blocks = _blocks_of(problem)
    assert dict(zip((block.name for block in blocks), _tflm_offsets(blocks), strict=True)) == {
        "b": 0, "d": 0, "a": 32, "c": 32,
    }  # fmt: skip


def test_the_check_finds_what_is_wrong() -> None:
    problem = random_problem(3, 6)
    layout = plan_arena(problem)
    with pytest.raises(SlipstickError, match="outside the arena"):
        _check_layout(replace(layout, size=layout.size - 4))
    with pytest.raises(SlipstickError, match=r"overlap|writes over"):
        _check_layout(
            replace(layout, offsets=dict.fromkeys(layout.offsets, 0), scratch=dict.fromkeys(layout.scratch, 0))
        )


def test_in_place_needs_a_dying_input_and_fewer_saved_rows_than_bytes() -> None:
    tensors = tuple(ArenaTensor(name, 64) for name in "abc")
    relu = ArenaStep("relu", "add", (0,), 1, overwrites=(0,))
    keep = ArenaProblem(tensors, (relu, ArenaStep("add", "add", (0, 1), 2, overwrites=(0, 1))), 0, 2)
    assert _merges_of(keep) == {1: 0}
    rows = ArenaStep("rows", "depthwise", (0,), 1, overwrites=(0,), row_buffer=64)
    assert _merges_of(ArenaProblem(tensors[:2], (rows,), 0, 1)) == {}
    assert _merges_of(ArenaProblem(tensors[:2], (replace(rows, row_buffer=16),), 0, 1)) == {0: 0}


def chain(stride: int = 1) -> ArenaProblem:
    """Return two 3x3 convolutions over 32x32 images, the second of stride 2, and a dense layer."""
    tensors = (
        ArenaTensor("image", 32 * 32 * 3, (32, 32, 3)), ArenaTensor("wide", 32 * 32 * 16, (32, 32, 16)),
        ArenaTensor("low", 16 * 16 * 8, (16, 16, 8)), ArenaTensor("out", 10),
    )  # fmt: skip
    steps = (
        ArenaStep("a", "conv", (0,), 1, macs=32 * 32 * 16 * 27, window=ArenaWindow((3, 3), (1, 1), (1, 1))),
        ArenaStep("b", "conv", (1,), 2, macs=16 * 16 * 8 * 144, window=ArenaWindow((3, 3), (2, 2), (0, 0))),
        ArenaStep("c", "dense", (2,), 3, macs=20480.0),
    )
    return ArenaProblem(tensors, steps, 0, 3)


def test_patches_hold_tiles_and_count_their_halo() -> None:
    plan = patch_plan(chain(), max_extra=1.0)
    whole = plan_arena(chain())
    assert plan.layout.size < whole.size
    assert (plan.stage, plan.tiles) == (2, 4)
    # a tile of 4x4 needs 9x9 of the wide tensor (8x8 at the rim), of which 8x8 are its own
    assert plan.layout.problem.tensors[1].size == 9 * 9 * 16
    rows = (9 + 9 + 9 + 8) ** 2
    assert plan.extra == pytest.approx((rows - 32 * 32) * 16 * 27)
    assert plan.macs == sum(step.macs for step in chain().steps) + plan.extra
    assert patch_plan(chain(), max_extra=0.0).stage in (0, 1)


def test_a_picture_has_a_box_for_every_block() -> None:
    layout = plan_arena(random_problem(5, 8))
    picture = arena_svg(layout, "a < b")
    assert picture.count("<title>") == len(layout.blocks) + 1
    assert "a &lt; b" in picture
