"""Options of `adapt` in three groups, calibration, shift schedule and retraining: for Python and the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from slipstick.core.errors import SlipstickError
from slipstick.core.spec import validate
from slipstick.core.units import parse
from slipstick.training.recipe import Recipe

Weighing = Literal["bytes", "cycles"]
Policy = Literal["step", "epoch", "learned"]
PoolFit = Literal["weights", "outputs"]
Method = Literal["exact", "inject", "inject+finetune", "proxy"]
Errors = Literal["auto", "sum", "sum+fixed", "channel", "channel+fixed", "operands", "operands+fixed"]
_MAX_ACTIVATION_BITS = 8
_MAX_COLUMNS = 65536  # as of an array


@dataclass(frozen=True)
class CalibrationImages:
    """Images that calibrate, images that are scored, and what both are used for."""

    calibrate: int = 500
    "Images to calibrate on, at most: training images, or every second test image where there are none."

    images: int | None = None
    "Score so many test images only, evenly from all. Default: all."

    correct: bool = True
    "Correct the biases by what the changed weights do to the mean of a layer's output; --correct=false leaves them."

    fit: PoolFit = "weights"
    "Fit pools to the weights, or to the outputs of their layers on the calibration images: nearer, and slower."

    activations: str | tuple[int, ...] = ()
    "Bits of the ReLUs' results, by comma (8,6,4,2), at which the final network is scored besides: chosen at run time."

    def __post_init__(self) -> None:
        _from_one(self.calibrate, "calibrate")

    def activation_bits(self) -> tuple[int, ...]:
        """Return the bits of activations as numbers.

        Errors
        ------
        SlipstickError for what is no list of whole numbers from 2 to 8.
        """
        parts = self.activations.split(",") if isinstance(self.activations, str) else map(str, self.activations)
        texts = [part.strip() for part in parts if part.strip()]
        for text in texts:
            if not text.isdecimal() or not 2 <= int(text) <= _MAX_ACTIVATION_BITS:
                allowed = f"whole numbers from 2 to {_MAX_ACTIVATION_BITS}, such as 8,6,4,2"
                raise SlipstickError("not bits of activations", path="activations", value=text, allowed=allowed)
        return tuple(int(text) for text in texts)


@dataclass(frozen=True)
class ShiftSchedule:
    """Shifts of every filter and sizes of pools, chosen under a budget."""

    shifts: float | None = None
    "Divide this average of shifts over the filters of all layers, where they matter most."

    weighed: Weighing = "bytes"
    "What the average counts: bytes (groups) or cycles (the system's, or of a .tflite file groups times positions)."

    columns: int | None = None
    "Filters that share their shifts; default: the columns of the array whose cycles count, else 1."

    budget: int | str | None = None
    'Bytes of all weights, such as "24 kB": pools get the size and vector that fit best.'

    def __post_init__(self) -> None:
        if self.columns is not None:
            _from_one(self.columns, "columns", _MAX_COLUMNS)

    def budget_bytes(self) -> int | None:
        """Return the budget in bytes; SlipstickError for another unit."""
        return int(parse(self.budget, "B")) if isinstance(self.budget, str) else self.budget


@dataclass(frozen=True)
class Retraining:
    """Training of a network for its formats; without epochs there is none."""

    epochs: int = 0
    "Epochs of retraining."

    rate: float | None = None
    "The largest learning rate of retraining. Default: 0.05; 0.01 for a network without batch norms."

    seed: int = 0
    "Seed of the order and augmentation of retraining."

    renew: Policy = "step"
    "Encode weights anew at every step of retraining or every epoch; learned: every step, and the pools' vectors move."

    choosing: float = 0.95
    "Share of the steps in which learned pools choose vectors anew; then indices stand, and vectors settle."

    distill: bool = False
    "Learn from the outputs of the network as it came, besides the labels."

    method: Method = "exact"
    """Training passes on approximate hardware: its own sums (exact), the smooth stand-in with errors of a calibrated
    model (inject), the same but for an exact last fifth of the epochs (inject+finetune), the stand-in alone (proxy)."""

    errors: Errors = "auto"
    "Model of errors: by sum, channel or operands, +fixed by place; auto: operands of a table, else sum, both +fixed."

    folder: Path | None = None
    "Keep the state of retraining there; the same command goes on from it."

    def __post_init__(self) -> None:
        values = {"epochs": self.epochs, "seed": self.seed} | ({} if self.rate is None else {"rate": self.rate})
        validate(Recipe, values, where="retraining")


def _from_one(value: int, path: str, most: float = math.inf) -> None:
    if not 1 <= value <= most:
        allowed = "from 1" if most == math.inf else f"1 to {most}"
        raise SlipstickError("out of range", path=path, value=value, allowed=allowed)
