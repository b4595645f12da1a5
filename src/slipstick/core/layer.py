"""Layer: its training cost as seconds and bytes per microbatch, the input of fabric simulations."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """Profile of one layer for one microbatch on one device: times of its passes [s], bytes of weights and activations.

    `forward` and `backward` in s; `weights` and `gradients` in bytes; `output` bytes of the activations that the next
    layer reads; `reduces` all-reduces of `output` under tensor parallelism, in each direction: Megatron's two (Shoeybi
    et al. 1909.08053, section 3); `flops` of both passes.
    """

    name: str
    forward: float
    backward: float
    weights: float
    output: float
    reduces: int = 2
    gradients: float | None = None  # None: as many as the weights
    flops: float = 0.0

    @property
    def gradient_bytes(self) -> float:
        """Number of bytes of the layer's weight gradients."""
        return self.weights if self.gradients is None else self.gradients
