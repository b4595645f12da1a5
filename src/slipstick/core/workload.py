"""Workload: what must be computed. A network, a phase, a batch and a sequence; its operations as a flat list."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from slipstick.core.spec import Spec


class Phase(StrEnum):
    """What the network is used for."""

    TRAIN = "train"
    PREFILL = "prefill"
    DECODE = "decode"
    INFER = "infer"  # one forward pass of a network that generates nothing


@dataclass(frozen=True)
class Op:
    """One operation of a workload, whole (before any Plan divides it).

    `kind` is ``matmul``, ``attention``, ``norm``, ``elementwise``, ``embedding``, ``softmax`` or ``router``; in graphs
    of operations also ``conv``, ``batchnorm``, ``pool``, ``reduction``, ``concat``, ``copy``, ``lstm``, ``chain`` or
    ``other``;
    `dims` names its sizes (m, n, k, batch for a matrix product, and for a convolution as one); `flops` counts a
    multiply-accumulate as two; `weights` is parameters read (elements), `inputs` and `outputs` activation elements;
    `count` equal copies run;
    `after` names the operations whose results it reads, `reads` the elements read of each (empty: all that each gives);
    `parts` are the operations that were merged into this one, in the order that they run;
    operations with the same `colocate` share weights, or are the two passes of one: they run on one device.
    """

    name: str
    kind: str
    dims: dict[str, int]
    flops: float
    weights: float = 0.0
    inputs: float = 0.0
    outputs: float = 0.0
    count: int = 1
    after: tuple[str, ...] = ()
    reads: tuple[float, ...] = ()
    parts: tuple[Op, ...] = ()
    colocate: str = ""


class Network(Spec, ABC):
    """A neural network as sizes: the abstract noun that a Workload runs. Concrete ones live in ``networks/``."""

    name: str
    source: str = ""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """All parameters."""

    @property
    @abstractmethod
    def active_parameters(self) -> int:
        """Parameters that one token uses (fewer than all in a mixture of experts)."""

    @abstractmethod
    def ops(self, phase: Phase, batch: int, sequence: int, context: int) -> list[Op]:
        """Return the operations of one forward pass over `batch` sequences of `sequence` new tokens each.

        `context` is the number of tokens that attention sees, the new ones included.
        """


class Workload(Spec):
    """What must be computed: `network` in `phase`, on a global `batch` of sequences.

    For ``train`` and ``prefill``, `sequence` tokens a sequence are computed. For ``decode``, a prompt of `sequence`
    tokens is followed by `output` generated ones.
    """

    network: Network
    phase: Phase = Phase.TRAIN
    batch: int = Field(default=1, gt=0)
    sequence: int = Field(default=2048, gt=0)
    output: int = Field(default=1, gt=0)
    training_tokens: float | None = Field(default=None, gt=0)  # of the whole run, for its time and cost

    @property
    def name(self) -> str:
        """The network's name and the phase, as reports print them."""
        return f"{self.network.name} {self.phase}"

    @property
    def ops(self) -> list[Op]:
        """The operations of one forward pass (one decode step at the middle of the output)."""
        if self.phase is Phase.DECODE:
            return self.network.ops(self.phase, self.batch, 1, self.sequence + (self.output + 1) // 2)
        return self.network.ops(self.phase, self.batch, self.sequence, self.sequence)
