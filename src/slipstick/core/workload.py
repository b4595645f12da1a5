"""Workload: a network in a phase, with batch and sequence; its operations as a flat list."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal, Self

from pydantic import Field

from slipstick.core import units
from slipstick.core.convolution_geometry import ConvolutionGeometry
from slipstick.core.errors import SlipstickError
from slipstick.core.spec import Spec

_MAX_BATCH = 10**8  # far above any use; the products of counts stay within 64 bits
_MAX_TOKENS = 10**9


class Phase(StrEnum):
    """Phase of use: training, inference of a decoder (prefill, decode), or of a graph (infer).

    ``prefill`` computes all tokens of a prompt at once, ``decode`` generates one token after another; ``infer`` is one
    forward pass of a network that generates nothing.
    """

    TRAIN = "train"
    PREFILL = "prefill"
    DECODE = "decode"
    INFER = "infer"


@dataclass(frozen=True)
class Op:
    """One operation of a workload, unsharded: its sizes before a Plan divides it.

    `kind` is ``matmul``, ``attention``, ``norm``, ``elementwise``, ``embedding``, ``softmax`` or ``router``; in graphs
    of operations also ``conv``, ``batchnorm``, ``pool``, ``reduction``, ``concat``, ``copy``, ``lstm``, ``chain`` or
    ``other``;
    `dims` names its sizes (m, n, k, batch for a matrix product, and for a convolution as one); `flops` counts a
    multiply-accumulate as two; `weights` is parameters read (elements), `inputs` and `outputs` activation elements;
    `count` equal copies run;
    `after` names the operations whose results it reads, `reads` the elements read of each (empty: all that each gives);
    `parts` are the operations that were merged into this one, in the order that they run;
    operations with the same `colocate` share weights, or are the two passes of one: they run on one device;
    `geometry` is that of a convolution of images or sequences, for one sample; None: not known, or of three axes.
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
    geometry: ConvolutionGeometry | None = None


class Network(Spec, ABC):
    """A neural network described by its sizes, without weights: the abstract class that a Workload runs.

    Whoever asks about a network asks for one of its abilities, never for its class. In the order of an estimate:
    `kind` and `phases` say which engine answers; `default_sizes` fills what the user left open; `stored_format` is the
    format of a quantised checkpoint; `ops` (or `unrolled_ops`, for placement) lists the operations that are priced;
    `sample_bytes` is what a data loader sends. Concrete networks live in ``networks/``. A new one in five lines::

        class Tower(OperatorGraph):
            def sample_ops(self, phase, sequence):
                graph = GraphBuilder()
                graph.linear("fc", graph.input(1, 784), 10)
                return graph.ops
    """

    kind: ClassVar[Literal["decoder", "graph", "trained"]]  # the column of the engine table
    described: ClassVar[str] = "a network"  # the kind in words, with an example, for errors
    phases: ClassVar[tuple[Phase, ...]]  # those that `ops` answers

    name: str = Field(description="Name of the network, as reports print it")
    source: str = Field(default="", description="Paper, file or publication that the sizes come from")

    @classmethod
    def of(cls, network: Network) -> Self:
        """Return `network` if it is of this kind, which a cost model needs; SlipstickError if it is not.

        Errors
        ------
        SlipstickError for a network of another kind.
        """
        if isinstance(network, cls):
            return network
        raise SlipstickError(
            f"of the kind {network.kind}", path="workload.network", value=network.name, allowed=cls.described
        )

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Number of all parameters, shared ones counted once."""

    @property
    @abstractmethod
    def active_parameters(self) -> int:
        """Number of parameters that one token uses (fewer than all in a mixture of experts)."""

    @property
    @abstractmethod
    def layers(self) -> int:
        """Number of layers: blocks of a decoder, operations with weights of a graph."""

    @property
    def integers(self) -> bool:
        """Whether it holds weights that it computes with in 8-bit integers; never of sizes alone."""
        return False

    @property
    def stored_format(self) -> str | None:
        """Number format of a quantised checkpoint's weights, such as ``fp8``; None where weights are not quantised."""
        return None

    @abstractmethod
    def default_sizes(self, phase: Phase, devices: int, microbatch: int = 1) -> dict[str, int]:
        """Return the default `batch`, `sequence` and `output` of a Workload of this network.

        Parameters
        ----------
        devices : of the system; in training each gets one microbatch.
        microbatch : sequences that one device computes at once.
        """

    @abstractmethod
    def sample_bytes(self, sequence: int) -> float:
        """Return the bytes of one training sample as loaded from storage."""

    @abstractmethod
    def ops(self, phase: Phase, batch: int, sequence: int, context: int) -> list[Op]:
        """Return the operations of one forward pass over `batch` sequences of `sequence` new tokens each.

        `context` is the number of tokens that attention sees, the new ones included.

        Errors
        ------
        SlipstickError for a phase that is not in `phases`.
        """

    @abstractmethod
    def unrolled_ops(self, phase: Phase, batch: int, sequence: int, context: int) -> list[Op]:
        """Return the operator graph of a forward pass: the operations of `ops` with every layer separate, and edges."""


class Workload(Spec):
    """A network in a phase, on a global batch of sequences.

    For ``train`` and ``prefill``, `sequence` tokens a sequence are computed. For ``decode``, a prompt of `sequence`
    tokens is followed by `output` generated ones.
    """

    network: Network = Field(description="Network that runs, as sizes")
    phase: Phase = Field(default=Phase.TRAIN, description="Phase of use: train, prefill, decode or infer")
    batch: int = Field(
        default=1, gt=0, le=_MAX_BATCH, description="Sequences (or samples) of one step, on all devices together"
    )
    sequence: int = Field(
        default=2048, gt=0, le=_MAX_TOKENS, description="Tokens of one sequence; in decode, of the prompt"
    )
    output: int = Field(default=1, gt=0, le=_MAX_TOKENS, description="Tokens generated after the prompt, in decode")
    training_tokens: units.Tokens | None = Field(
        default=None, description="Tokens of the whole training run, such as 1T, for its time, energy and cost"
    )

    @property
    def name(self) -> str:
        """Name of the network and its phase, as reports print them."""
        return f"{self.network.name} {self.phase}"

    @property
    def ops(self) -> list[Op]:
        """Operations of one forward pass (in decode, of the step at the middle of the output)."""
        return self.network.ops(self.phase, self.batch, *self._lengths)

    @property
    def operator_graph(self) -> list[Op]:
        """Operator graph of one forward pass, every layer separate, with its edges: the input of a placement."""
        return self.network.unrolled_ops(self.phase, self.batch, *self._lengths)

    @property
    def _lengths(self) -> tuple[int, int]:
        """Numbers of new tokens per sequence and of tokens that attention reads."""
        if self.phase is Phase.DECODE:
            return 1, self.sequence + (self.output + 1) // 2
        return self.sequence, self.sequence
