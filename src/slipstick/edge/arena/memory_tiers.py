"""Memory tiers: which tensors and weights lie in fast memory, the stall that the others cost, what a move would buy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slipstick.core.errors import SlipstickError
from slipstick.edge.arena.arena_layout import ArenaLayout
from slipstick.edge.arena.greedy_arena import _first_fit
from slipstick.edge.arena.liveness import ArenaBlock, _forbidden, _Overlaps


@dataclass(frozen=True)
class MemoryTier:
    """Memory that may hold tensors: bytes that it has for them, and the stall [s] of one byte read or written."""

    name: str
    capacity: int
    stall: float


@dataclass(frozen=True)
class TierPlace:
    """Place of one block: its tier and offset [B], its traffic [B] and stall [s] there, and the stall in each tier.

    Parameters
    ----------
    saved : seconds that a move to the fastest tier would save, if there were room.
    """

    block: ArenaBlock
    tier: str
    offset: int
    traffic: float
    stall: float
    saved: float


def _tensor_traffic(layout: ArenaLayout) -> list[float]:
    """Return the bytes that are written to and read from each block of a layout: once by each call that uses it."""
    moved = dict.fromkeys(range(len(layout.problem.tensors)), 0.0)
    for step in layout.problem.steps:
        for tensor in (*step.reads, step.writes):
            moved[tensor] += layout.problem.tensors[tensor].size
    return [2.0 * block.size if block.tensor is None else moved[block.tensor] for block, _ in layout.blocks]


def place_in_tiers(
    blocks: Sequence[ArenaBlock],
    traffic: Sequence[float],
    tiers: Sequence[MemoryTier],
    overlaps: _Overlaps | None = None,
) -> tuple[TierPlace, ...]:
    """Return the place of every block: the fastest tier goes to blocks with the most traffic for the room they take.

    Room is bytes times steps. Each block goes to the first tier, in order of speed, whose layout still fits.

    Parameters
    ----------
    overlaps : pairs of blocks that may share bytes, as `_overlaps_of` returns them.

    Errors
    ------
    SlipstickError if a block fits no tier.
    """
    spans = _forbidden(blocks, overlaps or {})

    def offsets(numbers: list[int]) -> list[int]:
        return _first_fit(blocks, spans, sorted(numbers, key=lambda n: (-blocks[n].size, -blocks[n].first)))

    def fits(numbers: list[int], tier: MemoryTier) -> bool:
        placed = offsets(numbers)
        return all(placed[number] + blocks[number].size <= tier.capacity for number in numbers)

    by_speed = sorted(tiers, key=lambda tier: tier.stall)
    order = sorted(
        range(len(blocks)), key=lambda n: -traffic[n] / (blocks[n].size * (blocks[n].last - blocks[n].first + 1))
    )
    members: dict[str, list[int]] = {tier.name: [] for tier in by_speed}
    for number in order:
        home = next((tier for tier in by_speed if fits([*members[tier.name], number], tier)), None)
        if home is None:
            rooms = ", ".join(f"{tier.name} {tier.capacity} B" for tier in by_speed)
            size = blocks[number].size
            raise SlipstickError("fits in no memory", path=blocks[number].name, value=size, allowed=rooms)
        members[home.name].append(number)
    places: dict[int, TierPlace] = {}
    for tier in by_speed:
        placed = offsets(members[tier.name])
        for number in members[tier.name]:
            stall = traffic[number] * tier.stall
            saved = stall - traffic[number] * by_speed[0].stall
            places[number] = TierPlace(blocks[number], tier.name, placed[number], traffic[number], stall, saved)
    return tuple(places[number] for number in range(len(blocks)))
