"""Conformance suite of engines: tests that every entry of the table of engines must pass, run by pytest.

A package inherits it once for all of its rows, and may name the system and networks of the smallest questions::

    class TestEngines(EngineSuite):
        rows = ENGINES
        systems = {"crossbar": "crossbar-256"}
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import product
from typing import Any, ClassVar, NamedTuple, get_args

import numpy as np
import pytest

from slipstick.core.catalogue import resolve_system, systems
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Plan, PlanField, plan_fields
from slipstick.core.question import Question
from slipstick.core.spec import override
from slipstick.core.sweep import Sweep
from slipstick.core.system import System
from slipstick.core.workload import Phase
from slipstick.engines.question import WEIGHTED, ask
from slipstick.engines.refusals import engine_for
from slipstick.engines.table import Engine, engines, rows_of
from slipstick.exploration.figures import report_figures
from slipstick.report.metric import How
from slipstick.report.report import Report
from slipstick.testing.members import one_case_each

_WORKLOAD = "workload."
_OTHERS = {"whole number": "3", "number": "0.25", "text": "other"}  # values of a plan's fields that are no defaults


class MinimalQuestion(NamedTuple):
    """Smallest question to an entry of the table of engines: a kind of network in a phase that it supports."""

    engine: Engine
    network: str
    phase: Phase

    def __str__(self) -> str:
        return f"{self.engine.verb}-{self.engine.device}-{self.network}-{self.phase}"


class EngineSuite:
    """Tests of every entry in `rows` of the table of engines: it answers small questions, and refuses unsupported ones.

    `systems` names a system for each kind of device (else the first of the catalogue that fits the row), `networks` one
    for each kind of network, a file for `trained`; `options` are given to the verb (``measure``), or to the verb on a
    kind of device (``measure host``); `axes` are fields of the plan, or with their root of the
    workload, over which a row's vectorised form is compared with its Reports.
    """

    rows: ClassVar[Sequence[Engine]] = ()
    systems: ClassVar[Mapping[str, str | System]] = {}
    networks: ClassVar[Mapping[str, str]] = {"decoder": "qwen3-0.6b", "graph": "resnet-8"}
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    axes: ClassVar[Mapping[str, Sequence[Any]]] = {}

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Give each test one case per entry, or per kind of network and phase that an entry supports."""
        one_case_each(metafunc, "engine", self.rows, lambda row: f"{row.verb}-{row.device}-{'-'.join(row.phases)}")
        cases = [MinimalQuestion(row, *both) for row in self.rows for both in product(row.networks, row.phases)]
        one_case_each(metafunc, "case", cases, once=True)

    @pytest.fixture(scope="class")
    @classmethod
    def report(cls, case: MinimalQuestion) -> Report:
        """Return the Report of an engine on its smallest question."""
        return case.engine.answer(cls.question(case))

    @classmethod
    def question(cls, case: MinimalQuestion, **changes: Any) -> Question:
        """Return the smallest question that an engine accepts; changes are further arguments of `ask`."""
        verb = case.engine.verb
        own = cls.options.get(f"{verb} {case.engine.device}", cls.options.get(verb, {}))
        options = {**cls._sizes(case), **own, **changes}
        return ask(cls.networks[case.network], cls.system(case.engine), verb=verb, phase=case.phase, **options)

    @classmethod
    def system(cls, engine: Engine) -> System:
        """Return the system of an engine's smallest questions."""
        if engine.device in cls.systems:
            return resolve_system(cls.systems[engine.device])
        fitting = (
            system
            for _, system in systems.items()
            if system.device.kind == engine.device and (system.topology or not engine.needs_topology)
        )
        first = next(fitting)
        return first if engine.needs_topology else first.scaled(1 if engine.max_devices == 1 else 2)

    @classmethod
    def _sizes(cls, case: MinimalQuestion) -> dict[str, int]:
        """Return the smallest sizes: one sample per device, and for decoders short sequences."""
        sizes = {"batch": cls.system(case.engine).devices}
        return {**sizes, "sequence": 128} if case.network == "decoder" else sizes

    def test_its_row_names_what_there_is(self, engine: Engine) -> None:
        """The function takes a Question, patterns name fields of a plan, the default plan is one, systems are there."""
        module, _, name = engine.function.partition(":")
        parameters = list(getattr(import_module(module), name).__annotations__)
        assert parameters[0] == "question"
        assert parameters[-1] == "return"
        assert engine in engines()
        paths = {field.path for field in plan_fields()}
        for pattern in engine.plan:
            row = Engine("", "", (), (), (pattern.removeprefix("!").partition("=")[0],), "")
            assert any(row.reads(path) for path in paths), pattern
        for path, value in _fields(Plan.of(engine.default_plan)).items():
            assert value == "auto" or engine.reads(path), f"{path} of its default plan is not read"

    def test_it_is_found_for_its_questions(self, case: MinimalQuestion) -> None:
        """Looking up the smallest question finds the engine itself."""
        assert engine_for(case.engine.verb, self.question(case)) == case.engine

    def test_its_figures_have_an_origin_and_no_error(self, case: MinimalQuestion, report: Report) -> None:
        """The answer has figures, each finite, with its origin and source; no named check finds an error."""
        assert report.flat(), case
        for path, metric in report.flat().items():
            assert math.isfinite(metric.value), path
            assert metric.source, path
            assert metric.how in get_args(How), path
        assert [finding for finding in report.warnings if finding.severity == "error"] == []

    def test_its_report_is_read_and_shown(self, case: MinimalQuestion, report: Report) -> None:
        """JSON gives the very report back; text and HTML show each of its figures by name."""
        assert Report.from_json(report.json()) == report
        page, text = report.html(), report.table()
        for path in report.flat():
            name = path.rpartition(".")[2]
            assert name in page or name.replace("_", " ") in page, path
            assert name in text or name.replace("_", " ") in text, path
        assert report.inputs["system"]["name"] == self.system(case.engine).name
        assert report.inputs["workload"]["phase"] == case.phase

    def test_it_answers_alike_each_time(self, case: MinimalQuestion, report: Report) -> None:
        """The same question has the same answer, to the last digit."""
        if case.engine.verb == "estimate":
            assert case.engine.answer(self.question(case)) == report

    def test_other_networks_are_refused(self, engine: Engine) -> None:
        """A kind of network that no row of the verb takes on this device is refused, naming kinds that would do."""
        taken = {kind for row in rows_of(engine.verb, engine.device) for kind in row.networks}
        sizes_alone = self.networks.keys() - {WEIGHTED}  # a file with weights has sizes that others may take
        for kind in sizes_alone - taken:
            with pytest.raises(SlipstickError, match=rf"workload: '{self.networks[kind]}' is .*; .* runs .* such as"):
                self._looked_up(MinimalQuestion(engine, kind, engine.phases[0]))

    def test_other_phases_are_refused(self, engine: Engine) -> None:
        """A phase that no row of the verb takes is refused, naming those that would do."""
        for kind in engine.networks:
            rows = [row for row in rows_of(engine.verb, engine.device) if kind in row.networks]
            for phase in set(Phase) - {phase for row in rows for phase in row.phases}:
                with pytest.raises(SlipstickError, match=rf"phase: .* got '{phase}'; allowed: .*{engine.phases[0]}"):
                    self._looked_up(MinimalQuestion(engine, kind, phase))

    def test_other_fields_of_the_plan_are_refused(self, case: MinimalQuestion) -> None:
        """A field that the row does not read must stay at its default; the error says which fields it reads."""
        for field in plan_fields():
            values = case.engine.values(field.path)
            value = _another_value(field, values)
            if value is not None and field.path != "others" and (values or not case.engine.reads(field.path)):
                plan = Plan.of({field.path: value})
                with pytest.raises(SlipstickError) as caught:
                    engine_for(case.engine.verb, self.question(case).with_plan(plan))
                assert f"plan.{field.path}: " in str(caught.value)
                assert ("Fields that it reads: " if not values else "allowed: ") in str(caught.value)

    def test_its_limits_are_kept(self, engine: Engine) -> None:
        """More devices than it takes, devices without links, and options that it does not have are refused."""
        case = MinimalQuestion(engine, engine.networks[0], engine.phases[0])
        system = self.system(engine)
        if engine.max_devices is not None:
            with pytest.raises(SlipstickError, match=rf"system\.devices: .*allowed: {engine.max_devices}"):
                engine_for(engine.verb, self._on(case, system.scaled(engine.max_devices + 1)))
        if engine.needs_topology:
            with pytest.raises(SlipstickError, match=r"system\.topology: "):
                engine_for(engine.verb, self._on(case, system.model_copy(update={"topology": ""})))
        with pytest.raises(SlipstickError, match=f"no_such_option: no such option of `{engine.verb}`"):
            self.question(case, no_such_option=1)

    def test_its_sweep_is_the_engine_point_by_point(self, engine: Engine) -> None:
        """The vectorised form gives the figures of the Reports, in their units; of impossible plans none."""
        if not engine.sweep:
            return
        module, _, name = engine.sweep.partition(":")
        sweep: Sweep = getattr(import_module(module), name)
        axes = {path: values for path, values in self.axes.items() if path in sweep.fields}
        points = list(product(*axes.values()))
        places = [np.array([values.index(point[k]) for point in points]) for k, values in enumerate(axes.values())]
        question = self.question(MinimalQuestion(engine, engine.networks[0], engine.phases[0]), plan="others=off")
        columns = sweep.columns(question, axes, places)
        assert set(columns) == set(sweep.figures)
        answered = 0
        for place, point in enumerate(points):
            try:
                asked = _at(question, dict(zip(axes, point, strict=True)))
                figures = report_figures(engine.answer(asked), asked)
            except SlipstickError:
                assert all(np.isnan(values[place]) for values in columns.values()), point
                continue
            answered += 1
            for path, unit in sweep.figures.items():
                value, own_unit = figures[path]
                assert own_unit == unit, path
                assert columns[path][place] == pytest.approx(value, rel=1e-9), (path, point)
        assert answered

    def test_its_sweep_varies_what_it_takes(self, engine: Engine) -> None:
        """Fields that a search varies of itself are fields of the sweep, with values that it accepts."""
        if not engine.sweep:
            return
        module, _, name = engine.sweep.partition(":")
        sweep: Sweep = getattr(import_module(module), name)
        question = self.question(MinimalQuestion(engine, engine.networks[0], engine.phases[0]))
        choices = sweep.choices(question) if sweep.choices else {}
        for path, values in choices.items():
            assert engine.reads(path), path
            assert path in sweep.fields, path
            assert all(sweep.accepts(path, value) for value in values), path
        assert sweep.needs <= sweep.fields
        assert sweep.of_options.keys() <= set(engine.options)

    def _looked_up(self, case: MinimalQuestion) -> Engine:
        return engine_for(case.engine.verb, self.question(case))

    def _on(self, case: MinimalQuestion, system: System) -> Question:
        return ask(self.networks[case.network], system, verb=case.engine.verb, phase=case.phase)


def _at(question: Question, changes: Mapping[str, Any]) -> Question:
    """Return the question with some fields of its plan, and with their root of its workload, changed."""
    sizes = {path.removeprefix(_WORKLOAD): value for path, value in changes.items() if path.startswith(_WORKLOAD)}
    own = {path: value for path, value in changes.items() if not path.startswith(_WORKLOAD)}
    workload = override(question.workload, sizes, root="workload")
    return replace(question, workload=workload, plan=Plan.of({**_fields(question.plan), **own}))


def _fields(plan: Plan) -> dict[str, Any]:
    """Return the fields that a plan sets, by dotted path."""
    stated = plan.model_dump(exclude_unset=True)
    groups = {name: value if isinstance(value, dict) else {} for name, value in stated.items()}
    return {
        field.path: field.of(plan)
        for field in plan_fields()
        if field.path.rpartition(".")[2] in (groups.get(field.group, {}) if field.group else stated)
    }


def _another_value(field: PlanField, taken: Sequence[str]) -> str | None:
    """Return a value of a plan field that is neither open, nor off, nor supported; None if there is none."""
    off = str(field.of(Plan().off())).lower()
    choices = [_OTHERS.get(choice, choice) for choice in field.choices.split(" | ")]
    choices = ["int8" if choice == "other" and field.group == "formats" else choice for choice in choices]
    fitting = [choice for choice in choices if choice not in ("null", "auto", field.default, off, *taken)]
    return fitting[0] if fitting else None
