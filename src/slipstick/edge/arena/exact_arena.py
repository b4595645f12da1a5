"""Exact layouts of blocks by OR-Tools CP-SAT: rectangles of bytes and time that do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slipstick.core.extras import require
from slipstick.edge.arena.arena_problem import ALIGNMENT, Overlap
from slipstick.edge.arena.greedy_arena import _arena_size
from slipstick.edge.arena.liveness import ArenaBlock, _Overlaps


def _exact_offsets(
    blocks: Sequence[ArenaBlock], overlaps: _Overlaps, hint: Sequence[int], bound: int, *, time_limit: float = 10.0
) -> tuple[list[int], int]:
    """Return the offsets [B] of the smallest layout found within `time_limit` [s], and the size that was proved least.

    An output and an input that may overlap are rectangles in two halves of their step, between which a choice stands:
    apart, or overlapping with the lead.

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
    outputs, inputs = {output for output, _ in overlaps}, {dying for _, dying in overlaps}
    for number, (block, start) in enumerate(zip(blocks, hint, strict=True)):
        length = block.size // ALIGNMENT
        place = model.new_int_var(0, words - length, f"o{number}")
        model.add_hint(place, start // ALIGNMENT)
        model.add(place + length <= top)
        places.append(place)
        rows.append(model.new_fixed_size_interval_var(place, length, f"b{number}"))
        first, behind = 2 * block.first + (number in outputs), 2 * block.last + 2 - (number in inputs)
        times.append(model.new_fixed_size_interval_var(first, behind - first, f"t{number}"))
    model.add_no_overlap_2d(times, rows)
    for (output, dying), overlap in overlaps.items():
        _add_choice(model, places[output], places[dying], (blocks[output], blocks[dying]), overlap)
    model.minimize(top)
    solver = cp.CpSolver()
    solver.parameters.catch_sigint_signal = False  # its handler would leave none behind
    solver.parameters.max_time_in_seconds = time_limit
    solver.parameters.num_workers = 2
    solver.parameters.random_seed = 0
    status = solver.solve(model)
    if status not in (cp.OPTIMAL, cp.FEASIBLE):
        return list(hint), bound
    offsets = [ALIGNMENT * solver.value(place) for place in places]
    proved = ALIGNMENT * round(solver.best_objective_bound)
    return (offsets, max(proved, bound)) if _arena_size(blocks, offsets) <= size else (list(hint), bound)


def _add_choice(model: Any, output: Any, dying: Any, blocks: tuple[ArenaBlock, ArenaBlock], overlap: Overlap) -> None:
    """Add that an output lies below the input that dies, above it, or ahead of it by the overlap's lead."""
    sizes, lead = [block.size // ALIGNMENT for block in blocks], overlap.lead // ALIGNMENT
    below, above, over = (model.new_bool_var("") for _ in range(3))
    model.add(output + sizes[0] <= dying).only_enforce_if(below)
    model.add(dying + sizes[1] <= output).only_enforce_if(above)
    model.add(output + lead == dying if overlap.exact else output + lead <= dying).only_enforce_if(over)
    model.add_bool_or([below, above, over])
