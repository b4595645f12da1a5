"""Exact layouts of blocks by OR-Tools CP-SAT: rectangles of bytes and time that do not overlap."""

from __future__ import annotations

from collections.abc import Sequence

from slipstick.core.extras import require
from slipstick.edge.arena.arena_problem import ALIGNMENT
from slipstick.edge.arena.greedy_arena import _arena_size
from slipstick.edge.arena.liveness import ArenaBlock


def _exact_offsets(
    blocks: Sequence[ArenaBlock], hint: Sequence[int], bound: int, *, time_limit: float = 10.0, seed: int = 0
) -> tuple[list[int], int]:
    """Return the offsets [B] of the smallest layout found within `time_limit` [s], and the size that was proved least.

    Parameters
    ----------
    hint : offsets of a layout to begin with: the answer is never larger.
    bound : least bytes that are possible.

    Errors
    ------
    MissingExtraError without OR-Tools.
    """
    size = _arena_size(blocks, hint)
    if size <= bound:
        return list(hint), bound
    cp = require("ortools.sat.python.cp_model", "search")
    model, words = cp.CpModel(), size // ALIGNMENT
    top = model.new_int_var(-(-bound // ALIGNMENT), words, "size")
    model.add_hint(top, words)
    places, times, rows = [], [], []
    for number, (block, start) in enumerate(zip(blocks, hint, strict=True)):
        length = block.size // ALIGNMENT
        place = model.new_int_var(0, words - length, f"o{number}")
        model.add_hint(place, start // ALIGNMENT)
        model.add(place + length <= top)
        places.append(place)
        rows.append(model.new_fixed_size_interval_var(place, length, f"b{number}"))
        times.append(model.new_fixed_size_interval_var(block.first, block.last - block.first + 1, f"t{number}"))
    model.add_no_overlap_2d(times, rows)
    model.minimize(top)
    solver = cp.CpSolver()
    solver.parameters.catch_sigint_signal = False  # its handler would leave none behind
    solver.parameters.max_time_in_seconds = time_limit
    solver.parameters.num_workers = 2
    solver.parameters.random_seed = seed
    status = solver.solve(model)
    if status not in (cp.OPTIMAL, cp.FEASIBLE):
        return list(hint), bound
    offsets = [ALIGNMENT * solver.value(place) for place in places]
    proved = ALIGNMENT * round(solver.best_objective_bound)
    return (offsets, max(proved, bound)) if _arena_size(blocks, offsets) <= size else (list(hint), bound)
