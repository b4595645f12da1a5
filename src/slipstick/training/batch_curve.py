"""Epochs to a target accuracy against the batch size, measured: a small network trained at many batch sizes.

For every batch several learning rates are tried, each with several seeds; the rate whose seeds all reach the target in
the fewest epochs is the batch's. Source of the method: Shallue et al., "Measuring the effects of data parallelism on
neural network training", JMLR 20, 2019, section 4 (recollection); ours tunes the rate alone.
"""

from __future__ import annotations

import json
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

CHUNK = 256  # images computed at once: larger batches sum their gradients
MOMENTUM = 0.9


@dataclass(frozen=True)
class Asked:
    """What is measured: a network's epochs until `target` of the test images are classified rightly."""

    net: str
    data: str
    batches: tuple[int, ...]
    target: float
    rates: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3)
    seeds: int = 5
    epochs: int = 60

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise SlipstickError("out of range", path="target", value=self.target, allowed="between 0 and 1")
        for name in ("batches", "rates"):
            if not getattr(self, name) or min(getattr(self, name)) <= 0:
                raise SlipstickError("needs values above 0", path=name, value=list(getattr(self, name)))
        for name in ("seeds", "epochs"):
            if getattr(self, name) < 1:
                raise SlipstickError("out of range", path=name, value=getattr(self, name), allowed="from 1")


@dataclass(frozen=True)
class Trial:
    """One training: epochs to the target, or None if it was not reached."""

    batch: int
    rate: float
    seed: int
    epochs: int | None


@dataclass(frozen=True)
class BatchCurve:
    """All trials, and those of the best rate of every batch."""

    asked: Asked
    trials: tuple[Trial, ...]

    def best(self) -> dict[int, tuple[Trial, ...]]:
        """Return the trials of each batch's best rate; a batch without a rate that always arrives is left out."""
        found = {}
        for batch in self.asked.batches:
            by_rate = [[t for t in self.trials if (t.batch, t.rate) == (batch, rate)] for rate in self.asked.rates]
            arrived = [trials for trials in by_rate if trials and all(t.epochs is not None for t in trials)]
            if arrived:
                found[batch] = tuple(min(arrived, key=lambda trials: sum(t.epochs or 0 for t in trials)))
        return found

    def csv(self) -> str:
        """Return what `slipstick hybrid --epochs` reads: one row for each seed of a batch's best rate."""
        rows = [f"{t.batch},{t.epochs},{t.rate:g},{t.seed}" for trials in self.best().values() for t in trials]
        return "\n".join(["batch,epochs,rate,seed", *rows]) + "\n"

    def means(self) -> dict[int, float]:
        """Return the mean epochs of each batch."""
        return {batch: float(np.mean([t.epochs for t in trials])) for batch, trials in self.best().items()}


def measure(asked: Asked, *, journal: Path | None = None, progress: Progress | None = None) -> BatchCurve:
    """Train at every batch, rate and seed; finished trainings are kept in `journal` and not repeated.

    Errors
    ------
    SlipstickError for unknown networks and data, without torch, and for a journal of another measurement.

    Examples
    --------
    >>> curve = measure(Asked("mlp", "digits", (32, 512), 0.85, rates=(0.1,), seeds=1, epochs=30))
    >>> curve.means()[32] < curve.means()[512]
    True
    """
    from slipstick.trained.torch import module

    torch = require("torch", "torch")
    data = data_set(asked.data)
    wanted = [(b, rate, seed) for b in asked.batches for rate in asked.rates for seed in range(asked.seeds)]
    done = {(t.batch, t.rate, t.seed): t for t in _read(journal, asked)}
    for place, (batch, rate, seed) in enumerate(wanted):
        if (batch, rate, seed) in done:
            continue
        if progress:
            progress(place, len(wanted), f"batch {batch}, rate {rate:g}, seed {seed}")
        torch.manual_seed(seed)
        recipe = Recipe(
            epochs=asked.epochs, batch=batch, chunk=min(batch, CHUNK), rate=rate, momentum=MOMENTUM, warmup=0.0,
            schedule="constant", until=asked.target, augment="none", precision="fp32", seed=seed,
        )  # fmt: skip
        try:
            needed = train(module(asked.net, data), data, recipe).epochs_to(asked.target)
        except SlipstickError as error:
            if error.path != "recipe.rate":
                raise
            needed = None  # the rate is too high for the batch: the loss overflowed
        done[batch, rate, seed] = Trial(batch, rate, seed, needed)
        if journal:
            _write(journal, asked, list(done.values()))
    return BatchCurve(asked, tuple(done[key] for key in wanted))


def _read(journal: Path | None, asked: Asked) -> list[Trial]:
    if journal is None or not journal.exists():
        return []
    head, *lines = read_text(journal).splitlines() or [""]
    if head != _head(asked):
        raise SlipstickError(
            "belongs to another measurement", path=str(journal), allowed="the same options, or another --out"
        )
    try:
        return [Trial(**json.loads(line)) for line in lines]
    except (TypeError, ValueError):
        raise SlipstickError("not a journal of trainings", path=str(journal)) from None


def _write(journal: Path, asked: Asked, trials: Sequence[Trial]) -> None:
    write_text(journal, "\n".join([_head(asked), *(json.dumps(asdict(trial)) for trial in trials)]) + "\n")


def _head(asked: Asked) -> str:
    return json.dumps(asdict(asked), sort_keys=True)
