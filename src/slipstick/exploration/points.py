"""Evaluation of many points: vectorised where the engine has such a form, else Report by Report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from slipstick.core.arrays import BoolArray, FloatArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan, plan_fields
from slipstick.core.question import Question
from slipstick.core.sweep import Sweep
from slipstick.engines.closed_form import estimate_report
from slipstick.engines.question import WorkloadSpec, ask
from slipstick.engines.refusals import engine_for
from slipstick.exploration.figures import (
    COPIES,
    PEAK,
    RESERVE,
    STANDARD,
    SYSTEM_FIGURES,
    _figure_path,
    _system_figures,
    report_figures,
)
from slipstick.exploration.space import Space
from slipstick.exploration.treatment import Treatment
from slipstick.formats.grammar import format_of
from slipstick.formats.layer_patterns import pieces
from slipstick.report.report import Metric, Report

Columns = dict[str, FloatArray]
_PLAN = "plan."
_FORMATS = "plan.formats."
_LAYERS = "plan.formats.layers"
_VERB = "estimate"


@dataclass(frozen=True)
class Task:
    """Search as sent to executors: the workload, the space, and the figures to compute for every point.

    Parameters
    ----------
    options : phase, batch, sequence and output of every point, those that are given.
    units : the figures, each with its unit.
    sweep : ``module:NAME`` of the vectorised form that gives all of them; empty: each point is a Report of its own.
    accuracies : measured by treatment and number format, where a data set is given; `scored` says on what.
    """

    workload: WorkloadSpec
    space: Space
    options: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    sweep: str = ""
    accuracies: Mapping[Treatment, Mapping[str, Metric]] = field(default_factory=dict)
    scored: str = ""

    def question(self, index: int, without: Iterable[str] = ()) -> Question:
        """Return the Question of a point, its plan and workload `without` the fields at some paths.

        Errors
        ------
        SlipstickError for unknown names, and overrides of nothing.
        """
        return ask(self.workload, verb=_VERB, **self._arguments(index, without))

    def report(self, index: int) -> Report:
        """Return the full Report of a point, as `slipstick.estimate` gives it.

        Errors
        ------
        SlipstickError where the point is impossible.
        """
        return estimate_report(self.workload, **self._arguments(index))

    @property
    def workload_name(self) -> str:
        """Name of the workload in titles and commands: the given name or path, or else the network's."""
        return str(self.workload) if isinstance(self.workload, str | Path) else self.question(0).workload.name

    def _arguments(self, index: int, without: Iterable[str] = ()) -> dict[str, Any]:
        point = self.space.point(index)
        plan = {path.removeprefix(_PLAN): point[path] for path in point if path.startswith(_PLAN)}
        changes = {path: value for path, value in point.items() if path.startswith(("system.", "workload."))}
        for path in without:
            plan.pop(path.removeprefix(_PLAN), None)
            changes.pop(path, None)
        measured = {"accuracies": self.accuracies.get(Treatment.of(point), {})} if self.accuracies else {}
        return {"system": point["system"], "plan": plan, "set": changes, **self.options, **measured}


@dataclass(frozen=True)
class Batch:
    """Results of consecutive points: their figures, and which are possible and fit their system's memory."""

    figures: Columns
    fits: BoolArray


def _prepared(task: Task, names: Iterable[tuple[str, str]]) -> Task:
    """Return the task with requested and standard figures, and the method by which they are computed.

    Parameters
    ----------
    names : (short name or path of a figure, argument that named it).

    Errors
    ------
    SlipstickError for a figure that the first possible point does not have, with the nearest; for a space of which no
    point is possible, the first point's.
    """
    names = list(names)
    question = task.question(0)
    sweep = _sweep_name(question)
    if sweep and _takes(sweep, task.space, question.plan):
        form = _load_sweep(sweep)
        units = {**form.figures, **SYSTEM_FIGURES}
        for option in question.options.keys() & form.of_options.keys():
            units |= form.of_options[option]
        if all(_is_figure(name, units) for name, _ in names):
            return replace(task, units=_ordered(units), sweep=sweep)
    units = {path: unit for path, (_, unit) in _first_figures(task).items()}
    paths = [_figure_path(name, units, where) for name, where in names]
    return replace(task, units={path: units[path] for path in dict.fromkeys((*STANDARD, *paths)) if path in units})


def _ordered(units: Mapping[str, str]) -> dict[str, str]:
    return {path: units[path] for path in dict.fromkeys((*STANDARD, *units)) if path in units}


def _is_figure(name: str, units: Mapping[str, str]) -> bool:
    try:
        _figure_path(name, units, "")
    except SlipstickError:
        return False
    return True


def _sweep_name(question: Question) -> str:
    """Return ``module:NAME`` of the vectorised form of the Question's engine, empty where it has none."""
    try:
        return engine_for(_VERB, question).sweep
    except SlipstickError:  # nothing answers this point
        return ""


def _default_objectives(task: Task) -> list[str]:
    """Return the objectives where the user names none: those of the first point's engine that its Report has."""
    try:
        known = engine_for(_VERB, task.question(0)).objectives
    except SlipstickError:  # another point may be answered
        known = ()
    if not known:
        return ["time"]
    figures = _first_figures(task)
    return [name for name in known if name in figures] or ["time"]


@cache
def _load_sweep(name: str) -> Sweep:
    module, _, attribute = name.partition(":")
    sweep: Sweep = getattr(import_module(module), attribute)
    return sweep


def _engine_report(question: Question) -> Report:
    """Return the engine's Report of a point, without the table of input origins that `estimate` adds."""
    return engine_for(_VERB, question).answer(question)


def _takes(sweep: str, space: Space, plan: Plan) -> bool:
    """Return whether a vectorised form supports every value that varies in the plans of a space, and those it needs."""
    form = _load_sweep(sweep)
    varied = {path.removeprefix(_PLAN): axis for path, axis in space.axes.items() if path.startswith(_PLAN)}
    shared = {field.path: (field.of(plan),) for field in plan_fields() if field.path in form.needs}
    return all(form.accepts(path, value) for path, axis in {**shared, **varied}.items() for value in axis)


def _first_figures(task: Task) -> dict[str, tuple[float, str]]:
    """Return the figures of the first possible point."""
    problem: SlipstickError | None = None
    for index in range(len(task.space)):
        try:
            question = task.question(index)
            return report_figures(_engine_report(question), question)
        except SlipstickError as error:
            problem = problem or error
    raise problem or SlipstickError("has no point", path="space")


def _evaluate(task: Task, first: int, last: int) -> Batch:
    """Return the figures of the points `first` to `last` - 1; those of an impossible point are NaN.

    Points of one system, workload and set of formats are one call of the engine's vectorised form, where it has one.
    """
    if not task.sweep:
        return _one_by_one(task, range(first, last))
    varied = _load_sweep(task.sweep).fields
    axes = task.space.axes
    inner = [path for path in axes if path.removeprefix(_PLAN) in varied]
    order = [path for path in axes if path not in inner] + inner
    if list(axes) != order:
        return _in_order(task, first, last, order)
    size = math.prod(len(axes[path]) for path in inner)
    block = _block_or_nothing if any(path.startswith(_FORMATS) for path in order) else _block
    batches = [
        block(task, inner, start, max(first, start), min(last, start + size))
        for start in range(first // size * size, last, size)
    ]
    return Batch(
        {path: np.concatenate([batch.figures[path] for batch in batches]) for path in task.units},
        np.concatenate([batch.fits for batch in batches]),
    )


def _in_order(task: Task, first: int, last: int, order: list[str]) -> Batch:
    """Return the points evaluated with the fields that a sweep varies innermost, back in the space's order."""
    axes = task.space.axes
    turned = replace(task, space=Space({path: axes[path] for path in order}, task.space.fixed))
    sizes = [len(values) for values in axes.values()]
    places = np.stack(np.unravel_index(np.arange(first, last), sizes))
    rows = [list(axes).index(path) for path in order]
    index = np.ravel_multi_index(tuple(places[rows]), [sizes[row] for row in rows])
    by_index = np.argsort(index)
    batch = _empty(task, last - first)
    for run in np.split(by_index, np.flatnonzero(np.diff(index[by_index]) > 1) + 1):
        part = _evaluate(turned, int(index[run[0]]), int(index[run[-1]]) + 1)
        batch.fits[run] = part.fits
        for path, values in part.figures.items():
            batch.figures[path][run] = values
    return batch


def _block(task: Task, inner: list[str], start: int, first: int, last: int) -> Batch:
    """Return the results of points `first` to `last` - 1 of one setting, whose own first point is number `start`."""
    question = task.question(start, without=inner)
    if _sweep_name(question) != task.sweep:  # another kind of system or network
        return _one_by_one(task, range(first, last))
    sizes = [len(task.space.axes[path]) for path in inner]
    places: tuple[IntArray, ...] = np.unravel_index(np.arange(first - start, last - start), sizes) if inner else ()
    axes = {path.removeprefix(_PLAN): task.space.axes[path] for path in inner}
    figures = _load_sweep(task.sweep).columns(question, axes, places)
    possible = np.logical_or.reduce([np.isfinite(values) for values in figures.values()])
    copies = figures.get(COPIES, np.ones(last - first))
    system = {path: value * copies for path, value in _system_figures(question).items()}
    columns = {path: system[path] if path in system else figures[path] for path in task.units}
    return Batch(columns, possible & ~_overflows(columns, question))


def _block_or_nothing(task: Task, inner: list[str], start: int, first: int, last: int) -> Batch:
    """Return the results of `_block`, or impossible points: where formats vary, some systems may not have them all."""
    try:
        return _block(task, inner, start, first, last)
    except SlipstickError:
        return _empty(task, last - first)


def _require_answers(task: Task) -> None:
    """Ask one point, and one with each number format that varies: it must be possible on one of the systems.

    Errors
    ------
    SlipstickError of the first point, of a format that no system of the space has, and of text that is no format.
    """
    axes = task.space.axes
    varied = [(path, value) for path in axes if path.startswith(_FORMATS) for value in axes[path]]
    if not varied or not task.sweep:
        _evaluate(task, 0, 1)
    for text in (value for path, value in varied if path == _LAYERS):
        for _, layer_format in pieces(str(text)):
            format_of(layer_format)
    for path, value in varied if task.sweep else ():
        problems = [_refusal(task, {path: value, "system": system}) for system in axes.get("system", ("",))]
        if None not in problems:
            raise problems[0] or SlipstickError("has no point", path=path)


def _refusal(task: Task, picked: Mapping[str, Any]) -> SlipstickError | None:
    """Return the error of the first point with the values `picked` of some axes, or None where it is answered."""
    axes = task.space.axes
    first = {path: picked.get(path, values[0]) for path, values in axes.items()}
    varied = _load_sweep(task.sweep).fields
    inner = {path: (value,) for path, value in first.items() if path.removeprefix(_PLAN) in varied}
    fixed = {path: value for path, value in first.items() if path not in inner}
    try:
        _evaluate(replace(task, space=Space(inner, {**task.space.fixed, **fixed})), 0, 1)
    except SlipstickError as error:
        return error
    return None


def _one_by_one(task: Task, indices: range) -> Batch:
    batch = _empty(task, len(indices))
    for place, (question, report) in enumerate(_reports(task, indices)):
        if question is None or report is None:
            continue
        figures = report_figures(report, question)
        for path in task.units.keys() & figures.keys():
            batch.figures[path][place] = figures[path][0]
        memory = {path: np.array([figures[path][0]]) for path in (PEAK, RESERVE) if path in figures}
        batch.fits[place] = not _overflows(memory, question).any()
    return batch


def _reports(task: Task, indices: range) -> Iterator[tuple[Question | None, Report | None]]:
    """Yield every point's Question and Report, or Nones where the point is impossible."""
    for index in indices:
        try:
            question = task.question(index)
            yield question, _engine_report(question)
        except SlipstickError:
            yield None, None


def _overflows(columns: Mapping[str, FloatArray], question: Question) -> BoolArray:
    """Return which points exceed what their system's main memory offers; none where the peak is unknown."""
    peak = columns.get(PEAK, np.zeros(len(next(iter(columns.values()), ()))))
    return np.asarray(peak + columns.get(RESERVE, 0.0) > question.system.main_memory.capacity)


def _empty(task: Task, count: int) -> Batch:
    return Batch({path: np.full(count, np.nan) for path in task.units}, np.zeros(count, np.bool_))
