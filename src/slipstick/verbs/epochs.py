"""`epochs`: epochs to a target accuracy by batch size, measured by training a small network here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipstick.core.progress import Progress
    from slipstick.report.report import Report


@dataclass(frozen=True)
class TrialCounts:
    """Options of a sweep: number of trainings per batch and rate, and their length."""

    seeds: int = 3
    "Trainings for each batch and rate; a rate counts only if all of them arrive."

    max_epochs: int = 100
    "Epochs after which a training has failed."


_TRIALS = TrialCounts()


def epochs(
    network: str,
    data: str = "digits",
    batches: Sequence[int] = (16, 32, 64, 128, 256, 512, 1024),
    target: float = 0.91,
    *,
    rates: Sequence[float] = (0.003, 0.01, 0.03, 0.1, 0.3),
    trials: TrialCounts = _TRIALS,
    journal: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Train a small network at many batch sizes, and say how many epochs each takes to a target accuracy.

    Parameters
    ----------
    network, data
        Names of a network and a data set.
    batches
        Global batch sizes. Large ones sum the gradients of parts.
    target
        Share of the test images that must be classified rightly.
    rates
        Learning rates that are tried at every batch; the best one counts.
    trials
        Trainings for each batch and rate, and the epochs after which one has failed.
    journal
        A file that keeps finished trainings, from which a stopped measurement goes on.
    progress
        Called with (steps_done, steps_total, label).

    Returns
    -------
    A Report whose `detail` has all trials; ``report.detail.csv()`` is what ``slipstick hybrid --epochs`` reads.

    Errors
    ------
    SlipstickError for unknown names, without torch, and if fewer than two batches reach the target.

    Examples
    --------
    >>> few = TrialCounts(seeds=1, max_epochs=40)
    >>> report = epochs("mlp", batches=(64, 1024), target=0.85, rates=(0.1,), trials=few)
    >>> report.value("epochs.b64") < report.value("epochs.b1024")
    True
    """
    from slipstick.engines.measure_epochs import measure_epochs
    from slipstick.training.batch_curve import BatchSweep

    counts = {"seeds": trials.seeds, "max_epochs": trials.max_epochs}
    sweep = BatchSweep(network, data, tuple(batches), target, tuple(rates), **counts)
    return measure_epochs(sweep, journal, progress)
