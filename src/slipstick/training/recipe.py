"""Training recipe (optimiser, learning rate schedule) and training history epoch by epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from slipstick.core.spec import Spec


class Recipe(Spec):
    """Training by SGD with Nesterov momentum: warm-up and cosine decay to 0, or a constant learning rate.

    The defaults are the usual ones for small images. Source: He et al. 1512.03385, section 4.2 (batch 128, rate 0.1,
    momentum 0.9, shifts by 4 of 32 pixels, mirrors); decay 5e-4 and warm-up assumed.

    Examples
    --------
    >>> recipe = Recipe(epochs=2, rate=0.1, warmup=0.25)
    >>> [round(recipe.rate_at(step, 100), 3) for step in (0, 24, 25, 62, 99)]
    [0.004, 0.1, 0.1, 0.051, 0.0]
    """

    epochs: int = Field(default=10, ge=0, description="Passes over the training images.")
    batch: int = Field(default=128, ge=1, description="Images of a step.")
    chunk: int | None = Field(
        default=None,
        ge=1,
        description="Images computed at once, if the batch is too large for the memory: gradients are summed, and "
        "batch norms see the chunk. Default: all of a batch.",
    )
    rate: float = Field(default=0.1, gt=0, description="The largest learning rate.")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Nesterov momentum; 0 for none.")
    warmup: float = Field(default=0.1, ge=0, lt=1, description="Share of all steps in which the rate rises linearly.")
    schedule: Literal["cosine", "constant"] = Field(
        default="cosine",
        description="What follows the warm-up; where training ends at a target, a constant rate does not depend on the "
        "number of epochs.",
    )
    until: float = Field(
        default=1.0, gt=0, le=1, description="Accuracy on the test images at which training ends before its epochs."
    )
    decay: float = Field(default=5e-4, ge=0, description="Weight decay, of tensors with two dimensions or more.")
    smoothing: float = Field(default=0.0, ge=0, lt=1, description="Share of the target that goes to all classes alike.")
    augment: Literal["auto", "none", "crop", "crop-flip"] = Field(
        default="auto",
        description="Random shifts by up to an eighth of the side (crop), and mirrors of half of the images; auto "
        "mirrors where the data set says that mirrored images keep their class.",
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        default="auto",
        description="Of activations and gradients; weights are fp32. auto: bf16 where the processor multiplies it "
        "(elsewhere it takes many times as long), else fp32.",
    )
    seed: int = Field(
        default=0, ge=0, lt=2**63, description="Of the images' order, augmentation, dropout and first weights."
    )

    def rate_at(self, step: int, steps: int) -> float:
        """Return the learning rate at a step, counted from 0, of a training of `steps` steps."""
        rising = round(self.warmup * steps)
        if step < rising:
            return self.rate * (step + 1) / rising
        if self.schedule == "constant":
            return self.rate
        return self.rate * (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2


@dataclass(frozen=True)
class Epoch:
    """Results of one epoch: mean training loss, test accuracy as a fraction, and duration [s]."""

    loss: float
    accuracy: float
    seconds: float


@dataclass(frozen=True)
class History:
    """Training history: every epoch's results, and how the last epoch ended."""

    epochs: tuple[Epoch, ...] = ()

    @property
    def accuracy(self) -> float:
        """Test accuracy after the last epoch, a fraction; NaN without any epoch."""
        return self.epochs[-1].accuracy if self.epochs else math.nan

    def epochs_to(self, accuracy: float) -> int | None:
        """Return the number of epochs after which a test accuracy was first reached; None if never."""
        return next((number for number, epoch in enumerate(self.epochs, 1) if epoch.accuracy >= accuracy), None)
