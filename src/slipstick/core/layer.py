"""Layer: its cost in training, as the seconds and bytes of one microbatch; the input of fabrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """Cost of one layer for one microbatch, undivided: the time on one device, and the bytes that it would send.

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
        """Number of bytes of the gradients."""
        return self.weights if self.gradients is None else self.gradients
