"""A toy kind of device, the crossbar of examples/plugin, joins by a folder, rows of the table and one YAML alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import slipstick
from commands import ROOT, Result
from installed import CROSSBAR, installed_project, write_project_metadata
from slipstick.core.device import device_kinds
from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.system import System
from slipstick.engines.table import ENGINES
from slipstick.formats import format_of

Cli = Callable[..., Result]

READS = 4481  # of tiles of 256 x 256, by hand: 3 x 1024 + 256 + 512 + 256 + 128 + 192 + 64 + 1
PRODUCTS = 12_501_632  # half of resnet-8's FLOP
SECONDS, JOULES = READS * 100e-9, PRODUCTS * 10e-15


@pytest.fixture(autouse=True, scope="module")
def crossbar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with installed_project(CROSSBAR, tmp_path_factory.mktemp("site")):
        yield


def test_nothing_of_the_house_knows_it() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        named = [line for line in path.read_text("utf-8").splitlines() if re.search(r"kind\W+crossbar", line)]
        assert all("kind: Literal" in line for line in named), path  # the example in the docstring of core/device.py


def test_estimate_counts_reads_and_products() -> None:
    report = slipstick.estimate("resnet-8", "crossbar-256")
    assert report.value("time.step") == pytest.approx(SECONDS, rel=1e-12)
    assert report.value("energy.step") == pytest.approx(JOULES, rel=1e-12)
    assert report.value("throughput.samples") == pytest.approx(1 / SECONDS)
    assert sum(row[1] for row in report.breakdowns["layers"].rows) == pytest.approx(SECONDS)
    question = {row[0]: row[2] for row in report.breakdowns["question"].rows}
    assert (question["phase"], question["system"]) == ("default", "given")
    tenfold = slipstick.estimate("resnet-8", "crossbar-256", batch=10, set={"system.device.energy": "1 fJ"})
    assert tenfold.value("time.step") == pytest.approx(10 * SECONDS)
    assert tenfold.value("energy.step") == pytest.approx(JOULES)


def test_the_named_checks_look_at_its_report(cli: Cli) -> None:
    large = slipstick.estimate("resnet-50", "crossbar-256")
    assert [finding.check for finding in large.warnings] == ["memory_fits"]
    assert cli("estimate", "resnet-50", "crossbar-256", "--strict").code == 2


def test_html_json_and_text_show_its_figures(cli: Cli, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    printed = cli("estimate", "resnet-8", "crossbar-256", "--html", page)
    for text in (printed.out, page.read_text("utf-8")):
        for figure in ("448.1 us", "125 nJ", "reads of tiles"):
            assert figure.replace("us", "µs") in text or figure in text
    report = slipstick.Report.from_json(cli("estimate", "resnet-8", "crossbar-256", "--json").out)
    device = report.inputs["system"]["device"]
    assert device == {
        "kind": "crossbar",
        "lines": 256,
        "read_time": pytest.approx(1e-7),
        "energy": pytest.approx(1e-14),
    }


def test_search_minimises_its_energy_over_a_field_of_the_system() -> None:
    joules = [2e-15, 5e-15, 1e-15]
    space = slipstick.Space.of(
        system="crossbar-256", fields={"system.device.energy": joules, "system.device.lines": "64..256"}
    )
    frontier = slipstick.search("resnet-8", space, minimize="energy.step,time.step")
    assert len(frontier.points) == 9
    (unbeaten,) = frontier.pareto.iter_rows(named=True)
    assert (unbeaten["system.device.energy"], unbeaten["system.device.lines"]) == ("1e-15", "256")
    assert frontier.best().inputs["system"]["device"]["energy"] == 1e-15
    assert frontier.best().value("energy.step") == pytest.approx(PRODUCTS * 1e-15)
    fewer = slipstick.search("resnet-8", space, minimize="energy.step", subject_to="time.step < 0.5 ms")
    assert len(fewer.points) == 3
    assert "<svg" in frontier.html()


def test_search_on_the_command_line(cli: Cli) -> None:
    asked = ("search", "resnet-8", "crossbar-256", "--minimize", "energy.step")
    printed = cli(*asked, "--set", "system.device.energy=1..4 fJ")
    assert printed.code == 0, printed.err
    assert "--set system.device.energy='1 fJ'" in printed.out


def test_list_and_show_have_it(cli: Cli) -> None:
    rows = slipstick.list("engines").breakdowns["engines"].rows
    assert len(rows) == len(ENGINES) + 1
    (row,) = [row for row in rows if row[1] == "crossbar"]
    engine = "slipstick_crossbar.engine:estimate"
    assert row == ("estimate", "crossbar", "graph", "infer", "none", "at most 1 device", engine)
    assert list(row[:5]) in [line.split()[:5] for line in cli("list", "engines").out.splitlines()]
    listed = slipstick.list("systems", kind="crossbar").breakdowns["systems"].rows
    assert [name for name, *_ in listed] == ["crossbar-256"]
    shown = {row[0]: row[1:] for row in slipstick.show("crossbar-256").breakdowns["crossbar-256"].rows}
    assert shown["device.read_time"] == (
        "100 ns", "assumed: converters of 10 MS/s", "Time of one read of one tile, converters included"
    )  # fmt: skip
    assert shown["device.energy"][0] == "10 fJ"
    assert shown["device.lines"][2] == "Word lines, and bit lines, of one tile"
    assert shown["price"][0] == "unknown"


def test_refusals_name_what_would_be_taken() -> None:
    refused = {
        ("llama-3.1-8b", ""): "workload: 'llama-3.1-8b' is a decoder; crossbar-256 runs operator graphs such as",
        ("resnet-8", "tp=2"): r"plan\.parallel\.tp: `estimate` does not read it .*got 2; .*Fields that it reads: none",
        ("resnet-8", "formats=swis:3"): r"plan\.formats\.layers: .*got 'swis:3'",
    }
    for (workload, plan), said in refused.items():
        with pytest.raises(SlipstickError, match=said):
            slipstick.estimate(workload, "crossbar-256", plan)
    with pytest.raises(SlipstickError, match=r"phase: not a phase .*got 'train'; allowed: infer"):
        slipstick.estimate("resnet-8", "crossbar-256", phase="train")
    with pytest.raises(SlipstickError, match=r"system\.devices: .* of a crossbar; got 2; allowed: 1"):
        slipstick.estimate("resnet-8", "crossbar-256:2")
    with pytest.raises(SlipstickError, match=r"fabric: not an option of `estimate`"):
        slipstick.estimate("resnet-8", "crossbar-256", fabric=True)
    with pytest.raises(SlipstickError, match=r"crossbar-256 is a crossbar, which `simulate` does not answer for"):
        slipstick.simulate("resnet-8", "crossbar-256")
    with pytest.raises(SpecErrors) as caught:
        slipstick.estimate("llama-3.1-8b", "crossbar-256:2", "tp=2", phase="train")
    assert [error.path for error in caught.value.errors] == ["workload", "phase", "system.devices", "plan.parallel.tp"]


def test_a_description_that_does_not_fit_names_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("base: crossbar-256\nname: mine\ndevice: {lines: 0, energy: 3 V, enrgy: 2}\n")
    with pytest.raises(SpecErrors) as caught:
        slipstick.system(path)
    text = str(caught.value)
    for said in (
        "device.lines: out of range",
        "device.energy: ",
        "device.enrgy: no such field",
        "did you mean 'energy'",
    ):
        assert said in text
    path.write_text("base: crossbar-256\nname: mine\ndevice: {lines: 128}\n")
    assert slipstick.estimate("resnet-8", path).value("time.step") > SECONDS


def test_compare_puts_it_beside_an_array() -> None:
    comparison = slipstick.compare("resnet-8", "swis-8x8", "crossbar-256")
    rows = {row["path"]: row for row in json.loads(comparison.json())["rows"]}
    alone = slipstick.estimate("resnet-8", "swis-8x8").value("time.step")
    assert rows["time.step"]["ratios"][1] == pytest.approx(SECONDS / alone)
    assert "<html" in comparison.html()


def test_the_json_schema_of_a_system_lists_the_kind() -> None:
    members = System.model_json_schema()["properties"]["device"]["oneOf"]
    kinds = {member["properties"]["kind"]["const"]: member for member in members}
    assert kinds.keys() == device_kinds().keys() == {
        "accelerator", "array", "board", "correlator", "crossbar", "dot-product", "fourier", "host", "mixed-arrays",
        "photonic-array",
    }  # fmt: skip
    assert kinds["crossbar"]["properties"]["lines"]["description"] == "Word lines, and bit lines, of one tile"
    assert set(kinds["crossbar"]["required"]) >= {"lines", "read_time", "energy"}


def test_its_arithmetic_is_a_format_like_any_other(cli: Cli) -> None:
    assert format_of("int8@crossbar:10").name == "int8@crossbar:bits=10,lines=256"
    with pytest.raises(SlipstickError, match="a crossbar holds whole numbers"):
        format_of("fp8@crossbar")
    with pytest.raises(SlipstickError, match="did you mean 'crossbar'"):
        format_of("int8@crosbar")


def test_its_own_tests_pass_in_a_process_of_their_own(tmp_path: Path) -> None:
    write_project_metadata(CROSSBAR, tmp_path / "site")
    path = os.pathsep.join(map(str, (tmp_path / "site", CROSSBAR / "src", ROOT / "src")))
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path)]
    tests = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(CROSSBAR / "tests")],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert tests.returncode == 0, tests.stdout[-3000:] + tests.stderr[-2000:]
    assert int(re.findall(r"(\d+) passed", tests.stdout)[-1]) > 100


def test_the_command_line_of_a_new_process_knows_it(tmp_path: Path) -> None:
    write_project_metadata(CROSSBAR, tmp_path / "site")
    path = os.pathsep.join(map(str, (tmp_path / "site", CROSSBAR / "src", ROOT / "src")))
    command = [sys.executable, "-m", "slipstick", "estimate", "resnet-8", "crossbar-256", "--json"]
    environment = {**os.environ, "PYTHONPATH": path}
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert slipstick.Report.from_json(printed.stdout) == slipstick.estimate("resnet-8", "crossbar-256")
