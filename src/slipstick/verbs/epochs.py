"""`measure_epochs`: the epochs that each batch size takes to a target accuracy, by training a small network here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.pictures.axes import Axis, Frame
from slipstick.pictures.curves import HEADROOM, STYLE, curve, dots
from slipstick.report.answer import Answer
from slipstick.report.report import Metric, Report, Table

if TYPE_CHECKING:
    from slipstick.cluster.convergence.epochs_to_target import CriticalBatch
    from slipstick.core.progress import Progress
    from slipstick.training.batch_curve import BatchCurve


@dataclass(frozen=True)
class MeasuredEpochs(Answer):
    """The Report, and the curve with all its trials."""

    report: Report
    curve: BatchCurve

    def csv(self) -> str:
        """Return what `slipstick hybrid --epochs` reads."""
        return self.curve.csv()

    def plot(self) -> str:
        """Return epochs over the batch as an SVG: every seed a point, their means a line."""
        means = self.curve.means()
        batches = [trial.batch for trials in self.curve.best().values() for trial in trials]
        each = [trial.epochs or 0 for trials in self.curve.best().values() for trial in trials]
        across = Axis("global batch", min(means), max(means), log=True, marks=tuple(map(float, means)))
        frame = Frame(across, Axis("epochs to the target", 0.0, max(each) * HEADROOM))
        tips = [f"{epochs} epochs at {batch}" for batch, epochs in zip(batches, each, strict=True)]
        drawn = [curve(frame, list(means), list(means.values()), 0), *dots(frame, batches, each, 0, tips)]
        return frame.document(self.report.title, drawn, STYLE)

    def pictures(self) -> dict[str, str]:
        """Return the picture by its heading."""
        return {"Epochs over the batch": self.plot()}


def measure_epochs(
    net: str,
    data: str = "digits",
    batches: Sequence[int] = (16, 32, 64, 128, 256, 512, 1024),
    target: float = 0.91,
    *,
    rates: Sequence[float] | None = None,
    seeds: int = 3,
    epochs: int = 100,
    journal: Path | None = None,
    progress: Progress | None = None,
) -> MeasuredEpochs:
    """Return the epochs to a target accuracy on the test images for each batch size, and the model fitted to them.

    Parameters
    ----------
    net, data : names of a network and a data set.
    rates : learning rates that are tried at every batch; the best one counts.
    seeds : trainings for each batch and rate; a rate counts only if all of them arrive.
    epochs : after which a training has failed.
    journal : a file that keeps finished trainings, from which a stopped measurement goes on.

    Errors
    ------
    SlipstickError for unknown names, without torch, and if fewer than two batches reach the target.

    Examples
    --------
    >>> found = measure_epochs("mlp", batches=(64, 1024), target=0.85, rates=(0.1,), seeds=1, epochs=40)
    >>> found.report.value("epochs.b64") < found.report.value("epochs.b1024")
    True
    """
    from slipstick.training.batch_curve import Asked, measure

    chosen = {"rates": tuple(rates)} if rates else {}
    asked = Asked(net, data, tuple(batches), target, seeds=seeds, epochs=epochs, **chosen)
    curve = measure(asked, journal=journal, progress=progress)
    means = curve.means()
    if len(means) < 2:
        raise SlipstickError(
            "is reached by fewer than two batches", path="target", value=target,
            allowed="a lower target, more epochs, or other rates",
        )  # fmt: skip
    report = Report(
        title=f"{net} on {data}: epochs to {target:.0%} of the test images, by batch",
        metrics=_metrics(curve, means),
        breakdowns={"batches": _table(curve)},
        bottleneck="",
        inputs={key: list(value) if isinstance(value, tuple) else value for key, value in asdict(asked).items()},
    )
    return MeasuredEpochs(report, curve)


def _metrics(curve: BatchCurve, means: dict[int, float]) -> dict[str, Any]:
    note = f"mean of {curve.asked.seeds} seeds at the best rate"
    found: dict[str, Any] = {
        "epochs": {f"b{b}": Metric(e, "", "measured", "trained here", note) for b, e in means.items()}
    }
    model = _fitted(means)
    if model is not None:
        source = "E(B) = E_min (1 + B / critical), fitted to the means"
        found["critical_batch"] = Metric(model.critical, "", "estimated", source)
        found["least_epochs"] = Metric(model.least, "", "estimated", source)
    return found


def _fitted(means: dict[int, float]) -> CriticalBatch | None:
    from slipstick.cluster.convergence.epochs_to_target import CriticalBatch

    try:
        return CriticalBatch.fit(list(means), list(means.values()))[0]
    except SlipstickError:  # epochs do not grow over these batches: there is no critical one
        return None


def _table(curve: BatchCurve) -> Table:
    rows: list[tuple[float | None, ...]] = []
    for batch in curve.asked.batches:
        trials = curve.best().get(batch)
        if trials is None:
            rows.append((batch, None, None, None, None))
            continue
        each = [t.epochs or 0 for t in trials]
        rows.append((batch, float(np.mean(each)), min(each), max(each), trials[0].rate))
    return Table.of({"batch": "", "epochs": "", "least": "", "most": "", "best rate": ""}, rows)
