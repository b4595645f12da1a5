"""One name a verb: every command is a function of `slipstick` with the same parameters, and answers with a Report."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import slipstick
from command_parameters import command, hints, parameters
from commands import ROOT
from slipstick.cli import _COMMANDS
from slipstick.core.errors import SlipstickError
from slipstick.exploration.frontier import Frontier
from slipstick.report.comparison import Comparison
from slipstick.report.report import Report

ANSWERS = (Report, Frontier, Comparison)
NOUNS = {
    "Comparison", "DataSet", "Decoder", "Format", "Frontier", "Images", "Metric", "Network", "Op", "OperatorGraph",
    "Phase", "Plan", "Question", "Recipe", "Report", "SlipstickError", "Space", "Sweep", "System", "Table", "Topology",
    "TrainedNetwork", "Validation", "WeightLayer", "Workload", "__version__",
}  # fmt: skip
LOOK_UPS = {"data_set", "format_of", "from_torch", "network", "open_network", "system", "topology"}
OPTIONS = {
    "CalibrationImages", "EmitOptions", "EstimateOptions", "HybridOptions", "PlaceOptions", "QuestionOptions",
    "Retraining", "SearchOptions", "ShiftSchedule", "SimulateOptions", "TrialCounts",
}  # fmt: skip
EXTENSIONS = {  # what a kind of device, an engine, an encoding or an arithmetic of one's own is made of
    "ARITHMETICS", "Arithmetic", "Cost", "Device", "ENCODINGS", "Encoded", "Encoding", "Engine", "FormatFamily",
    "Operand", "StandIn", "register_device", "register_engines",
}  # fmt: skip
DEEPER = {  # packages that examples and docs may import from: libraries of one domain, too wide for the front page
    "array", "cluster", "compress", "core.arrays", "core.convolution_geometry", "core.files", "core.units",
    "engines.fred_paper", "fabric",
    "formats", "networks.graphs", "optics", "pictures", "testing", "trained", "training",
}  # fmt: skip
OPENING = {"mean", "deviation"}  # of `slipstick.open_network`, whose network a verb is given
SHOWING = {
    "details",
    "html",
    "rows",
    "json",
    "out",
    "packed",
    "plot",
    "threads",
    "weights",
}  # of a command alone: where answers go, how


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_is_a_function_of_the_same_name(name: str) -> None:
    assert inspect.isfunction(getattr(slipstick, name))
    assert getattr(slipstick, name).__doc__


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_parameter_of_a_command_is_one_of_its_verb(name: str) -> None:
    assert parameters(command(name)) - SHOWING - OPENING <= parameters(getattr(slipstick, name))


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_verb_answers_with_a_report_or_many(name: str) -> None:
    assert hints(getattr(slipstick, name))["return"] in ANSWERS


@pytest.mark.parametrize("name", _COMMANDS)
def test_no_verb_has_more_than_eight_parameters(name: str) -> None:
    assert len(inspect.signature(getattr(slipstick, name)).parameters) <= 8


@pytest.mark.parametrize(
    "ask",
    [
        lambda: slipstick.estimate("resnet-18", "swis-8x8", "formats=swis:3"),
        lambda: slipstick.ops("resnet-18", phase="infer"),
        lambda: slipstick.compare("resnet-18", "swis-8x8", "stripes-8x8"),
        lambda: slipstick.search("resnet-18", "swis-8x8", plan="formats=int8|int4", phase="infer", minimize="step"),
        lambda: slipstick.list(),
        lambda: slipstick.list("engines"),
        lambda: slipstick.show("swis-8x8"),
        lambda: slipstick.cite(),
    ],
)
def test_what_comes_back_shows_itself(ask: Callable[[], Any]) -> None:
    answer = ask()
    assert isinstance(answer, ANSWERS)
    assert answer.json()
    assert "<html" in answer.html()


def test_only_public_names_are_listed() -> None:
    assert set(dir(slipstick)) == _COMMANDS.keys() | NOUNS | LOOK_UPS | OPTIONS | EXTENSIONS
    assert set(slipstick.__all__) == set(dir(slipstick)) - {"list", "__version__"}
    assert builtins.list("ab") == ["a", "b"]


def test_type_checkers_and_python_see_the_same_names() -> None:
    tree = ast.parse(Path(slipstick.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    names = {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    names["list"] = names.pop("list_")
    assert names.keys() == slipstick._PUBLIC.keys()
    for name, place in slipstick._PUBLIC.items():
        module, _, attribute = place.partition(":")
        assert names[name] == f"slipstick.{module}:{attribute or name}"


def written_imports() -> Iterator[tuple[str, str]]:
    """Yield every module of ours that an example or a page of the docs imports from, with the file's name."""
    for path in (*sorted((ROOT / "examples").glob("*.py")), *sorted((ROOT / "docs").rglob("*.md"))):
        for module in re.findall(r"^ *from slipstick\.(\S+) import", path.read_text("utf-8"), re.MULTILINE):
            yield path.name, module


def test_examples_and_docs_import_public_names() -> None:
    shown = list(written_imports())
    assert shown
    for file, module in shown:
        assert any(f"{module}.".startswith(f"{package}.") for package in DEEPER), f"{file}: slipstick.{module}"


def test_a_misspelt_option_is_named() -> None:
    with pytest.raises(SlipstickError, match=r"bacth: no such option of `estimate`.*batch"):
        slipstick.estimate("llama-3.1-8b", "h100-sxm-80gb", bacth=8)  # type: ignore[call-arg]


def test_strict_speaks_python() -> None:
    with pytest.raises(SlipstickError, match=r"the report has findings and strict is set: .*do not fit"):
        slipstick.estimate("llama-3.1-70b", "h100-sxm-80gb", "tp=1", strict=True)


def test_overrides_as_text_are_those_of_a_mapping() -> None:
    asked = ("resnet-18", "swis-8x8", "formats=swis:3")
    text = slipstick.estimate(*asked, set=["system.memory.weights.capacity=32 KiB"])
    assert text == slipstick.estimate(*asked, set={"system.memory.weights.capacity": "32 KiB"})


def test_each_verb_has_its_file_and_the_file_is_short() -> None:
    folder = Path(slipstick.__file__).parent / "verbs"
    for name in _COMMANDS:
        path = folder / ("list_.py" if name == "list" else f"{name}.py")
        assert path.is_file(), name
        assert len(path.read_text("utf-8").splitlines()) <= 120, name
