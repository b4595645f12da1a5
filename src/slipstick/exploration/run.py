"""`search`: every point of a space in chunks, over an executor, with a folder from which an interrupted run goes on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.files import read_text, write_text
from slipstick.engines.question import parse_overrides
from slipstick.exploration.constraint import Constraint, parse
from slipstick.exploration.evaluate import FIGURES, Columns, Task, evaluate
from slipstick.exploration.executors import opened_executor
from slipstick.exploration.frontier import Frontier, description, objective_of, write_parquet
from slipstick.exploration.memory_fit import fits
from slipstick.exploration.sampling import SAMPLERS, sample
from slipstick.exploration.space import Space

if TYPE_CHECKING:
    import polars

CHUNK = 65_536  # points: some 100 MB of arrays while they are computed
SMALL_CHUNK = 64  # points that are reported one after the other
BUDGET = 10_000_000  # points that are all tried
TRIALS = 2000  # of a larger space
IN_FLIGHT = 64  # chunks handed to an executor at a time
ASKED, CHUNKS = "search.json", "chunks"
Progress = Callable[[int, int], None]
_PLANS = "tp=1..8,pp=1..16,microbatch=1..8,recompute=none|selective|full,sp=true|false,zero=0|1"


def search_systems(
    workload: str,
    systems: Sequence[str | Space],
    minimize: str | Sequence[str] = "time",
    subject_to: str = "",
    *,
    progress: Progress | None = None,
    **options: Any,
) -> Frontier:
    """Return the Frontier of `slipstick.search`: the space is that of the systems, the plan and the overrides."""
    if not systems:
        raise SlipstickError("names no system", path="search", allowed="such as h100-sxm:64..1024")
    plan, changes = options.pop("plan", "") or _PLANS, parse_overrides(options.pop("set", None) or {})
    names = [system for system in systems if isinstance(system, str)]
    given = [system for system in systems if not isinstance(system, str)]
    if given and len(systems) > 1:
        raise SlipstickError("a Space stands alone: it has its systems", path="system", value=names)
    space = given[0] if given else Space.of(system=names, plan=plan, fields=changes)
    goals = [name.strip() for name in minimize.split(",")] if isinstance(minimize, str) else minimize
    with opened_executor(options.pop("executor", None)) as pool:
        return search(workload, space, goals, subject_to, executor=pool, progress=progress, **options)


def search(
    workload: str,
    space: Space,
    objectives: Sequence[str] = ("time",),
    subject_to: str = "",
    *,
    phase: str = "train",
    batch: int | None = None,
    sequence: int | None = None,
    output: int | None = None,
    executor: Executor | None = None,
    workers: int = 1,
    folder: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    budget: int = BUDGET,
    trials: int = TRIALS,
    seed: int = 0,
) -> Frontier:
    """Return the points of a space that keep the conditions, as a Frontier.

    Parameters
    ----------
    objectives : ``time``, ``step``, ``memory``, ``price``, ``devices``, ``throughput``, or the path of a figure.
    subject_to : conditions such as ``memory.peak < 75 GiB``; a plan that its system's memory does not hold is out.
    executor : any `concurrent.futures.Executor`; else a pool of `workers` processes, or none with one worker.
    folder : where finished chunks are kept; `resume` goes on with those that are there.
    progress : called with the points done and all points.
    budget : points that are all tried; of a larger space Optuna chooses `trials`, with `seed`: TPE for one objective,
        NSGA-II for several. `how` says which it was.

    Errors
    ------
    SlipstickError for unknown objectives and figures, a folder of another search.

    Examples
    --------
    >>> space = Space.of(system="h100-sxm:8", plan="tp=1..8,microbatch=1..4")
    >>> found = search("llama-3.1-8b", space, ["time", "memory"], batch=32, sequence=4096)
    >>> found.how, found.best().value("memory.peak") < 80 * 2**30
    ('exhaustive: all 12 points', True)
    """
    require("polars", "search")
    task = Task(workload, space, phase, batch, sequence, output)
    goals = [objective_of(name) for name in objectives]
    constraint = parse(subject_to, FIGURES)
    evaluate(task, 0, 1)  # what is wrong with the question shows before any work is handed out
    sampled = len(space) > budget
    place = _folder(task, objectives, subject_to, folder, resume)
    if sampled:
        if trials < 1:
            raise SlipstickError("out of range", path="trials", value=trials, allowed="from 1")
        tried = sample(task, goals, constraint, trials, seed=seed, place=place, progress=progress)
        kept = tried.filter(tried["kept"])
        points = _table(task, kept["index"].to_numpy(), {name: kept[name].to_numpy() for name in FIGURES})
        how = f"sampled: {len(tried):,} of {len(space):,} points, chosen by {SAMPLERS[len(goals) > 1]} (Optuna)"
    else:
        points = _all(task, constraint, place, executor, workers, progress)
        how = f"exhaustive: all {len(space):,} points"
    if not len(points):
        raise SlipstickError("no point keeps the conditions", path="subject_to", value=subject_to or "memory")
    if place is not None:
        write_parquet(points, place / "frontier.parquet")
    largest = frozenset(path for path, more in goals if more)
    return Frontier(task, points, tuple(path for path, _ in goals), largest, how, len(tried) if sampled else len(space))


def _all(
    task: Task,
    constraint: Constraint,
    place: Path | None,
    executor: Executor | None,
    workers: int,
    progress: Progress | None,
) -> polars.DataFrame:
    """Try every point, chunk by chunk."""
    count = len(task.space)
    size = CHUNK if task.vectorised else SMALL_CHUNK
    bounds = [(first, min(first + size, count)) for first in range(0, count, size)]
    parts: list[polars.DataFrame] = []
    done = 0
    for points, part in _chunks(task, constraint, bounds, place, executor, workers):
        parts.append(part)
        done += points
        if progress is not None:
            progress(done, count)
    return _joined(parts)


def chunk_table(task: Task, constraint: Constraint, first: int, last: int) -> polars.DataFrame:
    """Return the points of one chunk that are possible, fit their memory and keep the conditions."""
    figures = evaluate(task, first, last)
    keep = np.flatnonzero(np.isfinite(figures["time.step"]) & constraint.holds(figures) & fits(task, figures, first))
    return _table(task, keep + first, {name: values[keep] for name, values in figures.items()})


def _table(task: Task, index: IntArray, figures: Columns) -> polars.DataFrame:
    """Return points as a table: their numbers, the axes' values, the figures."""
    import polars

    axes = task.space.axes
    places = np.unravel_index(index, [len(values) for values in axes.values()]) if axes else ()
    columns: dict[str, Any] = {"index": index}
    for (path, values), at in zip(axes.items(), places, strict=True):
        columns[path] = np.array([_text(value) for value in values])[at]
    return polars.DataFrame(columns | figures)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _chunks(
    task: Task,
    constraint: Constraint,
    bounds: list[tuple[int, int]],
    place: Path | None,
    executor: Executor | None,
    workers: int,
) -> Iterator[tuple[int, polars.DataFrame]]:
    """Yield (points, table) of every chunk; those in the folder are read, the others computed and kept there."""
    import polars

    missing = []
    for first, last in bounds:
        file = _file(place, first)
        if file is not None and file.exists():
            yield last - first, polars.read_parquet(file)
        else:
            missing.append((first, last))
    if executor is None and (workers == 1 or len(missing) < 2):
        for first, last in missing:
            yield last - first, _kept(chunk_table(task, constraint, first, last), _file(place, first))
    elif executor is not None:
        yield from _spread(executor, task, constraint, missing, place)
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield from _spread(pool, task, constraint, missing, place)


def _spread(
    pool: Executor, task: Task, constraint: Constraint, missing: list[tuple[int, int]], place: Path | None
) -> Iterator[tuple[int, polars.DataFrame]]:
    """Yield the chunks as the executor finishes them; no more are handed out than keep it at work."""
    waiting: dict[Future[Any], tuple[int, int]] = {}
    rest = iter(missing)
    while True:
        for bound in itertools.islice(rest, IN_FLIGHT - len(waiting)):
            waiting[pool.submit(chunk_table, task, constraint, *bound)] = bound
        if not waiting:
            return
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            first, last = waiting.pop(future)
            yield last - first, _kept(future.result(), _file(place, first))


def _kept(part: polars.DataFrame, file: Path | None) -> polars.DataFrame:
    if file is not None:
        write_parquet(part, file)
    return part


def _file(place: Path | None, first: int) -> Path | None:
    return None if place is None else place / CHUNKS / f"{first:012d}.parquet"


def _joined(parts: list[polars.DataFrame]) -> polars.DataFrame:
    """Return the points in the order of their numbers, whatever order the chunks came in."""
    import polars

    return polars.concat(parts).sort("index") if parts else polars.DataFrame({"index": []})


def _folder(
    task: Task, objectives: Sequence[str], subject_to: str, folder: str | Path | None, resume: bool
) -> Path | None:
    """Return the run's folder, new or, to go on with, of the very same search."""
    if folder is None:
        if resume:
            raise SlipstickError("needs the folder of the run", path="resume", allowed="a folder")
        return None
    place = Path(folder)
    asked = description(task, objectives, subject_to)
    known = place / ASKED
    if known.exists():
        if not resume:
            raise SlipstickError("holds a search already", path=str(place), allowed="another folder, or resume")
        if read_text(known) != asked:
            raise SlipstickError("holds another search", path=str(known), allowed="the same question")
    else:
        write_text(known, asked)
    return place
