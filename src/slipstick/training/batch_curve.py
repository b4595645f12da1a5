"""Epochs to a target accuracy against the batch size, measured by training a small network at many batch sizes.

For every batch several learning rates are tried, each with several seeds; the rate whose seeds all reach the target in
the fewest epochs is the batch's. Source of the method: Shallue et al., "Measuring the effects of data parallelism on
neural network training", JMLR 20, 2019, section 4 (recollection); ours tunes the rate alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.files import read_text, write_text
from slipstick.core.progress import Progress
from slipstick.datasets import data_set
from slipstick.training.loop import train
from slipstick.training.recipe import Recipe

_CHUNK = 256  # images computed at once: larger batches sum their gradients
_MOMENTUM = 0.9


@dataclass(frozen=True)
class BatchSweep:
    """Settings of a sweep over batch sizes that counts epochs until `target` of the test images are right.

    `network` and `data` are names; each of `batches` (global sizes) is trained at every learning rate of `rates` with
    `seeds` seeds, for `max_epochs` at most.
    """

    network: str
    data: str
    batches: tuple[int, ...]
    target: float
    rates: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3)
    seeds: int = 5
    max_epochs: int = 60

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise SlipstickError("out of range", path="target", value=self.target, allowed="between 0 and 1")
        for name in ("batches", "rates"):
            if not getattr(self, name) or not all(0 < value < math.inf for value in getattr(self, name)):
                raise SlipstickError("needs values above 0", path=name, value=list(getattr(self, name)))
        for name in ("seeds", "max_epochs"):
            if getattr(self, name) < 1:
                raise SlipstickError("out of range", path=name, value=getattr(self, name), allowed="from 1")


@dataclass(frozen=True)
class Trial:
    """One training at one batch, learning rate and seed: its epochs to the target, None if it was not reached."""

    batch: int
    rate: float
    seed: int
    epochs: int | None


@dataclass(frozen=True)
class BatchCurve:
    """Result of a sweep over batch sizes: all trials, and those at the best learning rate of each batch."""

    sweep: BatchSweep
    trials: tuple[Trial, ...]

    def best(self) -> dict[int, tuple[Trial, ...]]:
        """Return the trials at each batch's best rate; a batch is left out if at no rate all seeds reach the target."""
        best = {}
        for batch in self.sweep.batches:
            by_rate = [[t for t in self.trials if (t.batch, t.rate) == (batch, rate)] for rate in self.sweep.rates]
            arrived = [trials for trials in by_rate if trials and all(t.epochs is not None for t in trials)]
            if arrived:
                best[batch] = tuple(min(arrived, key=lambda trials: sum(t.epochs or 0 for t in trials)))
        return best

    def csv(self) -> str:
        """Return the CSV text that `slipstick hybrid --epochs` reads: one row per seed, at each batch's best rate."""
        rows = [f"{t.batch},{t.epochs},{t.rate:g},{t.seed}" for trials in self.best().values() for t in trials]
        return "\n".join(["batch,epochs,rate,seed", *rows]) + "\n"

    def means(self) -> dict[int, float]:
        """Return the mean epochs to the target, by batch size."""
        return {batch: float(np.mean([t.epochs for t in trials])) for batch, trials in self.best().items()}


def measure_curve(sweep: BatchSweep, *, journal: Path | None = None, progress: Progress | None = None) -> BatchCurve:
    """Return the measured epochs to a target accuracy by batch size, training at every batch, rate and seed.

    Finished trainings are kept in the file `journal` and not repeated.

    Errors
    ------
    SlipstickError for unknown networks and data, without torch, and for a journal of another measurement.

    Examples
    --------
    >>> curve = measure_curve(BatchSweep("mlp", "digits", (32, 512), 0.85, rates=(0.1,), seeds=1, max_epochs=30))
    >>> curve.means()[32] < curve.means()[512]
    True
    """
    from slipstick.trained.torch import module

    torch = require("torch", "torch")
    data = data_set(sweep.data)
    trial_keys = [(b, rate, seed) for b in sweep.batches for rate in sweep.rates for seed in range(sweep.seeds)]
    trials = {(t.batch, t.rate, t.seed): t for t in _read(journal, sweep)}
    for place, (batch, rate, seed) in enumerate(trial_keys):
        if (batch, rate, seed) in trials:
            continue
        if progress:
            progress(place, len(trial_keys), f"batch {batch}, rate {rate:g}, seed {seed}")
        torch.manual_seed(seed)
        recipe = Recipe(
            epochs=sweep.max_epochs, batch=batch, chunk=min(batch, _CHUNK), rate=rate, momentum=_MOMENTUM, warmup=0.0,
            schedule="constant", until=sweep.target, augment="none", precision="fp32", seed=seed,
        )  # fmt: skip
        try:
            needed = train(module(sweep.network, data), data, recipe).epochs_to(sweep.target)
        except SlipstickError as error:
            if error.path != "recipe.rate":
                raise
            needed = None  # the rate is too high for the batch: the loss overflowed
        trials[batch, rate, seed] = Trial(batch, rate, seed, needed)
        if journal:
            _write(journal, sweep, list(trials.values()))
    return BatchCurve(sweep, tuple(trials[key] for key in trial_keys))


def _read(journal: Path | None, sweep: BatchSweep) -> list[Trial]:
    if journal is None or not journal.exists():
        return []
    head, *lines = read_text(journal).splitlines() or [""]
    if head != _head(sweep):
        raise SlipstickError(
            "belongs to another measurement", path=str(journal), allowed="the same options, or another --out"
        )
    try:
        return [Trial(**json.loads(line)) for line in lines]
    except (TypeError, ValueError):
        raise SlipstickError("not a journal of trainings", path=str(journal)) from None


def _write(journal: Path, sweep: BatchSweep, trials: Sequence[Trial]) -> None:
    write_text(journal, "\n".join([_head(sweep), *(json.dumps(asdict(trial)) for trial in trials)]) + "\n")


def _head(sweep: BatchSweep) -> str:
    return json.dumps(asdict(sweep), sort_keys=True)
