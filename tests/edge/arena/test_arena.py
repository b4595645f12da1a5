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
from slipstick.edge.arena.arena_problem import ArenaProblem, ArenaStep, ArenaTensor, ArenaWindow, Overlap
from slipstick.edge.arena.greedy_arena import _arena_size, _first_fit, _tflm_offsets
from slipstick.edge.arena.liveness import _blocks_of, _forbidden, _live_bytes, _overlaps_of
from slipstick.edge.arena.operator_order import best_order
from slipstick.edge.arena.patches import patch_plans
from slipstick.edge.arena.plan_arena import plan_arena, tflm_plan


def random_problem(seed: int, steps: int, fan_in: int = 2) -> ArenaProblem:
    """Return a random graph: branches, equal sizes now and then, outputs that may overlap inputs, scratch."""
    rng = random.Random(seed)  # noqa: S311
    sizes = [rng.choice((4, 16, 20, 64, 100, 256)) for _ in range(steps + 1)]
    calls = []
    for place in range(steps):
        reads = tuple(rng.sample(range(place + 1), min(place + 1, rng.randint(1, fan_in))))
        kind = rng.choice(("conv", "add", "depthwise"))
        overwrites = reads if kind == "add" else reads[:1] if kind == "depthwise" else ()
        scratch, lead = rng.choice((0, 0, 12, 64)), rng.choice((0, 6, 40)) if kind == "depthwise" else 0
        overlap = Overlap(lead, exact=lead == 0 and rng.random() < 0.5)
        calls.append(ArenaStep(f"s{place}", kind, reads, place + 1, scratch, overwrites, overlap, 10.0))
    tensors = tuple(ArenaTensor(f"t{number}", size) for number, size in enumerate(sizes))
    return ArenaProblem(tensors, tuple(calls), 0, steps)


def small_problem(seed: int) -> ArenaProblem:
    """Return three tensors of few words, the second and third of which may overlap what they are made of."""
    rng = random.Random(seed)  # noqa: S311
    tensors = tuple(ArenaTensor(name, rng.choice((8, 12, 16, 24))) for name in "abc")
    overlaps = [
        Overlap(rng.choice((0, 3, 8)), exact=False) if rng.random() < 0.7 else Overlap(0, exact=True) for _ in "ab"
    ]
    reads = ((0,), (1,) if rng.random() < 0.6 else (0, 1))
    steps = tuple(
        ArenaStep(f"s{n}", "conv", read, n + 1, rng.choice((0, 4)), read[-1:], overlap)
        for n, (read, overlap) in enumerate(zip(reads, overlaps, strict=True))
    )
    return ArenaProblem(tensors, steps, 0, 2)


@given(seed=st.integers(0, 10**6), steps=st.integers(1, 14))
@settings(max_examples=150, deadline=None)
def test_layouts_are_right_and_between_the_bound_and_tflm(seed: int, steps: int) -> None:
    problem = random_problem(seed, steps)
    layout, theirs = plan_arena(problem), tflm_plan(problem)  # both are checked by _check_layout
    assert layout.bound <= layout.size <= theirs.size
    assert layout.bound <= max(_live_bytes(_blocks_of(problem)))
    assert layout.size == max(offset + block.size for block, offset in layout.blocks)
    assert plan_arena(problem, in_place=False).size >= max(_live_bytes(_blocks_of(problem)))


@pytest.mark.parametrize("seed", range(40))
def test_the_exact_layout_is_the_least_of_all_orders(seed: int) -> None:
    """Among few blocks, first fit in some order is optimal: all orders are an oracle."""
    problem = random_problem(seed, 3)  # at most four tensors and the scratch of three calls
    layout = plan_arena(problem, in_place=False, exact=True)
    blocks = _blocks_of(problem)
    spans = _forbidden(blocks, {})
    orders = itertools.permutations(range(len(blocks)))
    assert layout.size == min(_arena_size(blocks, _first_fit(blocks, spans, order)) for order in orders)
    assert layout.optimal


@pytest.mark.parametrize("seed", range(40))
def test_the_exact_layout_with_overlaps_is_the_least_of_all_places(seed: int) -> None:
    """All offsets of few blocks, in steps of a word, are an oracle that knows neither orders nor spans."""
    problem = small_problem(seed)
    exact = plan_arena(problem, exact=True)
    blocks = _blocks_of(problem)
    words = [range(0, exact.size - 4 - block.size + 1, 4) for block in blocks]
    for offsets in itertools.product(*words):
        tensors = {block.tensor: at for block, at in zip(blocks, offsets, strict=True) if block.tensor is not None}
        scratch = {block.first: at for block, at in zip(blocks, offsets, strict=True) if block.tensor is None}
        with pytest.raises(SlipstickError, match="overlap"):
            _check_layout(replace(exact, size=exact.size - 4, offsets=tensors, scratch=scratch))
    assert exact.optimal


@pytest.mark.parametrize("seed", range(10))
def test_the_exact_layout_is_no_larger_than_the_greedy_one(seed: int) -> None:
    problem = random_problem(seed, 20)
    assert plan_arena(problem, exact=True, time_limit=2.0).size <= plan_arena(problem).size


@given(seed=st.integers(0, 10**6), steps=st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_the_best_order_is_the_least_of_all_orders(seed: int, steps: int) -> None:
    problem = random_problem(seed, steps)

    def peak(other: ArenaProblem) -> int:
        blocks = _blocks_of(other)
        return max(_live_bytes(blocks, _overlaps_of(other, blocks)))

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
    assert peak(problem.reordered(best_order(problem))) == min(peak(other) for other in possible())


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


def test_an_overlap_needs_a_dying_input_and_a_lead_below_the_output() -> None:
    tensors = tuple(ArenaTensor(name, 64) for name in "abc")
    relu = ArenaStep("relu", "add", (0,), 1, overwrites=(0,))
    keep = ArenaProblem(tensors, (relu, ArenaStep("add", "add", (0, 1), 2, overwrites=(0, 1))), 0, 2)
    assert set(_overlaps_of(keep, _blocks_of(keep))) == {(2, 0), (2, 1)}  # blocks of tensors stand in their order
    rows = ArenaStep("rows", "depthwise", (0,), 1, overwrites=(0,), overlap=Overlap(64))
    apart = ArenaProblem(tensors[:2], (rows,), 0, 1)
    assert _overlaps_of(apart, _blocks_of(apart)) == {}
    partly = ArenaProblem(tensors[:2], (replace(rows, overlap=Overlap(13)),), 0, 1)
    assert plan_arena(partly).offsets == {1: 0, 0: 16}  # a lead of whole words


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
    plan = patch_plans(chain(), max_extra=1.0)[0]
    assert plan_arena(plan.problem).size == plan.bound < plan_arena(chain()).size
    assert (plan.stage, plan.tiles) == (2, 4)
    # a tile of 4x4 needs 9x9 of the wide tensor (8x8 at the rim), of which 8x8 are its own
    assert plan.problem.tensors[1].size == 9 * 9 * 16
    rows = (9 + 9 + 9 + 8) ** 2
    assert plan.extra == pytest.approx((rows - 32 * 32) * 16 * 27)
    assert plan.macs == sum(step.macs for step in chain().steps) + plan.extra
    assert all(plan.stage == 1 for plan in patch_plans(chain(), max_extra=0.0))


def test_a_picture_has_a_box_for_every_block() -> None:
    layout = plan_arena(random_problem(5, 8))
    picture = arena_svg(layout, "a < b")
    assert picture.count("<title>") == len(layout.blocks) + 1
    assert "a &lt; b" in picture
