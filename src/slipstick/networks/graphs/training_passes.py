"""Operator graph of a training step: the backward pass derived from the graph of the forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from slipstick.core.workload import Op
from slipstick.networks.decoder.operations import backward
from slipstick.networks.graphs.fusion import leaf_ops


def training_graph(ops: Sequence[Op]) -> list[Op]:
    """Return the forward and backward operations of a training step, in topological order.

    Every operation X gets ``X.input_gradient``, which its predecessors' gradients wait for, and, where it has weights,
    ``X.weight_gradient``, which nothing waits for; both run where X runs (`colocate`), since they need its weights and
    kept activations. Weights are counted with X and not again with its gradients. X.weight_gradient comes after
    X.input_gradient: they share a device, and others wait for the first. What a gradient reads of its successor's is
    the part that belongs to X's own result (`reads`).

    Parameters
    ----------
    ops : of one forward pass, merged (`fused`, `chains`) or not.

    Examples
    --------
    >>> conv = Op("conv", "conv", {"m": 4, "n": 8, "k": 27, "batch": 1, "taps": 9}, 1728.0, 216.0, 12.0, 32.0)
    >>> fc = Op("fc", "matmul", {"m": 1, "n": 10, "k": 32, "batch": 1}, 640.0, 320.0, 32.0, 10.0, after=("conv",))
    >>> for op in training_graph([conv, fc]):
    ...     print(op.name, op.after, op.flops, op.colocate)
    conv () 1728.0 conv
    fc ('conv',) 640.0 fc
    fc.input_gradient ('fc',) 640.0 fc
    fc.weight_gradient ('fc.input_gradient',) 640.0 fc
    conv.weight_gradient ('fc.input_gradient',) 1728.0 conv
    """
    readers: dict[str, list[Op]] = {op.name: [] for op in ops}
    for op in ops:
        for name in op.after:
            readers[name].append(op)
    graph = [replace(op, colocate=op.colocate or op.name) for op in ops]
    for op in reversed(ops):
        graph += _gradients(op, readers[op.name])
    return graph


def transfers(ops: Sequence[Op]) -> dict[tuple[str, str], float]:
    """Return the number of elements that each edge (from, to) carries.

    Examples
    --------
    >>> a = Op("a", "pool", {}, 0.0, outputs=8.0)
    >>> transfers([a, Op("b", "pool", {}, 0.0, after=("a",)), Op("c", "pool", {}, 0.0, after=("a",), reads=(2.0,))])
    {('a', 'b'): 8.0, ('a', 'c'): 2.0}
    """
    by_name = {op.name: op for op in ops}
    return {edge: size for op in ops for edge, size in _edges(op, by_name)}


def _edges(op: Op, by_name: Mapping[str, Op]) -> list[tuple[tuple[str, str], float]]:
    sizes = op.reads or tuple(by_name[name].outputs for name in op.after)
    return [((name, op.name), size) for name, size in zip(op.after, sizes, strict=True)]


def _gradients(op: Op, readers: Sequence[Op]) -> list[Op]:
    """Return the gradient operations of `op`, in order; the input gradient only where another operation needs it."""
    forward = leaf_ops(op)
    by_input = [_sum_of(op, len(readers))] if len(readers) > 1 else []
    by_weight: list[Op] = []
    for leaf in reversed(forward):
        gradients = backward(leaf)
        last = leaf is forward[0]
        if op.after or not last or len(gradients) == 1:  # no operation reads the gradient of the network's input
            by_input.append(gradients[0])
        by_weight += gradients[1:]
    place = op.colocate or op.name
    # X keeps the activations that its gradient needs on its own device, so that edge carries the loss's gradient alone
    waits = tuple(f"{reader.name}.input_gradient" for reader in readers) or (op.name,)
    carried = tuple(_read_by(reader, op) for reader in readers) or (op.outputs,)
    merged = []
    if by_input:
        result = op.inputs if op.after else 0.0
        merged.append(_merged(f"{op.name}.input_gradient", by_input, waits, carried, result, place))
        waits, carried = (merged[0].name,), (op.outputs,)
    if by_weight:
        result = sum(gradient.outputs * gradient.count for gradient in by_weight)
        merged.append(_merged(f"{op.name}.weight_gradient", by_weight, waits, carried, result, place))
    return merged


def _sum_of(op: Op, branches: int) -> Op:
    """Return the operation that sums the gradients from all branches behind `op`."""
    size = {"m": op.dims.get("m", 1), "n": round(op.outputs)}
    return Op(f"{op.name}.sum", "reduction", size, 0.0, 0.0, branches * op.outputs, op.outputs)


def _read_by(reader: Op, op: Op) -> float:
    return reader.reads[reader.after.index(op.name)] if reader.reads else op.outputs


def _merged(
    name: str, parts: Sequence[Op], after: tuple[str, ...], reads: tuple[float, ...], outputs: float, place: str
) -> Op:
    """Return one operation that stands for several gradients; a single one keeps its own kind and sizes."""
    flops = sum(part.flops * part.count for part in parts)
    inputs = sum(part.inputs * part.count for part in parts)
    if len(parts) == 1:
        return replace(parts[0], name=name, weights=0.0, after=after, reads=reads, outputs=outputs, colocate=place)
    return Op(name, "chain", {}, flops, 0.0, inputs, outputs, 1, after, reads, tuple(parts), place)
