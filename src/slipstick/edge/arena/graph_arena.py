"""Arena problem of an operator graph of sizes: a byte an element, what `estimate` knows before anything is compiled."""

from __future__ import annotations

from collections.abc import Sequence

from slipstick.core.workload import Op
from slipstick.edge.arena.arena_problem import ArenaProblem, ArenaStep, ArenaTensor

_VIEWS = ("copy",)  # kinds that keep the bytes of their input


def _graph_problem(ops: Sequence[Op]) -> ArenaProblem:
    """Return the arena problem of a graph's operations in their order, its tensors in int8.

    Sums write over one of their inputs. What nothing made is the network's input, as large as the first operation
    reads; the last operation gives the network's output.
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
        overwrites = reads if op.kind in ("elementwise", "softmax") else ()
        steps.append(ArenaStep(op.name, op.kind, reads, made[op.name], overwrites=overwrites, macs=op.flops / 2))
    return ArenaProblem(tuple(tensors), tuple(steps), 0, steps[-1].writes)


def _bytes(elements: float) -> int:
    return max(1, round(elements))
