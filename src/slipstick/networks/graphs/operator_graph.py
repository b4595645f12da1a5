"""Operator graph: abstract base of networks that are a graph of operations, with sizes that scale with the batch."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Network, Op, Phase
from slipstick.networks.graphs.fusion import fused

_DEFAULT_SAMPLES = 32  # of one device in training
_PIXEL_BYTES = 2.0  # of an input element as data loaders send it: 16 bits


class OperatorGraph(Network, ABC):
    """Network as a graph of operations: convolutional, recurrent or imported. Abstract.

    A family gives `sample_ops` and, where samples are sequences, `max_positions`; everything else follows from these.
    An operation's `flops` are those of products, as torch's FlopCounterMode counts them: norms, activations and pools
    are traffic. Its `weights` are the parameters that it holds, an embedding's whole table.
    """

    kind: ClassVar[Literal["graph"]] = "graph"
    described: ClassVar[str] = "an operator graph, such as mobilenet-v2, or an .onnx or .tflite file"
    phases: ClassVar[tuple[Phase, ...]] = (Phase.TRAIN, Phase.INFER)

    aliases: tuple[str, ...] = Field(default=(), description="Other names that find the network")
    note: str = Field(default="", description="Remark on what the sizes leave out or assume")

    @abstractmethod
    def sample_ops(self, phase: Phase, sequence: int) -> list[Op]:
        """Return the unfused operations of one forward pass over one sample, in topological order.

        `sequence` is the tokens of a sample, where samples have any.
        """

    @property
    def max_positions(self) -> int:
        """Number of tokens of one sample, the default of `sequence`; 1 for an image."""
        return 1

    @property
    def parameters(self) -> int:
        """Number of all parameters; parameters that operations share on one device (`colocate`) count once."""
        weights = {op.colocate or op.name: op.weights for op in self.sample_ops(Phase.TRAIN, self.max_positions)}
        return round(sum(weights.values()))

    @property
    def active_parameters(self) -> int:
        """Number of all parameters: every sample uses them."""
        return self.parameters

    @property
    def layers(self) -> int:
        """Number of operations that multiply by weights."""
        products = ("conv", "matmul", "lstm")
        return len({op.colocate or op.name for op in self.sample_ops(Phase.INFER, 1) if op.kind in products})

    def ops(self, phase: Phase, batch: int, sequence: int, context: int) -> list[Op]:
        """Return the operations of one forward pass over `batch` samples, with epilogues fused (`fused`).

        Errors
        ------
        SlipstickError for the phases of a network that generates text.
        """
        if phase not in self.phases:
            raise SlipstickError(
                f"{self.name} is an operator graph and has no such phase",
                path="workload.phase",
                value=str(phase),
                allowed=[str(known) for known in self.phases],
            )
        return [scaled(op, batch) for op in fused(self.sample_ops(phase, sequence))]

    def unrolled_ops(self, phase: Phase, batch: int, sequence: int, context: int) -> list[Op]:
        """Return the same as `ops`: no operation of a graph stands for several equal ones."""
        return self.ops(phase, batch, sequence, context)

    def default_sizes(self, phase: Phase, devices: int, microbatch: int = 1) -> dict[str, int]:
        """Return the default batch, 32 samples per device in training, else 1, and the sample's length."""
        batch = _DEFAULT_SAMPLES * devices if phase is Phase.TRAIN else 1
        return {"batch": batch, "sequence": self.max_positions}

    def sample_bytes(self, sequence: int) -> float:
        """Return the bytes of one sample: the elements that the first operation reads, 2 bytes each."""
        return _PIXEL_BYTES * float(self.sample_ops(Phase.TRAIN, sequence)[0].inputs)


def scaled(op: Op, samples: int, example: int = 1) -> Op:
    """Return `op`, sized for `example` samples, resized for `samples`: weights stay, all else grows in proportion.

    A product with weights gets more rows, one of two activations more products side by side.

    Examples
    --------
    >>> op = Op("conv", "conv", {"m": 4, "n": 8, "k": 27, "batch": 1}, 1728.0, 216.0, 12.0, 32.0)
    >>> scaled(op, 64).dims, scaled(op, 64).weights
    ({'m': 256, 'n': 8, 'k': 27, 'batch': 1}, 216.0)
    """
    if samples == example:
        return op
    grows = "batch" if op.kind == "attention" and "batch" in op.dims else "m"
    dims = {name: math.ceil(size * samples / example) if name == grows else size for name, size in op.dims.items()}
    ratio = samples / example
    return replace(
        op,
        dims=dims,
        flops=op.flops * ratio,
        inputs=op.inputs * ratio,
        outputs=op.outputs * ratio,
        reads=tuple(elements * ratio for elements in op.reads),
        parts=tuple(scaled(part, samples, example) for part in op.parts),
    )


def _check_one_position(network: OperatorGraph, sequence: int) -> None:
    """Check that `sequence` is 1, for networks without time steps: images, or a traced example.

    Errors
    ------
    SlipstickError for any other length.
    """
    if sequence != 1:
        raise SlipstickError(
            f"a sample of {network.name} is a whole and has no sequence",
            path="workload.sequence",
            value=sequence,
            allowed="1",
        )
