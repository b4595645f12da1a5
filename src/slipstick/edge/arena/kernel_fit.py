"""Kernels that an arena has room for: the fastest of each call under a limit of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from slipstick.edge.arena.arena_layout import ArenaLayout
from slipstick.edge.arena.arena_problem import ArenaProblem
from slipstick.edge.arena.liveness import _blocks_of, _live_bytes, _overlaps_of
from slipstick.edge.arena.plan_arena import plan_arena

_LAYOUTS = 12  # choices of kernels that are laid out before the smallest is taken: steps at the peak are few


@lru_cache(maxsize=256)  # a search asks for the same networks on many boards
def _fit_kernels(
    problems: tuple[ArenaProblem, ...], counts: tuple[int, ...], limit: float
) -> tuple[tuple[int, ...], ArenaLayout]:
    """Return the choice of each call and the layout: the first choices whose arena keeps to a limit [B].

    A call's kernel changes the bytes of its own step alone. So each call gets the first kernel with which its step
    keeps to a threshold, or the one of the fewest bytes. Thresholds fall from the limit until the layout keeps to it;
    where none does, the smallest layout found is the answer.

    Parameters
    ----------
    problems : the arena problem in which every call takes its first kernel, its second, and so on.
    counts : kernels that compute each call, the fastest first.
    """
    columns = [_live(problem) for problem in problems]
    needs = [column[:count] for column, count in zip(zip(*columns, strict=True), counts, strict=True)]
    thresholds = sorted({min(limit, need) for step in needs for need in step}, reverse=True)
    layouts: dict[tuple[int, ...], ArenaLayout] = {}
    for threshold in [limit, *thresholds]:
        places = tuple(_first_within(step, threshold) for step in needs)
        if places in layouts:
            continue
        steps = tuple(problems[place].steps[number] for number, place in enumerate(places))
        layouts[places] = plan_arena(replace(problems[0], steps=steps))
        if layouts[places].size <= limit or len(layouts) == _LAYOUTS:
            break
    return min(layouts.items(), key=lambda item: item[1].size)


def _live(problem: ArenaProblem) -> list[int]:
    """Return the least bytes of each step."""
    blocks = _blocks_of(problem)
    return _live_bytes(blocks, _overlaps_of(problem, blocks))


def _first_within(needs: Sequence[int], threshold: float) -> int:
    """Return the place of the first of some bytes that keep to a threshold, or of the fewest."""
    return next((place for place, need in enumerate(needs) if need <= threshold), needs.index(min(needs)))
