"""Memory of a board for tensors: what its fast memories have, and the stall of a byte in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slipstick.core.encoding import Encoding
from slipstick.core.system import System
from slipstick.core.workload import Op
from slipstick.edge.arena.arena_layout import ArenaLayout
from slipstick.edge.arena.arena_problem import Overlap
from slipstick.edge.arena.graph_arena import _graph_problem
from slipstick.edge.arena.kernel_fit import _fit_kernels
from slipstick.edge.arena.memory_tiers import MemoryTier
from slipstick.edge.arena.operator_order import best_order
from slipstick.edge.arena.plan_arena import plan_arena, tflm_plan
from slipstick.edge.board import Board
from slipstick.edge.core_table import BoardCore
from slipstick.edge.firmware.code_size import _predicted_code_bytes
from slipstick.edge.firmware.compiler import _tool_core
from slipstick.edge.kernel_outline import _outlined_kernels, _OutlinedKernel
from slipstick.edge.latency.kernel_mixes import KernelMix
from slipstick.edge.latency.layer_work import LayerWork, _work_of

_OWN = "slipstick"  # the library of kernels that firmware is made of
_BYTE = 8  # bits of a weight that is stored as it is


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


@dataclass(frozen=True)
class _BoardBytes:
    """Bytes that a network takes on a board: constants and structs in flash, code, and the layout of its arena.

    Parameters
    ----------
    source : where the code's size comes from.
    """

    constants: float
    structs: float
    code: float
    layout: ArenaLayout
    source: str

    @property
    def flash(self) -> float:
        """Bytes of constants, structs and code in flash."""
        return self.constants + self.structs + self.code


def _board_bytes(
    ops: Sequence[Op], encodings: Sequence[tuple[Encoding, float]], mix: KernelMix, core: BoardCore
) -> _BoardBytes:
    """Return the bytes of a network in flash and arena, from the kernels that compute it where they are our own.

    Parameters
    ----------
    encodings : of each call's weights, and the bytes that they take unpacked.
    """
    stored = sum(nbytes for _, nbytes in encodings)
    if mix.library != _OWN:
        return _BoardBytes(stored, 0.0, mix.code, plan_arena(_graph_problem(ops)), mix.source_of("code") or mix.source)
    tool = _tool_core(core)
    features = frozenset() if tool is None else tool.features
    places, layout = _fitted(ops, features)
    plain = [encoding.bits_per_element == _BYTE for encoding, _ in encodings]
    kernels = [_outlined_kernels(work, features)[places.get(work.name, 0)] for work in _work_of(ops)]
    code = _predicted_code_bytes([kernel.symbol for kernel in kernels], core) if all(plain) else None
    constants = sum(
        kernel.constants if whole and nbytes else nbytes
        for kernel, whole, (_, nbytes) in zip(kernels, plain, encodings, strict=True)
    )
    source = "symbols of the kernels, measured once (data/firmware/code_bytes.yaml)"
    if code is None:
        code, source = int(mix.code), mix.source_of("code") or mix.source
    return _BoardBytes(constants, sum(kernel.structs for kernel in kernels), code, layout, source)


def _fitted(ops: Sequence[Op], features: frozenset[str]) -> tuple[dict[str, int], ArenaLayout]:
    """Return the place of each call's kernel, by name, and the smallest layout in the file's or the best order."""
    first = {op.name: work for op in ops for work in reversed(_work_of([op]))}
    options = {name: _outlined_kernels(work, features) for name, work in first.items()}
    bare = _graph_problem(ops)
    counts = tuple(len(options.get(step.name, (None,))) for step in bare.steps)
    problems = tuple(
        _graph_problem(ops, {name: _memory_of(kernels[min(column, len(kernels) - 1)], first[name])
                             for name, kernels in options.items()})
        for column in range(max(counts))
    )  # fmt: skip
    limit = float(tflm_plan(bare).size)
    places, layout = _fit_kernels(problems, counts, limit)
    order = best_order(layout.problem)
    if order != tuple(range(len(order))):
        moved = tuple(problem.reordered(order) for problem in problems)
        other, smaller = _fit_kernels(moved, tuple(counts[place] for place in order), limit)
        places, layout = (other, smaller) if smaller.size < layout.size else (places, layout)
    steps = zip(layout.problem.steps, places, strict=True)
    return {first[step.name].name: place for step, place in steps if step.name in first}, layout


def _memory_of(kernel: _OutlinedKernel, work: LayerWork) -> tuple[int, Overlap | None]:
    """Return a kernel's scratch [B] and its overlap; what a call of another kind than ours overlaps is not known."""
    return kernel.scratch, None if work.kind == "other" else kernel.overlap
