"""Matrix products of an operator graph as an array runs them, and the other operations' moves through DRAM."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Op
from slipstick.networks.graphs.fusion import leaf_ops

_Kind = Literal["conv", "depthwise", "pointwise", "linear"]
_PRODUCTS = ("conv", "matmul")
_FREE = ("concat", "copy")  # written where they are read


@dataclass(frozen=True)
class Product:
    """A convolution or matrix product: `groups` equal ones of [pixels, reduction] by [reduction, filters].

    `inputs`, `weights` and `outputs` count elements of all groups; `taps` is the kernel's area; `shortcuts` counts the
    elements of shortcuts, read from DRAM to be added on the way out. `count` equal products run.
    """

    name: str
    kind: _Kind
    pixels: int
    reduction: int
    filters: int
    inputs: int
    outputs: int
    groups: int = 1
    taps: int = 1
    shortcuts: int = 0
    samples: int = 1  # of the batch, which `pixels`, `inputs` and `outputs` count all
    count: int = 1

    @property
    def weights(self) -> int:
        """Number of weights, without biases, which enter the accumulators."""
        return self.reduction * self.filters * self.groups

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one of the equal products."""
        return self.pixels * self.weights


@dataclass(frozen=True)
class _Move:
    """An operation without products, such as a pool: `elements` that cross the DRAM's pins."""

    name: str
    kind: str
    elements: int
    count: int = 1


def products_of(ops: Sequence[Op], samples: int = 1) -> list[Product | _Move]:
    """Return the products among operations (merged ones by their parts), and the moves between them, in order.

    Norms and activations run on the way out of the array. So does a sum of two tensors, behind the product that gives
    the later of them: the other tensor is read beside. `samples` is the batch of the operations.

    Errors
    ------
    SlipstickError for products of two activations (attention), which hold no weights.

    Examples
    --------
    >>> from slipstick.networks import network
    >>> from slipstick.core.workload import Phase
    >>> parts = products_of(network("mobilenet-v2").ops(Phase.INFER, 1, 1, 1))
    >>> sum(part.macs for part in parts if isinstance(part, Product))
    300774272
    """
    parts: dict[str, Product | _Move] = {}
    for op in ops:
        leaves = leaf_ops(op)
        multiplied = [leaf for leaf in leaves if leaf.kind in _PRODUCTS]
        other = next((leaf for leaf in leaves if leaf.flops and leaf.kind not in _PRODUCTS), None)
        if other is not None:
            raise SlipstickError(
                "an array multiplies by weights", path=f"workload.{other.name}", value=other.kind, allowed=_PRODUCTS
            )
        if multiplied:
            parts.update((leaf.name, _product(leaf, samples)) for leaf in multiplied)
            parts[op.name] = parts.pop(multiplied[-1].name)  # readers know the merged operation's name
        elif not _added(op, parts) and op.kind not in _FREE:
            parts[op.name] = _Move(op.name, op.kind, round(op.inputs + op.outputs), op.count)
    return list(parts.values())


def _product(op: Op, samples: int) -> Product:
    size, taps = op.dims, op.dims.get("taps", 1)
    groups = size.get("batch", 1)
    kind: _Kind = "conv"
    if op.kind == "matmul":
        kind = "linear"
    elif groups > 1 and size["k"] == taps:
        kind = "depthwise"
    elif taps == 1:
        kind = "pointwise"
    moved = round(op.inputs), round(op.outputs)
    return Product(
        op.name, kind, size["m"], size["k"], size["n"], *moved, groups, taps, samples=samples, count=op.count
    )


def _added(op: Op, parts: dict[str, Product | _Move]) -> bool:
    """Hand the other operands of an elementwise operation to the last product that it reads; False: there is none."""
    before = [name for name in parts if name in op.after and isinstance(parts[name], Product)]
    if op.kind != "elementwise" or not before:
        return False
    product = parts[before[-1]]
    assert isinstance(product, Product)  # noqa: S101  chosen so
    parts[before[-1]] = replace(product, shortcuts=product.shortcuts + max(0, round(op.inputs) - product.outputs))
    parts[op.name] = parts.pop(before[-1])
    return True


def only_products(parts: Iterable[Product | _Move]) -> list[Product]:
    """Return the matrix products among `parts`, without the moves."""
    return [part for part in parts if isinstance(part, Product)]
