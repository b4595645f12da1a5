"""Call of a kernel, as a lowered network holds it: a layer and the tensors that it reads and writes."""

from __future__ import annotations

from dataclasses import dataclass

from slipstick.edge.layers import Layer


@dataclass(frozen=True, eq=False)
class KernelCall:
    """Call of a kernel: its layer, the tensors that it reads and the one that it writes.

    Parameters
    ----------
    operator : place of the operator in the network's file.
    tensor_name : name of the output tensor in the file, unchanged: a stranger's text.
    """

    layer: Layer
    inputs: tuple[int, ...]
    output: int
    operator: int
    tensor_name: str
