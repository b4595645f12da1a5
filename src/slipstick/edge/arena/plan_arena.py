"""Planner of an arena: outputs over dying inputs, greedy layouts, exact ones where asked for; always checked."""

from __future__ import annotations

from slipstick.edge.arena.arena_layout import ArenaLayout, _check_layout
from slipstick.edge.arena.arena_problem import ArenaProblem
from slipstick.edge.arena.exact_arena import _exact_offsets
from slipstick.edge.arena.greedy_arena import _arena_size, _greedy_offsets, _tflm_offsets
from slipstick.edge.arena.liveness import ArenaBlock, _blocks_of, _live_bytes, _overlaps_of


def plan_arena(
    problem: ArenaProblem, *, in_place: bool = True, exact: bool = False, time_limit: float = 10.0
) -> ArenaLayout:
    """Return the smallest layout of the calls in their order, checked.

    Parameters
    ----------
    in_place : whether outputs may overlap inputs that die with the call.
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
    blocks = _blocks_of(problem)
    overlaps = _overlaps_of(problem, blocks) if in_place else {}
    bound = max(_live_bytes(blocks, overlaps), default=0)
    offsets = _greedy_offsets(blocks, overlaps, bound)
    layout = _laid_out(problem, blocks, offsets, bound, "greedy")
    if exact:
        offsets, bound = _exact_offsets(blocks, overlaps, offsets, bound, time_limit=time_limit)
        layout = _laid_out(problem, blocks, offsets, bound, "exact")
    return _check_layout(layout)


def tflm_plan(problem: ArenaProblem) -> ArenaLayout:
    """Return the layout of TensorFlow Lite Micro's greedy planner, for comparison: nothing is written in place."""
    blocks = _blocks_of(problem)
    bound = max(_live_bytes(blocks), default=0)
    return _check_layout(_laid_out(problem, blocks, _tflm_offsets(blocks), bound, "TFLM's greedy planner"))


def _laid_out(
    problem: ArenaProblem, blocks: list[ArenaBlock], offsets: list[int], bound: int, method: str
) -> ArenaLayout:
    placed = tuple(zip(blocks, offsets, strict=True))
    tensors = {block.tensor: offset for block, offset in placed if block.tensor is not None}
    scratch = {block.first: offset for block, offset in placed if block.tensor is None}
    return ArenaLayout(problem, _arena_size(blocks, offsets), bound, tensors, scratch, placed, method)
