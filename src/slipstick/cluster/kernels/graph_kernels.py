"""Kernels of an operator graph on one device: convolutions as matrix products, other operations as memory traffic."""

from __future__ import annotations

from collections.abc import Sequence

from slipstick.cluster.kernels.decoder_kernels import _Kernel
from slipstick.cluster.kernels.precision import Precision
from slipstick.core.workload import Op
from slipstick.networks.graphs import leaf_ops

_PRODUCTS = ("conv", "matmul")

# passes over the tensor, in its elements: a batch norm in training reads it for its statistics and again to apply them,
# and writes; backward it reads both the tensor and its gradient twice, and writes (Ioffe & Szegedy 1502.03167)
_NORM_FORWARD = 3.0
_NORM_BACKWARD = 5.0


CountedKernel = tuple[int, _Kernel]  # how often a kernel runs one behind the other, and the kernel


def _graph_kernels(ops: Sequence[Op], precision: Precision, *, training: bool, fused: bool) -> list[CountedKernel]:
    """Return the kernels of graph operations in order, for a forward pass or with the gradients of `training_graph`.

    Parameters
    ----------
    training : batch norms take statistics, so they cannot be folded into the convolution before them.
    fused : an activation runs in the kernel before it; a folded norm too.
    """
    return [kernel for op in ops for run in _runs(op, fused) for kernel in _forward(run, precision, training)]


def _runs(op: Op, fused: bool) -> list[list[Op]]:
    """Return the leaf operations of an operation, each grouped with the activations fused into its kernel.

    Gradients run the other way round, in the same kernels: that of an activation with that of the norm before it.
    """
    runs: list[list[Op]] = []
    turn = -1 if op.name.endswith("gradient") else 1
    for leaf in leaf_ops(op)[::turn]:
        joins = fused and runs and leaf.kind == "elementwise" and leaf.count == 1 == runs[-1][0].count
        if joins and runs[-1][0].kind in (*_PRODUCTS, "batchnorm", "elementwise"):
            runs[-1].append(leaf)
        else:
            runs.append([leaf])
    return runs[::turn]


def _forward(run: list[Op], precision: Precision, training: bool) -> list[CountedKernel]:
    op, element = run[0], precision.activations
    if op.kind in _PRODUCTS:
        return [_product(op, precision, _image(op) if op.kind == "conv" else None)]
    if op.kind == "attention":
        return [_attention(op, precision)]
    if op.kind == "batchnorm":
        passes = _NORM_BACKWARD if op.name.endswith("gradient") else _NORM_FORWARD
        # at inference it is a part of the convolution's weights
        return [_stream(op, passes * op.outputs * element)] if training else []
    return [_stream(op, (_read(op) + run[-1].outputs) * element)]


def _image(op: Op) -> float:
    """Return the elements of a convolution's left operand; the gradient of weights has an activation on both sides."""
    right = op.dims["n"] * op.dims["k"] * op.dims["batch"]
    return op.inputs - right if op.name.endswith("weight_gradient") else op.inputs


def _read(op: Op) -> float:
    """Return the activation elements that a pass reads; an embedding reads as many rows as it gives."""
    return op.outputs if op.kind == "embedding" else op.inputs


def _product(op: Op, precision: Precision, stored: float | None) -> CountedKernel:
    m, n, k, batch = (op.dims[name] for name in ("m", "n", "k", "batch"))
    if stored is not None:
        stored = min(stored, float(m * k * batch))
    kernel = _Kernel(op.name, "matmul", m=m, n=n, k=k, batch=batch, format=precision.matmul, stored=stored)
    return op.count, kernel


def _attention(op: Op, precision: Precision) -> CountedKernel:
    name = f"{op.name}.grad" if op.name.endswith("gradient") else op.name  # the kernel model's own mark
    traffic = (op.inputs + op.outputs) * precision.activations
    return op.count, _Kernel(name, "attention", traffic, op.flops)


def _stream(op: Op, traffic: float) -> CountedKernel:
    return op.count, _Kernel(op.name, "stream", traffic)


def kept_elements(ops: Sequence[Op]) -> float:
    """Return the elements that a training step keeps for its backward pass: every result but those written in place.

    Activations write in place: they need their result alone. A product that they follow needs only its own input.
    """
    return float(sum(leaf.outputs * leaf.count for op in ops for leaf in _kept(leaf_ops(op))))


def _kept(leaves: Sequence[Op]) -> list[Op]:
    results: list[Op] = []
    for leaf in leaves:
        if results and leaf.kind == "elementwise" and leaf.inputs == leaf.outputs == results[-1].outputs:
            results[-1] = leaf
        else:
            results.append(leaf)
    return results


def _live_elements(ops: Sequence[Op]) -> float:
    """Return the most activation elements that one forward pass holds at once: results live until their last reader.

    Examples
    --------
    >>> from dataclasses import replace
    >>> a = Op("a", "pool", {}, 0.0, 0.0, 8.0, 4.0)
    >>> b, c = (replace(a, name=name, inputs=4.0, after=("a",)) for name in "bc")
    >>> _live_elements([a, b, c])
    12.0
    """
    last = {name: place for place, op in enumerate(ops) for name in op.after}
    size = {op.name: op.outputs for op in ops}
    ends: dict[int, list[str]] = {}
    for name, place in last.items():
        ends.setdefault(place, []).append(name)
    live = most = 0.0
    for place, op in enumerate(ops):
        own = op.inputs if not op.after else 0.0
        live += op.outputs
        most = max(most, live + own)
        live -= sum(size[name] for name in ends.get(place, ()))
        live -= 0.0 if op.name in last else op.outputs
    return most
