"""Search from options to Frontier: every point of a space, or those that a sampler chooses in a large one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slipstick.core import units
from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.plan import plan_pairs
from slipstick.core.progress import Progress
from slipstick.core.question import Question
from slipstick.core.value_ranges import whole_numbers
from slipstick.engines.question import WorkloadSpec, parse_overrides
from slipstick.exploration.chunks import CHUNK, SMALL_CHUNK, _all_points, _point_table, _run_folder
from slipstick.exploration.constraint import Constraint, _figure_names, _parse
from slipstick.exploration.default_plans import _default_plans, _open_fields
from slipstick.exploration.executors import Workers, _opened_executor
from slipstick.exploration.figures import PEAK, SYSTEM_FIGURES, Objective, _figure_path
from slipstick.exploration.frontier import Frontier
from slipstick.exploration.measured_accuracies import _Accuracies, _expected_accuracies, _measured_accuracies
from slipstick.exploration.parquet import _write_parquet
from slipstick.exploration.points import Task, _default_objectives, _evaluate, _prepared, _require_answers
from slipstick.exploration.sampling import KEPT, SAMPLERS, _sample
from slipstick.exploration.search_options import SearchOptions
from slipstick.exploration.space import Space
from slipstick.exploration.space_text import read_space
from slipstick.exploration.treatment import TREATMENT

if TYPE_CHECKING:
    import polars

_BUDGET = 10_000_000  # points that are all tried
_TRIALS = 2000  # of a larger space
_SEEDS = 2**32  # of the sampler
_DEMAND = ("rate", "arrivals", "variation")  # of requests, which a service answers
_PASSED = (*_DEMAND, "accuracies")  # options of the question itself
_BATCHES = tuple(1 << power for power in range(10))  # 1 to 512: tried under a demand where the user gives none
_QUEUE = "time.queue."  # figures of waiting under a demand
_SIZES = ("batch", "sequence", "output")  # of the workload: one value is of every point, several are an axis


class _Aim(NamedTuple):
    """Aim of a search: the points to evaluate, the objectives, and the constraints."""

    task: Task
    objectives: tuple[Objective, ...]
    constraint: Constraint


def search_systems(
    workload: WorkloadSpec,
    systems: Sequence[str | Space],
    minimize: str | Sequence[str],
    subject_to: str,
    progress: Progress | None,
    options: SearchOptions,
) -> Frontier:
    """Return the Frontier of `slipstick.search`: the feasible points that meet the constraints.

    Parameters
    ----------
    systems : names with counts, or one Space.
    minimize : short names or paths of figures, by comma or one by one; rates and efficiencies are maximised.

    Errors
    ------
    SlipstickError for unknown figures (with the nearest), values of another unit, a folder of another search, and a
    space of which no point is possible or meets the conditions.
    """
    require("polars", "search")
    systems, options = _with_space(systems, options)
    asked: dict[str, Any] = {"phase": options["phase"]} if options.get("phase") is not None else {}
    asked |= {name: values[0] for name in _SIZES if len(values := _counts(options, name)) == 1}
    asked |= {name: options[name] for name in _PASSED if options.get(name) is not None}  # type: ignore[literal-required]
    task = _with_places(Task(workload, _space(workload, systems, options, asked), asked), options)
    names = [name.strip() for name in minimize.split(",")] if isinstance(minimize, str) else list(minimize)
    names = names if any(names) else _default_objectives(task)
    figure_names = [(name, "minimize") for name in names] + [(name, "subject_to") for name in _figure_names(subject_to)]
    task = _prepared(task, figure_names)
    objectives = tuple(Objective.of(_figure_path(name, task.units, "minimize")) for name in names)
    constraint = _parse(subject_to, task.units)
    task = replace(task, options={**task.options, **_queue_limits(constraint)})
    _require_answers(task)  # what is wrong with the question shows before any work is handed out
    if options.get("top", 0) < 0:
        raise SlipstickError("below zero", path="top", value=options["top"], allowed="a number of points")
    if options.get("budget", 1) < 1:
        raise SlipstickError(
            "out of range", path="budget", value=options["budget"], allowed="a number of points from 1"
        )
    folder = _run_folder(task, names, subject_to, options.get("folder"), options.get("resume", False))
    task, measured = _with_accuracies(task, folder, progress, options)
    choose = _sampled if len(task.space) > options.get("budget", _BUDGET) else _exhaustive
    points, tried, method = choose(_Aim(task, objectives, constraint), folder, progress, options)
    if not len(points):
        raise _no_point(task, constraint, subject_to)
    conditions = tuple(dict.fromkeys(path for path, _, _ in constraint.clauses))
    frontier = Frontier(
        task, points, objectives, method + (measured.remark if measured else ""), tried, options.get("top", 0),
        conditions, measured.as_it_came if measured else None,
    )  # fmt: skip
    if not np.isfinite(frontier.costs).all(axis=1).any():
        raise SlipstickError("no point that meets the conditions has these figures", path="minimize", value=names)
    if folder is not None:
        _write_parquet(points, folder / "frontier.parquet")
    return frontier


def _with_places(task: Task, options: SearchOptions) -> Task:
    """Return the search with a place for each accuracy that a data set will give, so that questions can be checked.

    Errors
    ------
    SlipstickError for a table beside a data set, treatments without one, and a network that has no weights.
    """
    data = options.get("data")
    if data is None:
        for path, value in {**task.space.axes, **task.space.fixed}.items():
            if path.startswith(TREATMENT):
                allowed = "a data set (data), on which the network is retrained and scored"
                raise SlipstickError("needs images", path=path.removeprefix(TREATMENT), value=value, allowed=allowed)
        return task
    if "accuracies" in task.options:
        raise SlipstickError("stands beside a data set that accuracies are measured on", path="accuracies")
    images = options.get("images")
    name = str(data) if isinstance(data, str | Path) else data.name
    scored = name if images is None else f"{name}, {images} images"
    return replace(task, accuracies=_expected_accuracies(task, data, images), scored=scored)


def _with_accuracies(
    task: Task, folder: Path | None, progress: Progress | None, options: SearchOptions
) -> tuple[Task, _Accuracies | None]:
    """Return the search with the accuracies that a data set gives, which are measured where a point is possible."""
    data, count = options.get("data"), len(task.space)
    if data is None:
        return task, None
    possible = range(count) if task.sweep or count > CHUNK else np.flatnonzero(_evaluate(task, 0, count).fits).tolist()
    with _opened_executor(options.get("executor")) as executor:
        workers = Workers(executor, options.get("workers", 1))
        measured = _measured_accuracies(task, possible, data, options, workers, folder, progress)
    return replace(task, accuracies=measured.by_treatment), measured


def _no_point(task: Task, constraint: Constraint, subject_to: str) -> SlipstickError:
    """Return the error of a search without a point: how far plans come, and which condition no point meets."""
    some = min(len(task.space), CHUNK if task.sweep else SMALL_CHUNK)
    batch = _evaluate(task, 0, some)
    possible = np.logical_or.reduce([np.isfinite(batch.figures[path]) for path in task.units.keys() - SYSTEM_FIGURES])
    if not batch.fits.any():
        message = "no point divides the devices, layers and batch and fits its memory"
        if possible.any() and np.isfinite(batch.figures.get(PEAK, np.nan)).any():
            least = units.format_quantity(float(np.nanmin(batch.figures[PEAK])), "B")
            message = f"no point fits its memory; the smallest plan takes {least} of a device beside the reserve"
        cure = "other values of the plan, or more devices; slipstick estimate says of one plan what is wrong"
        return SlipstickError(message, path="search", value=subject_to or None, allowed=cure)
    fitting = {path: values[batch.fits] for path, values in batch.figures.items()}
    missed = [_missed(clause, fitting, task.units[clause[0]]) for clause in constraint.clauses]
    cure = "; ".join([*filter(None, missed), "weaker conditions, or more devices"])
    message = "no point meets the conditions and fits its memory"
    return SlipstickError(message, path="search", value=subject_to, allowed=cure)


def _missed(clause: tuple[str, str, float], fitting: Mapping[str, FloatArray], unit: str) -> str:
    """Return what the points that fit come to, for a condition that none of them meets; empty if some do."""
    path, comparison, _ = clause
    if Constraint((clause,)).holds(fitting).any() or not np.isfinite(fitting[path]).any():
        return ""
    below = comparison in ("<", "<=")
    best = np.nanmin(fitting[path]) if below else np.nanmax(fitting[path])
    return f"{path} {'from' if below else 'up to'} {units.format_quantity(float(best), unit)}"


def _queue_limits(constraint: Constraint) -> dict[str, float]:
    """Return the conditions on waiting as options of the question: copies of a system are counted to keep them."""
    limits: dict[str, float] = {}
    for path, comparison, value in constraint.clauses:
        if path.startswith(_QUEUE) and comparison in ("<", "<="):
            name = f"queue_{path.removeprefix(_QUEUE)}"
            limits[name] = min(value, limits.get(name, value))
    return limits


def _sampled(
    aim: _Aim, folder: Path | None, progress: Progress | None, options: SearchOptions
) -> tuple[polars.DataFrame, int, str]:
    """Return the sampled points that meet the constraints, the number of points tried, and a phrase of it."""
    task, objectives, constraint = aim
    trials, seed = options.get("trials", _TRIALS), options.get("seed", 0)
    if trials < 1:
        raise SlipstickError("out of range", path="trials", value=trials, allowed="from 1")
    if not 0 <= seed < _SEEDS:
        raise SlipstickError("out of range", path="seed", value=seed, allowed=f"0 to {_SEEDS - 1}")
    table = _sample(task, objectives, constraint, trials, seed=seed, folder=folder, progress=progress)
    fitting = table.filter(table[KEPT])
    points = _point_table(task, fitting["index"].to_numpy(), {path: fitting[path].to_numpy() for path in task.units})
    sampler = SAMPLERS[len(objectives) > 1]
    return points, len(table), f"sampled: {len(table):,} of {len(task.space):,} points, chosen by {sampler} (Optuna)"


def _exhaustive(
    aim: _Aim, folder: Path | None, progress: Progress | None, options: SearchOptions
) -> tuple[polars.DataFrame, int, str]:
    """Return all points that meet the constraints, the number of points tried, and a phrase of it."""
    task, _, constraint = aim
    if (processes := options.get("workers", 1)) < 1:
        raise SlipstickError("out of range", path="workers", value=processes, allowed="from 1")
    with _opened_executor(options.get("executor")) as executor:
        points = _all_points(task, constraint, folder, Workers(executor, processes), progress)
    return points, len(task.space), f"exhaustive: all {len(task.space):,} points"


def _space(
    workload: WorkloadSpec, systems: Sequence[str | Space], options: SearchOptions, asked: Mapping[str, Any]
) -> Space:
    """Return the space of systems, sizes, overrides and plans; a given Space excludes all but the sizes.

    What a plan leaves open varies where the engine says which values are worth a try.
    """
    if not systems:
        raise SlipstickError("names no system", path="search", allowed="such as h100-sxm:64..1024")
    plan, changes = options.get("plan", ""), parse_overrides(options.get("set") or {})
    spaces = [system for system in systems if isinstance(system, Space)]
    names = [system for system in systems if not isinstance(system, Space)]
    if spaces and (len(systems) > 1 or plan or changes):
        raise SlipstickError(
            "a Space stands alone: it has its systems, plans and overrides", path="system", value=names
        )
    sizes = {f"workload.{name}": values for name in _SIZES if len(values := _counts(options, name)) > 1}
    if options.get("batch") is None and "workload.batch" not in changes and any(name in asked for name in _DEMAND):
        sizes["workload.batch"] = list(_BATCHES)
    for path in changes.keys() & {f"workload.{name}" for name in _SIZES if options.get(name) is not None}:
        raise SlipstickError("stands twice", path=path, value=changes[path], allowed="one of --set and the option")
    if spaces:
        return spaces[0].wider(sizes)
    space = Space.of(system=names, plan=plan, fields={**sizes, **changes})
    questions = _questions(Task(workload, space, asked))
    stated = {*space.axes, *space.fixed}
    wider = {} if "plan.others" in stated else _open_fields(questions, stated)
    if plan or wider:
        return space.wider(wider)
    return Space.of(system=names, plan=_default_plans(questions[0]), fields={**sizes, **changes})


def _with_space(systems: Sequence[str | Space], options: SearchOptions) -> tuple[Sequence[str | Space], SearchOptions]:
    """Return systems and options with what the text of a space adds to them."""
    if not (text := options.get("space")):
        return systems, options
    written = read_space(text)
    plan = options.get("plan", "")
    own = dict(plan) if isinstance(plan, Mapping) else plan_pairs(plan, "tp=1..8")
    changes = parse_overrides(options.get("set") or {})
    for key in own.keys() & written.plan.keys() | changes.keys() & written.fields.keys():
        raise SlipstickError("stands twice", path=f"space.{key}", value=text)
    joined: SearchOptions = {**options, "plan": {**own, **written.plan}, "set": {**changes, **written.fields}}
    return (*systems, *written.systems), joined


def _counts(options: SearchOptions, name: str) -> list[int]:
    """Return the values of a size of the workload, which may be one, several, or none."""
    value = options.get(name)
    if value is None:
        return []
    return whole_numbers([value] if isinstance(value, int) else value, name)  # type: ignore[arg-type]


def _questions(task: Task) -> list[Question]:
    """Return the first question to each system of a space."""
    systems = len(task.space.axes.get("system", ("",)))
    every = len(task.space) // systems
    return [task.question(place * every) for place in range(systems)]
