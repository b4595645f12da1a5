"""Places of tensors and scratch in the arena: lifetimes from the order of the calls, then the planner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slipstick.edge.firmware.lowering import LoweredNetwork

ALIGNMENT = 4  # bytes: kernels load words


@dataclass(frozen=True)
class ArenaPlan:
    """Offsets [B] in the arena: of each tensor, and of each call's scratch; and the arena's size [B]."""

    size: int
    tensors: dict[int, int]
    scratch: dict[int, int]


@dataclass(frozen=True)
class _Block:
    """Bytes that live from one call to another, both included."""

    size: int
    first: int
    last: int


def plan_arena(network: LoweredNetwork, scratch: Sequence[int]) -> ArenaPlan:
    """Return the places of all tensors, input and output among them, and of the scratch [B] of each call."""
    blocks: dict[tuple[str, int], _Block] = {}
    lives = _lifetimes(network)
    for tensor, size in network.sizes.items():
        blocks["tensor", tensor] = _Block(_aligned(size), *lives[tensor])
    for place, size in enumerate(scratch):
        if size:
            blocks["scratch", place] = _Block(_aligned(size), place, place)
    offsets = _greedy(blocks)
    size = max(offsets[key] + block.size for key, block in blocks.items())
    tensors = {number: offset for (kind, number), offset in offsets.items() if kind == "tensor"}
    return ArenaPlan(size, tensors, {number: o for (kind, number), o in offsets.items() if kind == "scratch"})


def _lifetimes(network: LoweredNetwork) -> dict[int, tuple[int, int]]:
    """Return the first and the last call at which each tensor holds something."""
    end = len(network.calls) - 1
    first = {network.input: 0} | {call.output: place for place, call in enumerate(network.calls)}
    last = dict(first)
    for place, call in enumerate(network.calls):
        last |= dict.fromkeys(call.inputs, place)
    last[network.output] = end
    return {tensor: (first[tensor], last[tensor]) for tensor in network.sizes}


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _greedy(blocks: dict[tuple[str, int], _Block]) -> dict[tuple[str, int], int]:
    """Return offsets by the greedy rule of TensorFlow Lite Micro: the largest first, each as low as it fits."""
    offsets: dict[tuple[str, int], int] = {}
    for key in sorted(blocks, key=lambda key: (-blocks[key].size, blocks[key].first)):
        block = blocks[key]
        alive = [
            (offsets[other], blocks[other].size)
            for other in offsets
            if blocks[other].first <= block.last and block.first <= blocks[other].last
        ]
        offset = 0
        for start, size in sorted(alive):
            if offset + block.size <= start:
                break
            offset = max(offset, start + size)
        offsets[key] = offset
    return offsets
