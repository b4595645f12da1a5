"""Planner of an arena: in-place writes, greedy layouts, and the exact one where it is asked for; always checked."""

from __future__ import annotations

from slipstick.edge.arena.arena_layout import ArenaLayout, _check_layout
from slipstick.edge.arena.arena_problem import ArenaProblem
from slipstick.edge.arena.exact_arena import _exact_offsets
from slipstick.edge.arena.greedy_arena import _arena_size, _greedy_offsets, _tflm_offsets
from slipstick.edge.arena.liveness import ArenaBlock, _blocks_of, _live_bytes, _merges_of


def plan_arena(
    problem: ArenaProblem, *, in_place: bool = True, exact: bool = False, time_limit: float = 10.0
) -> ArenaLayout:
    """Return the smallest layout of the calls in their order, checked.

    Parameters
    ----------
    in_place : whether outputs may take the bytes of inputs that die with the call.
    exact : whether CP-SAT goes on where the greedy layouts miss the bound, for `time_limit` [s] at most.

    Errors
    ------
    MissingExtraError for `exact` without OR-Tools.

    Examples
    --------
    >>> from slipstick.edge.arena.arena_problem import ArenaStep, ArenaTensor
    >>> tensors = tuple(ArenaTensor(name, size) for name, size in (("a", 64), ("b", 64), ("c", 16)))
    >>> steps = (ArenaStep("relu", "elementwise", (0,), 1, overwrites=(0,)), ArenaStep("dense", "dense", (1,), 2))
    >>> plan_arena(ArenaProblem(tensors, steps, 0, 2)).size
    80
    """
    choices: list[dict[int, int]] = [{}]
    if in_place:
        choices = [_merges_of(problem), _merges_of(problem, smaller=False), {}]
    layouts: list[ArenaLayout] = []
    for place, merges in enumerate(choices):
        if merges in choices[:place]:
            continue
        blocks = _blocks_of(problem, merges)
        bound = max(_live_bytes(blocks), default=0)
        if layouts and bound >= min(layout.size for layout in layouts):
            continue  # even its bound is no improvement
        layouts.append(_laid_out(problem, merges, blocks, _greedy_offsets(blocks, bound), bound, "greedy"))
    best = min(layouts, key=lambda layout: layout.size)
    return _check_layout(_improved(best, time_limit) if exact else best)


def tflm_plan(problem: ArenaProblem) -> ArenaLayout:
    """Return the layout of TensorFlow Lite Micro's greedy planner, for comparison: nothing is written in place."""
    blocks = _blocks_of(problem)
    bound = max(_live_bytes(blocks), default=0)
    return _check_layout(_laid_out(problem, {}, blocks, _tflm_offsets(blocks), bound, "TFLM's greedy planner"))


def _improved(layout: ArenaLayout, time_limit: float) -> ArenaLayout:
    blocks, hint = [block for block, _ in layout.blocks], [offset for _, offset in layout.blocks]
    offsets, proved = _exact_offsets(blocks, hint, layout.bound, time_limit=time_limit)
    return _laid_out(layout.problem, layout.merges, blocks, offsets, proved, "exact")


def _laid_out(
    problem: ArenaProblem, merges: dict[int, int], blocks: list[ArenaBlock], offsets: list[int], bound: int, method: str
) -> ArenaLayout:
    placed = tuple(zip(blocks, offsets, strict=True))
    tensors = {tensor: offset for block, offset in placed for tensor in block.tensors}
    scratch = {block.first: offset for block, offset in placed if not block.tensors}
    return ArenaLayout(problem, _arena_size(blocks, offsets), bound, tensors, scratch, merges, placed, method)
