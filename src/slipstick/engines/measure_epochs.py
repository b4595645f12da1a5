"""Engine of `epochs`: epochs to a target accuracy against batch size, measured, with a fitted critical-batch model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.pictures.axes import Axis, Frame
from slipstick.pictures.curves import HEADROOM, STYLE, curve, dots
from slipstick.report.report import Metric, Report, Table

if TYPE_CHECKING:
    from slipstick.cluster.convergence.epochs_to_target import CriticalBatch
    from slipstick.core.progress import Progress
    from slipstick.training.batch_curve import BatchCurve, BatchSweep


def measure_epochs(sweep: BatchSweep, journal: Path | None, progress: Progress | None) -> Report:
    """Return the Report of a sweep over batch sizes; its detail is the BatchCurve with all trials.

    Parameters
    ----------
    journal : a file that keeps finished trainings, from which a stopped measurement goes on.

    Errors
    ------
    SlipstickError for unknown names, without torch, and if fewer than two batches reach the target.
    """
    from slipstick.training.batch_curve import measure_curve

    measured = measure_curve(sweep, journal=journal, progress=progress)
    means = measured.means()
    if len(means) < 2:
        raise SlipstickError(
            "is reached by fewer than two batches", path="target", value=sweep.target,
            allowed="a lower target, more epochs, or other rates",
        )  # fmt: skip
    report = Report.of(
        {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(sweep).items()},
        _metrics(measured, means),
        {"batches": _table(measured)},
        title=f"{sweep.network} on {sweep.data}: epochs to {sweep.target:.0%} of the test images, by batch",
    )
    return report.with_detail(measured, lambda: {"Epochs over the batch": _picture(measured, report.title)})


def _picture(measured: BatchCurve, title: str) -> str:
    """Return the SVG of epochs against batch size: one point per seed, and a line through the means."""
    means, best = measured.means(), measured.best()
    batches = [trial.batch for trials in best.values() for trial in trials]
    epochs = [trial.epochs or 0 for trials in best.values() for trial in trials]
    across = Axis("global batch", min(means), max(means), log=True, marks=tuple(map(float, means)))
    frame = Frame(across, Axis("epochs to the target", 0.0, max(epochs) * HEADROOM))
    tips = [f"{count} epochs at {batch}" for batch, count in zip(batches, epochs, strict=True)]
    drawn = [curve(frame, list(means), list(means.values()), 0), *dots(frame, batches, epochs, 0, tips)]
    return frame.document(title, drawn, STYLE)


def _metrics(measured: BatchCurve, means: dict[int, float]) -> dict[str, Any]:
    note = f"mean of {measured.sweep.seeds} seeds at the best rate"
    metrics: dict[str, Any] = {
        "epochs": {f"b{b}": Metric(e, "", "measured", "trained here", note) for b, e in means.items()}
    }
    model = _fitted(means)
    if model is not None:
        source = "E(B) = E_min (1 + B / critical), fitted to the means"
        metrics["critical_batch"] = Metric(model.critical, "", "estimated", source)
        metrics["least_epochs"] = Metric(model.least, "", "estimated", source)
    return metrics


def _fitted(means: dict[int, float]) -> CriticalBatch | None:
    from slipstick.cluster.convergence.epochs_to_target import CriticalBatch

    try:
        return CriticalBatch.fit(list(means), list(means.values()))[0]
    except SlipstickError:  # epochs do not grow over these batches: there is no critical one
        return None


def _table(measured: BatchCurve) -> Table:
    rows: list[tuple[float | None, ...]] = []
    best = measured.best()
    for batch in measured.sweep.batches:
        trials = best.get(batch)
        if trials is None:
            rows.append((batch, None, None, None, None))
            continue
        epochs = [trial.epochs or 0 for trial in trials]
        rows.append((batch, float(np.mean(epochs)), min(epochs), max(epochs), trials[0].rate))
    return Table.of({"batch": "", "epochs": "", "least": "", "most": "", "best rate": ""}, rows)
