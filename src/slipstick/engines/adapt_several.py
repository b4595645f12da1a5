"""`adapt` with several formats: each one's accuracy, bytes and cycles side by side, and which of them none beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.core.pareto import pareto
from slipstick.report.answer import Answer
from slipstick.report.report import Report, Table
from slipstick.verbs.adapt import adapt

if TYPE_CHECKING:
    from torch import nn

    from slipstick.datasets.images import DataSet

ALONE = ("folder", "budget", "activations")  # keywords that belong to one format
COLUMNS = {
    "format": "", "accuracy": "fraction", "change": "fraction", "low": "fraction", "high": "fraction", "weights": "B",
    "cycles": "cycle", "unbeaten": "",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Several(Answer):
    """A Report whose breakdown ``formats`` has a row for each format, and the picture of it."""

    report: Report

    def pictures(self) -> dict[str, str]:
        """Return accuracy against bytes, and against an array's cycles where one was asked for."""
        from slipstick.compress.accuracy_pictures import accuracy_svg

        found = {}
        columns = [column.name for column in self.report.breakdowns["formats"].columns]
        rows: list[dict[str, Any]] = [
            dict(zip(columns, row, strict=True)) for row in self.report.breakdowns["formats"].rows
        ]
        for name, cost in (("bytes", "weights"), ("cycles", "cycles")):
            series: dict[str, list[tuple[float, float, str]]] = {}
            scale, prefix = _scale([float(cells[cost] or 0) for cells in rows])
            for cells in rows:
                if (spent := cells[cost]) is not None:
                    point = (float(spent) / scale, float(cells["accuracy"]), str(cells["format"]))
                    series.setdefault(_family(str(cells["format"])), []).append(point)
            if series:
                found[f"Accuracy against {name}"] = accuracy_svg(series, self.report.title, f"{prefix}{name}")
        return found


def adapt_several(
    net: str | Path | nn.Module, formats: Sequence[str], data: str | Path | DataSet, **how: Any
) -> Several:
    """Put a network into each of several formats, from the same weights, and compare what that costs and saves.

    Parameters
    ----------
    net, formats, data, how
        As `slipstick.verbs.adapt.adapt` takes them, one call for each format; a `system` adds an array's cycles. A
        schedule's average (`shifts`) holds for the formats that have shifts, and is left out for the others.

    Errors
    ------
    SlipstickError as `adapt` raises it, for fewer than two formats, and for keywords that belong to one format.

    Examples
    --------
    >>> from torch import manual_seed
    >>> from slipstick.datasets import data_set
    >>> from slipstick.trained.torch import module
    >>> generator = manual_seed(0)
    >>> digits = data_set("digits")
    >>> found = adapt_several(module("mlp", digits), ["int8", "int4", "swis:2"], digits, images=100)
    >>> [row[0] for row in found.report.breakdowns["formats"].rows]
    ['int8', 'int4', 'swis:2']
    """
    if len(formats) < 2:
        raise SlipstickError("needs two formats or more", path="formats", value=list(formats))
    for name in ALONE:
        if how.get(name):
            raise SlipstickError("belongs to one format", path=name, value=str(how[name]), allowed="one format")
    progress = how.pop("progress", None)
    rows: list[tuple[Any, ...]] = []
    reports: list[Report] = []
    for place, text in enumerate(formats):
        if progress:
            progress(place, len(formats), text)
        reports.append(adapt(net, text, data, **_fitting(text, how)).report)
        rows.append((text, *_figures(reports[-1])))
    costs = np.array([[row[5], -row[1], *([] if row[6] is None else [row[6]])] for row in rows], np.float64)
    kept = set(pareto(costs).tolist())
    table = Table.of(COLUMNS, [(*row, "yes" if place in kept else "") for place, row in enumerate(rows)])
    said = {name: value for name, value in reports[0].inputs.items() if name not in ("formats", "shifts")}
    title = f"{said['net']} on {said['data']} in {len(rows)} formats"
    inputs = {**said, "formats": list(formats), "shifts": how.get("shifts")}
    return Several(Report(title=title, metrics=_beside(reports[0]), breakdowns={"formats": table}, inputs=inputs))


def _beside(report: Report) -> dict[str, Any]:
    """Return what all formats are compared with: the network as it came, and its int8 weights."""
    found: dict[str, Any] = {"accuracy": {"before": report["accuracy.before"]}}
    for group, name in (("weights", "int8"), ("array", "cycles_int8")):
        if f"{group}.{name}" in report:
            found[group] = {name: report[f"{group}.{name}"]}
    return found


def _scale(values: Sequence[float]) -> tuple[float, str]:
    """Return what divides costs so that an axis has short numbers, and the words for it."""
    largest = max(values, default=0.0)
    return next(
        (power, word)
        for power, word in ((1e6, "million "), (1e3, "thousand "), (1.0, ""))
        if largest >= power or power == 1
    )


def _fitting(text: str, how: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of one format: a schedule only where some layer's format has shifts."""
    from slipstick.formats import format_of
    from slipstick.formats.layer_patterns import pieces

    able = any(format_of(chosen).encoding.max_shifts is not None for _, chosen in pieces(text) if chosen != "fp32")
    return {name: value for name, value in how.items() if able or name != "shifts"}


def _figures(report: Report) -> tuple[Any, ...]:
    """Return accuracy, change with its interval, bytes and cycles of one format's Report."""
    values = {path: report[path].value if path in report else None for path in ("weights.packed", "array.cycles")}
    accuracy = [report[f"accuracy.{name}"].value for name in ("after", "change", "change_low", "change_high")]
    return (*accuracy, *values.values())


def _family(text: str) -> str:
    """Return what a format's points are joined under: its name, and consecutive positions apart."""
    head = text.partition(";")[0].partition(":")[0].rstrip("0123456789")
    return f"{head} consecutive" if "consecutive=true" in text else head
