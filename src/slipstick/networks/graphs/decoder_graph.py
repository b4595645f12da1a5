"""A decoder transformer as an operator graph: every layer by itself, with the shortcuts around attention and mlp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Op, Workload
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.graphs.operator_graph import OperatorGraph


def graph_of(workload: Workload) -> list[Op]:
    """Return the operator graph of one forward pass of a workload: no operation stands for several equal ones.

    Errors
    ------
    SlipstickError for a network that is neither an operator graph nor a decoder.

    Examples
    --------
    >>> from slipstick.networks import network
    >>> graph = graph_of(Workload(network=network("llama-3.1-8b"), phase="prefill", sequence=128))
    >>> for op in graph:
    ...     if op.name.startswith("layer1.") and op.name.endswith("residual"):
    ...         print(op.name, op.after)
    layer1.attention_residual ('layer1.out', 'layer0.mlp_residual')
    layer1.mlp_residual ('layer1.down', 'layer1.attention_residual')
    """
    if isinstance(workload.network, OperatorGraph):
        return workload.ops
    if not isinstance(workload.network, Decoder):
        raise SlipstickError("has no operator graph", path="workload.network", value=workload.network.name)
    return _unrolled(workload.network, workload.ops)


def _unrolled(network: Decoder, ops: Sequence[Op]) -> list[Op]:
    """Return the operations with every layer written out, in the order of the layers.

    The embedding holds its whole table; with a tied head both run on one device.
    """
    kinds = [kind.model_copy(update={"count": 1}) for kind in network.kinds]
    prefixes = [f"layer{number}." if len(kinds) > 1 else "layer." for number in range(len(kinds))]
    layers = {p: [op for op in ops if op.name.startswith(p)] for p in prefixes}
    outside = [op for op in ops if not any(op in members for members in layers.values())]
    table = "embedding" if network.tied_embeddings else ""
    found = [replace(outside[0], weights=float(network.embedding_parameters), colocate=table)]
    for number, block in enumerate(network.order):
        prefix = prefixes[kinds.index(block)]
        found += _layer(layers[prefix], prefix, f"layer{number}.", found[-1].name)
    last = found[-1].name
    for op in outside[1:]:
        after = tuple(name if name in {o.name for o in outside} else last for name in op.after)
        found.append(replace(op, after=after, colocate=table if op.name == "head" else ""))
    return found


def _layer(ops: Sequence[Op], prefix: str, name: str, before: str) -> list[Op]:
    """Return one layer's operations under its own name; what stands outside of it is `before`."""
    found = []
    for op in ops:
        after = tuple(name + read.removeprefix(prefix) if read.startswith(prefix) else before for read in op.after)
        if op.name.endswith("attention_residual"):
            after = (*after, before)
        elif op.name.endswith("mlp_residual") and f"{name}attention_residual" not in after:
            after = (*after, f"{name}attention_residual")
        found.append(replace(op, name=name + op.name.removeprefix(prefix), after=after, count=1))
    return found
