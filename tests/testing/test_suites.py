"""The shipped suites can fail: a member that breaks a promise is caught by the test that asks for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from pydantic import Field

import slipstick.testing
from installed import CROSSBAR, installed_project
from slipstick.core.device import Device
from slipstick.core.topology import Topology
from slipstick.core.workload import Phase
from slipstick.engines.table import ENGINES, Engine
from slipstick.networks import network
from slipstick.placement import brute
from slipstick.report.metric import Metric
from slipstick.testing import (
    DeviceSuite,
    EngineSuite,
    NetworkSuite,
    SolverSuite,
    SystemSuite,
    TopologySuite,
)
from slipstick.testing.engine_suite import MinimalQuestion
from slipstick.testing.members import one_case_each
from slipstick.testing.solver_suite import wire


def fails(test: Callable[..., None], *arguments: Any) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception, KeyError, ValueError)):
        test(*arguments)


class Undescribed(Device):
    """A kind that nobody registered, with a field that nobody explains."""

    kind: Literal["undescribed"] = Field(default="undescribed", description="Kind of device: undescribed")
    size: int


def test_a_device_that_is_not_registered_or_explained_is_caught() -> None:
    suite = DeviceSuite()
    fails(suite.test_its_kind_tells_it_apart, Undescribed)
    fails(suite.test_every_field_is_described, Undescribed)
    fails(suite.test_the_json_schema_of_systems_lists_it, Undescribed)
    fails(suite.test_a_system_has_it, Undescribed)
    fails(suite.test_an_engine_answers_for_it, Undescribed)


def test_a_system_without_sources_is_caught(tmp_path: Any) -> None:
    path = tmp_path / "bare.yaml"
    memory = "memory: {ram: {capacity: 1 GiB, latency: 0 s}}\n"
    device = "device: {kind: accelerator, cores: 1, clock: 1 GHz, matrix: {}, vector: {}}\n"
    path.write_text(f"name: bare\n{device}{memory}")
    fails(SystemSuite().test_every_number_has_a_source, str(path))
    fails(SystemSuite().test_unknown_is_not_zero, str(path))


def test_a_system_that_no_engine_takes_is_caught(tmp_path: Any) -> None:
    with installed_project(CROSSBAR, tmp_path):
        SystemSuite().test_an_engine_answers_for_it("crossbar-256")
        crossbar = slipstick.system("crossbar-256")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("slipstick.testing.system_suite.resolve_system", lambda name: crossbar)
        fails(SystemSuite().test_an_engine_answers_for_it, "crossbar-256")


def test_a_topology_that_is_cut_or_overlaps_is_caught() -> None:
    suite, ring = TopologySuite(), wire(3)
    way = Topology.of("way", {"a": "npu", "b": "npu"}, [("a", "b", 1.0, 0.0)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("slipstick.testing.topology_suite.resolve_topology", lambda spec: spec)
        suite.test_every_device_reaches_every_other(ring)
        fails(suite.test_every_device_reaches_every_other, way)
        fails(suite.test_its_arrays_fit_together, replace(ring, bandwidth=np.zeros(ring.links)))
        fails(suite.test_its_arrays_fit_together, replace(ring, target=ring.source))
        fails(suite.test_its_arrays_fit_together, replace(ring, nodes=("a", "a", "b")))


def test_a_network_whose_work_does_not_follow_the_batch_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    suite, net = NetworkSuite(), network("resnet-8")
    suite.test_twice_the_batch_is_twice_the_work(net)
    kind = type(net)
    ops = kind.ops
    monkeypatch.setattr(kind, "ops", lambda self, phase, batch, *lengths: ops(self, phase, 1, *lengths))
    fails(suite.test_twice_the_batch_is_twice_the_work, net)
    monkeypatch.setattr(kind, "ops", lambda self, phase, batch, *lengths: ops(self, phase, batch, *lengths)[::-1])
    fails(suite.test_the_operator_graph_has_the_flops_of_the_operations, net)


class Liars(SolverSuite):
    solvers: ClassVar = {
        "claims": lambda problem: replace(brute.solve(problem), bound=brute.solve(problem).makespan + 1),
        "shifts": lambda problem: replace(brute.solve(problem), start=brute.solve(problem).start - 1),
        "waits": lambda problem: replace(brute.solve(problem), makespan=brute.solve(problem).makespan + 1),
    }


def test_a_solver_that_claims_too_much_or_breaks_a_rule_is_caught() -> None:
    suite = Liars()
    fails(suite.test_its_bound_and_makespan_enclose_the_optimum, "claims")
    fails(suite.test_its_bound_and_makespan_enclose_the_optimum, "waits")
    for name in ("shifts", "waits"):
        with pytest.raises(slipstick.SlipstickError):
            suite.test_its_schedules_keep_every_rule(name)


ARRAY = next(row for row in ENGINES if (row.verb, row.device) == ("estimate", "array"))


class Rows(EngineSuite):
    systems: ClassVar = {"array": "swis-8x8"}


def test_a_row_that_takes_more_than_it_says_is_caught() -> None:
    suite = Rows()
    case = MinimalQuestion(ARRAY, "graph", Phase.INFER)
    report = ARRAY.answer(suite.question(case))
    suite.test_its_figures_have_an_origin_and_no_error(case, report)
    figures = {"time": {"step": Metric(-1.0, "s", "estimated", "a lie")}}
    wrong = slipstick.Report.of(suite.question(case), figures, title="a time below zero")
    fails(suite.test_its_figures_have_an_origin_and_no_error, case, wrong)
    fails(suite.test_it_is_found_for_its_questions, case._replace(engine=replace(ARRAY, sweep="other:X")))
    fails(suite.test_its_row_names_what_there_is, replace(ARRAY, plan=("formats.no_such",)))
    fails(suite.test_its_row_names_what_there_is, replace(ARRAY, default_plan="tp=2"))
    fails(suite.test_other_fields_of_the_plan_are_refused, case._replace(engine=replace(ARRAY, plan=())))
    fails(suite.test_its_limits_are_kept, replace(ARRAY, max_devices=2))
    fails(suite.test_it_answers_alike_each_time, case, report.with_breakdowns({}))


def test_a_sweep_that_differs_from_the_reports_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    row = next(row for row in ENGINES if row.sweep)
    from slipstick.core.sweep import Sweep
    from slipstick.testing import engine_suite

    module, _, name = row.sweep.partition(":")
    real: Sweep = getattr(__import__(module, fromlist=[name]), name)
    EngineSuite().test_its_sweep_is_the_engine_point_by_point(row)

    def wrong(*arguments: Any) -> dict[str, Any]:
        columns = real.columns(*arguments)
        return {**columns, "time.step": 1.01 * columns["time.step"]}

    fake = SimpleNamespace(**{name: replace(real, columns=wrong)})
    monkeypatch.setattr(engine_suite, "import_module", lambda path: fake)
    fails(EngineSuite().test_its_sweep_is_the_engine_point_by_point, row)


def test_a_suite_without_members_is_refused() -> None:
    wanted = SimpleNamespace(fixturenames=["kind"], cls=DeviceSuite)
    with pytest.raises(TypeError, match="DeviceSuite names no members"):
        one_case_each(wanted, "kind", ())


def test_every_suite_says_which_truth_each_test_asks_for() -> None:
    for name in slipstick.testing.__all__:
        suite = getattr(slipstick.testing, name)
        tests = [test for test in dir(suite) if test.startswith("test_")]
        assert len(tests) >= 3, name
        assert all(len((getattr(suite, test).__doc__ or "").split()) >= 4 for test in tests), name


def test_without_pytest_the_cure_is_named() -> None:
    code = "import sys; sys.modules['pytest'] = None; import slipstick.testing"
    python = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert python.returncode == 1
    assert 'pytest: not installed; run: pip install "slipstick[testing]"' in python.stderr


def test_nothing_else_imports_the_suites_or_pytest() -> None:
    code = "import sys, slipstick; slipstick.estimate('resnet-8', 'swis-8x8'); print(sorted(sys.modules))"
    python = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "'pytest'" not in python.stdout
    assert "slipstick.testing" not in python.stdout


def test_a_new_row_is_a_new_case() -> None:
    class More(EngineSuite):
        rows: ClassVar = (
            ARRAY,
            Engine("estimate", "array", ("graph", "decoder"), (Phase.INFER, Phase.TRAIN), (), "m:f"),
        )

    cases: list[Any] = []
    wanted = SimpleNamespace(
        fixturenames=["case"], cls=More, parametrize=lambda name, members, **_: cases.extend(members)
    )
    More().pytest_generate_tests(wanted)
    assert len(cases) == 1 + 4
