"""Accuracies of a network with weights in every number format of a space, after every treatment, measured once each.

Each measurement is a run of its own: executors share the runs out, and a folder keeps the finished ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError
from slipstick.core.files import load_json, write_text
from slipstick.core.plan import Plan
from slipstick.core.system import THIS_MACHINE
from slipstick.exploration.executors import Workers, _results
from slipstick.exploration.treatment import Treatment
from slipstick.report.metric import Metric

if TYPE_CHECKING:
    from slipstick.core.progress import Progress
    from slipstick.datasets.images import DataSet
    from slipstick.exploration.points import Task
    from slipstick.exploration.search_options import SearchOptions

FORMATS = "plan.formats.layers"  # path of the axis of number formats
_DEFAULT = "int8"  # of boards and digital arrays, where a space names no format
_AS_IT_CAME = ""  # the format of a network whose weights stay as they are
_RUNS = "accuracies"  # folder of finished runs in a search's folder


@dataclass(frozen=True)
class _Run:
    """One measurement: a network's file in a format after a treatment, on so many test images of a data set."""

    network: str
    data: str | Path | DataSet
    format: str
    treatment: Treatment
    images: int | None

    def measured(self) -> dict[str, Any]:
        """Return the accuracy as a row for a file; of a format that the network cannot have, the reason."""
        from slipstick.engines.answer import answer
        from slipstick.trained.open import open_network

        data = _data(self.data)
        network = open_network(self.network, data)
        try:
            if self.treatment.retrain:
                metric = self._retrained(network, data)
            else:
                plan = Plan.of({"formats.layers": self.format}) if self.format else None
                metric = answer("measure", network, THIS_MACHINE, plan, data=data, images=self.images)["accuracy.top1"]
        except SlipstickError as error:
            return {**self.row(), "refused": error.message}
        return {**self.row(), "accuracy": metric.value, "source": metric.source, "note": metric.note}

    def row(self) -> dict[str, Any]:
        """Return the run's inputs, as its file states them."""
        data = self.data if isinstance(self.data, str | Path) else self.data.name
        inputs = {"network": self.network, "data": str(data), "images": self.images, "format": self.format}
        return {**inputs, **self.treatment.inputs()}

    def file(self, folder: Path | None) -> Path | None:
        """Return the file of the finished run in a search's folder; None without one."""
        if folder is None:
            return None
        digest = hashlib.sha256(json.dumps(self.row(), sort_keys=True).encode()).hexdigest()
        return folder / _RUNS / f"{digest[:16]}.json"

    def _retrained(self, network: Any, data: DataSet) -> Metric:
        from slipstick.compress.adapt_options import CalibrationImages, ShiftSchedule
        from slipstick.engines.adapt_several import adapt_formats
        from slipstick.engines.adaptation import AdaptOptions

        options = AdaptOptions(CalibrationImages(images=self.images), ShiftSchedule(), self.treatment.retraining)
        metric = adapt_formats(network, [self.format], data, options)["accuracy.after"]
        return replace(metric, note=f"slipstick adapt {self.treatment.words}")


@dataclass(frozen=True)
class _Accuracies:
    """Measured top-1 accuracies by treatment and format; what the network cannot have, with the reason."""

    by_treatment: Mapping[Treatment, Mapping[str, Metric]]
    refused: Mapping[str, str]
    as_it_came: Metric | None
    spared: Sequence[str] = ()  # formats that lose too little to be retrained

    @property
    def remark(self) -> str:
        """Phrases on the formats without accuracy, behind the count of points tried; empty where there are none."""
        texts = (f"{name} ({reason})" for name, reason in self.refused.items())
        remark = f"; left out, as accuracy cannot be measured: {', '.join(texts)}" if self.refused else ""
        return remark + (f"; not retrained, as they lose little: {', '.join(self.spared)}" if self.spared else "")


def _expected_accuracies(
    task: Task, data: str | Path | DataSet, images: int | None
) -> Mapping[Treatment, Mapping[str, Metric]]:
    """Return a place for the accuracy of every format and treatment of a space, before any is measured.

    Errors
    ------
    SlipstickError for a workload that is no file of a network with weights.
    """
    workload = task.workload
    if not isinstance(workload, str | Path) or not Path(workload).suffix:
        name = workload if isinstance(workload, str) else type(workload).__name__
        message = "accuracy is measured on a network with weights, and this one has sizes alone"
        cure = "a .tflite, .safetensors or .onnx file; or accuracies, a table"
        raise SlipstickError(message, path="data", value=name, allowed=cure)
    places: dict[Treatment, dict[str, Metric]] = {}
    for run in _runs(task, range(len(task.space)), data, images):
        places.setdefault(run.treatment, {})[run.format] = Metric(0.0, "fraction", "estimated", "not measured yet")
    return places


def _measured_accuracies(
    task: Task,
    possible: Iterable[int],
    data: str | Path | DataSet,
    options: SearchOptions,
    workers: Workers,
    folder: Path | None,
    progress: Progress | None,
) -> _Accuracies:
    """Return the measured top-1 accuracy of each format and treatment of the `possible` points of a space.

    Without epochs of retraining it is that of `slipstick.measure`, with them that of `slipstick.adapt`.

    Parameters
    ----------
    options : images to score, and the loss of accuracy up to which a format is not retrained.
    folder : finished runs are kept there, one file a run, and those that are there are read.
    progress : called with (runs finished, all runs, label).

    Errors
    ------
    SlipstickError for data that do not fit the network, and where no format can be measured: that of the first.
    """
    images, tolerance = options.get("images"), options.get("tolerance")
    own = _Run(str(task.workload), data, _AS_IT_CAME, Treatment(), images)
    runs, spared = [own, *_runs(task, possible, data, images)], list[_Run]()
    rows: dict[_Run, Mapping[str, Any]] = {}
    untreated = [run for run in runs if not run.treatment.retrain]
    if tolerance is not None:
        first = [*untreated, *(replace(run, treatment=Treatment()) for run in runs)]
        _finish(list(dict.fromkeys(first)), rows, workers, folder, progress)
        spared = [run for run in runs if run.treatment.retrain and _loses_little(run, own, rows, tolerance)]
    _finish([run for run in runs if run not in spared], rows, workers, folder, progress)
    spared_formats = list(dict.fromkeys(run.format for run in spared))
    return _collected([run for run in runs if run not in spared], rows, spared_formats)


def _finish(
    runs: Sequence[_Run],
    rows: dict[_Run, Mapping[str, Any]],
    workers: Workers,
    folder: Path | None,
    progress: Progress | None,
) -> None:
    """Put the row of each run into `rows`: those that are kept in the folder, and all others as workers finish them."""
    for run in runs:
        file = run.file(folder)
        if run not in rows and file is not None and file.exists():
            rows[run] = load_json(file)
    missing = [run for run in runs if run not in rows]
    for (run,), row in _results(workers, _measured, [(run,) for run in missing]):
        rows[run] = row
        if (file := run.file(folder)) is not None:
            write_text(file, json.dumps(row, indent=2))
        if progress is not None:
            label = f"accuracy in {run.format or 'its own format'} {run.treatment.words}".strip()
            progress(sum(run in rows for run in runs), len(runs), label)


def _loses_little(run: _Run, own: _Run, rows: Mapping[_Run, Mapping[str, Any]], tolerance: float) -> bool:
    """Return whether a format, put on the network as it came, loses no more accuracy than the tolerance."""
    before, after = (rows[known].get("accuracy") for known in (own, replace(run, treatment=Treatment())))
    return before is not None and after is not None and before - after <= tolerance


def _collected(runs: Sequence[_Run], rows: Mapping[_Run, Mapping[str, Any]], spared: Sequence[str]) -> _Accuracies:
    """Return the accuracies of finished runs, the first of which is that of the network as it came.

    Errors
    ------
    SlipstickError where no run gave an accuracy, with the reason of the first.
    """
    by_treatment: dict[Treatment, dict[str, Metric]] = {}
    refused: dict[str, str] = {}
    for run in runs[1:]:
        row = rows[run]
        by_treatment.setdefault(run.treatment, {})
        if "refused" in row:
            refused[f"{run.format} {run.treatment.words}".strip()] = row["refused"]
        else:
            by_treatment[run.treatment][run.format] = _metric(row)
    if refused and not any(by_treatment.values()):
        name, reason = next(iter(refused.items()))
        raise SlipstickError(reason, path="data", value=name)
    own = rows[runs[0]]
    return _Accuracies(by_treatment, refused, None if "refused" in own else _metric(own), spared)


def _metric(row: Mapping[str, Any]) -> Metric:
    return Metric(row["accuracy"], "fraction", "measured", row["source"], row["note"])


def _measured(run: _Run) -> dict[str, Any]:
    return run.measured()


def _runs(task: Task, indices: Iterable[int], data: str | Path | DataSet, images: int | None) -> list[_Run]:
    """Return the distinct measurements that the points at some indices of a space need."""
    runs: dict[_Run, None] = {}
    for index in indices:
        point = task.space.point(index)
        text = str(point.get(FORMATS, _DEFAULT))
        runs[_Run(str(task.workload), data, text, Treatment.of(point), images)] = None
    return list(runs)


@lru_cache(maxsize=2)  # of a worker process, whose runs share them
def _data(data: str | Path | DataSet) -> DataSet:
    from slipstick.datasets import data_set

    opened: DataSet = data_set(data)
    return opened
