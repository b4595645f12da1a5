"""Layout of an arena: offsets of all tensors and of all scratch, its size, and the check that nothing overlaps."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from slipstick.core.errors import SlipstickError
from slipstick.edge.arena.arena_problem import ALIGNMENT, ArenaProblem
from slipstick.edge.arena.liveness import ArenaBlock


@dataclass(frozen=True)
class ArenaLayout:
    """Places in the arena.

    Parameters
    ----------
    problem : the calls in the order in which they run.
    size : bytes of the arena.
    bound : least bytes that any layout of these blocks needs: the most that are alive at one step.
    offsets : of each tensor [B].
    scratch : offset of the scratch of a step [B], by the step's place.
    merges : steps that write over an input, with that tensor.
    blocks : what was laid out, with its offset.
    method : how: greedy, or exact.
    """

    problem: ArenaProblem
    size: int
    bound: int
    offsets: dict[int, int]
    scratch: dict[int, int]
    merges: dict[int, int]
    blocks: tuple[tuple[ArenaBlock, int], ...]
    method: str

    @property
    def optimal(self) -> bool:
        """Whether no layout of the same blocks is smaller: the size is the bound, or the solver proved it."""
        return self.size == self.bound


def _check_layout(layout: ArenaLayout) -> ArenaLayout:
    """Return a layout after a walk through its calls: no byte is written while another tensor still needs it.

    The walk knows nothing of blocks: it goes by the tensors that steps read and write.

    Errors
    ------
    SlipstickError for tensors that overlap while both hold something, a wrong alignment, or bytes outside the arena.
    """
    problem, alive = layout.problem, {layout.problem.input}
    uses = {tensor: place for place, step in enumerate(problem.steps) for tensor in step.reads}
    uses[problem.output] = len(problem.steps)
    for place, step in enumerate(problem.steps):
        needed = alive | {tensor for tensor, start, end in problem.reservations if start <= place <= end}
        spans = {f"tensor {tensor}": _span(layout, tensor) for tensor in needed}
        overwritten = layout.merges.get(place)
        if overwritten is not None:
            later = any(tensor == overwritten and end > place for tensor, _, end in problem.reservations)
            allowed = overwritten in step.overwrites and uses.get(overwritten) == place and not later
            if not allowed or layout.offsets[overwritten] != layout.offsets[step.writes]:
                raise SlipstickError("writes over an input that it may not", path=f"steps.{place}", value=step.name)
            del spans[f"tensor {overwritten}"]
        spans[f"tensor {step.writes}"] = _span(layout, step.writes)
        if overwritten is not None:  # until the step is over, the larger of both is in use
            size = max(problem.tensors[step.writes].size, problem.tensors[overwritten].size)
            spans[f"tensor {step.writes}"] = (layout.offsets[step.writes], layout.offsets[step.writes] + size)
        scratch = step.scratch + (step.row_buffer if overwritten is not None else 0)
        if scratch:
            spans["scratch"] = (layout.scratch[place], layout.scratch[place] + scratch)
        _check_apart(spans, layout.size, step.name)
        alive = {tensor for tensor in {*alive, step.writes} if uses.get(tensor, -1) > place}
    return layout


def _span(layout: ArenaLayout, tensor: int) -> tuple[int, int]:
    return layout.offsets[tensor], layout.offsets[tensor] + layout.problem.tensors[tensor].size


def _check_apart(spans: dict[str, tuple[int, int]], size: int, step: str) -> None:
    ordered = sorted((span, name) for name, span in spans.items())
    for (start, end), name in ordered:
        if start % ALIGNMENT or start < 0 or end > size:
            raise SlipstickError(
                "lies outside the arena, or not at a word", path=step, value=f"{name}: {start} to {end}"
            )
    for ((_, end), name), ((start, _), other) in pairwise(ordered):
        if start < end:
            raise SlipstickError("tensors overlap while both are alive", path=step, value=f"{name} and {other}")
