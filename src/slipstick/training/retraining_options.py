"""Options of retraining a compressed network, as `adapt` takes them: in Python and on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from slipstick.core.errors import SlipstickError
from slipstick.core.spec import validate
from slipstick.core.units import parse
from slipstick.training.recipe import Recipe

Policy = Literal["step", "epoch", "learned"]
Method = Literal["exact", "inject", "inject+finetune", "proxy"]
Errors = Literal["auto", "sum", "sum+fixed", "channel", "channel+fixed", "operands", "operands+fixed"]


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
    """Encode the weights anew at every step of retraining, or at every epoch; or learned: at every step, while the
    pools' vectors move too."""

    choosing: float = 0.95
    "Share of the steps in which learned pools choose vectors anew; then indices stand, and vectors settle."

    distill: bool = False
    "Learn from the outputs of the network as it came, besides the labels."

    method: Method = "exact"
    """Training passes on approximate hardware: its own sums (exact), the smooth stand-in with errors of a calibrated
    model (inject), the same but for an exact last fifth of the epochs (inject+finetune), the stand-in alone (proxy)."""

    errors: Errors = "auto"
    "Model of errors: by sum, channel or operands, +fixed by place; auto: as suits the arithmetic."

    time: str | float | None = None
    """Time that retraining may take, such as "10 min": steps are timed first, then the share of exact epochs and the
    rate of calibration are chosen (--retrain epochs, or as many as there is time for)."""

    folder: Path | None = None
    "Keep the state of retraining there; the same command goes on from it."

    def __post_init__(self) -> None:
        if self.time is not None and self.method in ("inject", "proxy"):
            allowed = "exact or inject+finetune: the time decides how many epochs are exact"
            raise SlipstickError("leaves no epoch to choose", path="method", value=self.method, allowed=allowed)
        values = {"epochs": self.epochs, "seed": self.seed} | ({} if self.rate is None else {"rate": self.rate})
        validate(Recipe, values, where="retraining")

    @property
    def trains(self) -> bool:
        """Whether there is any retraining: epochs, or a time for them."""
        return bool(self.epochs) or self.time is not None

    def seconds(self) -> float | None:
        """Return the time that retraining may take [s], None without a limit; SlipstickError for another unit."""
        seconds = parse(self.time, "s") if isinstance(self.time, str) else self.time
        if seconds is not None and seconds <= 0:
            raise SlipstickError("out of range", path="time", value=self.time, allowed="above 0, such as 10 min")
        return seconds
