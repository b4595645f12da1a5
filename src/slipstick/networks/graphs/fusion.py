"""Fusion of operations: epilogues merged into the kernels that compute their inputs, and chains merged into nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from slipstick.core.workload import Op

_Joins = Callable[[Op, Op], bool]

_EPILOGUES = {
    "batchnorm": ("conv",),  # folded into the weights, or a scale and a shift
    "elementwise": ("conv", "matmul", "batchnorm", "norm", "elementwise"),
}


def fused(ops: Sequence[Op]) -> list[Op]:
    """Return `ops` with batch norms and activations merged into the operation that computes their only input.

    Libraries do so at inference (cuDNN, oneDNN and TensorRT run convolution, norm and activation as one kernel). The
    result keeps kind, sizes and flops of its first part, the outputs of the last, and lists them all in `parts`.

    Examples
    --------
    >>> conv = Op("conv", "conv", {"m": 4, "n": 8, "k": 27, "batch": 1}, 1728.0, 216.0, 12.0, 32.0)
    >>> relu = Op("relu", "elementwise", {"m": 1, "n": 32}, 0.0, 0.0, 32.0, 32.0, after=("conv",))
    >>> [(op.name, [part.name for part in op.parts]) for op in fused([conv, relu])]
    [('conv', ['conv', 'relu'])]
    """
    return [_kernel(run) for run in _runs(ops, lambda before, op: before.kind in _EPILOGUES.get(op.kind, ()))]


def chains(ops: Sequence[Op]) -> list[Op]:
    """Return the graph with every unbranched chain of operations merged into one node.

    A chain leaves a placement no choice: Inception-V3 has 66 of them. A node of several
    parts has the kind ``chain``, the weights and flops of all, and the inputs of the first.

    Examples
    --------
    >>> from slipstick.networks import network
    >>> from slipstick.core.workload import Phase
    >>> graph = chains(network("inception-v3").ops(Phase.INFER, 1, 1, 1))
    >>> len(graph), sum(len(op.after) for op in graph)
    (66, 100)
    """
    return [_chain(run) for run in _runs(ops, lambda before, op: before.colocate == op.colocate)]


def leaf_ops(op: Op) -> list[Op]:
    """Return the original operations merged into `op`, in order; `op` itself where none were.

    `count` of a merged operation counts for all its parts.
    """
    if not op.parts:
        return [op]
    return [replace(leaf, count=leaf.count * op.count) for part in op.parts for leaf in leaf_ops(part)]


def _runs(ops: Sequence[Op], joins: _Joins) -> list[list[Op]]:
    """Return `ops` split into unbranched runs: an operation joins the run whose last result it alone reads.

    The runs read one another by the name of each run's first operation. They are in the order of their last
    operations, so that each comes after all that it reads.
    """
    readers = Counter(name for op in ops for name in op.after)
    runs: list[list[Op]] = []
    ends: dict[str, list[Op]] = {}
    for op in ops:
        before = ends.get(op.after[0]) if len(op.after) == 1 else None
        if before is not None and readers[op.after[0]] == 1 and joins(before[-1], op):
            ends[op.name] = before
            before.append(op)
        else:
            ends[op.name] = [op]
            runs.append(ends[op.name])
    place = {op.name: number for number, op in enumerate(ops)}
    first = {op.name: run[0].name for run in runs for op in run}
    runs.sort(key=lambda run: place[run[-1].name])
    return [[replace(run[0], after=tuple(first[name] for name in run[0].after)), *run[1:]] for run in runs]


def _kernel(run: list[Op]) -> Op:
    if len(run) == 1:
        return run[0]
    weights = sum(op.weights for op in run)
    return replace(run[0], weights=weights, outputs=run[-1].outputs, parts=tuple(run))


def _chain(run: list[Op]) -> Op:
    if len(run) == 1:
        return run[0]
    flops, weights = sum(op.flops * op.count for op in run), sum(op.weights * op.count for op in run)
    outputs, parts = run[-1].outputs, tuple(run)
    return replace(run[0], kind="chain", dims={}, flops=flops, weights=weights, outputs=outputs, count=1, parts=parts)
