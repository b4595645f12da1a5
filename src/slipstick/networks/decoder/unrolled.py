"""Decoder as an operator graph: every layer written out, with the residual shortcuts around attention and mlp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from slipstick.core.workload import Op

if TYPE_CHECKING:
    from slipstick.networks.decoder.block import Block


def _unrolled(
    order: Sequence[Block], kinds: Sequence[Block], ops: Sequence[Op], *, table: float, tied: bool
) -> list[Op]:
    """Return the operations of a forward pass with every layer written out, in layer order.

    The embedding holds its whole table; with a tied head both run on one device.

    Parameters
    ----------
    order, kinds : layers one by one, and the different ones, as `Decoder` has them.
    ops : of `Decoder.ops`, where one group stands for all layers of its kind.
    table : elements of the embedding.
    tied : whether the output head is the embedding.

    Examples
    --------
    >>> from slipstick.core.workload import Workload
    >>> from slipstick.networks import network
    >>> graph = Workload(network=network("llama-3.1-8b"), phase="prefill", sequence=128).operator_graph
    >>> for op in graph:
    ...     if op.name.startswith("layer1.") and op.name.endswith("residual"):
    ...         print(op.name, op.after)
    layer1.attention_residual ('layer1.out', 'layer0.mlp_residual')
    layer1.mlp_residual ('layer1.down', 'layer1.attention_residual')
    """
    singles = [kind.model_copy(update={"count": 1}) for kind in kinds]
    prefixes = [f"layer{number}." if len(singles) > 1 else "layer." for number in range(len(singles))]
    layers = {p: [op for op in ops if op.name.startswith(p)] for p in prefixes}
    outside = [op for op in ops if not any(op in members for members in layers.values())]
    colocated = "embedding" if tied else ""
    graph = [replace(outside[0], weights=table, colocate=colocated)]
    for number, block in enumerate(order):
        prefix = prefixes[singles.index(block)]
        graph += _layer(layers[prefix], prefix, f"layer{number}.", graph[-1].name)
    last = graph[-1].name
    for op in outside[1:]:
        after = tuple(name if name in {o.name for o in outside} else last for name in op.after)
        graph.append(replace(op, after=after, colocate=colocated if op.name == "head" else ""))
    return graph


def _layer(ops: Sequence[Op], prefix: str, name: str, before: str) -> list[Op]:
    """Return one layer's operations under its own name; `before` is the operation whose result the layer reads."""
    layer = []
    for op in ops:
        after = tuple(name + read.removeprefix(prefix) if read.startswith(prefix) else before for read in op.after)
        if op.name.endswith("attention_residual"):
            after = (*after, before)
        elif op.name.endswith("mlp_residual") and f"{name}attention_residual" not in after:
            after = (*after, f"{name}attention_residual")
        layer.append(replace(op, name=name + op.name.removeprefix(prefix), after=after, count=1))
    return layer
