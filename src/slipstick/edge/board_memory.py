"""Memory of a board for tensors: what its fast memories have, and the stall of a byte in each."""

from __future__ import annotations

from slipstick.core.system import System
from slipstick.edge.arena.memory_tiers import MemoryTier
from slipstick.edge.board import Board


def _arena_tiers(system: System) -> tuple[MemoryTier, ...]:
    """Return the memories of a board that may hold tensors, the fastest first.

    The fastest one costs no stall, as kernels were counted with it; it lacks what is reserved, and is no larger than
    the largest block that firmware gets. A byte of another stalls for the difference of both bandwidths.
    """
    board = system.device_as(Board)
    tiers: list[MemoryTier] = []
    fastest = system.memory[board.arena[0]].bandwidth
    for place, name in enumerate(board.arena):
        memory = system.memory[name]
        room = memory.capacity
        if place == 0:
            room = min(room - (board.reserved or 0.0), board.arena_limit or room)
        slower = 1.0 / memory.bandwidth - 1.0 / fastest if memory.bandwidth and fastest else 0.0
        tiers.append(MemoryTier(name, int(max(room, 0.0)), max(slower, 0.0)))
    return tuple(tiers)
