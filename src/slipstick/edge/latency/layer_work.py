"""Work of a layer as a microcontroller sees it: multiply-accumulates, outputs, weights and the kind of kernel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Op

WorkKind = Literal["conv", "pointwise", "depthwise", "dense", "add", "pool", "other"]
_POOLS = ("pool", "reduction")
_FREE = ("batchnorm", "norm")  # folded into the requantisation
_UNKNOWN = ("attention", "lstm", "embedding", "router")  # no kernel of a microcontroller here


@dataclass(frozen=True)
class LayerWork:
    """Work of one kernel call.

    Parameters
    ----------
    elements : what the kernel writes, or for pools what it reads.
    filters, reduction : of the weights; 0 for layers without.
    """

    name: str
    kind: WorkKind
    macs: float
    elements: float
    inputs: float
    filters: int = 0
    reduction: int = 0
    taps: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the weights: [filters, weights of a filter]."""
        return self.filters, self.reduction

    @property
    def pixels(self) -> float:
        """Output positions, each of which reads all weights of a filter."""
        return self.elements / self.filters if self.filters else 0.0


def _work_of(ops: Sequence[Op]) -> list[LayerWork]:
    """Return the kernel calls of an operator graph; norms and activations behind a product are part of its kernel.

    Errors
    ------
    SlipstickError for operations that no kernel of a microcontroller computes here.
    """
    return [work for op in ops for work in _calls(op)]


def _calls(op: Op) -> Iterator[LayerWork]:
    leaves = _leaves(op)
    product = any(leaf.kind in ("conv", "matmul") for leaf in leaves)
    for leaf in leaves:
        if leaf.kind in _UNKNOWN:
            allowed = "networks of convolutions, dense layers, additions and pools"
            raise SlipstickError("no kernel for microcontrollers", path=leaf.name, value=leaf.kind, allowed=allowed)
        if leaf.kind in ("conv", "matmul"):
            yield _product(leaf)
        elif leaf.kind in _POOLS:
            yield LayerWork(leaf.name, "pool", 0.0, leaf.inputs, leaf.inputs)
        elif leaf.kind == "elementwise" and leaf.inputs > leaf.outputs:
            yield LayerWork(leaf.name, "add", 0.0, leaf.outputs, leaf.inputs)
        elif not product and leaf.kind not in _FREE:
            yield LayerWork(leaf.name, "other", 0.0, leaf.outputs, leaf.inputs)


def _leaves(op: Op) -> Sequence[Op]:
    """Return the original operations merged into one; graphs of samples have no copies to count."""
    return [leaf for part in op.parts for leaf in _leaves(part)] if op.parts else (op,)


def _product(op: Op) -> LayerWork:
    groups, taps = op.dims.get("batch", 1), op.dims.get("taps", 1)
    filters, reduction = op.dims["n"] * groups, op.dims["k"]
    kind: WorkKind = "dense" if op.kind == "matmul" else "depthwise" if groups > 1 else "conv"
    if kind == "conv" and taps == 1:
        kind = "pointwise"
    return LayerWork(op.name, kind, op.flops / 2, op.outputs, op.inputs, filters, reduction, taps)
