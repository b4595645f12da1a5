"""Options of `adapt` in three groups, calibration, shift schedule and retraining: for Python and the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from slipstick.core.errors import SlipstickError
from slipstick.core.units import parse
from slipstick.training.retraining_options import Method, Retraining

__all__ = ["CalibrationImages", "Method", "Retraining", "ShiftSchedule"]

Weighing = Literal["bytes", "cycles"]
PoolFit = Literal["weights", "outputs"]
Assigning = Literal["sensitivity", "learned"]
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
    """Shifts of every filter, sizes of pools and formats of layers, chosen under a budget."""

    shifts: float | None = None
    "Divide this average of shifts over the filters of all layers, where they matter most."

    weighed: Weighing = "bytes"
    "What the average counts: bytes (groups) or cycles (the system's, or of a .tflite file groups times positions)."

    columns: int | None = None
    "Filters that share their shifts; default: the columns of the array whose cycles count, else 1."

    budget: int | str | None = None
    'Bytes of all weights, such as "24 kB": pools get the size and vector that fit best.'

    assign: Assigning | None = None
    """Give each layer one of several formats (int8|int4|...), within a limit of energy on the system: by its measured
    sensitivity to each, or by gates that learn."""

    energy: str | float | None = None
    'That limit, of one inference, such as "80 uJ".'

    def __post_init__(self) -> None:
        if self.columns is not None:
            _from_one(self.columns, "columns", _MAX_COLUMNS)

    def energy_limit(self) -> float | None:
        """Return the limit of energy [J]; SlipstickError for another unit."""
        return parse(self.energy, "J") if isinstance(self.energy, str) else self.energy

    def budget_bytes(self) -> int | None:
        """Return the budget in bytes; SlipstickError for another unit."""
        return int(parse(self.budget, "B")) if isinstance(self.budget, str) else self.budget


def _from_one(value: int, path: str, most: float = math.inf) -> None:
    if not 1 <= value <= most:
        allowed = "from 1" if most == math.inf else f"1 to {most}"
        raise SlipstickError("out of range", path=path, value=value, allowed=allowed)
