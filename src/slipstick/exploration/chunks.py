"""Chunks of a design space: evaluated here, by processes or an executor, and kept in a folder to resume a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.files import read_text, write_text
from slipstick.core.progress import Progress
from slipstick.exploration.constraint import Constraint
from slipstick.exploration.executors import Workers, _results
from slipstick.exploration.parquet import _write_parquet
from slipstick.exploration.points import Columns, Task, _evaluate
from slipstick.exploration.space import _value_text
from slipstick.report.metric import canonical

if TYPE_CHECKING:
    import polars

CHUNK = 65_536  # points: some 100 MB of arrays while they are computed
SMALL_CHUNK = 64  # points that are reported one after the other
_ASKED, _CHUNKS = "search.json", "chunks"


def _all_points(
    task: Task, constraint: Constraint, folder: Path | None, workers: Workers, progress: Progress | None
) -> polars.DataFrame:
    """Return every point that fits its memory and meets the constraints, in the space's order."""
    import polars

    count = len(task.space)
    size = CHUNK if task.sweep else SMALL_CHUNK
    bounds = [(first, min(first + size, count)) for first in range(0, count, size)]
    tables: list[polars.DataFrame] = []
    tried = 0
    for points, table in _chunks(task, constraint, bounds, folder, workers):
        tables.append(table)
        tried += points
        if progress is not None:
            progress(tried, count, "points")
    return polars.concat(tables).sort("index") if tables else polars.DataFrame({"index": []})


def chunk_table(task: Task, constraint: Constraint, first: int, last: int) -> polars.DataFrame:
    """Return the feasible points of one chunk: possible, within memory, and meeting the constraints."""
    batch = _evaluate(task, first, last)
    keep = np.flatnonzero(batch.fits & constraint.holds(batch.figures))
    return _point_table(task, keep + first, {path: values[keep] for path, values in batch.figures.items()})


def _point_table(task: Task, index: IntArray, figures: Columns) -> polars.DataFrame:
    """Return points as a table with columns for their index, the axes' values and the figures."""
    import polars

    axes = task.space.axes
    places = np.unravel_index(index, [len(values) for values in axes.values()]) if axes else ()
    columns: dict[str, Any] = {"index": index}
    for (path, values), place in zip(axes.items(), places, strict=True):
        columns[path] = polars.Series([_value_text(value) for value in values]).gather(place)
    return polars.DataFrame(columns | figures)


def _chunks(
    task: Task, constraint: Constraint, bounds: list[tuple[int, int]], folder: Path | None, workers: Workers
) -> Iterator[tuple[int, polars.DataFrame]]:
    """Yield (points, table) of every chunk; chunks already in the folder are read, all others evaluated and stored."""
    import polars

    missing = []
    for first, last in bounds:
        file = _file(folder, first)
        if file is not None and file.exists():
            yield last - first, polars.read_parquet(file)
        else:
            missing.append((first, last))
    for (*_, first, last), table in _results(workers, chunk_table, [(task, constraint, *bound) for bound in missing]):
        yield last - first, _stored(table, _file(folder, first))


def _stored(table: polars.DataFrame, file: Path | None) -> polars.DataFrame:
    if file is not None:
        _write_parquet(table, file)
    return table


def _file(folder: Path | None, first: int) -> Path | None:
    return None if folder is None else folder / _CHUNKS / f"{first:012d}.parquet"


def _run_folder(
    task: Task, objectives: Sequence[str], subject_to: str, folder: str | Path | None, resume: bool
) -> Path | None:
    """Return the run's folder, new or resumed from the identical search; None without one.

    Errors
    ------
    SlipstickError for a folder of another search, one that is there without `resume`, and `resume` without a folder.
    """
    if folder is None:
        if resume:
            raise SlipstickError("needs the folder of the run", path="resume", allowed="a folder")
        return None
    place = Path(folder)
    question = _description(task, objectives, subject_to)
    known = place / _ASKED
    if not known.exists():
        write_text(known, question)
        return place
    if not resume:
        raise SlipstickError("holds a search already", path=str(place), allowed="another folder, or resume")
    if read_text(known) != question:
        raise SlipstickError("holds another search", path=str(known), allowed="the same question")
    return place


def _description(task: Task, objectives: Sequence[str], subject_to: str) -> str:
    """Return the search's inputs as JSON, by which a run's folder is recognised."""
    question = {
        "workload": task.workload, **task.options, "axes": task.space.axes, "fixed": task.space.fixed,
        "objectives": list(objectives), "subject_to": subject_to, **({"scored": task.scored} if task.scored else {}),
    }  # fmt: skip
    return json.dumps(canonical(question), indent=2, sort_keys=True)
