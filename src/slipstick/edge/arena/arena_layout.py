"""Layout of an arena: offsets of all tensors and of all scratch, its size, and the check that nothing overlaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from slipstick.core.errors import SlipstickError
from slipstick.edge.arena.arena_problem import ALIGNMENT, ArenaProblem, ArenaStep
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
    blocks : what was laid out, with its offset.
    method : how: greedy, or exact.
    """

    problem: ArenaProblem
    size: int
    bound: int
    offsets: dict[int, int]
    scratch: dict[int, int]
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
        reserved = {tensor for tensor, start, end in problem.reservations if start <= place <= end}
        spans = {
            problem.tensors[tensor].name + f" (tensor {tensor})": _span(layout, tensor)
            for tensor in {*alive, *reserved, step.writes}
        }
        if step.scratch:
            spans["scratch"] = (layout.scratch[place], layout.scratch[place] + step.scratch)
        still = {tensor for tensor, _, end in problem.reservations if end > place} | {problem.output}
        dying = [tensor for tensor in step.overwrites if uses.get(tensor) == place and tensor not in still]
        _check_apart(
            spans, [pair for tensor in dying for pair in _allowed(layout, step, tensor)], layout.size, step.name
        )
        alive = {tensor for tensor in {*alive, step.writes} if uses.get(tensor, -1) > place}
    return layout


_Span = tuple[int, int]


def _span(layout: ArenaLayout, tensor: int) -> _Span:
    return layout.offsets[tensor], layout.offsets[tensor] + layout.problem.tensors[tensor].size


def _allowed(layout: ArenaLayout, step: ArenaStep, tensor: int) -> Iterator[tuple[_Span, _Span]]:
    """Yield the spans of a step's output and of a dying input if the output begins as far before it as it must."""
    output, dying = _span(layout, step.writes), _span(layout, tensor)
    ahead, lead = dying[0] - output[0], step.overlap.lead
    if ahead == lead or (ahead > lead and not step.overlap.exact):
        yield output, dying
        yield dying, output


def _check_apart(spans: dict[str, _Span], allowed: Sequence[tuple[_Span, _Span]], size: int, step: str) -> None:
    for name, (start, end) in spans.items():
        if start % ALIGNMENT or start < 0 or end > size:
            raise SlipstickError(
                "lies outside the arena, or not at a word", path=step, value=f"{name}: {start} to {end}"
            )
    for (name, span), (other, second) in combinations(spans.items(), 2):
        if span[0] < second[1] and second[0] < span[1] and (span, second) not in allowed:
            raise SlipstickError("tensors overlap while both are alive", path=step, value=f"{name} and {other}")
