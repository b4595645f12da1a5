"""Engine of `adapt` with several formats: accuracy, bytes and cycles compared, and their Pareto frontier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.pareto import pareto
from slipstick.engines.adapt_network import _adapt_network
from slipstick.engines.adaptation import AdaptOptions
from slipstick.report.report import Report, Table

if TYPE_CHECKING:
    from torch import nn

    from slipstick.core.progress import Progress
    from slipstick.datasets.images import DataSet
    from slipstick.trained.network import TrainedNetwork

_COLUMNS = {
    "format": "", "accuracy": "fraction", "change": "fraction", "low": "fraction", "high": "fraction", "weights": "B",
    "cycles": "cycle", "unbeaten": "",
}  # fmt: skip


def adapt_formats(
    network: str | Path | nn.Module | TrainedNetwork,
    formats: Sequence[str],
    data: DataSet,
    options: AdaptOptions,
    progress: Progress | None = None,
) -> Report:
    """Return the Report on a network in one format or several; the breakdown ``formats`` has one row per format.

    The arguments are those of `slipstick.adapt`. A schedule's average holds for the formats that have shifts, and is
    left out for the others. The Report's detail is the Report of each format, by its text.

    Errors
    ------
    SlipstickError as `_adapt_network` raises it, and for options that belong to one format.
    """
    from slipstick.trained.open import open_network

    if options.schedule.assign is not None:
        return _adapt_assigned(network, formats, data, options, progress)
    if len(formats) == 1:
        return _adapt_network(network, formats[0], data, options, progress)
    alone = {
        "folder": options.retraining.folder, "budget": options.schedule.budget,
        "activations": options.calibration.activations,
    }  # fmt: skip
    for name, value in alone.items():
        if value:
            raise SlipstickError("belongs to one format", path=name, value=str(value), allowed="one format")
    opened = open_network(network, data)
    reports: dict[str, Report] = {}
    for place, text in enumerate(formats):
        if progress:
            progress(place, len(formats), text)
        reports[text] = _adapt_network(opened, text, data, _fitting(text, options), progress)
    rows = [(text, *_figures(report)) for text, report in reports.items()]
    costs = np.array([[row[5], -row[1], *([] if row[6] is None else [row[6]])] for row in rows], np.float64)
    unbeaten = set(pareto(costs).tolist())
    table = Table.of(_COLUMNS, [(*row, "yes" if place in unbeaten else "") for place, row in enumerate(rows)])
    first = next(iter(reports.values()))
    shared = {name: value for name, value in first.inputs.items() if name not in ("formats", "shifts")}
    inputs = {**shared, "formats": list(reports), "shifts": options.schedule.shifts}
    title = f"{opened.name} on {data.name} in {len(rows)} formats"
    report = Report.of(inputs, _references(first), {"formats": table}, title=title)
    return report.with_detail(reports, lambda: _pictures(report))


def _adapt_assigned(
    network: str | Path | nn.Module | TrainedNetwork,
    formats: Sequence[str],
    data: DataSet,
    options: AdaptOptions,
    progress: Progress | None,
) -> Report:
    """Return the Report on a network whose layers got one of the formats each, within a limit of energy.

    Errors
    ------
    SlipstickError as `assign_formats` and `_adapt_network` raise it, and for data without training images.
    """
    from slipstick.engines.layer_assignment import assign_formats
    from slipstick.trained.open import open_network

    if not len(data.train):
        raise SlipstickError("has no training images, on which layers are compared", path="data", value=data.name)
    opened, schedule = open_network(network, data), options.schedule
    images = data.train.drawn(options.calibration.calibrate)
    assigned = assign_formats(opened, formats, images, schedule, options.system, progress)
    fitting = replace(
        _fitting(assigned.formats, replace(options, schedule=replace(schedule, assign=None))), system=None
    )
    report = _adapt_network(opened, assigned.formats, data, fitting, progress)
    inputs = {
        **report.inputs, "formats": assigned.formats, "candidates": list(formats), "assign": schedule.assign,
        "energy": schedule.energy,
    }  # fmt: skip
    whole = Report.of(
        inputs, {**report.metrics, "assignment": assigned.metrics()},
        {**assigned.tables, **report.breakdowns},
        title=f"{opened.name} on {data.name}, formats assigned by {schedule.assign}", papers=report.papers,
    )  # fmt: skip
    return whole.with_detail(report.detail, report.pictures)


def _pictures(report: Report) -> dict[str, str]:
    """Return the SVG pictures: accuracy against bytes, and against cycles where an array is given."""
    from slipstick.compress.accuracy_pictures import accuracy_svg

    pictures = {}
    columns = [column.name for column in report.breakdowns["formats"].columns]
    rows: list[dict[str, Any]] = [dict(zip(columns, row, strict=True)) for row in report.breakdowns["formats"].rows]
    for name, cost in (("bytes", "weights"), ("cycles", "cycles")):
        series: dict[str, list[tuple[float, float, str]]] = {}
        scale, prefix = _scale([float(cells[cost] or 0) for cells in rows])
        for cells in rows:
            if (spent := cells[cost]) is not None:
                point = (float(spent) / scale, float(cells["accuracy"]), str(cells["format"]))
                series.setdefault(_family(str(cells["format"])), []).append(point)
        if series:
            pictures[f"Accuracy against {name}"] = accuracy_svg(series, report.title, f"{prefix}{name}")
    return pictures


def _references(report: Report) -> dict[str, Any]:
    """Return the reference points of the comparison: the original network, and its weights in int8."""
    metrics: dict[str, Any] = {"accuracy": {"before": report["accuracy.before"]}}
    for group, name in (("weights", "int8"), ("array", "cycles_int8")):
        if f"{group}.{name}" in report:
            metrics[group] = {name: report[f"{group}.{name}"]}
    return metrics


def _scale(values: Sequence[float]) -> tuple[float, str]:
    """Return the divisor that keeps an axis's numbers short, and the words for it."""
    largest = max(values, default=0.0)
    return next(
        (power, word)
        for power, word in ((1e6, "million "), (1e3, "thousand "), (1.0, ""))
        if largest >= power or power == 1
    )


def _fitting(text: str, options: AdaptOptions) -> AdaptOptions:
    """Return the options of one format: the shift schedule is dropped where no layer's format has shifts."""
    from slipstick.formats import format_of
    from slipstick.formats.layer_patterns import pieces

    if any(format_of(format_name).encoding.max_shifts for _, format_name in pieces(text) if format_name != "fp32"):
        return options
    return replace(options, schedule=replace(options.schedule, shifts=None))


def _figures(report: Report) -> tuple[Any, ...]:
    """Return accuracy, change with its interval, bytes and cycles of one format's Report."""
    values = {path: report[path].value if path in report else None for path in ("weights.packed", "array.cycles")}
    accuracy = [report[f"accuracy.{name}"].value for name in ("after", "change", "change_low", "change_high")]
    return (*accuracy, *values.values())


def _family(text: str) -> str:
    """Return the name of the curve that joins a format's points; consecutive positions have a curve of their own."""
    head = text.partition(";")[0].partition(":")[0].rstrip("0123456789")
    return f"{head} consecutive" if "consecutive=true" in text else head
