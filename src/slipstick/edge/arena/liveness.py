"""Liveness: the blocks of bytes that an arena must hold and when, which of them may overlap, and the lower bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slipstick.edge.arena.arena_problem import ArenaProblem, Overlap, _aligned

_Overlaps = Mapping[tuple[int, int], Overlap]  # (place of the output's block, place of the input's) -> how they may


@dataclass(frozen=True)
class ArenaBlock:
    """Bytes that are taken from one step to another, both included.

    Parameters
    ----------
    tensor : place of the tensor that lies there; None for the scratch of step `first`.
    """

    name: str
    size: int
    first: int
    last: int
    tensor: int | None = None

    def meets(self, other: ArenaBlock) -> bool:
        """Return whether both are alive at one step."""
        return self.first <= other.last and other.first <= self.last


def _blocks_of(problem: ArenaProblem) -> list[ArenaBlock]:
    """Return the blocks of all tensors and of all scratch."""
    used = [problem.input, *(step.writes for step in problem.steps)]
    lives = problem.lives
    blocks = [
        ArenaBlock(problem.tensors[tensor].name, _aligned(problem.tensors[tensor].size), *lives[tensor], tensor)
        for tensor in used
    ]
    for place, step in enumerate(problem.steps):
        if step.scratch:
            blocks.append(ArenaBlock(f"scratch of {step.name}", _aligned(step.scratch), place, place))
    return blocks


def _overlaps_of(problem: ArenaProblem, blocks: Sequence[ArenaBlock]) -> dict[tuple[int, int], Overlap]:
    """Return the pairs of blocks, output and input of one step, that may overlap: the input dies as the output begins.

    Leads are in whole words, as offsets are, and no longer than the output: then both lie apart.
    """
    lives = problem.lives
    place_of = {block.tensor: place for place, block in enumerate(blocks) if block.tensor is not None}
    overlaps = {}
    for place, step in enumerate(problem.steps):
        size = _aligned(problem.tensors[step.writes].size)
        lead = min(_aligned(step.overlap.lead), size)
        if lives[step.writes][0] != place or lead == size or (step.overlap.exact and lead != step.overlap.lead):
            continue
        for tensor in step.overwrites:
            if lives[tensor][1] == place and tensor != problem.output:
                overlaps[place_of[step.writes], place_of[tensor]] = Overlap(lead, step.overlap.exact)
    return overlaps


def _live_bytes(blocks: Sequence[ArenaBlock], overlaps: _Overlaps | None = None) -> list[int]:
    """Return the least bytes that each step needs: of all that is alive, less what an output may take of dying inputs.

    Examples
    --------
    >>> blocks = [ArenaBlock("a", 8, 0, 1), ArenaBlock("b", 4, 1, 2)]
    >>> _live_bytes(blocks), _live_bytes(blocks, {(1, 0): Overlap()})
    ([8, 12, 4], [8, 8, 4])
    """
    changes = [0] * (max((block.last for block in blocks), default=-1) + 2)
    for block in blocks:
        changes[block.first] += block.size
        changes[block.last + 1] -= block.size
    total, live = 0, []
    for change in changes[:-1]:
        total += change
        live.append(total)
    shared: dict[int, list[int]] = {}  # output -> inputs that it may overlap
    for output, dying in overlaps or {}:
        shared.setdefault(output, []).append(dying)
    for output, inputs in shared.items():
        size, taken = blocks[output].size, sum(blocks[dying].size for dying in inputs)
        live[blocks[output].first] -= size + taken - max(size, (overlaps or {})[output, inputs[0]].lead + taken)
    return live


_Spans = tuple[tuple[int, int], ...]


def _forbidden(blocks: Sequence[ArenaBlock], overlaps: _Overlaps) -> list[dict[int, _Spans]]:
    """Return, for each block, where it may not begin, by every other block that is alive with it.

    Spans are open, in bytes from the other block's offset.
    """
    spans: list[dict[int, _Spans]] = [{} for _ in blocks]
    for place, block in enumerate(blocks):
        for number, other in enumerate(blocks):
            if number != place and block.meets(other):
                spans[place][number] = _spans_of(
                    block, other, overlaps.get((place, number)), overlaps.get((number, place))
                )
    return spans


def _spans_of(block: ArenaBlock, other: ArenaBlock, over: Overlap | None, under: Overlap | None) -> _Spans:
    """Return where a block may not begin; `over`: it overlaps the other, its input; `under`: the other overlaps it."""
    low, high = -block.size, other.size
    if over is None and under is None:
        return ((low, high),)
    at, exact = (
        (-over.lead, over.exact) if over is not None else (under.lead, under.exact) if under is not None else (0, False)
    )
    if exact:
        return (low, at), (at, high)
    return ((at, high),) if over is not None else ((low, at),)
