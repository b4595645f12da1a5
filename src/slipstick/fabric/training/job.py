"""Training job: the layers of a network as seconds and bytes on one node, divided by a parallel strategy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from slipstick.core.errors import SlipstickError
from slipstick.core.layer import Layer
from slipstick.core.topology import Topology
from slipstick.fabric.strategies import Strategy


@dataclass(frozen=True)
class Job:
    """Training job on a fabric: the layers of one step, and their division over nodes and microbatches.

    `microbatches` of each replica's minibatch; `samples` bytes of them that a replica loads; `streaming`: weights come
    from outside for every pass, and gradients leave; `overlap`: gradients are reduced while the backward pass goes on,
    instead of behind it; `schedule` of the pipeline.
    """

    layers: tuple[Layer, ...]
    strategy: Strategy
    microbatches: int = 1
    samples: float = 0.0
    streaming: bool = False
    overlap: bool = True
    schedule: str = "1f1b"

    @property
    def compute(self) -> float:
        """Seconds that the average node computes per step, assuming that sharding has no overhead."""
        whole = sum(layer.forward + layer.backward for layer in self.layers) * self.microbatches
        return whole / (self.strategy.tp * self.strategy.pp)

    @property
    def weights(self) -> float:
        """Bytes of the weights of all layers."""
        return sum(layer.weights for layer in self.layers)

    def check(self, topology: Topology) -> None:
        """Raise an error for a job that cannot run on a fabric.

        Errors
        ------
        SlipstickError for more workers than nodes, more stages than layers, no microbatches.
        """
        strategy, there = self.strategy, len(topology.npus)
        if strategy.used > there:
            raise SlipstickError(
                f"{strategy.name} needs more nodes", path="plan", value=strategy.used, allowed=f"up to {there}"
            )
        if strategy.pp > len(self.layers):
            raise SlipstickError(
                "more stages than layers", path="plan.parallel.pp", value=strategy.pp,
                allowed=f"up to {len(self.layers)}",
            )  # fmt: skip
        if strategy.tp > 1 and not any(layer.reduces for layer in self.layers):
            raise SlipstickError(
                "this network's layers are not divided by tensor parallelism", path="plan.parallel.tp",
                value=strategy.tp, allowed="1",
            )  # fmt: skip
        if self.microbatches < 1:
            raise SlipstickError("no microbatch", path="plan.parallel.microbatch", value=self.microbatches)


def _merged(layers: Sequence[Layer], most: int) -> tuple[Layer, ...]:
    """Return the layers merged into at most `most` runs of equal total work and traffic, for fewer tasks.

    A run hands on what its last layer does; its all-reduces are as many bytes as those of its layers.
    """
    count = min(most, len(layers))
    bounds = [len(layers) * index // count for index in range(count + 1)]
    return tuple(_merge(layers[a:b]) for a, b in pairwise(bounds))


def _merge(run: Sequence[Layer]) -> Layer:
    return replace(
        run[-1],
        name=run[0].name if len(run) == 1 else f"{run[0].name} to {run[-1].name}",
        forward=sum(layer.forward for layer in run),
        backward=sum(layer.backward for layer in run),
        weights=sum(layer.weights for layer in run),
        reduces=sum(layer.reduces for layer in run),
        gradients=sum(layer.gradient_bytes for layer in run),
        flops=sum(layer.flops for layer in run),
    )
