"""The command `hybrid`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from slipstick.cli.options import Shown, whole_numbers
from slipstick.cli.output import put, say
from slipstick.core.errors import SlipstickError

if TYPE_CHECKING:
    from slipstick.cluster.convergence.epochs_to_target import Epochs

_PLAIN_SHOWN = Shown()


def hybrid(
    workload: str,
    system: str,
    *,
    epochs: Path | None = None,
    extrapolate: bool = False,
    critical_batch: float | None = None,
    least_epochs: float | None = None,
    batch: int | None = None,
    widths: str = "2,4,8",
    step_speedups: str = "",
    method: Literal["auto", "placement", "pipeline"] = "auto",
    scaling: Literal["model", "ideal"] = "model",
    time_limit: float = 20.0,
    samples: float | None = None,
    plot: Path | None = None,
    shown: Shown = _PLAIN_SHOWN,
) -> None:
    """Data parallelism alone against workers of several devices, in time to converge, over the number of devices.

    Parameters
    ----------
    workload
        A network whose operators are known: inception-v3, gnmt, big-lstm, resnet-50, ...
    system
        A system with a topology and a range of counts: dgx1-v100:2..256 (2, 4, ... 256) or dgx1-v100:8|64|256.
    epochs
        A CSV file with the columns batch and epochs: epochs to the target at each global batch. Beyond its points
        nothing is said.
    extrapolate
        Fit the critical-batch model to the points of --epochs, and use it everywhere.
    critical_batch
        Instead of --epochs: E(B) = E_min (1 + B / critical batch).
    least_epochs
        E_min of --critical-batch, for the time to converge.
    batch
        Samples of one worker.
    widths
        M, the devices of one worker, by comma.
    step_speedups
        Your own SU^M, such as 2=1.32,4=1.9: those are not worked out.
    method
        How one step is divided: placement (CP-SAT), pipeline (balanced stages), auto (the better of both).
    scaling
        model: the scaling efficiency SE_N of the cluster model; ideal: 1.
    time_limit
        Seconds for each placement.
    samples
        Of the data set: adds the time to converge.
    plot
        Write the picture to this SVG file.
    """
    from slipstick.core.files import write_text
    from slipstick.verbs.hybrid import hybrid as answer

    name, colon, text = system.partition(":")
    if not colon:
        raise SlipstickError("has no counts", path="system", value=system, allowed=f"such as {name}:2..256")
    curve = _epochs(epochs, extrapolate, critical_batch, least_epochs)
    found = answer(
        workload, name, whole_numbers(text, "system"), curve, batch=batch,
        widths=whole_numbers(widths, "widths"), step_speedups=_speedups(step_speedups),
        method=method, scaling=scaling, time_limit=time_limit,
        samples=samples, progress=say,
    )  # fmt: skip
    if plot is not None:
        write_text(plot, found.plot())
        say(f"wrote {plot}")
    put(found, shown)


def _epochs(path: Path | None, extrapolate: bool, critical: float | None, least: float | None) -> Epochs:
    from slipstick.cluster.convergence.epochs_to_target import CriticalBatch, fit_critical_batch, read_epochs

    if (path is None) == (critical is None):
        allowed = "--epochs FILE.csv (batch,epochs) or --critical-batch B, one of them"
        raise SlipstickError("epochs of large batches are not known", path="epochs", allowed=allowed)
    if critical is not None:
        if not 0 < critical < float("inf"):
            raise SlipstickError("out of range", path="critical_batch", value=critical, allowed="above 0")
        return CriticalBatch(least or 1.0, critical, absolute=least is not None)
    assert path is not None  # noqa: S101  one of both is given
    points = read_epochs(path)
    if not extrapolate:
        return points
    model, left = fit_critical_batch(points.batches, points.epochs)
    say(f"E(B) = {model.least:.3g} (1 + B / {model.critical:.4g}), off by up to {abs(left).max():.2g} epochs")
    return model


def _speedups(text: str) -> Mapping[int, float]:
    found = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        width, _, value = part.partition("=")
        try:
            found[whole_numbers(width, "step_speedups")[0]] = float(value)
        except ValueError:
            raise SlipstickError("not M=speedup", path="step_speedups", value=part, allowed="such as 2=1.32") from None
    return found
