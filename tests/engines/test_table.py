"""The table of engines: one place that looks up, refuses, and says what would be taken."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import pytest

import slipstick
from commands import ROOT
from slipstick.core.device import device_kinds
from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.plan import short_keys
from slipstick.core.question import Question
from slipstick.core.workload import Phase
from slipstick.engines import table
from slipstick.engines.question import WEIGHTED, ask
from slipstick.engines.refusals import engine_for
from slipstick.engines.table import ENGINES, Engine, _rows_table, engines, register
from slipstick.report.report import Metric, Report
from slipstick.trained.weighted_network import WeightedNetwork

ALL = frozenset(short_keys().values())


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_registered", [])


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: f"{engine.verb}-{engine.device}-{engine.function}")
def test_every_row_names_a_function_of_one_question_and_fields_of_a_plan(engine: Engine) -> None:
    module, _, name = engine.function.partition(":")
    function = getattr(import_module(module), name)
    assert list(function.__annotations__) in (["question", "return"], ["question", "price", "return"])
    assert function.__annotations__["return"] == "Report"
    for pattern in engine.plan:
        path = pattern.removeprefix("!").partition("=")[0]
        assert any(re.fullmatch(path.replace(".", r"\.").replace("*", ".*"), field) for field in ALL), pattern
    assert slipstick.Plan.of(engine.default_plan)
    assert engine.device in device_kinds()


def test_patterns_of_the_plan_are_read() -> None:
    row = Engine("v", "d", (), (), ("parallel.*", "!parallel.cp", "parallel.zero=0|1", "stack"), "m:f")
    assert row.reads("parallel.tp")
    assert not row.reads("parallel.cp")
    assert row.reads("stack")
    assert not row.reads("serving.chunk")
    assert row.values("parallel.zero") == ("0", "1")
    assert row.values("parallel.tp") == ()
    text = Engine("v", "d", (), (), ("parallel.*", "!parallel.cp", "kernels.fused", "offload.*"), "m:f").plan_text
    assert text == "parallel but cp; offload; kernels.fused"
    assert Engine("v", "d", (), (), (), "m:f").plan_text == "none"


def test_the_table_is_printed_row_by_row() -> None:
    printed = slipstick.list("engines").breakdowns["engines"]
    assert printed == _rows_table()
    assert [(row[0], row[1]) for row in printed.rows] == [(engine.verb, engine.device) for engine in engines()]


@pytest.mark.parametrize(
    ("verb", "workload", "system", "asked", "said"),
    [
        ("estimate", "llama-3.1-8b", "swis-8x8", {}, r"workload: 'llama-3\.1-8b' is a decoder; swis-8x8 runs operator"),
        ("estimate", "llama-3.1-8b", "swis-8x8", {}, r"slipstick list workloads --kind graph"),
        ("estimate", "llama-3.1-8b", "h100", {"phase": "infer"}, r"phase: .* allowed: decode, prefill, train"),
        ("estimate", "resnet-50", "h100:8", {"plan": "zero=3"}, r"plan\.parallel\.zero: .* got 3; allowed: 0, 1, 2"),
        ("estimate", "resnet-50", "h100:8", {"plan": "tp=2"}, r"plan\.parallel\.tp: .*slipstick\.place"),
        ("estimate", "resnet-50", "h100:8", {"plan": "chunk=64"}, r"plan\.serving\.chunk: .* got 64; allowed: left"),
        ("estimate", "resnet-50", "h100:8", {"fabric": True}, r"fabric: .* allowed: train of decoders on accelerators"),
        ("estimate", "resnet-18", "swis-8x8:2", {}, r"system\.devices: .* got 2; allowed: 1"),
        ("simulate", "resnet-50", "h100", {}, r"system\.topology: .*dgx1-v100"),
        ("place", "resnet-18", "swis-8x8", {}, r"system: swis-8x8 is an array, which `place` does not answer for"),
        ("place", "resnet-18", "swis-8x8", {}, r"accelerator, such as dgx1-v100, wafer-fred-a, wafer-fred-b$"),
        ("place", "resnet-18", "dgx1-v100", {"plan": "tp=2"}, r"Fields that it reads: formats"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field_and_what_would_be_taken(
    verb: str, workload: str, system: str, asked: dict[str, object], said: str
) -> None:
    plan = asked.pop("plan", None)
    with pytest.raises(SlipstickError, match=said):
        engine_for(verb, ask(workload, system, plan, verb=verb, **asked))  # type: ignore[arg-type]


def test_systems_that_a_refusal_recommends_are_taken() -> None:
    with pytest.raises(SlipstickError, match="is an array, which") as caught:
        engine_for("place", ask("resnet-18", "swis-8x8", verb="place"))
    names = str(caught.value).partition("such as ")[2].split(", ")
    assert len(names) == 3
    for name in names:
        assert engine_for("place", ask("resnet-18", name, verb="place"))


def test_all_that_is_wrong_is_said_at_once() -> None:
    question = ask("llama-3.1-8b", "swis-8x8:2", "tp=2,zero=1", verb="simulate", phase="decode", efficiency=0.5)
    with pytest.raises(SpecErrors) as caught:
        engine_for("simulate", question)
    paths = [error.path for error in caught.value.errors]
    assert paths == ["workload", "phase", "efficiency", "system.devices", "plan.parallel.tp", "plan.parallel.zero"]


def test_defaults_and_auto_are_no_choice_of_the_user() -> None:
    assert engine_for("estimate", ask("resnet-50", "h100:8", "tp=1,pp=auto,recompute=none,zero=1"))
    assert engine_for("estimate", ask("resnet-18", "swis-8x8", {"tp": 1, "formats": "swis:3"}))


def test_defaults_come_from_the_row() -> None:
    array, gpu = ask("resnet-18", "swis-8x8"), ask("resnet-50", "h100:8")
    assert (array.workload.phase, gpu.workload.phase) == (Phase.INFER, Phase.TRAIN)
    assert (array.origins["phase"], array.origins["plan"]) == ("default", "default")
    assert gpu.plan.parallel.tp == "auto"
    assert ask("resnet-18", "dgx1-v100:2", verb="place").plan.formats.matmul == "fp16"
    assert ask("gpt3-175b", "wafer-mesh", verb="simulate").plan.parallel.zero == 2


def weigh(question: Question) -> Report:
    """Stand for an engine of somebody else: the parameters of a network."""
    weights = Metric(question.workload.network.parameters, "parameter", "estimated")
    return Report.of(question, {"weights": weights}, title="weighed")


def weights_of(question: Question) -> Report:
    """Stand for an engine of somebody else that gets a network with its weights."""
    network = WeightedNetwork.of(question.workload.network).trained
    total = Metric(sum(layer.weights.size for layer in network.layers()), "", "counted", "its file")
    return Report.of(
        question, {"weights": total}, title=f"{question.options.get('out')} {question.plan.formats.layers}"
    )


@pytest.mark.usefixtures("registered")
def test_another_device_joins_emit_and_measure_by_a_row() -> None:
    pytest.importorskip("tflite")
    small = ROOT / "examples" / "data" / "small.tflite"
    with pytest.raises(SlipstickError, match=r"is an array, which `emit` does not answer for"):
        slipstick.emit(small, "swis-8x8")
    row = Engine("emit", "array", (WEIGHTED,), (Phase.INFER,), ("formats.layers",), f"{__name__}:weights_of", ("out",))
    register(row, replace(row, verb="measure", options=()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(import_module("sys").modules, __name__, SimpleNamespace(weights_of=weights_of))
        emitted = slipstick.emit(small, "swis-8x8", "folder", formats="swis:2")
        measured = slipstick.measure(small, board="swis-8x8")
    assert emitted.title == "folder swis:2"
    assert emitted.value("weights") == measured.value("weights") > 0
    with pytest.raises(SlipstickError, match="patches: not an option of `emit` for a network with weights"):
        slipstick.emit(small, "swis-8x8", patches=True)


@pytest.mark.parametrize(
    ("verb", "network", "said"),
    [
        ("emit", "resnet-18", "'resnet-18' is an operator graph; nucleo-f446 runs networks with weights, such as"),
        ("measure", "gpt3-175b", "'gpt3-175b' is a decoder; nucleo-f446 runs networks with weights, such as"),
    ],
)
def test_sizes_without_weights_are_refused_where_weights_are_needed(verb: str, network: str, said: str) -> None:
    with pytest.raises(SpecErrors, match=re.escape(said)):
        engine_for(verb, ask(network, "nucleo-f446", verb=verb))


@pytest.mark.usefixtures("registered")
def test_a_registered_row_answers_is_listed_and_refuses() -> None:
    register(Engine("weigh", "array", ("decoder",), (Phase.DECODE,), ("parallel.tp",), f"{__name__}:weigh", ("heavy",)))
    question = ask("llama-3.1-8b", "swis-8x8", verb="weigh", heavy=True)
    assert question.workload.phase is Phase.DECODE
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(import_module("sys").modules, __name__, SimpleNamespace(weigh=weigh))
        report = engine_for("weigh", question).answer(question)
    assert report.value("weights") > 8e9
    assert report.inputs["heavy"] is True
    assert "weigh" in [row[0] for row in _rows_table().rows]
    with pytest.raises(SlipstickError, match="workload: 'resnet-18' is an operator graph"):
        engine_for("weigh", ask("resnet-18", "swis-8x8", verb="weigh"))
    with pytest.raises(SlipstickError, match="no such option of `weigh`"):
        ask("llama-3.1-8b", "swis-8x8", verb="weigh", light=True)
