"""Arena problem of an operator graph of sizes: a byte an element, what `estimate` knows before anything is compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slipstick.core.workload import Op
from slipstick.edge.arena.arena_problem import ArenaProblem, ArenaStep, ArenaTensor, Overlap

_VIEWS = ("copy",)  # kinds that keep the bytes of their input
_AT_ONCE = ("elementwise", "softmax")  # kinds that write over what they have read


def _graph_problem(ops: Sequence[Op], memory: Mapping[str, tuple[int, Overlap | None]] | None = None) -> ArenaProblem:
    """Return the arena problem of a graph's operations in their order, its tensors in int8.

    What nothing made is the network's input, as large as the first operation reads; the last operation gives the
    network's output.

    Parameters
    ----------
    memory : scratch [B] and overlap of the kernel of each operation, by name. Without it there is no scratch, and sums
        write over one of their inputs.
    """
    tensors = [ArenaTensor("input", _bytes(ops[0].inputs))]
    made: dict[str, int] = {}
    steps = []
    for op in ops:
        reads = tuple(dict.fromkeys(made[name] for name in op.after if name in made)) or (0,)
        if op.kind in _VIEWS and len(reads) == 1:
            made[op.name] = reads[0]
            continue
        tensors.append(ArenaTensor(op.name, _bytes(op.outputs)))
        made[op.name] = len(tensors) - 1
        scratch, overlap = (memory or {}).get(op.name, (0, Overlap() if op.kind in _AT_ONCE else None))
        over = () if overlap is None else reads if op.kind in _AT_ONCE else reads[:1]
        steps.append(
            ArenaStep(op.name, op.kind, reads, made[op.name], scratch, over, overlap or Overlap(), op.flops / 2)
        )
    return ArenaProblem(tuple(tensors), tuple(steps), 0, steps[-1].writes)


def _bytes(elements: float) -> int:
    return max(1, round(elements))
