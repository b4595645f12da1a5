"""WeightedNetwork: a trained network as the network of a Workload, so that a Question can carry weights."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from slipstick.core.workload import Network, Op, Phase
from slipstick.trained.network import TrainedNetwork

if TYPE_CHECKING:
    from slipstick.networks.graphs.imported import ImportedGraph


class WeightedNetwork(Network):
    """Trained network as a Workload runs it: `trained` holds the weights; sizes are those of its graph, when asked for.

    Reports write its name alone: weights are no input that JSON could hold.
    """

    kind: ClassVar[Literal["trained"]] = "trained"
    described: ClassVar[str] = "a trained network, such as a .tflite or .safetensors file"
    phases: ClassVar[tuple[Phase, ...]] = (Phase.INFER,)

    trained: TrainedNetwork = Field(exclude=True, repr=False, description="Network with weights")

    @classmethod
    def of_weights(cls, trained: TrainedNetwork) -> WeightedNetwork:
        """Return a trained network as the network of a Workload, under its own name."""
        return cls(name=trained.name, trained=trained)

    @cached_property
    def _sizes(self) -> ImportedGraph:
        """Operator graph of one image: traced when it is first asked for, which a torch module may refuse."""
        return self.trained.graph()

    @property
    def integers(self) -> bool:
        """Whether the network computes in integers."""
        return self.trained.integers

    @property
    def parameters(self) -> int:
        """Number of all parameters, shared ones counted once."""
        return self._sizes.parameters

    @property
    def active_parameters(self) -> int:
        """Number of all parameters: every sample uses them."""
        return self._sizes.active_parameters

    @property
    def layers(self) -> int:
        """Number of layers with weights."""
        return self._sizes.layers

    def default_sizes(self, phase: Phase, devices: int, microbatch: int = 1) -> dict[str, int]:
        """Return one sample at a time, as a board runs it and as accuracy is counted."""
        return {"batch": 1, "sequence": 1}

    def sample_bytes(self, sequence: int) -> float:
        """Return the bytes of one sample, as its operator graph has them."""
        return self._sizes.sample_bytes(sequence)

    def ops(self, phase: Phase, batch: int, sequence: int, context: int) -> list[Op]:
        """Return the operations of its operator graph over `batch` samples."""
        return self._sizes.ops(phase, batch, sequence, context)

    def unrolled_ops(self, phase: Phase, batch: int, sequence: int, context: int) -> list[Op]:
        """Return the operations of its operator graph, which are separate already."""
        return self._sizes.unrolled_ops(phase, batch, sequence, context)
