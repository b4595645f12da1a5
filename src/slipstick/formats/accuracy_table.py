"""Measured accuracies of a network by number format, which a user gives so that a search can weigh them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.files import read_text
from slipstick.report.metric import Metric

_COLUMNS = ("format", "accuracy")
_ALLOWED = "a CSV with the columns format and accuracy (0 to 1), as `slipstick measure` gives them"


def accuracy_metrics(options: Mapping[str, Any], formats: str) -> dict[str, dict[str, Metric]]:
    """Return the metrics ``accuracy`` of an estimate whose options have a table ``accuracies``; {} without a table.

    Errors
    ------
    SlipstickError as `format_accuracy` raises it.
    """
    table = options.get("accuracies")
    return {} if table is None else {"accuracy": {"top1": format_accuracy(table, formats)}}


def format_accuracy(table: Mapping[str, float | Metric] | str | Path, formats: str) -> Metric:
    """Return the accuracy of a plan's formats from a table: a CSV, or a mapping from formats to accuracies.

    A mapping's values are shares of right answers, or the Metrics of `slipstick.measure`, which keep their origin.

    Errors
    ------
    SlipstickError for a file that is no such table, shares above 1, and formats that the table does not have.

    Examples
    --------
    >>> format_accuracy({"int8": 0.87, "pool:size=64": 0.86}, "pool:size=64").text
    '86 %'
    """
    rows = table if isinstance(table, Mapping) else _read(Path(table))
    known = {_key(name): share for name, share in rows.items()}
    share = known.get(_key(formats))
    if share is None:
        raise SlipstickError("has no accuracy in the table", path="accuracies", value=formats, allowed=list(known))
    if isinstance(share, Metric):
        return share
    if not 0 <= share <= 1:
        raise SlipstickError("no share of right answers", path=f"accuracies.{formats}", value=share, allowed="0 to 1")
    source = "given" if isinstance(table, Mapping) else str(table)
    return Metric(share, "fraction", "given", f"accuracies: {source}")


def _read(path: Path) -> dict[str, float]:
    rows = list(csv.DictReader(io.StringIO(read_text(path))))
    if not rows or not set(_COLUMNS) <= set(rows[0]):
        raise SlipstickError("no table of accuracies", path="accuracies", value=str(path), allowed=_ALLOWED)
    try:
        return {row["format"]: float(row["accuracy"]) for row in rows}
    except (TypeError, ValueError):
        raise SlipstickError("an accuracy that is no number", path="accuracies", value=str(path)) from None


def _key(formats: str) -> str:
    return "".join(formats.split()).casefold()
