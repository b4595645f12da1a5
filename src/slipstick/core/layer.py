"""Layer: one layer of a network in training, as the seconds and bytes of one microbatch. What fabrics simulate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """One layer for one microbatch, undivided: what one device would take for it, and what it would send.

    `forward` and `backward` in s; `weights` and `gradients` in bytes; `output` bytes of the activations that it hands
    on; `reduces` all-reduces of `output` under tensor parallelism, in each direction: Megatron's two (Shoeybi et al.
    1909.08053, section 3); `flops` of both passes.
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
        """Bytes of the gradients."""
        return self.weights if self.gradients is None else self.gradients
