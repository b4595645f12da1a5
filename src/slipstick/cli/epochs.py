"""Command `epochs`: its options, and the files that it writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from slipstick.cli.options import PLAIN, Shown
from slipstick.cli.output import _progress_bar, _put, _require_writable, _say
from slipstick.verbs.epochs import TrialCounts


@Parameter(name="*")
@dataclass(frozen=True)
class _CurveFiles:
    """Files that the measured curve is written to."""

    out: Path | None = None
    """Write the curve as CSV, as slipstick hybrid --epochs reads it. Finished trainings are stored beside it (.trials),
    so that the same command goes on where it was stopped."""

    plot: Path | None = None
    "Write the picture to this SVG file."


_TRIALS, _FILES = TrialCounts(), _CurveFiles()


def epochs(
    network: str,
    *,
    data: str = "digits",
    batches: str = "16..1024",
    target: float = 0.91,
    rates: str = "0.003,0.01,0.03,0.1,0.3",
    trials: Annotated[TrialCounts, Parameter(name="*")] = _TRIALS,
    files: _CurveFiles = _FILES,
    display: Shown = PLAIN,
) -> None:
    """Train a small network at many batch sizes, and say how many epochs each takes to the target.

    Parameters
    ----------
    network
        A network: mlp, tiny-conv, resnet-8, ...
    data
        A data set: digits (always there), mnist, fashion-mnist, cifar10-jpeg, or a folder of images.
    batches
        Global batch sizes: 16..1024 (16, 32, ... 1024) or 64|256|1024. Large ones sum the gradients of parts.
    target
        Share of the test images that must be classified rightly.
    rates
        Learning rates, by comma: each is tried at every batch, and the best one counts.
    """
    from slipstick.cli.options import numbers, whole_numbers
    from slipstick.core.extras import require
    from slipstick.core.files import write_text
    from slipstick.verbs.epochs import epochs as verb

    _require_writable(display, files.out, files.plot)
    out, plot = files.out, files.plot
    require("torch", "torch").set_num_threads(1)  # small networks: a second thread costs more than it brings
    with _progress_bar(display, "training") as progress:
        report = verb(
            network, data, whole_numbers(batches, "batches"), target, rates=numbers(rates, "rates"), trials=trials,
            journal=None if out is None else out.with_name(f"{out.name}.trials"), progress=progress,
        )  # fmt: skip
    for path, text in ((out, report.detail.csv), (plot, lambda: next(iter(report.pictures().values())))):
        if path is not None:
            write_text(path, text())
            _say(f"wrote {path}")
    _put(report, display)
