"""From an operator graph to the kernels that one device runs: convolutions as matrix products, the rest as traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slipstick.cluster.kernels.decoder_kernels import Kernel, Precision
from slipstick.core.workload import Op
from slipstick.networks.graphs import leaf_ops, training_graph

PRODUCTS = ("conv", "matmul")

# passes over the tensor, in its elements: a batch norm in training reads it for its statistics and again to apply them,
# and writes; backward it reads both the tensor and its gradient twice, and writes (Ioffe & Szegedy 1502.03167)
NORM_FORWARD = 3.0
NORM_BACKWARD = 5.0


@dataclass(frozen=True)
class Counted:
    """A kernel and how often it runs one behind the other."""

    kernel: Kernel
    count: int


def forward_kernels(ops: Sequence[Op], precision: Precision, *, training: bool, fused: bool) -> list[Counted]:
    """Return the kernels of one forward pass, or of any operations that are listed: those of gradients too.

    Parameters
    ----------
    training : batch norms take statistics, so they cannot be folded into the convolution before them.
    fused : an activation runs in the kernel before it; a folded norm too.
    """
    return [kernel for op in ops for run in _runs(op, fused) for kernel in _forward(run, precision, training)]


def backward_kernels(ops: Sequence[Op], precision: Precision, *, fused: bool) -> list[Counted]:
    """Return the kernels of the backward pass of `ops`, in its order: gradients, and their sums where paths meet."""
    return forward_kernels(training_graph(ops)[len(ops) :], precision, training=True, fused=fused)


def _runs(op: Op, fused: bool) -> list[list[Op]]:
    """Return the leaves of an operation, each with the activations that run in its kernel.

    Gradients run the other way round, in the same kernels: that of an activation with that of the norm before it.
    """
    runs: list[list[Op]] = []
    turn = -1 if op.name.endswith("gradient") else 1
    for leaf in leaf_ops(op)[::turn]:
        joins = fused and runs and leaf.kind == "elementwise" and leaf.count == 1 == runs[-1][0].count
        if joins and runs[-1][0].kind in (*PRODUCTS, "batchnorm", "elementwise"):
            runs[-1].append(leaf)
        else:
            runs.append([leaf])
    return runs[::turn]


def _forward(run: list[Op], precision: Precision, training: bool) -> list[Counted]:
    op, element = run[0], precision.activations
    if op.kind in PRODUCTS:
        return [_product(op, precision, _image(op) if op.kind == "conv" else None)]
    if op.kind == "attention":
        return [_attention(op, precision)]
    if op.kind == "batchnorm":
        passes = NORM_BACKWARD if op.name.endswith("gradient") else NORM_FORWARD
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


def _product(op: Op, precision: Precision, stored: float | None) -> Counted:
    m, n, k, batch = (op.dims[name] for name in ("m", "n", "k", "batch"))
    if stored is not None:
        stored = min(stored, float(m * k * batch))
    kernel = Kernel(op.name, "matmul", m=m, n=n, k=k, batch=batch, format=precision.matmul, stored=stored)
    return Counted(kernel, op.count)


def _attention(op: Op, precision: Precision) -> Counted:
    name = f"{op.name}.grad" if op.name.endswith("gradient") else op.name  # the kernel model's own mark
    traffic = (op.inputs + op.outputs) * precision.activations
    return Counted(Kernel(name, "attention", traffic, op.flops), op.count)


def _stream(op: Op, traffic: float) -> Counted:
    return Counted(Kernel(op.name, "stream", traffic), op.count)


def kept_elements(ops: Sequence[Op]) -> float:
    """Return the elements that a training step keeps for its backward pass: every result but those written in place.

    Activations write in place: they need their result alone. A product that they follow needs only its own input.
    """
    return float(sum(leaf.outputs * leaf.count for op in ops for leaf in _kept(leaf_ops(op))))


def _kept(leaves: Sequence[Op]) -> list[Op]:
    found: list[Op] = []
    for leaf in leaves:
        if found and leaf.kind == "elementwise" and leaf.inputs == leaf.outputs == found[-1].outputs:
            found[-1] = leaf
        else:
            found.append(leaf)
    return found


def live_elements(ops: Sequence[Op]) -> float:
    """Return the most activation elements that one forward pass holds at once: results live until their last reader.

    Examples
    --------
    >>> from dataclasses import replace
    >>> a = Op("a", "pool", {}, 0.0, 0.0, 8.0, 4.0)
    >>> b, c = (replace(a, name=name, inputs=4.0, after=("a",)) for name in "bc")
    >>> live_elements([a, b, c])
    12.0
    """
    last = {name: place for place, op in enumerate(ops) for name in op.after}
    size = {op.name: op.outputs for op in ops}
    ends: dict[int, list[str]] = {}
    for name, place in last.items():
        ends.setdefault(place, []).append(name)
    held = most = 0.0
    for place, op in enumerate(ops):
        own = op.inputs if not op.after else 0.0
        held += op.outputs
        most = max(most, held + own)
        held -= sum(size[name] for name in ends.get(place, ()))
        held -= 0.0 if op.name in last else op.outputs
    return most
