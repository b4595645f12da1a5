"""Networks whose operations form a graph: the abstract noun, and how its sizes grow with the batch."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import replace

from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Network, Op, Phase
from slipstick.networks.graphs.fusion import fused

PHASES = (Phase.TRAIN, Phase.INFER)


class OperatorGraph(Network, ABC):
    """A network as a graph of operations: convolutional, recurrent or imported. Abstract.

    An operation's `flops` are those of products, as torch's FlopCounterMode counts them: norms, activations and pools
    are traffic. Its `weights` are the parameters that it holds, an embedding's whole table.
    """

    aliases: tuple[str, ...] = ()
    note: str = ""

    @abstractmethod
    def sample_ops(self, phase: Phase, sequence: int) -> list[Op]:
        """Return the operations of one forward pass over one sample, none merged, each behind all that it reads.

        `sequence` is the tokens of a sample, where samples have any.
        """

    @property
    @abstractmethod
    def max_positions(self) -> int:
        """Tokens of one sample: what `sequence` is where nobody says; 1 for an image."""

    @property
    def parameters(self) -> int:
        """All parameters; those that several operations share, which then run on one device, counted once."""
        held = {op.colocate or op.name: op.weights for op in self.sample_ops(Phase.TRAIN, self.max_positions)}
        return round(sum(held.values()))

    @property
    def active_parameters(self) -> int:
        """All parameters: every sample uses them."""
        return self.parameters

    @property
    def layers(self) -> int:
        """Operations with weights to multiply by."""
        products = ("conv", "matmul", "lstm")
        return len({op.colocate or op.name for op in self.sample_ops(Phase.INFER, 1) if op.kind in products})

    def ops(self, phase: Phase, batch: int, sequence: int, context: int) -> list[Op]:
        """Return the operations of one forward pass over `batch` samples, epilogues merged (`fused`).

        Errors
        ------
        SlipstickError for the phases of a network that generates text.
        """
        if phase not in PHASES:
            raise SlipstickError(
                f"{self.name} has no such phase",
                path="workload.phase",
                value=str(phase),
                allowed=[str(p) for p in PHASES],
            )
        return [scaled(op, batch) for op in fused(self.sample_ops(phase, sequence))]


def scaled(op: Op, samples: int, example: int = 1) -> Op:
    """Return `op`, whose sizes are of `example` samples, for `samples`: weights stay, everything else grows.

    A product with weights gets more rows, one of two activations more products side by side.

    Examples
    --------
    >>> op = Op("conv", "conv", {"m": 4, "n": 8, "k": 27, "batch": 1}, 1728.0, 216.0, 12.0, 32.0)
    >>> scaled(op, 64).dims, scaled(op, 64).weights
    ({'m': 256, 'n': 8, 'k': 27, 'batch': 1}, 216.0)
    """
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


def one_position(network: OperatorGraph, sequence: int) -> None:
    """Raise a SlipstickError unless `sequence` is 1: what an image, or a traced example, is whole."""
    if sequence != 1:
        raise SlipstickError(
            f"a sample of {network.name} has no sequence", path="workload.sequence", value=sequence, allowed="1"
        )
