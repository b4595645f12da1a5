"""The command line: what it prints where, and its exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

import slipstick
from commands import ROOT, Result
from slipstick import __version__
from slipstick.engines.catalogues import KINDS
from slipstick.report.metric import How
from slipstick.report.report import Report

Cli = Callable[..., Result]
CONFIG = ROOT / "examples" / "configs" / "Qwen--Qwen3-8B" / "config.json"
ASKED = ("estimate", CONFIG, "h100-sxm-80gb:8", "--plan", "tp=8,sp=true", "--batch", 8)


def test_version(cli: Cli) -> None:
    assert cli("--version").out.strip() == f"slipstick {__version__}"


def test_help_names_every_command(cli: Cli) -> None:
    text = cli("--help").out
    for name in ("estimate", "compare", "ops", "list", "show", "validate", "calibrate", "cite", "--install-completion"):
        assert name in text


@pytest.mark.parametrize("name", ["estimate", "compare", "ops", "list", "show", "validate", "calibrate", "cite"])
def test_every_command_has_help(cli: Cli, name: str) -> None:
    found = cli(name, "--help")
    assert found.code == 0
    assert f"slipstick {name}" in found.out


def test_estimate_prints_a_report(cli: Cli) -> None:
    found = cli(*ASKED)
    assert found.code == 0
    assert found.err == ""
    for text in ("bottleneck:", "step", "estimated", "qwen3-8b", "chosen by", "default", "sources", "papers"):
        assert text.casefold() in found.out.casefold()
    assert "\x1b" not in found.out
    assert max(len(line) for line in found.out.splitlines()) <= 120


def test_json_is_only_json_and_the_same_each_time(cli: Cli) -> None:
    found = cli(*ASKED, "--json")
    report = Report.from_json(found.out)
    assert report.breakdowns["ops"].rows
    assert cli(*ASKED, "--json").out == found.out
    assert cli(*ASKED, "--batch", 16, "--json").code == 2


@pytest.mark.parametrize("phase", ["train", "prefill", "decode"])
def test_every_figure_has_unit_and_origin(cli: Cli, phase: str) -> None:
    asked = ASKED if phase == "train" else [word.removesuffix(",sp=true") for word in map(str, ASKED)]
    report = Report.from_json(cli(*asked, "--phase", phase, "--json").out)
    for path, metric in report.flat().items():
        assert metric.unit, path
        assert metric.how in get_args(How), path
        assert metric.source, path


def test_html_beside_the_report(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    found = cli(*ASKED, "--html", path)
    assert found.out.count("bottleneck:") == 1
    assert "<html" in path.read_text("utf-8")
    assert "wrote" in found.err


def test_json_with_html_still_prints_only_json(cli: Cli, tmp_path: Path) -> None:
    json.loads(cli(*ASKED, "--json", "--html", tmp_path / "r.html").out)


def test_overrides_reach_every_root(cli: Cli) -> None:
    changes = ("system.memory.hbm.bandwidth=8 TB/s", "workload.batch=16", "plan.zero=1", "plan.parallel.microbatch=2")
    report = Report.from_json(cli(*ASKED, *(word for c in changes for word in ("--set", c)), "--json").out)
    inputs = report.inputs
    assert inputs["system"]["memory"]["hbm"]["bandwidth"] == 8e12
    assert inputs["system"]["sources"]["memory.hbm.bandwidth"] == "set by the user"
    assert inputs["workload"]["batch"] == 16
    assert inputs["plan"]["parallel"]["zero"] == 1
    assert inputs["plan"]["parallel"]["microbatch"] == 2


def test_overrides_reach_into_the_network(cli: Cli) -> None:
    asked = ("ops", CONFIG, "--set", "workload.network.blocks.0.mlp.ffn=16384", "--json")
    rows = json.loads(cli(*asked).out)["rows"]
    assert next(row for row in rows if row[0].endswith("down"))[5] == 16384


def test_a_quantised_checkpoint_is_served_as_it_is_stored(cli: Cli) -> None:
    config = ROOT / "examples" / "configs" / "deepseek-ai--DeepSeek-R1" / "config.json"
    asked = ("estimate", config, "h200-sxm-141gb:8", "--phase", "decode", "--json", "--plan")
    stored = Report.from_json(cli(*asked, "tp=8").out)
    wide = Report.from_json(cli(*asked, "tp=8,matmul=bf16").out)
    assert ("plan matmul", "fp8", "checkpoint") in stored.breakdowns["question"].rows
    assert 0.45 < stored.value("memory.parts.weights") / wide.value("memory.parts.weights") < 0.65


def test_more_bandwidth_is_not_slower(cli: Cli) -> None:
    slow = Report.from_json(cli(*ASKED, "--json").out)
    fast = Report.from_json(cli(*ASKED, "--set", "system.memory.hbm.bandwidth=8 TB/s", "--json").out)
    assert fast.value("time.step") <= slow.value("time.step")


def test_systems_in_other_technology(cli: Cli) -> None:
    asked = ("compare", CONFIG, "a100-sxm-80gb:8", "a100-sxm-80gb@3nm+hbm4:8", "--plan", "tp=8", "--json")
    rows = {row["path"]: row for row in json.loads(cli(*asked).out)["rows"]}
    assert rows["time.step"]["ratios"][1] < 1
    assert cli("show", "a100-sxm-80gb@3nm+hbm4").code == 0


def test_compare_systems_plans_and_files(cli: Cli, tmp_path: Path) -> None:
    systems = cli("compare", CONFIG, "a100-sxm-80gb:8", "h100-sxm-80gb:8", "--plan", "tp=8", "--json")
    assert len(json.loads(systems.out)["reports"]) == 2
    plans = json.loads(cli("compare", CONFIG, "h100-sxm-80gb:8", "--plan", "tp=8", "--plan", "tp=4", "--json").out)
    assert plans["reports"][0].endswith("tp=8")
    assert plans["reports"][1].endswith("tp=4")
    paths = []
    for name, plan in (("a", "tp=8"), ("b", "tp=4")):
        path = tmp_path / f"{name}.json"
        path.write_text(cli("estimate", CONFIG, "h100-sxm-80gb:8", "--plan", plan, "--json").out)
        paths.append(path)
    files = json.loads(cli("compare", *paths, "--json").out)
    assert [row["ratios"] for row in files["rows"]] == [row["ratios"] for row in plans["rows"]]
    page = tmp_path / "compare.html"
    assert cli("compare", *paths, "--html", page).code == 0
    assert "<html" in page.read_text("utf-8")


def test_ops_with_and_without_a_system(cli: Cli) -> None:
    whole = json.loads(cli("ops", CONFIG, "--json").out)
    mine = json.loads(cli("ops", CONFIG, "h100-sxm-80gb:8", "--plan", "tp=8", "--json").out)
    names = [column["name"] for column in whole["columns"]]
    assert names[:7] == ["op", "kind", "count", "m", "n", "k", "batch"]
    assert {"time", "bound"} <= {column["name"] for column in mine["columns"]}
    products = [row for row in mine["rows"] if row[1] == "matmul"]
    assert len(products) % 3 == 0, "each product has one forward and two backward"


@pytest.mark.parametrize("kind", ["systems", "workloads", "formats", "tech", "suites", "datasets", None])
def test_list(cli: Cli, kind: str | None) -> None:
    found = cli("list", *([kind] if kind else []))
    assert found.code == 0
    data = json.loads(cli("list", *([kind] if kind else []), "--json").out)
    assert data["columns"]


def test_the_help_of_list_names_catalogues_alone(cli: Cli) -> None:
    text = " ".join(cli("list", "--help").out.replace("│", " ").split())
    named = re.search(r"What a catalogue holds: (.*?), \.\.\.", text)
    assert named is not None
    assert set(named[1].split(", ")) <= set(KINDS)
    systems, workloads = (
        slipstick.list(name, kind=kind) for name, kind in (("systems", "array"), ("workloads", "graph"))
    )
    assert "such as graph of workloads or array of systems" in text
    assert systems.breakdowns["systems"].rows
    assert workloads.breakdowns["workloads"].rows


@pytest.mark.parametrize("name", ["h100-sxm-80gb", "h100-sxm-80gb:64", "gpt3-175b", "fp8", "llm"])
def test_show(cli: Cli, name: str) -> None:
    rows = json.loads(cli("show", name, "--json").out)["rows"]
    assert rows
    assert cli("show", name).code == 0


def test_everything_listed_can_be_shown(cli: Cli) -> None:
    for kind in ("systems", "workloads", "formats", "tech", "suites", "datasets"):
        for row in json.loads(cli("list", kind, "--json").out)["rows"]:
            assert cli("show", row[0]).code == 0, row[0]


def test_every_number_of_a_system_has_a_source(cli: Cli) -> None:
    for row in json.loads(cli("list", "systems", "--json").out)["rows"]:
        for path, value, source, *_ in json.loads(cli("show", row[0], "--json").out)["rows"]:
            assert source or value == "unknown", f"{row[0]}: {path} = {value}"


def test_cite(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(cli(*ASKED, "--json").out)
    every, some = cli("cite").out, cli("cite", path).out
    assert "@software{slipstick," in some
    assert len(some) <= len(every)


def test_colours_in_a_terminal_only(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "slipstick", "list"]  # short: a full terminal would make it wait
    done = subprocess.run(command, stdout=theirs, timeout=60, check=True, env=environment)
    os.close(theirs)
    assert done.returncode == 0
    assert b"\x1b[" in os.read(ours, 4096)
    os.close(ours)


def test_usage_errors_exit_2(cli: Cli) -> None:
    for tokens in (("estimat",), ("estimate",), ("estimate", "a", "b", "--batch", "many"), ("list", "sistems")):
        found = cli(*tokens)
        assert found.code == 2, tokens
        assert found.out == ""
        assert "Traceback" not in found.err


def test_strict_turns_findings_into_an_error(cli: Cli) -> None:
    asked = ("estimate", "gpt3-175b", "h100-sxm-80gb:8", "--plan", "tp=8")
    loose, strict = cli(*asked), cli(*asked, "--strict")
    assert loose.code == 0
    assert "memory" in loose.out
    assert "the largest part is" in loose.out
    assert strict.code == 2
    assert "the largest part is" in strict.err
    assert strict.out == ""


def test_a_bug_is_one_message(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("slipstick.verbs.list_.list_", broken)
    monkeypatch.delenv("SLIPSTICK_DEBUG", raising=False)
    found = cli("list")
    assert found.code == 70
    assert "a bug of slipstick: ZeroDivisionError" in found.err
    monkeypatch.setenv("SLIPSTICK_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli("list")


def test_interrupted(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("slipstick.verbs.list_.list_", interrupted)
    found = cli("list")
    assert found.code == 130
    assert found.err.strip() == "slipstick: interrupted"


def test_a_reader_that_leaves_early(tmp_path: Path) -> None:
    command = f"{sys.executable} -m slipstick list workloads --json | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() == "{"


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks into /proc")
def test_control_c_in_a_real_process(reference: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "slipstick", "validate", str(reference / "llm_validation.csv")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONDEVMODE": ""},
    )
    maps, deadline = Path(f"/proc/{process.pid}/maps"), time.monotonic() + 30
    while "numpy" not in maps.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)  # until the command is at work: before that, Python itself would answer
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    if process.returncode == 0:
        pytest.skip("the machine was quicker than the signal")
    assert process.returncode == 130
    assert "Traceback" not in err
    assert out == ""


def test_completion_scripts_exist() -> None:
    from slipstick.cli import build

    for shell in ("bash", "zsh", "fish"):
        assert "slipstick" in build().generate_completion(shell=shell)
