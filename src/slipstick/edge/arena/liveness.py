"""Liveness: the blocks of bytes that an arena must hold and when, in-place merges, and the exact lower bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slipstick.edge.arena.arena_problem import ArenaProblem, _aligned


@dataclass(frozen=True)
class ArenaBlock:
    """Bytes that are taken from one step to another, both included.

    Parameters
    ----------
    tensors : that share these bytes one after the other; empty for the scratch of step `first`.
    """

    name: str
    size: int
    first: int
    last: int
    tensors: tuple[int, ...] = ()

    def meets(self, other: ArenaBlock) -> bool:
        """Return whether both are alive at one step."""
        return self.first <= other.last and other.first <= self.last


def _merges_of(problem: ArenaProblem, *, smaller: bool = True) -> dict[int, int]:
    """Return in-place writes that are possible: the step's place -> the tensor whose bytes its output takes.

    An output takes the bytes of an input that dies with the step and is no smaller. Where rows must be saved, it does
    so only if they are fewer bytes than the output.

    Parameters
    ----------
    smaller : whether an output that is smaller than its input counts: it keeps the larger block alive for longer.
    """
    lives = problem.lives
    merges = {}
    for place, step in enumerate(problem.steps):
        size = problem.tensors[step.writes].size
        for tensor in step.overwrites:
            room = problem.tensors[tensor].size
            dies = lives[tensor][1] == place and tensor != problem.output
            fits = size <= room if smaller else _aligned(size) == _aligned(room)
            if dies and fits and step.row_buffer < size:
                merges[place] = tensor
                break
    return merges


def _blocks_of(problem: ArenaProblem, merges: Mapping[int, int] = {}) -> list[ArenaBlock]:
    """Return the blocks of all tensors and of all scratch, those that share bytes as one.

    Parameters
    ----------
    merges : in-place writes, as `_merges_of` returns them.
    """
    lives = problem.lives
    owner = {problem.input: problem.input}
    for place, step in enumerate(problem.steps):
        shared = merges.get(place)
        owner[step.writes] = step.writes if shared is None else owner[shared]
    groups: dict[int, list[int]] = {}
    for tensor, root in owner.items():
        groups.setdefault(root, []).append(tensor)
    blocks = [
        ArenaBlock(
            problem.tensors[members[0]].name, _aligned(max(problem.tensors[tensor].size for tensor in members)),
            min(lives[tensor][0] for tensor in members), max(lives[tensor][1] for tensor in members), tuple(members),
        )
        for members in groups.values()
    ]  # fmt: skip
    for place, step in enumerate(problem.steps):
        scratch = step.scratch + (step.row_buffer if place in merges else 0)
        if scratch:
            blocks.append(ArenaBlock(f"scratch of {step.name}", _aligned(scratch), place, place))
    return blocks


def _live_bytes(blocks: Sequence[ArenaBlock]) -> list[int]:
    """Return the bytes that are alive at each step.

    Examples
    --------
    >>> _live_bytes([ArenaBlock("a", 8, 0, 1), ArenaBlock("b", 4, 1, 2)])
    [8, 12, 4]
    """
    changes = [0] * (max((block.last for block in blocks), default=-1) + 2)
    for block in blocks:
        changes[block.first] += block.size
        changes[block.last + 1] -= block.size
    total, live = 0, []
    for change in changes[:-1]:
        total += change
        live.append(total)
    return live
